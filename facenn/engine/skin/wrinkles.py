"""Lines and folds of the face as a relief on its front, one zone per slider."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter

from facenn.engine.drawing import stroke
from facenn.engine.layout import ZONES

Maps = NDArray[np.float32]


@dataclass(frozen=True)
class _Line:
    """A groove along a curve of (x, y) on the right half of the face, and its mirror image on the left.

    A curve that begins at x = 0 goes on into its mirror image.

    Attributes:
        zone: one of ``ZONES``.
        points: decimetres.
        width: standard deviation of its profile in decimetres.
        depth: relative to the deepest.
        wander: standard deviation of random displacement of its points.
    """

    zone: str
    points: tuple[tuple[float, float], ...]
    width: float
    depth: float
    wander: float = 0.0


_LINES = (
    _Line("folds", ((0.182, 7.00), (0.225, 6.915), (0.270, 6.83), (0.300, 6.75), (0.305, 6.70)), 0.018, 1.0),
    _Line("folds", ((0.190, 6.99), (0.250, 6.88), (0.315, 6.76)), 0.045, 0.8),
    *(_Line("forehead", ((0.0, y), (0.12, y + 0.012), (0.26, y + 0.004), (0.42, y - 0.022)), 0.010, 0.65 * depth, 0.011)
      for y, depth in ((7.655, 0.5), (7.725, 0.9), (7.795, 1.0), (7.87, 0.8), (7.945, 0.5))),
    *(_Line("corners", ((0.475, 7.345), (0.53, (7.345 + end) / 2), (0.60, end)), 0.007, depth, 0.004)
      for end, depth in ((7.43, 0.7), (7.385, 0.9), (7.34, 1.0), (7.295, 0.8), (7.25, 0.5))),
    *(_Line("corners", ((0.22, 7.265 - drop), (0.30, 7.235 - drop), (0.40, 7.25 - drop)), 0.006, 0.45, 0.003)
      for drop in (0.0, 0.022)),
    _Line("frown", ((0.055, 7.44), (0.062, 7.53), (0.078, 7.62)), 0.014, 1.0, 0.003),
    _Line("frown", ((0.0, 7.425), (0.06, 7.425)), 0.014, 0.8, 0.003),
    _Line("mouth", ((0.245, 6.645), (0.272, 6.57), (0.278, 6.47)), 0.014, 0.9, 0.003),
    _Line("mouth", ((0.0, 6.492), (0.13, 6.478)), 0.020, 0.7),
    *(_Line("mouth", ((x, 6.785), (x * 1.12, 6.85)), 0.006, 0.5, 0.003) for x in (0.03, 0.075, 0.12, 0.165)),
    _Line("bags", ((0.185, 7.275), (0.23, 7.225), (0.30, 7.200), (0.38, 7.215), (0.445, 7.265)), 0.012, 0.75),
    _Line("bags", ((0.180, 7.285), (0.215, 7.225), (0.275, 7.165)), 0.018, 0.6),
    *(_Line("neck", ((0.0, y), (0.18, y + 0.015), (0.36, y + 0.06)), 0.014, 0.8, 0.006)
      for y in (6.05, 6.14, 6.20)),
    _Line("crease", ((0.180, 7.365), (0.215, 7.412), (0.27, 7.438), (0.33, 7.442), (0.40, 7.425), (0.465, 7.372)),
          0.007, 1.0),
)


def relief(left: float, bottom: float, shape: tuple[int, int], scale: float, generator: np.random.Generator
           ) -> tuple[Maps, Maps, Maps, NDArray[np.uint8]]:
    """Slopes and depth of all lines at full strength.

    Args:
        left: x of the map's left edge in decimetres.
        bottom: y of its lower edge.
        shape: height and width of the map in pixels; the top row is the highest.
        scale: pixels per decimetre.
        generator: of the wandering of lines.

    Returns:
        Two (H, W) maps of how far normals lean in x and y, the (H, W) depth 0..1, and the (H, W) zone: the number
        of the deepest line's zone, counted from 1; 0 where there is none.
    """
    depths = np.zeros((len(ZONES), *shape), np.float32)
    for line in _LINES:
        for curve in _curves(line, generator):
            pixels = np.stack([(curve[:, 0] - left) * scale, shape[0] - (curve[:, 1] - bottom) * scale], 1)
            _dig(depths[ZONES.index(line.zone)], pixels, line.width * scale, line.depth)
    zones = depths.argmax(0)
    deepest = np.take_along_axis(depths, zones[None], 0)[0]
    rise_x, rise_y = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for z, groove in enumerate(depths):
        # swollen skin beside a groove: the surface rises where its blurred neighbourhood sinks
        surface = 0.6 * gaussian_filter(groove, 0.03 * scale) - groove
        down, across = np.gradient(surface, 1 / scale)
        here = zones == z
        rise_x[here], rise_y[here] = -across[here], down[here]
    slopes = [np.tanh(0.010 * rise).astype(np.float32) for rise in (rise_x, rise_y)]
    return slopes[0], slopes[1], deepest, np.where(deepest > 0.004, zones + 1, 0).astype(np.uint8)


def _curves(line: _Line, generator: np.random.Generator) -> list[NDArray[np.float64]]:
    """Both halves of a line, or the whole of one that crosses the middle, as dense (N, 2) points."""
    right = np.array(line.points)
    mirrored = right * [-1, 1]
    halves = [np.concatenate([mirrored[:0:-1], right])] if right[0, 0] == 0 else [mirrored, right]
    curves = []
    for points in halves:
        wandered = points + generator.standard_normal(points.shape) * line.wander
        along = np.linspace(0, len(points) - 1, 8 * len(points))
        curves.append(PchipInterpolator(range(len(points)), wandered)(along))
    return curves


def _dig(depths: Maps, curve: NDArray[np.float64], width: float, depth: float) -> None:
    """Deepen a map along a curve, both in pixels; the groove fades out at its ends."""
    reach = math.ceil(6 * width) + 2
    left, top = np.floor(curve.min(0)).astype(int) - reach
    right, bottom = np.ceil(curve.max(0)).astype(int) + reach
    canvas = np.zeros((bottom - top, right - left), np.float32)
    stroke(canvas, curve - [left, top], np.full(len(curve) - 1, 0.5), 1.0, 1.0)
    groove = gaussian_filter(canvas, width)
    ends = gaussian_filter(groove, 2 * width)  # lower where the line ends
    groove = depth * groove / groove.max() * np.minimum(1.15 * ends / ends.max(), 1)
    rows = slice(max(top, 0), min(bottom, depths.shape[0]))
    columns = slice(max(left, 0), min(right, depths.shape[1]))
    inside = groove[rows.start - top:rows.stop - top, columns.start - left:columns.stop - left]
    np.maximum(depths[rows, columns], inside, out=depths[rows, columns])
