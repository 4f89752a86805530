"""What the frozen networks see in photos, and which parts of a picture count."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.images import SIDE
from facenn.networks.frozen import Frozen

CELLS = 32  # of the coarse colours, per side: 16 pixels each, below which light and texture differ anyway
HAIR_WEIGHT = 0.3  # of cells around the face, where the background may show

FACE_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
             149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
"""Outline of the face among MediaPipe's points, in order."""


@dataclass(frozen=True)
class Target:
    """What the frozen networks see in B aligned photos.

    Attributes:
        embedding: (B, 128) of the recognition network F1.
        landmarks: (B, 478, 3) in pixels of the crop.
        colours: (B, 3, CELLS, CELLS).
        colour_weights: (B, CELLS, CELLS).
    """

    embedding: Tensor
    landmarks: Tensor
    colours: Tensor
    colour_weights: Tensor

    def __len__(self) -> int:
        return len(self.embedding)

    def take(self, photos: slice) -> "Target":
        """What is seen in some of them."""
        return Target(*(getattr(self, f.name)[photos] for f in fields(self)))

    @classmethod
    def of_all(cls, targets: Sequence["Target"]) -> "Target":
        """What is seen in the photos of several targets, in their order."""
        return cls(*(torch.cat([getattr(t, f.name) for t in targets]) for f in fields(cls)))


def see(pictures: Tensor, landmarks: Tensor, frozen: Frozen) -> Target:
    """What a fit shall reach.

    Args:
        pictures: (B, 3, SIDE, SIDE) photos, aligned to the framing of the engine.
        landmarks: (B, 478, 3) of the same, in pixels.
        frozen: the networks that look.
    """
    with torch.no_grad():
        return Target(frozen.sface.embed(pictures, landmarks), landmarks, coarse(pictures), head_weights(landmarks))


def coarse(pictures: Tensor) -> Tensor:
    """(B, 3, S, S) -> (B, 3, CELLS, CELLS) mean colours."""
    return F.adaptive_avg_pool2d(pictures, CELLS)


def head_weights(landmarks: Tensor) -> Tensor:
    """How much the colour of each cell counts: 1 on the face, less on the hair around it, 0 elsewhere.

    Args:
        landmarks: (B, 478, 3) in pixels of a crop of SIDE.

    Returns:
        (B, CELLS, CELLS).
    """
    outline = landmarks[:, list(FACE_OVAL), :2]
    low, high = outline.amin(1), outline.amax(1)
    centre, size = (low + high) / 2, high - low
    # hair starts beside the face and above the forehead, not below the chin
    stretched = centre[:, None] + (outline - centre[:, None]) * outline.new_tensor([1.3, 1.0])
    above = (outline[..., 1:] < centre[:, None, 1:]).to(outline)
    stretched = stretched - above * torch.stack([0 * size[:, 0], 0.35 * size[:, 1]], -1)[:, None]
    face, head = cells_inside(outline), cells_inside(stretched)
    return torch.maximum(face, HAIR_WEIGHT * head)


def cells_inside(outline: Tensor) -> Tensor:
    """(B, CELLS, CELLS) 1 for cells whose centre lies inside a polygon (B, N, 2) given in pixels, else 0."""
    at = (torch.arange(CELLS, device=outline.device, dtype=outline.dtype) + 0.5) * (SIDE / CELLS)
    centres = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1)
    return inside(centres.reshape(-1, 2), outline).reshape(-1, CELLS, CELLS).to(outline)


def inside(at: Tensor, outline: Tensor) -> Tensor:
    """(B, M) whether points (M, 2) lie inside of polygons (B, N, 2): a ray to the right crosses it an odd time."""
    x, y = at[None, :, None].unbind(-1)
    (from_x, from_y), (to_x, to_y) = (corners[:, None].unbind(-1) for corners in (outline, outline.roll(-1, 1)))
    straddles = (from_y > y) != (to_y > y)
    cross = from_x + (to_x - from_x) * (y - from_y) / (to_y - from_y)  # not a number for an edge that is level
    return (straddles & (x < cross)).sum(-1) % 2 == 1
