"""Where a face is in a picture, and the cells of which a picture's coarse colours are the means."""

import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.images import SIDE
from facenn.networks.cropping import points_in_polygon

CELLS = 32  # per side: 16 pixels each, below which light and texture differ anyway


def coarse(pictures: Tensor) -> Tensor:
    """(B, 3, S, S) -> (B, 3, CELLS, CELLS) mean colours."""
    return F.adaptive_avg_pool2d(pictures, CELLS)


def cells_inside(outline: Tensor) -> Tensor:
    """(B, CELLS, CELLS) 1 for cells whose centre lies inside a polygon (B, N, 2) given in pixels, else 0."""
    at = (torch.arange(CELLS, device=outline.device, dtype=outline.dtype) + 0.5) * (SIDE / CELLS)
    centres = torch.stack(torch.meshgrid(at, at, indexing="xy"), -1)
    return points_in_polygon(centres.reshape(-1, 2), outline).reshape(-1, CELLS, CELLS).to(outline)
