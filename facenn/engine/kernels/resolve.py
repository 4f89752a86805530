"""Compiled materials: from interpolated attributes and a look to linear colour, and the final resolve."""

import math
from enum import IntEnum, auto

import numba as nb
import numpy as np

from facenn.engine.kernels.compiling import kernel
from facenn.engine.kernels.raster import ATTRIBUTES, Bytes, Floats, Ints, clamp01, f4
from facenn.engine.layout import (
    BROW_ACROSS_RANGE,
    BROW_ALONG_LOW,
    BROW_ALONG_RANGE,
    BROW_FRAME,
    CANVAS_FRAME,
    FIRST_ZONE,
    HAIRLINE_RANGE,
    INTERPOLATED,
    LABEL_OF_MATERIAL,
    Attribute,
    Brow,
    Canvas,
    Colour,
    Label,
    Material,
    Strength,
    Texture,
)

LABELS_OF_MATERIALS = np.array([LABEL_OF_MATERIAL[material] for material in Material], np.uint8)
BROW_SEEN = f4(0.30)  # brow cover from which a sample counts as brow
SCALP_SEEN = f4(0.5)  # scalp hair from which a sample counts as hair
# from coordinates of the face canvas to those of a brow map
BROW_LEFT, BROW_LOW = (f4((BROW_FRAME.left - CANVAS_FRAME.left) / CANVAS_FRAME.width),
                       f4((BROW_FRAME.low - CANVAS_FRAME.low) / CANVAS_FRAME.height))
BROW_ACROSS, BROW_UP = f4(CANVAS_FRAME.width / BROW_FRAME.width), f4(CANVAS_FRAME.height / BROW_FRAME.height)
# where a usual brow begins and ends, from the middle of its map outwards, in its sides
BROW_INNER, BROW_TAIL = f4(0.10 / BROW_FRAME.width), f4(0.58 / BROW_FRAME.width)
# what sliders do to it at most: the part by which it gets shorter; by how much, in decimetres, it moves, its tail rises
# and its middle rises; the part by which its inner end gets thicker and its tail thinner
BROW_STRETCH, BROW_TAPERED = f4(0.13), f4(0.5)
BROW_RISE, BROW_TILT, BROW_BEND = (f4(way / BROW_FRAME.height) for way in (0.03, 0.045, 0.038))
SEAM = f4(0.02)  # difference of texture coordinates within a pixel from which they are not averaged
LID_REACH = 0.06  # decimetres over which a lid darkens the eye below it

LANES = 128  # samples of one material that are shaded together, by the processor's vector instructions
MIXED = -2  # of a pixel: its samples show several materials
TEXEL = ATTRIBUTES  # row at which channels of the skin texture begin
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
TEXTURE_CHANNELS = len(Texture)

# what skin takes from, or leaves of, red, green and blue light
HOLLOW, SPOT, RING = ((f4(0.60), f4(0.72), f4(0.70)), (f4(0.35), f4(0.5), f4(0.6)), (f4(0.30), f4(0.38), f4(0.28)))
FLUSHES, BLUSHES = (f4(1.12), f4(0.72), f4(0.70)), (f4(1.08), f4(0.55), f4(0.55))
LIP, LIP_DARKER = (f4(1.00), f4(0.69), f4(0.83)), (f4(0.40), f4(0.50), f4(0.50))
# Those of dark skin are hardly redder than it: measured in photos, by which tones count as dark below 0.2 of green.
LIP_OF_DARK_SKIN, FAIR = (f4(0.98), f4(0.98), f4(1.24)), f4(5)
INSIDE, DEEP_MOUTH, TEETH = ((f4(0.48), f4(0.18), f4(0.20)), (f4(0.20), f4(0.10), f4(0.11)),
                             (f4(0.66), f4(0.60), f4(0.52)))

_linear = np.linspace(0, 8, 4096) * 0.72
_filmic = (_linear * (2.51 * _linear + 0.03)) / (_linear * (2.43 * _linear + 0.59) + 0.14)
TONE_CURVE: Floats = (np.clip(_filmic, 0, 1) ** (1 / 2.2) * 255).astype(np.float32)
"""4096 output levels for linear light 0..8: a filmic shoulder, then gamma 2.2."""


@nb.njit(forceinline=True)
def _at(row: int, lane: int) -> int:
    """Where a lane keeps its entry of a row: rows lie a constant apart, so the compiler sees that they differ."""
    return row * LANES + lane


@nb.njit(error_model="numpy", forceinline=True)
def _sample(texture: Bytes, u: f4, v: f4, channels: int, S: Floats, row: int, lane: int) -> None:
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
        S[_at(row + c, lane)] = (f4(texture[line, column, c]) * w00 + f4(texture[line, column + 1, c]) * w01
                                 + f4(texture[line + 1, column, c]) * w10
                                 + f4(texture[line + 1, column + 1, c]) * w11)


@nb.njit(error_model="numpy", forceinline=True)
def _nearest(texture: Bytes, u: f4, v: f4, channel: int) -> int:
    height, width = texture.shape[0], texture.shape[1]
    row = min(max(int((f4(1) - v) * f4(height)), 0), height - 1)
    column = min(max(int(u * f4(width)), 0), width - 1)
    return int(texture[row, column, channel])


@nb.njit(error_model="numpy", forceinline=True)
def _mix(a: f4, b: f4, t: f4) -> f4:
    t = clamp01(t)
    return a * (f4(1) - t) + b * t


