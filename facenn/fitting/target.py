"""What the frozen networks see in photos, and which parts of a picture count."""

from dataclasses import dataclass

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
    face, head = inside(outline), inside(stretched)
    return torch.maximum(face, HAIR_WEIGHT * head)


def inside(outline: Tensor) -> Tensor:
    """(B, CELLS, CELLS) 1 for cells whose centre lies inside a polygon (B, N, 2) given in pixels, else 0."""
    at = (torch.arange(CELLS, device=outline.device, dtype=outline.dtype) + 0.5) * (SIDE / CELLS)
    x, y = at[None, None, :, None], at[None, :, None, None]
    start, end = outline[:, None, None], outline.roll(-1, 1)[:, None, None]
    straddles = (start[..., 1] > y) != (end[..., 1] > y)
    slope = (end[..., 0] - start[..., 0]) / (end[..., 1] - start[..., 1] + 1e-9)
    crossings = (straddles & (x < start[..., 0] + slope * (y - start[..., 1]))).sum(-1)
    return (crossings % 2).to(outline)
