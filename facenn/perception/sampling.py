"""Colours of pictures at places that need not be pixels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.arrays import Floats


def colours_at(pictures: Tensor, places: Floats) -> Floats:
    """(B, T, 3) colours of pictures (B, 3, S, S) at places (B, T, 2), as parts of their side."""
    found: Floats = sampled(pictures, torch.from_numpy(places)).contiguous().numpy()
    return found


def sampled(pictures: Tensor, places: Tensor) -> Tensor:
    """(B, T, 3) colours of pictures (B, 3, S, S) at places (B, T, 2); differentiable in both."""
    at = places[:, :, None] * 2 - 1
    return F.grid_sample(pictures, at, align_corners=False, padding_mode="border")[..., 0].mT