@nb.njit(error_model="numpy", forceinline=True)
def _smooth(low: f4, high: f4, x: f4) -> f4:
    t = clamp01((x - low) / (high - low))
    return t * t * (f4(3) - f4(2) * t)


@nb.njit(error_model="numpy", forceinline=True)
def _pale(colours: Floats) -> f4:
    """How light the skin is, 0..1."""
    return clamp01(colours[Colour.SKIN, 1] * f4(2.6))


@nb.njit(error_model="numpy", forceinline=True)
def _fair(colours: Floats) -> f4:
    """How light the hair is, 0..1."""
    return clamp01(colours[Colour.HAIR, 1] * f4(3))


@nb.njit(error_model="numpy", forceinline=True)
def _signed(share: f4) -> f4:
    """-1..1 of a channel of SIGNED."""
    return (share - f4(128 / 255)) * f4(2)


@nb.njit(error_model="numpy", forceinline=True)
def _half_dot(lx: f4, ly: f4, lz: f4, vx: f4, vy: f4, vz: f4,
              nx: f4, ny: f4, nz: f4) -> f4:
    """Cosine between n and the half vector of l and v."""
    hx, hy, hz = lx + vx, ly + vy, lz + vz
    return (nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz)


@nb.njit(error_model="numpy", forceinline=True)
def _brow(brows: Bytes, x: f4, y: f4, strengths: Floats, S: Floats, lane: int) -> f4:
    """Cover of the eyebrow at a place of the face canvas.

    The map is stretched towards the nose from the tail, moved, turned and bent.
    """
    u, v = (x - BROW_LEFT) * BROW_ACROSS - f4(0.5), (y - BROW_LOW) * BROW_UP
    if abs(u) >= f4(0.5) or v <= f4(0) or v >= f4(1):
        return f4(0)
    aside = BROW_TAIL - (BROW_TAIL - abs(u)) * (f4(1) + BROW_STRETCH * strengths[Strength.BROW_GAP])
    if aside < f4(0) or aside >= f4(0.5):
        return f4(0)
    place = clamp01((aside - BROW_INNER) / (BROW_TAIL - BROW_INNER))
    v -= (BROW_RISE * strengths[Strength.BROW_LIFT] + BROW_TILT * strengths[Strength.BROW_SLANT] * (place - f4(0.5))
          + f4(4) * BROW_BEND * strengths[Strength.BROW_ARCH] * place * (f4(1) - place))
    _sample(brows, f4(0.5) + math.copysign(aside, u), clamp01(v), 3, S, Row.RESULT, lane)
    along = S[_at(Row.RESULT + Brow.ALONG, lane)] * f4(BROW_ALONG_RANGE) + f4(BROW_ALONG_LOW)
    hairs = S[_at(Row.RESULT + Brow.HAIRS, lane)]
    across = S[_at(Row.RESULT + Brow.ACROSS, lane)] * f4(BROW_ACROSS_RANGE)
    width = f4(0.55) + f4(1.25) * strengths[Strength.BROW_THICKNESS]
    width *= f4(1) + BROW_TAPERED * strengths[Strength.BROW_TAPER] * (f4(1) - f4(2) * clamp01(along))
    tail = f4(0.60) + f4(0.46) * strengths[Strength.BROW_LENGTH]
    edge = _smooth(width, width * f4(0.45), across + f4(0.25) - f4(0.5) * hairs)
    ends = _smooth(tail + f4(0.03), tail - f4(0.15), along) * _smooth(f4(-0.10), f4(0.16), along)
    density = strengths[Strength.BROW_DENSITY]
    cover = (f4(0.62) * density + hairs * (f4(0.40) + f4(0.70) * density)) * edge * ends
    seen: f4 = min(cover, f4(1)) * (f4(0.48) + f4(0.50) * strengths[Strength.BROW_DEPTH])
    return seen


@nb.njit(error_model="numpy", forceinline=True)
def _scalp(above: f4, offset: f4) -> f4:
    """Cover of painted hair, from the encoded distance to the hairline and the degrees by which that is moved."""
    return _smooth(f4(-5), f4(5), (above - f4(128 / 255)) * f4(2 * HAIRLINE_RANGE) - offset)


@nb.njit(error_model="numpy", forceinline=True)
def _skin_label(S: Floats, lane: int, texture: Bytes, strengths: Floats) -> int:
    """Label of one sample of skin; brows and painted hair count where they cover most of it."""
    if S[_at(Row.COVER, lane)] > BROW_SEEN:
        return Label.BROW.value
    u, v = S[_at(Attribute.U, lane)], S[_at(Attribute.V, lane)]
    label = _nearest(texture, u, v, Texture.LABEL)
    if strengths[Strength.SCALP] > f4(0) and label != Label.EAR:
        even, receded = f4(_nearest(texture, u, v, Texture.SCALP)), f4(_nearest(texture, u, v, Texture.RECEDED))
        above = even + strengths[Strength.RECESSION] * (receded - even)
        if _scalp(above / f4(255), strengths[Strength.HAIRLINE]) > SCALP_SEEN:
            return Label.HAIR.value
    return label


