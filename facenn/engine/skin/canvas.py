"""The face canvas: what is painted on the front of the face alone, seen straight on.

Decimetres as those of the head: x sideways, y up.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter, maximum_filter

from facenn.arrays import Floating
from facenn.engine.head.mesh import smoothstep
from facenn.engine.layout import CANVAS_FRAME, SIGNED_CANVAS, Canvas
from facenn.engine.skin.wrinkles import relief

BEHIND = 0.0  # z behind which nothing of the canvas is painted

LID = ((0.185, 0.22, 0.25, 0.31, 0.37, 0.40, 0.44), (7.330, 7.3575, 7.3706, 7.3785, 7.3706, 7.3600, 7.335))
"""x and y of the upper lid's edge."""



def on_canvas(positions: Floating) -> NDArray[np.float32]:
    """(N, 3) points of the neutral head -> (N, 2) coordinates on the face canvas, 0..1, y upwards."""
    frame = CANVAS_FRAME
    x = np.where(positions[:, 2] < BEHIND, np.where(positions[:, 0] < 0, frame.left, frame.right) * 2, positions[:, 0])
    y = positions[:, 1]
    return np.stack([(x - frame.left) / frame.width, (y - frame.low) / frame.height], 1).astype(np.float32)


def face_canvas() -> NDArray[np.uint8]:
    """(H, W, channels ``Canvas``) make-up, spots, circles under the eyes, and the relief of lines."""
    frame = CANVAS_FRAME
    height, width = frame.shape
    x, y = np.meshgrid(np.abs(frame.left + (np.arange(width) + 0.5) / frame.scale),
                       frame.high - (np.arange(height) + 0.5) / frame.scale)
    lean_x, lean_y, depth, zones = relief(frame.left, frame.low, (height, width), frame.scale, np.random.default_rng(4))
    generator = np.random.default_rng(21)
    liner = np.exp(-(((y - PchipInterpolator(*LID)(np.clip(x, LID[0][0], LID[0][-1])) - 0.004) / 0.015) ** 2))
    liner *= smoothstep(0.18, 0.23, x) * smoothstep(0.46, 0.41, x)
    lower = np.exp(-(((y - 7.306 - 0.9 * (x - 0.29) ** 2) / 0.010) ** 2))
    liner = np.maximum(liner, 0.45 * lower * smoothstep(0.24, 0.36, x) * smoothstep(0.45, 0.41, x))
    freckled = spot(x, y, 0.30, 7.1, 0.30, 0.14, 1) + spot(x, y, 0, 7.12, 0.2, 0.1, 1) + 0.15
    circles = spot(x, y, 0.29, 7.255, 0.13, 0.050, 1.5) + 0.6 * spot(x, y, 0.19, 7.30, 0.05, 0.07, 1)
    canvas = {Canvas.BLUSH: spot(x, y, 0.46, 7.03, 0.17, 0.13, 1),
              Canvas.EYE_SHADOW: spot(x, y, 0.31, 7.435, 0.17, 0.055, 1.6), Canvas.LINER: liner,
              Canvas.FRECKLES: _spots((height, width), generator, 1100, 0.010) * np.clip(freckled, 0, 1),
              Canvas.MOLES: _spots((height, width), generator, 60, 0.017), Canvas.CIRCLES: circles,
              Canvas.LEAN_X: lean_x, Canvas.LEAN_Y: lean_y, Canvas.GROOVE: depth}
    result = np.zeros((height, width, len(Canvas)), np.uint8)
    for channel, values in canvas.items():
        result[..., channel] = encoded(values, signed=channel in SIGNED_CANVAS)
    result[..., Canvas.ZONE] = zones
    blank = np.where(np.isin(np.arange(len(Canvas)), SIGNED_CANVAS), 128, 0)
    for edge in (result[0], result[-1], result[:, 0], result[:, -1]):  # what lies outside looks up the edge
        edge[:] = blank
    result[..., Canvas.PAINTED] = maximum_filter((np.abs(result.astype(int) - blank) > 1).any(-1), 5)
    return result


def encoded(values: Floating, *, signed: bool) -> NDArray[np.uint8]:
    """0..1, or -1..1 where signed, as bytes."""
    return np.clip(128 + 127 * values if signed else 255 * values, 0, 255).astype(np.uint8)


def spot(x: Floating, y: Floating, at_x: float, at_y: float, width: float, height: float, power: float) -> Floating:
    """A soft spot of a half width and half height; a power above 1 makes it flatter with a harder edge."""
    value: Floating = np.exp(-((((x - at_x) / width) ** 2 + ((y - at_y) / height) ** 2) ** power))
    return value


def _spots(shape: tuple[int, int], generator: np.random.Generator, count: int, size: float) -> Floating:
    """Round spots of varying size and darkness at random places."""
    total = np.zeros(shape, np.float32)
    for radius in (0.5 * size, 0.75 * size, size):
        dots = np.zeros(shape, np.float32)
        rows, columns = (generator.integers(0, n, count // 3) for n in shape)
        dots[rows, columns] = 0.4 + 0.6 * generator.random(count // 3)
        sigma = radius * CANVAS_FRAME.scale * 0.6
        total += gaussian_filter(dots, sigma) * (2 * np.pi * sigma**2)
    return np.clip(total, 0, 1)
