"""Painted textures of hair cards and lashes."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from facenn.engine.drawing import stroke

CARD_COLUMNS = 8  # kinds of card side by side in the strand texture
STRAIGHT, CURLY = (0, 4), (4, 8)
"""Columns [first, last) of the texture with smooth locks and with curls."""

_ACROSS = 4  # horizontal oversampling while drawing
_DOWN = 2
_POINTS = 24  # of the polyline of one strand


def strand_texture(generator: np.random.Generator, card: int = 48, height: int = 256) -> NDArray[np.uint8]:
    """(height, CARD_COLUMNS * card, 2) brightness and coverage of strands, root at the top.

    The body of a card is closed and its brightness smooth: texture finer than the pixels of a picture turns into
    grain. Only the ends and the sides break up into strands.
    """
    shape = (height * _DOWN, card * CARD_COLUMNS * _ACROSS)
    coverage, brightness = np.zeros(shape, np.float32), np.full(shape, 0.5, np.float32)
    for column in range(CARD_COLUMNS):
        curly = CURLY[0] <= column < CURLY[1]
        clumps = np.sort(generator.uniform(-0.34, 0.34, 4 if curly else 3 + column % 2))
        for _ in range(46):
            path, radius = _strand(column, clumps, curly, card, height, generator)
            stroke(coverage, path, radius, 1.0, 1.0)
            stroke(brightness, path, radius, 0.5 + 0.33 * float(generator.uniform(-1, 1)), 0.8)
    coverage, brightness = (t.reshape(height, _DOWN, card * CARD_COLUMNS, _ACROSS).mean((1, 3))
                            for t in (coverage, brightness))
    texture = np.dstack([gaussian_filter(brightness, (2.0, 0.9)), coverage]).clip(0, 1) * 255
    return np.ascontiguousarray(texture.astype(np.uint8))


def _strand(column: int, clumps: NDArray[np.float64], curly: bool, card: int, height: int,
            generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Path in pixels of the oversampled texture, and radii, of one strand that leans to its nearest clump."""
    along = np.linspace(0, 1, _POINTS)
    x = generator.uniform(-0.40, 0.40)
    clump = clumps[np.argmin(np.abs(clumps - x))]
    end = (0.98 if generator.random() < 0.6 else 0.72) * (1 - 0.5 * x**2 / 0.16 * generator.random())
    end *= generator.uniform(0.86, 1)
    down = 0.05 * generator.random() + (end - 0.02) * along
    gather = 0.62 * down**2 * generator.uniform(0.6, 1.1)
    sway = 0.016 * np.sin(generator.uniform(4, 8) * down + generator.uniform(0, 6.3))
    if curly:
        sway = 0.055 * np.sin(generator.uniform(13, 17) * down + 7 * clump + generator.uniform(-0.7, 0.7))
    across = np.clip(x + (clump - x) * gather + sway * np.minimum(1, 5 * down), -0.44, 0.44)
    path = np.stack([(column + 0.5 + across) * card * _ACROSS, down * height * _DOWN], 1)
    thick = _ACROSS * card / 48 * generator.uniform(1.8, 4.0)
    radius = np.maximum(thick * (1 - along[1:] ** 3), 0.8) / 2
    return path, radius


def lash_texture(generator: np.random.Generator, height: int = 128, width: int = 1024) -> NDArray[np.uint8]:
    """(height, width, 2) upper lashes in the left half, lower ones in the right; root at the top row."""
    coverage = np.zeros((height, width), np.float32)
    along = np.arange(9) / 8
    for start, count, size, thick in ((0, 100, 0.50, 2.6), (522, 30, 0.18, 1.0)):
        radius = np.where(np.arange(8) < 3, thick, np.where(np.arange(8) < 6, 1.8, 1)) / 2
        for _ in range(count):
            x = generator.random() * 490
            length = height * (size + 0.35 * generator.random() * size)
            lean = (x / 490 - 0.25) * 60 * size + generator.standard_normal() * 8
            stroke(coverage, np.stack([start + x + lean * along**1.5, length * along], 1), radius, 1.0, 1.0)
    coverage[:8, :500] = 0.92
    alpha = (coverage * 255).astype(np.uint8)
    return np.ascontiguousarray(np.dstack([alpha, alpha]))