@kernel(error_model="numpy")
def _look_up_skin(S: Floats, count: int, texture: Bytes, canvas: Bytes, brows: Bytes, strengths: Floats,
                  shown: Bytes) -> None:
    """Fetch everything that is painted on samples of skin, and their labels."""
    for i in range(count):
        _sample(texture, S[_at(Attribute.U, i)], S[_at(Attribute.V, i)], TEXTURE_CHANNELS, S, TEXEL, i)
    for i in range(count):
        x, y, line = S[_at(Attribute.FACE_X, i)], S[_at(Attribute.FACE_Y, i)], f4(0)
        if _nearest(canvas, x, y, Canvas.PAINTED) > 0:
            _sample(canvas, x, y, INTERPOLATED, S, PAINT, i)
            zone = _nearest(canvas, x, y, Canvas.ZONE)
            if zone > 0:
                line = strengths[FIRST_ZONE + zone - 1]
        else:
            for c in range(INTERPOLATED):
                S[_at(PAINT + c, i)] = f4(0)
        S[_at(Row.LINE, i)] = line
    for i in range(count):
        S[_at(Row.COVER, i)] = _brow(brows, S[_at(Attribute.FACE_X, i)], S[_at(Attribute.FACE_Y, i)], strengths, S, i)
        shown[i] = _skin_label(S, i, texture, strengths)


@kernel(error_model="numpy")
def _cover_skin(S: Floats, count: int, strengths: Floats) -> None:
    """How much of every sample each layer of skin covers, and where lines and pores lean it."""
    flushed = (f4(1.0) + f4(0.4) * strengths[Strength.BLUSH]) * strengths[Strength.FLUSH]
    mottled, unshaven, pored = strengths[Strength.MOTTLE], strengths[Strength.STUBBLE], strengths[Strength.PORES]
    unshaven *= f4(1.4) - f4(0.4) * unshaven
    jaw, chin, moustache = strengths[Strength.JAW], strengths[Strength.CHIN], strengths[Strength.MOUSTACHE]
    hairy, offset, recession = strengths[Strength.SCALP], strengths[Strength.HAIRLINE], strengths[Strength.RECESSION]
    for i in range(count):
        S[_at(Row.MOTTLED, i)] = _signed(S[_at(TEXEL + Texture.MOTTLE, i)]) * mottled
        S[_at(Row.FLUSHED, i)] = _signed(S[_at(TEXEL + Texture.FLUSH, i)]) * flushed
        on_jaw, on_chin = S[_at(TEXEL + Texture.JAW, i)], S[_at(TEXEL + Texture.CHIN, i)]
        on_lip = S[_at(TEXEL + Texture.MOUSTACHE, i)]
        grows, strand = clamp01(on_jaw + on_chin + on_lip), S[_at(TEXEL + Texture.STRANDS, i)]
        S[_at(Row.STUBBLE, i)] = grows * (f4(0.38) + f4(0.30) * S[_at(TEXEL + Texture.DOTS, i)]) * unshaven
        beard = max(on_jaw * jaw, max(on_chin * chin, on_lip * moustache))
        # colours are mixed in linear light, where a half looks like a quarter; thin beards are single hairs
        thick = beard * (f4(1.8) - f4(0.8) * beard)
        S[_at(Row.BEARD, i)] = clamp01(thick * (f4(1) + f4(1.1) * (strand - f4(0.5)) * (f4(1.15) - thick)))
        even = S[_at(TEXEL + Texture.SCALP, i)]
        scalp = _scalp(even + recession * (S[_at(TEXEL + Texture.RECEDED, i)] - even), offset)
        S[_at(Row.PAINTED_HAIR, i)] = clamp01(scalp * (f4(0.90) + f4(0.15) * strand)) * hairy
        pores, line = pored * (f4(1) - scalp * hairy), S[_at(Row.LINE, i)]
        S[_at(Row.LEANS_X, i)] = (_signed(S[_at(PAINT + Canvas.LEAN_X, i)]) * line
                                  + _signed(S[_at(TEXEL + Texture.PORES_X, i)]) * pores)
        S[_at(Row.LEANS_Y, i)] = (_signed(S[_at(PAINT + Canvas.LEAN_Y, i)]) * line
                                  + _signed(S[_at(TEXEL + Texture.PORES_Y, i)]) * pores)


