"""The table of samples that are shaded together, and the arithmetic that all materials share.

A sample is a column of the table, what is known of it are rows: first its attributes, then the channels of the skin
texture and of the face canvas at its place, then what follows from them.
"""

import math
from enum import IntEnum, auto

import numba as nb

from facenn.arrays import Bytes, Floats
from facenn.engine.kernels.tables import f4
from facenn.engine.layout import INTERPOLATED, Attribute, Colour, Texture

LANES = 128  # samples of one material that are shaded together, by the processor's vector instructions
TEXEL = len(Attribute)  # row at which channels of the skin texture begin
PAINT = TEXEL + len(Texture)  # row at which channels of the face canvas begin


class Row(IntEnum):
    """Rows of the table of samples, after attributes, texture and canvas: what follows from these."""

    COLUMN = PAINT + INTERPOLATED
    SHARE = auto()  # of its pixel
    ABOVE = auto()  # decimetres to the lid or lip
    BELOW = auto()
    LINE = auto()  # strength of the lines here
    COVER = auto()  # of a brow
    VIEW_X = auto()  # direction to the camera
    VIEW_Y = auto()
    VIEW_Z = auto()
    MOTTLED = auto()
    FLUSHED = auto()
    STUBBLE = auto()
    BEARD = auto()
    PAINTED_HAIR = auto()
    LEANS_X = auto()
    LEANS_Y = auto()
    RELIEF = auto()
    RESULT = auto()  # and the two after it: linear colour


class HairRow(IntEnum):
    """What cards of hair keep in the rows of the canvas, where they have nothing."""

    TANGENT = PAINT  # and the two after it
    COLOUR = PAINT + 3  # and the two after it
    BRIGHT = PAINT + 6
    OF_COLOUR = auto()
    WHITE = auto()


ROWS = int(Row.RESULT) + 3
ZERO_OF_SIGNED = f4(128 / 255)  # what bytes of signed channels mean 0

PALENESS, FAIRNESS = f4(2.6), f4(3)  # per green light of skin and of hair: from which tones they count as light


@nb.njit(inline="always")
def clamp01(x: f4) -> f4:
    """The number limited to 0..1."""
    return min(max(x, f4(0)), f4(1))


@nb.njit(forceinline=True)
def at(row: int, lane: int) -> int:
    """Where a lane keeps its entry of a row: rows lie a constant apart, so the compiler sees that they differ."""
    return row * LANES + lane


@nb.njit(error_model="numpy", forceinline=True)
def sample(texture: Bytes, u: f4, v: f4, channels: int, S: Floats, row: int, lane: int) -> None:
    """Bilinear lookup of the first ``channels`` channels, scaled to 0..1, into as many rows."""
    height, width = texture.shape[0], texture.shape[1]
    x, y = u * f4(width) - f4(0.5), (f4(1) - v) * f4(height) - f4(0.5)
    column, line = math.floor(x), math.floor(y)
    fx, fy = x - f4(column), y - f4(line)
    column, line = min(max(column, 0), width - 2), min(max(line, 0), height - 2)
    scale = f4(1 / 255)
    w00, w01 = (f4(1) - fx) * (f4(1) - fy) * scale, fx * (f4(1) - fy) * scale
    w10, w11 = (f4(1) - fx) * fy * scale, fx * fy * scale
    for c in range(channels):
        S[at(row + c, lane)] = (f4(texture[line, column, c]) * w00 + f4(texture[line, column + 1, c]) * w01
                                 + f4(texture[line + 1, column, c]) * w10
                                 + f4(texture[line + 1, column + 1, c]) * w11)


@nb.njit(error_model="numpy", forceinline=True)
def nearest(texture: Bytes, u: f4, v: f4, channel: int) -> int:
    """The byte of a channel of the texel at a place."""
    height, width = texture.shape[0], texture.shape[1]
    row = min(max(int((f4(1) - v) * f4(height)), 0), height - 1)
    column = min(max(int(u * f4(width)), 0), width - 1)
    return int(texture[row, column, channel])


@nb.njit(error_model="numpy", forceinline=True)
def mix(a: f4, b: f4, t: f4) -> f4:
    """From a at t = 0 to b at t = 1, and no further."""
    t = clamp01(t)
    return a * (f4(1) - t) + b * t


@nb.njit(error_model="numpy", forceinline=True)
def smooth(low: f4, high: f4, x: f4) -> f4:
    """0 at ``low``, 1 at ``high``, smooth in between; ``low`` may be the larger one."""
    t = clamp01((x - low) / (high - low))
    return t * t * (f4(3) - f4(2) * t)


@nb.njit(error_model="numpy", forceinline=True)
def pale(colours: Floats) -> f4:
    """How light the skin is, 0..1."""
    return clamp01(colours[Colour.SKIN, 1] * PALENESS)


@nb.njit(error_model="numpy", forceinline=True)
def fair(colours: Floats) -> f4:
    """How light the hair is, 0..1."""
    return clamp01(colours[Colour.HAIR, 1] * FAIRNESS)


@nb.njit(error_model="numpy", forceinline=True)
def signed(share: f4) -> f4:
    """-1..1 of a signed channel, which was sampled as 0..1."""
    return (share - ZERO_OF_SIGNED) * f4(2)


@nb.njit(error_model="numpy", forceinline=True)
def half_dot(lx: f4, ly: f4, lz: f4, vx: f4, vy: f4, vz: f4,
              nx: f4, ny: f4, nz: f4) -> f4:
    """Cosine between n and the half vector of l and v."""
    hx, hy, hz = lx + vx, ly + vy, lz + vz
    return (nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz)
