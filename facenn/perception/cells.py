"""Where a face is in a picture, and the cells of which a picture's coarse colours are the means."""

import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.images import SIDE

CELLS = 32  # per side: 16 pixels each, below which light and texture differ anyway

FACE_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
             149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
"""Outline of the face among MediaPipe's points, in order."""


def coarse(pictures: Tensor) -> Tensor:
    """(B, 3, S, S) -> (B, 3, CELLS, CELLS) mean colours."""
    return F.adaptive_avg_pool2d(pictures, CELLS)


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