@kernel(error_model="numpy")
def _albedo(S: Floats, count: int, colours: Floats, strengths: Floats) -> None:
    """Diffuse colour of skin with everything painted on it.

    Painted hair is darker than cards of the same colour: short hairs shadow each other, fair ones less, which pass
    the light on.
    """
    circles, freckles, moles = strengths[Strength.CIRCLES], strengths[Strength.FRECKLES], strengths[Strength.MOLES]
    blush, eye_shadow, depth = strengths[Strength.BLUSH], strengths[Strength.EYE_SHADOW], strengths[Strength.BROW_DEPTH]
    liner = f4(0.25) + strengths[Strength.LINER] + f4(1.1) * strengths[Strength.LASHES]
    pale, fair = _pale(colours), _fair(colours)
    stubbly, bearded, shorn = f4(0.40) + f4(0.35) * fair, f4(0.30) + f4(0.40) * fair, f4(0.34) + f4(0.36) * fair
    for c in range(3):
        tone, hair, shadow = colours[Colour.SKIN, c], colours[Colour.HAIR, c], colours[Colour.EYE_SHADOW, c]
        hollow, spot = HOLLOW[c], SPOT[c]
        natural = _mix(LIP_OF_DARK_SKIN[c], LIP[c], colours[Colour.SKIN, 1] * FAIR)
        lip = _mix(tone * (natural - LIP_DARKER[c] * strengths[Strength.LIP_TONE]), colours[Colour.LIPSTICK, c],
                   strengths[Strength.LIPSTICK])
        flushed, blushed, inside, ring = tone * FLUSHES[c], tone * BLUSHES[c], tone * INSIDE[c], RING[c] * circles
        freckle, mole = spot * freckles * (f4(0.4) + f4(0.6) * pale), moles * (f4(0.4) + f4(0.8) * spot)
        browed = colours[Colour.BROW, c] * (f4(0.95) - f4(0.60) * depth)
        for i in range(count):
            strand = S[_at(TEXEL + Texture.STRANDS, i)]
            a = _mix(tone * (f4(1) + S[_at(Row.MOTTLED, i)] * f4(0.22)), flushed, S[_at(Row.FLUSHED, i)])
            a *= f4(1) - S[_at(TEXEL + Texture.SHADE, i)] * hollow
            a *= f4(1) - S[_at(PAINT + Canvas.GROOVE, i)] * S[_at(Row.LINE, i)] * hollow * f4(0.5)
            a *= f4(1) - S[_at(PAINT + Canvas.CIRCLES, i)] * ring
            a *= f4(1) - S[_at(PAINT + Canvas.FRECKLES, i)] * freckle
            a *= f4(1) - S[_at(PAINT + Canvas.MOLES, i)] * mole
            a = _mix(a, lip, S[_at(TEXEL + Texture.LIPS, i)] * f4(0.85))
            a = _mix(a, inside, S[_at(TEXEL + Texture.INNER_MOUTH, i)])
            a = _mix(a, blushed, S[_at(PAINT + Canvas.BLUSH, i)] * blush * f4(0.6))
            a = _mix(a, shadow, S[_at(PAINT + Canvas.EYE_SHADOW, i)] * eye_shadow)
            a = _mix(a, f4(0.01), S[_at(PAINT + Canvas.LINER, i)] * liner)
            a = _mix(a, hair * stubbly + tone * f4(0.18), S[_at(Row.STUBBLE, i)])
            a = _mix(a, hair * (bearded + f4(0.26) * strand), S[_at(Row.BEARD, i)])
            a = _mix(a, hair * (shorn + f4(0.20) * strand), S[_at(Row.PAINTED_HAIR, i)])
            S[_at(Row.RESULT + c, i)] = _mix(a, browed, S[_at(Row.COVER, i)])


@kernel(error_model="numpy")
def _light_skin(S: Floats, count: int, directions: Floats, lights: Floats) -> None:
    """Diffuse light on skin, and its normal, leant by lines and pores.

    The light of the vertices follows to first order.
    """
    for i in range(count):
        S[_at(Row.RELIEF, i)] = f4(0.12) * S[_at(Row.LEANS_Y, i)] * S[_at(Attribute.OPEN, i)]
    for light in range(4):
        lx, ly, lz, green = directions[light, 0], directions[light, 1], directions[light, 2], lights[light, 1]
        for i in range(count):
            facing = S[_at(Attribute.NX, i)] * lx + S[_at(Attribute.NY, i)] * ly + S[_at(Attribute.NZ, i)] * lz
            share = S[_at(Attribute.LIT, i)] if light == 0 else S[_at(Attribute.OPEN, i)]
            relief = f4(0.42) * green * share * (S[_at(Row.LEANS_X, i)] * lx + S[_at(Row.LEANS_Y, i)] * ly)
            S[_at(Row.RELIEF, i)] += relief if facing > f4(-0.1) else f4(0)
    for i in range(count):
        relief = S[_at(Row.RELIEF, i)]
        for c in range(3):
            diffuse = S[_at(Attribute.RED + c, i)]
            S[_at(Row.RESULT + c, i)] *= max(diffuse + relief, f4(0.35) * diffuse)
        # full relief would sparkle below the size of a pixel
        nx = S[_at(Attribute.NX, i)] + f4(0.6) * S[_at(Row.LEANS_X, i)]
        ny = S[_at(Attribute.NY, i)] + f4(0.6) * S[_at(Row.LEANS_Y, i)]
        nz = S[_at(Attribute.NZ, i)]
        scale = f4(1) / math.sqrt(nx * nx + ny * ny + nz * nz)
        S[_at(Attribute.NX, i)], S[_at(Attribute.NY, i)], S[_at(Attribute.NZ, i)] = nx * scale, ny * scale, nz * scale


@kernel(error_model="numpy")
def _shine_skin(S: Floats, count: int, colours: Floats, strengths: Floats, directions: Floats, lights: Floats
                ) -> None:
    """Add the GGX-like highlights of three lights; the darker the skin, the rougher."""
    wetness, oil = f4(4) * strengths[Strength.LIP_GLOSS] - f4(1.2), strengths[Strength.OIL]
    pale = _pale(colours)
    for light in range(3):
        lx, ly, lz = directions[light, 0], directions[light, 1], directions[light, 2]
        red, green, blue = lights[light, 0], lights[light, 1], lights[light, 2]
        for i in range(count):
            nx, ny, nz = S[_at(Attribute.NX, i)], S[_at(Attribute.NY, i)], S[_at(Attribute.NZ, i)]
            vx, vy, vz = S[_at(Row.VIEW_X, i)], S[_at(Row.VIEW_Y, i)], S[_at(Row.VIEW_Z, i)]
            wet = S[_at(TEXEL + Texture.LIPS, i)] * wetness
            gloss = max(S[_at(TEXEL + Texture.GLOSS, i)] + wet, f4(0)) * (f4(0.4) + f4(1.2) * oil)
            rough = max(f4(0.60) - f4(0.06) * pale - f4(0.16) * gloss - f4(0.10) * oil, f4(0.22))
            a2 = rough * rough * rough * rough
            view = nx * vx + ny * vy + nz * vz
            facing = max(nx * lx + ny * ly + nz * lz, f4(0))
            along = lx * vx + ly * vy + lz * vz
            half = f4(1) / math.sqrt(f4(2) + f4(2) * along + f4(1e-6))
            nh = max((facing + view) * half, f4(0))
            spread = nh * nh * (a2 - f4(1)) + f4(1)
            grazing = max(f4(1) - (f4(1) + along) * half, f4(0))
            base = f4(0.026) + f4(0.03) * max(wet, f4(0)) + (f4(0.012) * gloss if light == 0 else f4(0))
            fresnel = base + (f4(1) - base) * grazing * grazing * grazing * grazing * grazing
            share = S[_at(Attribute.LIT, i)] if light == 0 else S[_at(Attribute.OPEN, i)]
            hairy = max(S[_at(Row.COVER, i)], max(S[_at(Row.BEARD, i)], S[_at(Row.PAINTED_HAIR, i)]))
            s = (a2 / (f4(3.14159) * spread * spread) * fresnel * facing * f4(0.33) * share
                 * (f4(1) - f4(0.7) * hairy))
            S[_at(Row.RESULT, i)] += red * s
            S[_at(Row.RESULT + 1, i)] += green * s
            S[_at(Row.RESULT + 2, i)] += blue * s


