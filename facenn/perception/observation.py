"""What is seen in a picture of a face: who it is, where its points are, how skin, irises and hair look."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.arrays import Floats, Rows
from facenn.networks.cropping import sample_at
from facenn.networks.landmarks import FaceFinder
from facenn.networks.recognition import Ensemble
from facenn.perception.cells import CELLS
from facenn.perception.hair import hair_colour, hair_in_photo
from facenn.perception.irises import iris_colour
from facenn.perception.skin import SkinSpots

SIDE = 256  # pixels of the compared pictures: the recognition networks see 112 and 224, the landmark network 192


@dataclass(frozen=True)
class Observation:
    """What is seen in B pictures.

    Attributes:
        embedding: (B, E) of the recognition networks, of unit length.
        points: (B, 478, 2) landmarks as parts of the picture's side.
        skin: (B, T, 3) colours at the spots of a ``SkinSpots``, which move with the landmarks.
        iris: (B, 3) colour of the irises.
        cover: (B, CELLS, CELLS) share of each cell of the picture that hair covers.
        hair: (B, 3) colour of the hair; black where there is none.
    """

    embedding: Floats
    points: Floats
    skin: Floats
    iris: Floats
    cover: Floats
    hair: Floats

    def __len__(self) -> int:
        return len(self.embedding)

    def take(self, rows: Rows | slice | list[int]) -> "Observation":
        """Some of the B pictures, in the order of their numbers."""
        return Observation(*(getattr(self, f.name)[rows] for f in fields(self)))


def joined(parts: Sequence[Observation]) -> Observation:
    """All pictures of several observations, in their order."""
    return Observation(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Observation)))


@dataclass(frozen=True)
class Observer:
    """Networks that look at pictures, and where they look.

    Attributes:
        finder: finds landmarks.
        views: recognition networks, each view with crops of its own; never the one that judges fits.
        spots: of the skin that are looked at.
    """

    finder: FaceFinder
    views: Sequence[Ensemble]
    spots: SkinSpots

    @torch.no_grad()
    def see(self, pictures: Tensor, near: Tensor, *, hair: Tensor | None = None, passes: int = 1, view: int = 0
            ) -> Observation:
        """Look at faces.

        Args:
            pictures: (B, 3, SIDE, SIDE) RGB in [0, 1].
            near: (B, 478, 2 or 3) landmarks, in pixels, around which to look for those of the pictures.
            hair: (B, SIDE, SIDE) True where hair is; None to find it by its colour.
            passes: how often to look for the landmarks, each time where the last ones say.
            view: number of the view that tells people apart.
        """
        for _ in range(passes):
            near, _ = self.finder.landmarks(pictures, self.finder.square(near))
        return self.see_at(pictures, near, hair=hair, view=view)

    @torch.no_grad()
    def see_at(self, pictures: Tensor, landmarks: Tensor, *, hair: Tensor | None = None, view: int = 0) -> Observation:
        """Look at faces whose landmarks, (B, 478, 2 or 3) in pixels, are known; see ``see``."""
        embedding = self.views[view].embed(pictures, landmarks)
        points = (landmarks[..., :2] / SIDE).numpy().astype(np.float32)
        skin = _colours_at(smoothed(pictures), self.spots.places(points))
        iris = self.irises(pictures, points)
        pixels = pictures.movedim(1, -1).numpy()
        masks = (np.stack([hair_in_photo(one, at) for one, at in zip(pixels, points, strict=True)]) if hair is None
                 else hair.numpy())
        cover = F.adaptive_avg_pool2d(torch.from_numpy(masks).float()[:, None], CELLS)[:, 0].numpy()
        colour = np.stack([hair_colour(one, mask) for one, mask in zip(pixels, masks, strict=True)])
        return Observation(embedding.numpy(), points, skin, iris, cover, colour)

    @torch.no_grad()
    def irises(self, pictures: Tensor, points: Floats) -> Floats:
        """(B, 3) colour of the irises of pictures (B, 3, S, S) whose landmarks (B, 478, 2) are known."""
        colour: Floats = iris_colour(pictures, torch.from_numpy(points)).numpy()
        return colour


def smoothed(pictures: Tensor) -> Tensor:
    """(B, 3, S, S) pictures in which each pixel is the mean of itself and its neighbours: spots are looked up there."""
    return F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)


def _colours_at(pictures: Tensor, places: Floats) -> Floats:
    """(B, T, 3) colours of pictures (B, 3, S, S) at places (B, T, 2), as parts of their side."""
    found: Floats = sample_at(pictures, torch.from_numpy(places)).contiguous().numpy()
    return found
