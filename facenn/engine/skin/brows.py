"""Eyebrow styles, drawn hair by hair on the front of the face."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter

from facenn.engine.drawing import stroke
from facenn.engine.layout import BROW_ACROSS_RANGE, BROW_ALONG_LOW, BROW_ALONG_RANGE, BROW_FRAME, Brow

BAND = 2.0  # hairs are drawn on that many half thicknesses, so that a slider can thicken the brow



@dataclass(frozen=True)
class BrowStyle:
    """One style of eyebrow.

    Attributes:
        thickness: decimetres at the inner end, the peak and the tail.
        height: y at the same three places.
        across: x at the same three places.
        length: decimetres of one hair.
    """

    thickness: tuple[float, float, float]
    height: tuple[float, float, float]
    across: tuple[float, float, float]
    length: float


BROW_STYLES: dict[str, BrowStyle] = {
    "natural": BrowStyle((0.060, 0.048, 0.014), (7.447, 7.522, 7.457), (0.105, 0.38, 0.565), 0.075),
    "arched": BrowStyle((0.042, 0.036, 0.010), (7.457, 7.547, 7.467), (0.110, 0.39, 0.570), 0.060),
    "bushy": BrowStyle((0.085, 0.075, 0.034), (7.437, 7.512, 7.452), (0.085, 0.36, 0.575), 0.095),
    "straight": BrowStyle((0.055, 0.050, 0.020), (7.467, 7.482, 7.457), (0.100, 0.36, 0.570), 0.070),
    "angled": BrowStyle((0.050, 0.045, 0.012), (7.417, 7.542, 7.492), (0.105, 0.42, 0.585), 0.070),
    "drooping": BrowStyle((0.048, 0.050, 0.020), (7.497, 7.512, 7.417), (0.110, 0.33, 0.565), 0.070),
    "short": BrowStyle((0.060, 0.050, 0.012), (7.442, 7.512, 7.492), (0.100, 0.34, 0.480), 0.070),
    "thin": BrowStyle((0.024, 0.022, 0.008), (7.457, 7.552, 7.472), (0.120, 0.38, 0.575), 0.045),
}


def brow_map(style: BrowStyle, generator: np.random.Generator) -> NDArray[np.uint8]:
    """(H, W, 3) map of both brows on the frontal plane, channels ``Brow``, top row highest."""
    height, width = BROW_FRAME.shape
    x = np.abs(BROW_FRAME.left + (np.arange(width) + 0.5) / BROW_FRAME.scale)
    y = BROW_FRAME.high - (np.arange(height) + 0.5) / BROW_FRAME.scale
    inner, _, outer = style.across
    middle, thickness = (PchipInterpolator(style.across, row) for row in (style.height, style.thickness))
    held = np.clip(x, inner, outer)
    slope = middle(held, 1) * (x - held)
    away = np.abs(y[:, None] - (middle(held) + slope)) / np.maximum(thickness(held) / 2, 0.006)
    along = ((x - inner) / (outer - inner) - BROW_ALONG_LOW) / BROW_ALONG_RANGE
    result = np.empty((height, width, len(Brow)))
    result[..., Brow.HAIRS] = _hairs(style, middle, thickness, (height, width), generator)
    result[..., Brow.ALONG], result[..., Brow.ACROSS] = along, away / BROW_ACROSS_RANGE
    return np.ascontiguousarray((255 * np.clip(result, 0, 1)).astype(np.uint8))


def _hairs(style: BrowStyle, middle: PchipInterpolator, thickness: PchipInterpolator, shape: tuple[int, int],
           generator: np.random.Generator) -> NDArray[np.float32]:
    """Cover by strokes that rise at the inner end and lie down towards the tail."""
    canvas = np.zeros(shape, np.float32)
    inner, _, outer = style.across
    radius = np.linspace(0.85, 0.45, 5) * BROW_FRAME.scale / 500
    area = (outer - inner) * float(np.mean(style.thickness)) * BAND
    for side in (-1, 1):
        for _ in range(round(area * 16000)):
            x = inner - 0.02 + generator.random() ** 0.9 * (outer - inner + 0.05)
            held = float(np.clip(x, inner, outer))
            centre, towards_tail = float(middle(held)), (held - inner) / (outer - inner)
            y = centre + (generator.random() - 0.5) * BAND * max(float(thickness(held)), 0.012)
            rise = np.deg2rad(70) * (1 - towards_tail) ** 1.2 + 0.05 + 0.12 * generator.standard_normal()
            if y > centre:
                rise -= 0.35 * (1 - towards_tail)
            angle = np.arctan(float(middle(held, 1))) + rise
            length = style.length * (0.6 + 0.6 * generator.random()) * (1 - 0.35 * towards_tail)
            path = []
            for _ in range(6):
                path.append(((side * x - BROW_FRAME.left) * BROW_FRAME.scale, (BROW_FRAME.high - y) * BROW_FRAME.scale))
                x, y = x + np.cos(angle) * length / 5, y + np.sin(angle) * length / 5
                angle -= 0.12 + 0.1 * (1 - towards_tail)
            stroke(canvas, np.array(path), radius, 1.0, 0.30 + 0.45 * generator.random())
    cover: NDArray[np.float32] = np.maximum(canvas, 0.55 * gaussian_filter(canvas, 4))
    return cover