@kernel(error_model="numpy")
def _eyes(S: Floats, count: int, colours: Floats, strengths: Floats, directions: Floats, lights: Floats) -> None:
    """Sclera, iris with fibres and limbal ring, pupil, catch lights, by the angle from the gaze axis.

    Lids shade the ball, by their distance, and the lower one carries a wet line.
    """
    rim = f4(0.34) + f4(0.14) * strengths[Strength.IRIS_SIZE]
    fringe = f4(0.20) + f4(0.42) * strengths[Strength.LASHES]  # lashes shade the ball most at their roots
    for i in range(count):
        above, below = S[_at(Row.ABOVE, i)], S[_at(Row.BELOW, i)]
        # the eye's own frame turns with the head, its light does not
        ex, ey, ez = S[_at(Attribute.FACE_X, i)], S[_at(Attribute.FACE_Y, i)], S[_at(Attribute.V, i)]
        length = f4(1) / math.sqrt(ex * ex + ey * ey + ez * ez + f4(1e-12))
        ex, ey, ez = ex * length, ey * length, ez * length
        angle, around = f4(math.acos(min(max(ez, f4(-1)), f4(1)))), math.atan2(ey, ex)
        fibre = (f4(0.5) + f4(0.22) * math.sin(around * f4(31) + f4(3) * math.sin(around * f4(7)))
                 + f4(0.20) * math.sin(around * f4(53) + angle * f4(20)))
        iris = _smooth(rim + f4(0.012), rim - f4(0.035), angle)
        inner = clamp01((rim * f4(0.9) - angle) / (rim * f4(0.5))) * f4(0.55)
        limbus = f4(0.30) + f4(0.70) * _smooth(rim, rim * f4(0.72), angle)
        pupil = _smooth(rim * f4(0.30), rim * f4(0.40), angle)
        white = f4(1) - f4(0.42) * clamp01((angle - rim) / f4(0.75))
        inwards = clamp01(-ex * S[_at(Attribute.U, i)])  # u tells on which side of the nose the eye lies
        vein = clamp01((angle - f4(0.60)) / f4(0.5)) * (f4(0.25) + f4(0.45) * inwards)
        caruncle = _smooth(f4(0.62), f4(0.80), inwards) * f4(0.8)
        from_above = f4(1.15) - f4(0.45) * clamp01((ey + f4(0.3)) / f4(0.65))
        lid = f4(1) - f4(0.48) * math.exp(-above * f4(45)) - f4(0.22) * math.exp(-below * f4(110))
        lid = max(lid - fringe * math.exp(-above * f4(90)), f4(0.04))
        for c in range(3):
            coloured = (colours[Colour.IRIS_OUTER, c] * (f4(0.55) + f4(0.60) * fibre) * (f4(1) - inner)
                        + colours[Colour.IRIS_INNER, c] * inner) * limbus
            coloured = (f4(0.006) * (f4(1) - pupil) + coloured * pupil) * from_above
            sclera = colours[Colour.SCLERA, c] * white
            sclera = _mix(sclera, f4(0.42) if c == 0 else f4(0.24), vein)
            sclera = _mix(sclera, f4(0.40) if c == 0 else f4(0.19), caruncle)
            S[_at(Row.RESULT + c, i)] = _mix(sclera, coloured, iris) * S[_at(Attribute.RED + c, i)] * lid
        nx, ny, nz = S[_at(Attribute.NX, i)], S[_at(Attribute.NY, i)], S[_at(Attribute.NZ, i)]
        bulge = nz + f4(0.25) * clamp01((rim + f4(0.07) - angle) / (rim + f4(0.07)))  # the cornea
        scale = f4(1) / math.sqrt(nx * nx + ny * ny + bulge * bulge)
        nx, ny, nz = nx * scale, ny * scale, bulge * scale
        wet = math.exp(-below * f4(400)) * f4(0.10)
        for light in range(2):
            shine = max(_half_dot(directions[light, 0], directions[light, 1], directions[light, 2],
                                  S[_at(Row.VIEW_X, i)], S[_at(Row.VIEW_Y, i)], S[_at(Row.VIEW_Z, i)], nx, ny, nz),
                        f4(0))
            gleam = shine ** 1600 * f4(1.2) + iris * shine ** 40 * f4(0.016)  # of the lamp, and of what is around it
            catch = (gleam + wet * clamp01(directions[light, 2])) * clamp01(above * f4(60))
            for c in range(3):
                S[_at(Row.RESULT + c, i)] += catch * lights[light, c]


