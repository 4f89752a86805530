"""How much an eyebrow covers of a place on the face, as its sliders bend it.

Pairs of figures are a value and its change per unit of a strength or of another cover, 0..1.
"""

import math

import numba as nb

from facenn.arrays import Bytes, Floats
from facenn.engine.kernels.sampling import at, clamp01, sample, smooth
from facenn.engine.kernels.tables import f4
from facenn.engine.layout import (
    BROW_ACROSS_RANGE,
    BROW_ALONG_LOW,
    BROW_ALONG_RANGE,
    BROW_FRAME,
    CANVAS_FRAME,
    Brow,
    Strength,
)

# from coordinates of the face canvas to those of a brow map
LEFT, LOW = (f4((BROW_FRAME.left - CANVAS_FRAME.left) / CANVAS_FRAME.width),
             f4((BROW_FRAME.low - CANVAS_FRAME.low) / CANVAS_FRAME.height))
ACROSS, UP = f4(CANVAS_FRAME.width / BROW_FRAME.width), f4(CANVAS_FRAME.height / BROW_FRAME.height)
CHANNELS = len(Brow)
ALONG_LOW, ALONG_RANGE, ACROSS_RANGE = f4(BROW_ALONG_LOW), f4(BROW_ALONG_RANGE), f4(BROW_ACROSS_RANGE)

# a usual brow, from the middle of its map outwards, in widths of the map
INNER, TAIL = f4(0.10 / BROW_FRAME.width), f4(0.58 / BROW_FRAME.width)

# what sliders do at most: the part by which a brow gets shorter towards the nose; in heights of the map, by how much it
# moves, its tail rises and its middle rises; the part by which its inner end gets thicker and its tail thinner
STRETCH, TAPER = f4(0.13), f4(0.5)
RISE, TILT, BEND = (f4(decimetres / BROW_FRAME.height) for decimetres in (0.03, 0.045, 0.038))
WIDTH = (f4(0.55), f4(1.25))  # half thicknesses, by thickness
END = (f4(0.60), f4(0.46))  # place of the tail's end along the brow, by length

# edges, which are as soft as the hairs there are sparse
SOFTNESS = f4(0.45)  # share of the width at which hairs begin to thin out
RAGGED = (f4(0.25), f4(0.5))  # half thicknesses by which single hairs stand out over the edge
TAIL_END, TAIL_THINS = f4(0.03), f4(0.15)  # along the brow, behind and before the end
INNER_END, INNER_FULL = f4(-0.10), f4(0.16)  # along the brow

# how much covers the skin
BETWEEN = f4(0.62)  # between the hairs, by density
HAIRS = (f4(0.40), f4(0.70))  # of the hairs, by density
DEPTH = (f4(0.48), f4(0.50))  # of the colour, by its slider


@nb.njit(error_model="numpy", forceinline=True)
def brow_cover(brows: Bytes, x: f4, y: f4, strengths: Floats, S: Floats, row: int, lane: int) -> f4:
    """Cover 0..1 of the eyebrow at a place of the face canvas.

    The map is stretched towards the nose from the tail, moved, turned and bent.

    Args:
        brows: (H, W, ``Brow``) map of the style.
        x: on the canvas, 0..1.
        y: on the canvas, 0..1 upwards.
        strengths: (``Strength``,) of the look.
        S: table of samples.
        row: of three that are overwritten.
        lane: of the sample.
    """
    u, v = (x - LEFT) * ACROSS - f4(0.5), (y - LOW) * UP
    if abs(u) >= f4(0.5) or v <= f4(0) or v >= f4(1):
        return f4(0)
    aside = TAIL - (TAIL - abs(u)) * (f4(1) + STRETCH * strengths[Strength.BROW_GAP])
    if aside < f4(0) or aside >= f4(0.5):
        return f4(0)
    place = clamp01((aside - INNER) / (TAIL - INNER))
    v -= (RISE * strengths[Strength.BROW_LIFT] + TILT * strengths[Strength.BROW_SLANT] * (place - f4(0.5))
          + f4(4) * BEND * strengths[Strength.BROW_ARCH] * place * (f4(1) - place))
    sample(brows, f4(0.5) + math.copysign(aside, u), clamp01(v), CHANNELS, S, row, lane)
    along = S[at(row + Brow.ALONG, lane)] * ALONG_RANGE + ALONG_LOW
    hairs, across = S[at(row + Brow.HAIRS, lane)], S[at(row + Brow.ACROSS, lane)] * ACROSS_RANGE
    width = WIDTH[0] + WIDTH[1] * strengths[Strength.BROW_THICKNESS]
    width *= f4(1) + TAPER * strengths[Strength.BROW_TAPER] * (f4(1) - f4(2) * clamp01(along))
    tail = END[0] + END[1] * strengths[Strength.BROW_LENGTH]
    edge = smooth(width, width * SOFTNESS, across + RAGGED[0] - RAGGED[1] * hairs)
    ends = smooth(tail + TAIL_END, tail - TAIL_THINS, along) * smooth(INNER_END, INNER_FULL, along)
    density = strengths[Strength.BROW_DENSITY]
    cover = (BETWEEN * density + hairs * (HAIRS[0] + HAIRS[1] * density)) * edge * ends
    seen: f4 = min(cover, f4(1)) * (DEPTH[0] + DEPTH[1] * strengths[Strength.BROW_DEPTH])
    return seen
