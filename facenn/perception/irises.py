"""The colour of irises: where it is looked at, and what it is without what the eye mirrors in a photo."""

import numpy as np
import torch
from torch import Tensor

from facenn.arrays import Floats
from facenn.networks.cropping import sample_at
from facenn.networks.facemesh import IRISES
from facenn.perception.skin import LUMINANCE

# Where an iris is looked at, in its radii and in degrees below the horizontal: left and right of its middle, for lids
# cover it above and below, and lamps are mirrored in the middle.
IRIS_RADII, IRIS_TURNS = (0.45, 0.6, 0.75), (-20, -5, 10, 25, 40)

GAIN = 2.2  # brown irises differ that much more from grey in drawn faces than in studio photos
DARKEST, DARK = 0.14, 0.19  # sRGB; from the second to the first one an iris is ever more surely brown
BROWN = np.array([1.43, 0.96, 0.61], np.float32)  # of a drawn brown iris, in parts of its mean


def iris_places(points: Tensor) -> Tensor:
    """(B, 478, 2) landmarks -> (B, T, 2) spots on the sides of both irises."""
    turns = np.deg2rad([*IRIS_TURNS, *(180 - t for t in IRIS_TURNS)])
    spots = points.new_tensor(np.concatenate([r * np.stack([np.cos(turns), np.sin(turns)], -1) for r in IRIS_RADII]))
    places = []
    for middle, *border in IRISES:
        centre = points[:, [middle]]
        radius = (points[:, border] - centre).norm(dim=-1).mean(1)
        places.append(centre + radius[:, None, None] * spots)
    return torch.cat(places, 1)


def iris_colour(pictures: Tensor, points: Tensor) -> Tensor:
    """(B, 3) of both irises without the darker and the lighter quarter: lashes, pupils, lamps, sclera.

    Args:
        pictures: (B, 3, S, S) RGB; the colours are differentiable in them.
        points: (B, 478, 2) landmarks as parts of the pictures' side.
    """
    seen = sample_at(pictures, iris_places(points))
    order = (seen.detach() @ seen.new_tensor(LUMINANCE)).argsort(1)
    quarter = order.shape[1] // 4
    return seen.gather(1, order[:, quarter:-quarter, None].expand(-1, -1, 3)).mean(1)


def cleared(irises: Floats) -> Floats:
    """(B, 3) colours of irises in photos without what is mirrored in them: moved away from grey.

    Dark irises are brown.
    """
    mean = irises.mean(1, keepdims=True)
    sure = np.clip((DARK - mean) / (DARK - DARKEST), 0, 1)
    clear: Floats = (1 - sure) * (mean + GAIN * (irises - mean)) + sure * mean * BROWN
    return clear