@kernel(error_model="numpy")
def _hair(S: Floats, count: int, colours: Floats, directions: Floats, lights: Floats) -> None:
    """Kajiya-Kay around a tangent that falls with gravity along the surface, over light that wraps around strands.

    Deep layers, where the sky is shut out, are darker and more saturated: light reaches them through other strands.
    Fair strands scatter more light, so they keep less of their texture.
    """
    fair = _fair(colours)
    contrast = f4(1.1) - f4(0.4) * fair
    for i in range(count):
        nx, ny, nz = S[_at(Attribute.NX, i)], S[_at(Attribute.NY, i)], S[_at(Attribute.NZ, i)]
        away = nx * S[_at(Row.VIEW_X, i)] + ny * S[_at(Row.VIEW_Y, i)] + nz * S[_at(Row.VIEW_Z, i)] < f4(0)
        turn = f4(-1) if away else f4(1)
        nx, ny, nz = nx * turn, ny * turn, nz * turn
        down = f4(-0.989) * ny + f4(0.148) * nz
        tx, ty, tz = -nx * down, f4(-0.989) - ny * down, f4(0.148) - nz * down
        scale = f4(1) / math.sqrt(tx * tx + ty * ty + tz * tz + f4(1e-9))
        S[_at(Attribute.NX, i)], S[_at(Attribute.NY, i)], S[_at(Attribute.NZ, i)] = nx, ny, nz
        S[_at(HairRow.TANGENT, i)], S[_at(HairRow.TANGENT + 1, i)] = tx * scale, ty * scale
        S[_at(HairRow.TANGENT + 2, i)] = tz * scale
        S[_at(HairRow.BRIGHT, i)] = f4(1) + contrast * (S[_at(TEXEL, i)] - f4(0.5)) * f4(1.6)
    for c in range(3):
        colour = colours[Colour.HAIR, c]
        for i in range(count):
            is_open = S[_at(Attribute.OPEN, i)]
            strand = colour * S[_at(HairRow.BRIGHT, i)] * (is_open + (f4(1) - is_open) * (f4(0.35) + f4(0.5) * colour))
            S[_at(HairRow.COLOUR + c, i)] = strand
            S[_at(Row.RESULT + c, i)] = strand * S[_at(Attribute.RED + c, i)] * f4(1.15)
    for light in range(3):
        lx, ly, lz = directions[light, 0], directions[light, 1], directions[light, 2]
        for i in range(count):
            is_open = S[_at(Attribute.OPEN, i)]
            along = _half_dot(lx, ly, lz, S[_at(Row.VIEW_X, i)], S[_at(Row.VIEW_Y, i)], S[_at(Row.VIEW_Z, i)],
                              S[_at(HairRow.TANGENT, i)], S[_at(HairRow.TANGENT + 1, i)],
                              S[_at(HairRow.TANGENT + 2, i)])
            s = f4(1) - along * along
            s4 = s * s * s * s
            s12 = s4 * s4 * s4
            facing = S[_at(Attribute.NX, i)] * lx + S[_at(Attribute.NY, i)] * ly + S[_at(Attribute.NZ, i)] * lz
            share = f4(0.45) + f4(0.55) * S[_at(Attribute.LIT, i)] if light == 0 else f4(0.3) + f4(0.7) * is_open
            diffuse = clamp01(facing * f4(0.55) + f4(0.45)) * f4(0.40)
            shine = clamp01((facing + f4(0.2)) / f4(1.0))
            shine = (shine * shine * is_open * is_open
                     * (f4(0.3) + f4(1.4) * clamp01(S[_at(HairRow.BRIGHT, i)] - f4(0.5))))
            S[_at(HairRow.OF_COLOUR, i)] = share * (diffuse + f4(0.30) * s12 * shine)
            S[_at(HairRow.WHITE, i)] = share * f4(0.028) * (f4(1) - f4(0.5) * fair) * s12 * s12 * shine
        for c in range(3):
            level = lights[light, c]
            for i in range(count):
                S[_at(Row.RESULT + c, i)] += level * (S[_at(HairRow.COLOUR + c, i)] * S[_at(HairRow.OF_COLOUR, i)]
                                                      + S[_at(HairRow.WHITE, i)])


@kernel(error_model="numpy")
def _plain(S: Floats, kind: int, count: int, colours: Floats) -> None:
    """The colour of what shows nothing but diffuse light: mouth, cloth and lashes."""
    for c in range(3):
        tone, cloth, hair = colours[Colour.SKIN, c], colours[Colour.CLOTH, c], colours[Colour.HAIR, c]
        for i in range(count):
            if kind == Material.MOUTH:  # between lips that hardly part it is dark
                seen = f4(1) - math.exp(-S[_at(Row.ABOVE, i)] * f4(30))
                a = _mix(DEEP_MOUTH[c] * tone, TEETH[c], seen)
            elif kind == Material.CLOTH:
                a = cloth * min(f4(0.55) + S[_at(Attribute.U, i)] * f4(9), f4(1))
            else:
                a = f4(0.010) + f4(0.12) * hair
            S[_at(Row.RESULT + c, i)] = a * S[_at(Attribute.RED + c, i)]


