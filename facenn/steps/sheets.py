"""The engine's pictures beside the Imitator's: what a training shows of itself."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from facenn.images import to_pixels
from facenn.report.sheet import contact_sheet

SIDE, FACES = 256, 3  # of the pictures of the slider: there is one per look at the held-out renders


def side_by_side(engine: Tensor, drawn: Tensor) -> NDArray[np.uint8]:
    """A sheet with a row per face: engine, Imitator, and four times their difference.

    Args:
        engine: (B, 3, R, R) renders in [0, 1].
        drawn: (B, 3, R, R) the Imitator's pictures of the same faces.
    """
    tiles, captions = [], []
    for one, other in zip(engine, drawn, strict=True):
        difference = (4 * (one - other).abs()).clamp(0, 1)
        tiles += [to_pixels(picture) for picture in (one, other, difference)]
        captions += ["engine", "Imitator", "4 x difference"]
    return contact_sheet(tiles, columns=3, captions=captions)


def slide(sample: Tensor) -> NDArray[np.uint8]:
    """A small ``side_by_side`` of the first faces of a sample picture, for the slider of a run.

    Args:
        sample: (3, 2 R, B R) renders above, drawings below.
    """
    side = sample.shape[1] // 2
    engine, drawn = sample.reshape(3, 2, side, -1, side).permute(1, 3, 0, 2, 4)[:, :FACES]
    if side > SIDE:
        engine, drawn = (F.interpolate(pictures, (SIDE, SIDE), mode="area") for pictures in (engine, drawn))
    return side_by_side(engine, drawn)
