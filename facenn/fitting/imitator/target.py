"""What a fit through an Imitator shall reach: what the frozen networks see in photos, and which colours count."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.networks.facemesh import FACE_OVAL
from facenn.networks.frozen import Frozen
from facenn.networks.traits import Traits
from facenn.perception.cells import CELLS, cells_inside, coarse
from facenn.perception.hair import FEWEST, hair_colour, surfaces_in_photo, surroundings
from facenn.perception.irises import cleared, iris_colour

SEEN_SIDE = 256  # pixels in which wall and irises are looked for
HEAD_WEIGHT, WALL_WEIGHT = 0.6, 0.3  # of cells around the face, beside 1 of those in it


@dataclass(frozen=True)
class Target:
    """What the frozen networks see in B aligned photos.

    Attributes:
        embedding: (B, E) of the recognition networks, F1.
        landmarks: (B, 478, 3) in pixels of the crop.
        colours: (B, 3, CELLS, CELLS), with the engine's wall around the head.
        colour_weights: (B, CELLS, CELLS), nothing where the wall is: hair that reaches too far would be hidden by
            the wall's colour.
        hair_weights: (B, CELLS, CELLS), of the head around the face alone: the colour of hair is that of brows and
            beards, too, and would be chosen for them.
        outline_weights: (B, CELLS, CELLS), with the wall: what tells which hair reaches how far.
        irises: (B, 3) their colour as the embedded engine would draw it: other engines may have livelier ones.
        traits: B times sex and age.
    """

    embedding: Tensor
    landmarks: Tensor
    colours: Tensor
    colour_weights: Tensor
    hair_weights: Tensor
    outline_weights: Tensor
    irises: Tensor
    traits: tuple[Traits, ...]

    def __len__(self) -> int:
        return len(self.embedding)

    def take(self, photos: slice) -> "Target":
        """What is seen in some of them."""
        return Target(*(getattr(self, f.name)[photos] for f in fields(self)))

    @classmethod
    def of_all(cls, targets: Sequence["Target"]) -> "Target":
        """What is seen in the photos of several targets, in their order."""
        tensors = {f.name: torch.cat([getattr(t, f.name) for t in targets]) for f in fields(cls) if f.name != "traits"}
        return cls(**tensors, traits=tuple(traits for t in targets for traits in t.traits))


@torch.no_grad()
def see(pictures: Tensor, landmarks: Tensor, frozen: Frozen, *, wall: Tensor) -> Target:
    """What a fit shall reach.

    Args:
        pictures: (B, 3, SIDE, SIDE) photos, aligned to the framing of the engine.
        landmarks: (B, 478, 3) of the same, in pixels.
        frozen: the networks that look.
        wall: (3,) colour of what is behind the engine's faces.
    """
    faces = cells_inside(landmarks[:, list(FACE_OVAL), :2])
    seen = [_around(picture, points, wall) for picture, points in zip(pictures, landmarks, strict=True)]
    around, head, behind = (torch.stack(part) for part in zip(*seen, strict=True))
    weights, hair = torch.maximum(faces, HEAD_WEIGHT * head), head * (1 - faces)
    colours = torch.where(faces[:, None] > 0, coarse(pictures), around)
    irises = torch.from_numpy(cleared(irises_in(pictures, landmarks).cpu().numpy())).to(pictures)
    traits = tuple(frozen.traits.of(picture[None], points[None])
                   for picture, points in zip(pictures, landmarks, strict=True))
    return Target(frozen.ensemble.embed(pictures, landmarks), landmarks, colours, weights, hair,
                  torch.maximum(weights, WALL_WEIGHT * behind), irises, traits)


def irises_in(pictures: Tensor, landmarks: Tensor) -> Tensor:
    """(B, 3) colour of the irises of pictures (B, 3, SIDE, SIDE), in which it is differentiable.

    Args:
        pictures: RGB in [0, 1].
        landmarks: (B, 478, 3) in their pixels.
    """
    side = pictures.shape[-1]
    return iris_colour(F.avg_pool2d(pictures, side // SEEN_SIDE), landmarks[..., :2] / side)


def _around(picture: Tensor, landmarks: Tensor, wall: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What is around a face: (3, C, C) colours, (C, C) whether a cell is of the head alone, (C, C) how much is wall.

    Hair is without its highlights, and the wall is another one.
    """
    shrunk = F.avg_pool2d(picture, picture.shape[-1] // SEEN_SIDE)
    points = (landmarks[:, :2] / picture.shape[-1]).cpu().numpy()
    pixels = np.ascontiguousarray(shrunk.movedim(0, -1).cpu().numpy())
    hair, behind = surfaces_in_photo(pixels, points)
    if hair.sum() >= FEWEST:
        pixels[hair] = hair_colour(pixels, hair)
    head = 1 - torch.from_numpy(behind).to(picture)
    painted = torch.from_numpy(pixels).to(picture).movedim(-1, 0)
    share = coarse(head[None])
    colours = coarse(head * painted + (1 - head) * wall[:, None, None])
    where = torch.from_numpy(surroundings(points, CELLS)).to(picture)
    return colours, (where * (share == 1))[0], (where * (1 - share))[0]