@kernel(error_model="numpy")
def _shade(S: Floats, kind: int, count: int, y: int, side: int, half_tangent: f4, colours: Floats, strengths: Floats,
           directions: Floats, lights: Floats) -> None:
    """Linear colour of the samples of one material, all in pixel row ``y``."""
    vy = -(f4(1) - (f4(y) + f4(0.5)) / f4(side) * f4(2)) * half_tangent
    across = f4(2) / f4(side)
    for i in range(count):
        nx, ny, nz = S[_at(Attribute.NX, i)], S[_at(Attribute.NY, i)], S[_at(Attribute.NZ, i)]
        scale = f4(1) / math.sqrt(nx * nx + ny * ny + nz * nz + f4(1e-12))
        S[_at(Attribute.NX, i)], S[_at(Attribute.NY, i)], S[_at(Attribute.NZ, i)] = nx * scale, ny * scale, nz * scale
        vx = -((S[_at(Row.COLUMN, i)] + f4(0.5)) * across - f4(1)) * half_tangent
        vz = f4(1) / math.sqrt(vx * vx + vy * vy + f4(1))
        S[_at(Row.VIEW_X, i)], S[_at(Row.VIEW_Y, i)], S[_at(Row.VIEW_Z, i)] = vx * vz, vy * vz, vz
    if kind == Material.SKIN:
        _cover_skin(S, count, strengths)
        _albedo(S, count, colours, strengths)
        _light_skin(S, count, directions, lights)
        _shine_skin(S, count, colours, strengths, directions, lights)
    elif kind == Material.EYE:
        _eyes(S, count, colours, strengths, directions, lights)
    elif kind == Material.HAIR:
        _hair(S, count, colours, directions, lights)
    else:
        _plain(S, kind, count, colours)


@nb.njit(forceinline=True)
def _distance_to_lid(triangle: Ints, material: Ints, row: int, column: int, step: int, samples: int) -> int:
    """How many samples above (step -1) or below (+1) the same opening ends; lashes hang in it."""
    kind = material[triangle[row, column]]
    for away in range(1, samples + 1):
        at = row + step * away
        if at < 0 or at >= triangle.shape[0]:
            return samples
        hit = triangle[at, column]
        if hit < 0 or (material[hit] != kind and material[hit] != Material.LASH):
            return away
    return samples


@kernel(error_model="numpy")
def _measure_lids(S: Floats, places: Ints, count: int, y: int, triangle: Ints, material: Ints, sample_size: f4
                  ) -> None:
    """Decimetres from places on an eye or in a mouth to the lids or lips above and below."""
    reach = math.ceil(f4(LID_REACH) / sample_size)
    for i in range(count):
        x, s = places[i] >> 2, places[i] & 3
        row, column = 2 * y + (s >> 1), 2 * x + (s & 1)
        S[_at(Row.ABOVE, i)] = sample_size * f4(_distance_to_lid(triangle, material, row, column, -1, reach))
        S[_at(Row.BELOW, i)] = sample_size * f4(_distance_to_lid(triangle, material, row, column, 1, reach))


@kernel(error_model="numpy")
def _interpolate(S: Floats, places: Ints, count: int, y: int, kinds: Ints, triangle: Ints, first_weight: Floats,
                 second_weight: Floats, triangles: Ints, attributes: Floats) -> None:
    """Attributes at places of a pixel row: of one sample, or the mean of a pixel that shows a single material.

    Where a pixel straddles a seam of the texture, its first sample says where it lies on it.
    """
    for i in range(count):
        x, first = places[i] >> 2, places[i] & 3
        samples = 1 if kinds[x] == MIXED else 4
        share = f4(1) / f4(samples)
        S[_at(Row.COLUMN, i)], S[_at(Row.SHARE, i)] = f4(x), f4(0.25) * f4(samples)
        for q in range(ATTRIBUTES):
            S[_at(q, i)] = f4(0)
        first_u, first_v, seam = f4(0), f4(0), False
        w0 = w1 = w2 = f4(0)
        for s in range(first, first + samples):
            row, column = 2 * y + (s >> 1), 2 * x + (s & 1)
            hit = triangle[row, column]
            a, b, d = triangles[hit, 0], triangles[hit, 1], triangles[hit, 2]
            p0, p1 = first_weight[row, column], second_weight[row, column]
            p2 = f4(1) - p0 - p1
            u = p0 * attributes[a, Attribute.U] + p1 * attributes[b, Attribute.U] + p2 * attributes[d, Attribute.U]
            v = p0 * attributes[a, Attribute.V] + p1 * attributes[b, Attribute.V] + p2 * attributes[d, Attribute.V]
            if s == first:
                first_u, first_v = u, v
            elif abs(u - first_u) + abs(v - first_v) > SEAM:
                seam = True
            w0, w1, w2 = w0 + share * p0, w1 + share * p1, w2 + share * p2
            last = s == first + samples - 1
            if last or triangle[2 * y + ((s + 1) >> 1), 2 * x + ((s + 1) & 1)] != hit:
                for q in range(ATTRIBUTES):
                    S[_at(q, i)] += w0 * attributes[a, q] + w1 * attributes[b, q] + w2 * attributes[d, q]
                w0 = w1 = w2 = f4(0)
        if seam:
            S[_at(Attribute.U, i)], S[_at(Attribute.V, i)] = first_u, first_v


@nb.njit(error_model="numpy", forceinline=True)
def _scan(triangle: Ints, material: Ints, y: int, background: Bytes, kinds: Ints, light: Floats, shown: Bytes
          ) -> int:
    """What every pixel of a row shows: its material, -1 for the background, MIXED for several; and all, as bits.

    ``light`` (S, 3) begins with the share of the background, ``shown`` (S, 4) with its label.
    """
    found = 0
    for x in range(kinds.shape[0]):
        misses = 0
        for s in range(4):
            hit = triangle[2 * y + (s >> 1), 2 * x + (s & 1)]
            kind = -1 if hit < 0 else material[hit]
            if kind < 0:
                misses += 1
            else:
                found |= 1 << kind
            if s == 0:
                kinds[x] = kind
            elif kind != kinds[x]:
                kinds[x] = MIXED
        for c in range(3):
            light[x, c] = f4(0.25) * f4(misses) * f4(background[y, x, c])
        for s in range(4):
            shown[x, s] = 0
    return found


@nb.njit(error_model="numpy", forceinline=True)
def _label(shown: Bytes, x: int) -> int:
    """What most samples of a pixel show; a tie goes to the first."""
    best, most = 0, 0
    for s in range(4):
        votes = 0
        for q in range(4):
            if shown[x, q] == shown[x, s]:
                votes += 1
        if votes > most:
            best, most = shown[x, s], votes
    return best


@nb.njit(error_model="numpy", forceinline=True)
def _collect(triangle: Ints, material: Ints, kind: int, y: int, start: int, kinds: Ints, places: Ints
             ) -> tuple[int, int]:
    """Find what shows a material in a pixel row, from column ``start`` on, until the lanes are full.

    A place is four times its column, and the sample in the pixel.

    Returns:
        The column to go on from, and the number of places found.
    """
    count, x = 0, start
    while x < kinds.shape[0] and count <= LANES - 4:
        if kinds[x] == kind:
            places[count] = 4 * x
            count += 1
        elif kinds[x] == MIXED:
            for s in range(4):
                hit = triangle[2 * y + (s >> 1), 2 * x + (s & 1)]
                if hit >= 0 and material[hit] == kind:
                    places[count] = 4 * x + s
                    count += 1
        x += 1
    return x, count


@nb.njit(error_model="numpy", forceinline=True)
def _add_up(S: Floats, places: Ints, count: int, kinds: Ints, curve: Floats, labels: Bytes, light: Floats,
            shown: Bytes) -> None:
    """Add shaded samples to the levels of their pixels (S, 3), and their labels to those of all samples (S, 4)."""
    for i in range(count):
        x, s = places[i] >> 2, places[i] & 3
        for c in range(3):
            level = curve[min(max(int(S[_at(Row.RESULT + c, i)] * f4(512)), 0), 4095)]
            light[x, c] += S[_at(Row.SHARE, i)] * level
        for q in range(s, s + 1 if kinds[x] == MIXED else 4):
            shown[x, q] = labels[i]


@kernel(error_model="numpy")
def resolve(triangle: Ints, first_weight: Floats, second_weight: Floats, triangles: Ints, material: Ints,
            attributes: Floats, texture: Bytes, canvas: Bytes, brows: Bytes, strands: Bytes, colours: Floats,
            strengths: Floats, directions: Floats, lights: Floats, curve: Floats, label_of: Bytes, half_tangent: f4,
            sample_size: f4, background: Bytes, picture: Bytes, labels: Bytes) -> None:
    """Average 2x2 samples into pixels, and give each pixel the label that most of its samples show.

    A pixel whose four samples show the same material is shaded and labelled once, at the mean of their attributes.

    Args:
        triangle: (2 S, 2 S) visibility buffer, with its weights ``first_weight`` and ``second_weight``.
        first_weight: (2 S, 2 S).
        second_weight: (2 S, 2 S).
        triangles: (T, 3), with ``material`` (T,).
        material: (T,).
        attributes: (N, ATTRIBUTES).
        texture: (R, R, 16) skin texture, channels as above.
        canvas: (H, W, CHANNELS) face canvas.
        brows: (H, W, 3) eyebrows.
        strands: (H, W, 2) hair cards.
        colours: (COLOURS, 3) of the look.
        strengths: (STRENGTHS,) of the look.
        directions: (4, 3) of the lights, with colours ``lights`` (4, 3).
        lights: (4, 3).
        curve: (4096,) tone curve.
        label_of: (6,) label per material.
        half_tangent: of the field of view.
        sample_size: decimetres between samples, at the face.
        background: (S, S, 3).
        picture: (S, S, 3) result.
        labels: (S, S) result.
    """
    side = picture.shape[0]
    S, places, found_here = np.empty(ROWS * LANES, f4), np.empty(LANES, np.int32), np.empty(LANES, np.uint8)
    kinds, light, shown = np.empty(side, np.int32), np.empty((side, 3), f4), np.empty((side, 4), np.uint8)
    for y in range(side):
        found = _scan(triangle, material, y, background, kinds, light, shown)
        for kind in range(Material.LASH + 1):
            if found & (1 << kind) == 0:
                continue
            start = 0
            while start < side:
                start, count = _collect(triangle, material, kind, y, start, kinds, places)
                _interpolate(S, places, count, y, kinds, triangle, first_weight, second_weight, triangles, attributes)
                found_here[:] = label_of[kind]
                if kind == Material.SKIN:
                    _look_up_skin(S, count, texture, canvas, brows, strengths, found_here)
                elif kind == Material.HAIR:
                    for i in range(count):
                        _sample(strands, S[_at(Attribute.U, i)], S[_at(Attribute.V, i)], 1, S, TEXEL, i)
                elif kind in (Material.EYE, Material.MOUTH):
                    _measure_lids(S, places, count, y, triangle, material, sample_size)
                _shade(S, kind, count, y, side, half_tangent, colours, strengths, directions, lights)
                _add_up(S, places, count, kinds, curve, found_here, light, shown)
        for x in range(side):
            for c in range(3):
                picture[y, x, c] = np.uint8(light[x, c])
            labels[y, x] = _label(shown, x)
