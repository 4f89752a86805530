"""Compiled materials: from interpolated attributes and a look to linear colour, and the final resolve.

All in one file: the compiler's cache notices changes of the file of a function alone, not of what it calls.
"""

import math

import numba as nb
import numpy as np

from facenn.engine import brows as brow
from facenn.engine import canvas as front
from facenn.engine.canvas import (
    BLUSH,
    CIRCLES,
    EYE_SHADOW,
    FRECKLES,
    GROOVE,
    LEAN_X,
    LEAN_Y,
    LINER,
    MOLES,
    PAINTED,
    SAMPLED,
    ZONE,
)
from facenn.engine.rasterizer import (
    ATTRIBUTES,
    BLUE,
    CLOTH,
    EYE,
    FACE_X,
    FACE_Y,
    HAIR,
    LASH,
    LIT,
    MOUTH,
    NX,
    NY,
    NZ,
    OPEN,
    RED,
    SKIN,
    Bytes,
    Floats,
    Ints,
    U,
    V,
    clamp01,
    f4,
)
from facenn.engine.wrinkles import ZONES

# channels of the skin texture; those in SIGNED mean -1..1, 128 = 0
(MOTTLE, FLUSH, DARK, GLOSS, LIPS, INNER_MOUTH, SCALP, RECEDED, JAW, MOUSTACHE, CHIN, DOTS, STRANDS, PORES_X,
 PORES_Y, LABEL) = range(16)
SIGNED = [MOTTLE, FLUSH, SCALP, RECEDED, PORES_X, PORES_Y]
HAIRLINE_RANGE = 40.0  # degrees above the hairline that SCALP and RECEDED reach at 1

# rows of the look's colour table
(TONE, HAIR_COLOUR, LIP_COLOUR, SHADOW_COLOUR, IRIS_OUTER, IRIS_INNER, CLOTH_COLOUR, SCLERA) = range(8)
COLOURS = 8
# entries of the look's strength table
(LIP_STRENGTH, BLUSH_STRENGTH, SHADOW_STRENGTH, LINER_STRENGTH, FRECKLE_STRENGTH, MOLE_STRENGTH, CIRCLE_STRENGTH,
 STUBBLE_STRENGTH, MOUSTACHE_STRENGTH, CHIN_STRENGTH, JAW_STRENGTH, SCALP_STRENGTH, HAIRLINE, RECEDES,
 FLUSH_STRENGTH, MOTTLE_STRENGTH, PORE_STRENGTH, OIL, LIP_TONE, LIP_GLOSS, BROW_DENSITY, BROW_THICKNESS,
 BROW_LENGTH, BROW_DEPTH, IRIS_SIZE, LASH_STRENGTH, FIRST_ZONE) = range(27)
STRENGTHS = FIRST_ZONE + len(ZONES)

LABEL_OF_MATERIAL = np.array([1, 3, 7, 11, 10, 3], np.uint8)
"""Label of each material; skin reads its own from the texture."""
BROW_LABEL, EAR_LABEL, HAIR_LABEL = 2, 8, 10
BROW_SEEN = f4(0.30)  # brow cover from which a sample counts as brow
SCALP_SEEN = f4(0.5)  # scalp hair from which a sample counts as hair
# from coordinates of the face canvas to those of a brow map
BROW_LEFT, BROW_LOW = (f4((brow.LEFT - front.LEFT) / (front.RIGHT - front.LEFT)),
                       f4((brow.LOW - front.LOW) / (front.HIGH - front.LOW)))
BROW_ACROSS, BROW_UP = (f4((front.RIGHT - front.LEFT) / (brow.RIGHT - brow.LEFT)),
                        f4((front.HIGH - front.LOW) / (brow.HIGH - brow.LOW)))
SEAM = f4(0.02)  # difference of texture coordinates within a pixel from which they are not averaged
LID_REACH = 0.06  # decimetres over which a lid darkens the eye below it

_linear = np.linspace(0, 8, 4096) * 0.72
_filmic = (_linear * (2.51 * _linear + 0.03)) / (_linear * (2.43 * _linear + 0.59) + 0.14)
TONE_CURVE: Floats = (np.clip(_filmic, 0, 1) ** (1 / 2.2) * 255).astype(np.float32)
"""4096 output levels for linear light 0..8: a filmic shoulder, then gamma 2.2."""


@nb.njit(fastmath=True, inline="always")
def _sample(texture: Bytes, u: f4, v: f4, channels: int, out: Floats) -> None:
    """Bilinear lookup of the first ``channels`` channels, scaled to 0..1."""
    height, width = texture.shape[0], texture.shape[1]
    x, y = u * f4(width) - f4(0.5), (f4(1) - v) * f4(height) - f4(0.5)
    column, row = math.floor(x), math.floor(y)
    fx, fy = x - f4(column), y - f4(row)
    column, row = min(max(column, 0), width - 2), min(max(row, 0), height - 2)
    scale = f4(1 / 255)
    w00, w01 = (f4(1) - fx) * (f4(1) - fy) * scale, fx * (f4(1) - fy) * scale
    w10, w11 = (f4(1) - fx) * fy * scale, fx * fy * scale
    for c in range(channels):
        out[c] = (f4(texture[row, column, c]) * w00 + f4(texture[row, column + 1, c]) * w01
                  + f4(texture[row + 1, column, c]) * w10 + f4(texture[row + 1, column + 1, c]) * w11)


@nb.njit(fastmath=True, inline="always")
def _half_dot(lx: f4, ly: f4, lz: f4, vx: f4, vy: f4, vz: f4,
              nx: f4, ny: f4, nz: f4) -> f4:
    """Cosine between n and the half vector of l and v."""
    hx, hy, hz = lx + vx, ly + vy, lz + vz
    return (nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz)


@nb.njit(fastmath=True, inline="always")
def _mix(a: f4, b: f4, t: f4) -> f4:
    t = clamp01(t)
    return a * (f4(1) - t) + b * t


@nb.njit(fastmath=True, inline="always")
def _smooth(low: f4, high: f4, x: f4) -> f4:
    t = clamp01((x - low) / (high - low))
    return t * t * (f4(3) - f4(2) * t)


@nb.njit(fastmath=True, inline="always")
def _nearest(texture: Bytes, u: f4, v: f4, channel: int) -> int:
    height, width = texture.shape[0], texture.shape[1]
    row = min(max(int((f4(1) - v) * f4(height)), 0), height - 1)
    column = min(max(int(u * f4(width)), 0), width - 1)
    return int(texture[row, column, channel])


@nb.njit(fastmath=True, inline="always")
def _brow(brows: Bytes, x: f4, y: f4, strengths: Floats, b: Floats) -> f4:
    """Cover of the eyebrow at a place of the face canvas."""
    u, v = (x - BROW_LEFT) * BROW_ACROSS, (y - BROW_LOW) * BROW_UP
    if u <= f4(0) or u >= f4(1) or v <= f4(0) or v >= f4(1):
        return f4(0)
    _sample(brows, u, v, 3, b)
    along = b[brow.ALONG] * f4(brow.ALONG_RANGE) + f4(brow.ALONG_LOW)
    hairs, across = b[brow.HAIRS], b[brow.ACROSS] * f4(brow.ACROSS_RANGE)
    width = f4(0.55) + f4(1.25) * strengths[BROW_THICKNESS]
    tail = f4(0.60) + f4(0.46) * strengths[BROW_LENGTH]
    edge = _smooth(width, width * f4(0.45), across + f4(0.25) - f4(0.5) * hairs)
    ends = _smooth(tail + f4(0.03), tail - f4(0.15), along) * _smooth(f4(-0.08), f4(0.08), along)
    density = strengths[BROW_DENSITY]
    cover = (f4(0.62) * density + hairs * (f4(0.40) + f4(0.70) * density)) * edge * ends
    seen: f4 = min(cover, f4(1)) * (f4(0.48) + f4(0.50) * strengths[BROW_DEPTH])
    return seen


@nb.njit(fastmath=True, inline="always")
def _scalp(distance: f4, receded: f4, strengths: Floats) -> f4:
    """Cover of painted hair, from the encoded distances to both hairlines."""
    above = receded if strengths[RECEDES] > f4(0) else distance
    degrees = (above - f4(128 / 255)) * f4(2 * HAIRLINE_RANGE) - strengths[HAIRLINE]
    return _smooth(f4(-5), f4(5), degrees)


@nb.njit(fastmath=True, inline="always")
def _albedo(t: Floats, f: Floats, brow_cover: f4, groove: f4, colours: Floats, strengths: Floats, out: Floats) -> None:
    """Diffuse colour of skin with everything painted on it, from one sample of either map.

    Painted hair is darker than cards of the same colour: short hairs shadow each other.
    """
    mottle, flush = (t[MOTTLE] - f4(128 / 255)) * f4(2), (t[FLUSH] - f4(128 / 255)) * f4(2)
    flush *= (f4(1.0) + f4(0.4) * strengths[BLUSH_STRENGTH]) * strengths[FLUSH_STRENGTH]
    mottle *= strengths[MOTTLE_STRENGTH]
    grows = clamp01(t[JAW] + t[CHIN] + t[MOUSTACHE])
    stubble = grows * (f4(0.25) + f4(0.5) * t[DOTS]) * strengths[STUBBLE_STRENGTH]
    beard = max(t[JAW] * strengths[JAW_STRENGTH], max(t[CHIN] * strengths[CHIN_STRENGTH],
                                                      t[MOUSTACHE] * strengths[MOUSTACHE_STRENGTH]))
    beard = clamp01(beard * (f4(0.85) + f4(0.30) * t[STRANDS]))
    scalp = _scalp(t[SCALP], t[RECEDED], strengths) * (f4(0.90) + f4(0.15) * t[STRANDS])
    scalp = clamp01(scalp) * strengths[SCALP_STRENGTH]
    pale = clamp01(colours[TONE, 1] * f4(2.6))
    for c in range(3):
        tone, hair = colours[TONE, c], colours[HAIR_COLOUR, c]
        if c == 0:
            hollow, spot, flushed, blushed = f4(0.60), f4(0.35), tone * f4(1.12), tone * f4(1.08)
            lip, inside, ring = tone * (f4(1.00) - f4(0.40) * strengths[LIP_TONE]), tone * f4(0.45), f4(0.30)
        elif c == 1:
            hollow, spot, flushed, blushed = f4(0.72), f4(0.5), tone * f4(0.72), tone * f4(0.55)
            lip, inside, ring = tone * (f4(0.72) - f4(0.50) * strengths[LIP_TONE]), tone * f4(0.12), f4(0.38)
        else:
            hollow, spot, flushed, blushed = f4(0.70), f4(0.6), tone * f4(0.70), tone * f4(0.55)
            lip, inside, ring = tone * (f4(0.86) - f4(0.50) * strengths[LIP_TONE]), tone * f4(0.12), f4(0.28)
        a = _mix(tone * (f4(1) + mottle * f4(0.22)), flushed, flush)
        a *= f4(1) - t[DARK] * hollow
        a *= f4(1) - groove * hollow * f4(0.5)
        a *= f4(1) - f[CIRCLES] * strengths[CIRCLE_STRENGTH] * ring
        a *= f4(1) - f[FRECKLES] * strengths[FRECKLE_STRENGTH] * spot * (f4(0.4) + f4(0.6) * pale)
        a *= f4(1) - f[MOLES] * strengths[MOLE_STRENGTH] * (f4(0.4) + f4(0.8) * spot)
        a = _mix(a, _mix(lip, colours[LIP_COLOUR, c], strengths[LIP_STRENGTH]), t[LIPS] * f4(0.85))
        a = _mix(a, inside, t[INNER_MOUTH])
        a = _mix(a, blushed, f[BLUSH] * strengths[BLUSH_STRENGTH] * f4(0.6))
        a = _mix(a, colours[SHADOW_COLOUR, c], f[EYE_SHADOW] * strengths[SHADOW_STRENGTH])
        a = _mix(a, f4(0.01), f[LINER] * (f4(0.25) + strengths[LINER_STRENGTH] + f4(1.1) * strengths[LASH_STRENGTH]))
        a = _mix(a, hair * f4(0.33) + tone * f4(0.12), stubble)
        a = _mix(a, hair * (f4(0.30) + f4(0.26) * t[STRANDS]), beard)
        a = _mix(a, hair * (f4(0.34) + f4(0.20) * t[STRANDS]), scalp)
        out[c] = _mix(a, hair * (f4(0.95) - f4(0.60) * strengths[BROW_DEPTH]), brow_cover)


@nb.njit(fastmath=True, inline="always")
def _skin(A: Floats, vx: f4, vy: f4, vz: f4, nx: f4, ny: f4, nz: f4,
          texture: Bytes, canvas: Bytes, brows: Bytes, colours: Floats, strengths: Floats, directions: Floats,
          lights: Floats, o: Floats, t: Floats, f: Floats) -> None:
    """Diffuse skin and a GGX-like highlight of three lights; the darker the skin, the rougher.

    Lines and pores lean the normal; the light of the vertices follows to first order.
    """
    _sample(texture, A[U], A[V], 16, t)
    line = f4(0)
    if _nearest(canvas, A[FACE_X], A[FACE_Y], PAINTED) > 0:
        _sample(canvas, A[FACE_X], A[FACE_Y], SAMPLED, f)
        zone = _nearest(canvas, A[FACE_X], A[FACE_Y], ZONE)
        if zone > 0:
            line = strengths[FIRST_ZONE + zone - 1]
    else:
        f[:] = f4(0)
    hairless = f4(1) - _scalp(t[SCALP], t[RECEDED], strengths) * strengths[SCALP_STRENGTH]
    pores = strengths[PORE_STRENGTH] * hairless
    lean_x = (f[LEAN_X] - f4(128 / 255)) * f4(2) * line + (t[PORES_X] - f4(128 / 255)) * f4(2) * pores
    lean_y = (f[LEAN_Y] - f4(128 / 255)) * f4(2) * line + (t[PORES_Y] - f4(128 / 255)) * f4(2) * pores
    brow_cover = _brow(brows, A[FACE_X], A[FACE_Y], strengths, o)
    _albedo(t, f, brow_cover, f[GROOVE] * line, colours, strengths, o)
    relief = f4(0.12) * lean_y * A[OPEN]
    for light in range(4):
        facing = nx * directions[light, 0] + ny * directions[light, 1] + nz * directions[light, 2]
        share = A[LIT] if light == 0 else A[OPEN]
        if facing > f4(-0.1):
            relief += f4(0.42) * lights[light, 1] * share * (lean_x * directions[light, 0]
                                                              + lean_y * directions[light, 1])
    for c in range(3):
        o[c] *= max(A[RED + c] + relief, f4(0.35) * A[RED + c])
    nx, ny = nx + f4(0.6) * lean_x, ny + f4(0.6) * lean_y  # full relief would sparkle below the size of a pixel
    scale = f4(1) / math.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx * scale, ny * scale, nz * scale
    wet = t[LIPS] * (f4(4) * strengths[LIP_GLOSS] - f4(1.2))
    gloss = max(t[GLOSS] + wet, f4(0)) * (f4(0.4) + f4(1.2) * strengths[OIL])
    pale = clamp01(colours[TONE, 1] * f4(2.6))
    rough = max(f4(0.60) - f4(0.06) * pale - f4(0.16) * gloss - f4(0.10) * strengths[OIL], f4(0.22))
    a2 = rough * rough * rough * rough
    view = nx * vx + ny * vy + nz * vz
    for light in range(3):
        lx, ly, lz = directions[light, 0], directions[light, 1], directions[light, 2]
        facing = nx * lx + ny * ly + nz * lz
        if facing <= f4(0):
            continue
        along = lx * vx + ly * vy + lz * vz
        half = f4(1) / math.sqrt(f4(2) + f4(2) * along + f4(1e-6))
        nh = max((facing + view) * half, f4(0))
        spread = nh * nh * (a2 - f4(1)) + f4(1)
        grazing = max(f4(1) - (f4(1) + along) * half, f4(0))
        base = f4(0.026) + f4(0.03) * max(wet, f4(0)) + (f4(0.012) * gloss if light == 0 else f4(0))
        fresnel = base + (f4(1) - base) * grazing * grazing * grazing * grazing * grazing
        share = A[LIT] if light == 0 else A[OPEN]
        s = a2 / (f4(3.14159) * spread * spread) * fresnel * facing * f4(0.33) * share * (f4(1) - f4(0.7) * brow_cover)
        for c in range(3):
            o[c] += lights[light, c] * s


@nb.njit(fastmath=True, inline="always")
def _eye(A: Floats, above: f4, below: f4, vx: f4, vy: f4, vz: f4, nx: f4, ny: f4, nz: f4,
         colours: Floats, strengths: Floats, directions: Floats, lights: Floats, o: Floats) -> None:
    """Sclera, iris with fibres and limbal ring, pupil, catch lights, by the angle from the gaze axis.

    ``above`` and ``below`` are the distances to the lids in decimetres: they shade the ball, and the lower one
    carries a wet line.
    """
    # the eye's own frame turns with the head, its light does not
    ex, ey, ez = A[FACE_X], A[FACE_Y], A[V]
    length = f4(1) / math.sqrt(ex * ex + ey * ey + ez * ez + f4(1e-12))
    ex, ey, ez = ex * length, ey * length, ez * length
    angle, around = f4(math.acos(min(max(ez, f4(-1)), f4(1)))), math.atan2(ey, ex)
    fibre = (f4(0.5) + f4(0.22) * math.sin(around * f4(31) + f4(3) * math.sin(around * f4(7)))
             + f4(0.20) * math.sin(around * f4(53) + angle * f4(20)))
    rim = f4(0.34) + f4(0.14) * strengths[IRIS_SIZE]
    iris = _smooth(rim + f4(0.012), rim - f4(0.035), angle)
    inner = clamp01((rim * f4(0.9) - angle) / (rim * f4(0.5))) * f4(0.55)
    limbus = f4(0.30) + f4(0.70) * _smooth(rim, rim * f4(0.72), angle)
    pupil = _smooth(rim * f4(0.30), rim * f4(0.40), angle)
    white = f4(1) - f4(0.42) * clamp01((angle - rim) / f4(0.75))
    inwards = clamp01(-ex * A[U])  # u tells on which side of the nose the eye lies
    vein = clamp01((angle - f4(0.60)) / f4(0.5)) * (f4(0.25) + f4(0.45) * inwards)
    caruncle = _smooth(f4(0.62), f4(0.80), inwards) * f4(0.8)
    from_above = f4(1.15) - f4(0.45) * clamp01((ey + f4(0.3)) / f4(0.65))
    fringe = f4(0.20) + f4(0.42) * strengths[LASH_STRENGTH]  # lashes shade the ball most at their roots
    lid = f4(1) - f4(0.48) * math.exp(-above * f4(45)) - f4(0.22) * math.exp(-below * f4(110))
    lid = max(lid - fringe * math.exp(-above * f4(90)), f4(0.04))
    for c in range(3):
        coloured = (colours[IRIS_OUTER, c] * (f4(0.55) + f4(0.60) * fibre) * (f4(1) - inner)
                    + colours[IRIS_INNER, c] * inner) * limbus
        coloured = (f4(0.006) * (f4(1) - pupil) + coloured * pupil) * from_above
        sclera = colours[SCLERA, c] * white
        sclera = _mix(sclera, f4(0.42) if c == 0 else f4(0.24), vein)
        sclera = _mix(sclera, f4(0.40) if c == 0 else f4(0.19), caruncle)
        o[c] = _mix(sclera, coloured, iris) * A[RED + c] * lid
    bulge = nz + f4(0.25) * clamp01((rim + f4(0.07) - angle) / (rim + f4(0.07)))  # the cornea
    scale = f4(1) / math.sqrt(nx * nx + ny * ny + bulge * bulge)
    nx, ny, nz = nx * scale, ny * scale, bulge * scale
    wet = math.exp(-below * f4(400)) * f4(0.10)
    for light in range(2):
        shine = max(_half_dot(directions[light, 0], directions[light, 1], directions[light, 2], vx, vy, vz,
                              nx, ny, nz), f4(0))
        catch = shine ** 700 * f4(1.5) + wet * clamp01(directions[light, 2])
        for c in range(3):
            o[c] += catch * lights[light, c] * clamp01(above * f4(60))


@nb.njit(fastmath=True, inline="always")
def _hair(A: Floats, vx: f4, vy: f4, vz: f4, nx: f4, ny: f4, nz: f4,
          strands: Bytes, colours: Floats, directions: Floats, lights: Floats, o: Floats, t: Floats) -> None:
    """Kajiya-Kay around a tangent that falls with gravity along the surface, over light that wraps around strands.

    Deep layers, where ``A[OPEN]`` is low, are darker and more saturated: light reaches them through other strands.
    Fair strands scatter more light, so they keep less of their texture.
    """
    _sample(strands, A[U], A[V], 1, t)
    if nx * vx + ny * vy + nz * vz < f4(0):
        nx, ny, nz = -nx, -ny, -nz
    down = f4(-0.989) * ny + f4(0.148) * nz
    tx, ty, tz = -nx * down, f4(-0.989) - ny * down, f4(0.148) - nz * down
    scale = f4(1) / math.sqrt(tx * tx + ty * ty + tz * tz + f4(1e-9))
    is_open = A[OPEN]
    fair = clamp01(colours[HAIR_COLOUR, 1] * f4(3))
    contrast = f4(1.1) - f4(0.4) * fair
    bright = f4(1) + contrast * (t[0] - f4(0.5)) * f4(1.6)
    for c in range(3):
        colour = colours[HAIR_COLOUR, c]
        t[c] = colour * bright * (is_open + (f4(1) - is_open) * (f4(0.35) + f4(0.5) * colour))
        o[c] = t[c] * A[RED + c] * f4(1.15)
    for light in range(3):
        lx, ly, lz = directions[light, 0], directions[light, 1], directions[light, 2]
        along = _half_dot(lx, ly, lz, vx, vy, vz, tx, ty, tz) * scale
        s = f4(1) - along * along
        s4 = s * s * s * s
        s12 = s4 * s4 * s4
        facing = nx * lx + ny * ly + nz * lz
        share = f4(0.45) + f4(0.55) * A[LIT] if light == 0 else f4(0.3) + f4(0.7) * is_open
        diffuse = clamp01(facing * f4(0.55) + f4(0.45)) * f4(0.40)
        shine = clamp01((facing + f4(0.2)) / f4(1.0))
        shine = shine * shine * is_open * is_open * (f4(0.3) + f4(1.4) * clamp01(bright - f4(0.5)))
        white = f4(0.028) * (f4(1) - f4(0.5) * fair) * s12 * s12
        for c in range(3):
            o[c] += lights[light, c] * share * (t[c] * diffuse + (white + t[c] * f4(0.30) * s12) * shine)


@nb.njit(fastmath=True, inline="always")
def _shade(kind: int, A: Floats, above: f4, below: f4, vx: f4, vy: f4, vz: f4, texture: Bytes, canvas: Bytes,
           brows: Bytes, strands: Bytes, colours: Floats, strengths: Floats, directions: Floats, lights: Floats,
           o: Floats, t: Floats, f: Floats) -> None:
    nx, ny, nz = A[NX], A[NY], A[NZ]
    scale = f4(1) / math.sqrt(nx * nx + ny * ny + nz * nz + f4(1e-12))
    nx, ny, nz = nx * scale, ny * scale, nz * scale
    if kind == SKIN:
        _skin(A, vx, vy, vz, nx, ny, nz, texture, canvas, brows, colours, strengths, directions, lights, o, t, f)
    elif kind == EYE:
        _eye(A, above, below, vx, vy, vz, nx, ny, nz, colours, strengths, directions, lights, o)
    elif kind == HAIR:
        _hair(A, vx, vy, vz, nx, ny, nz, strands, colours, directions, lights, o, t)
    elif kind == MOUTH:
        # between lips that hardly part it is dark
        seen = f4(1) - math.exp(-above * f4(30))
        o[0] = _mix(f4(0.16) * colours[TONE, 0], f4(0.66), seen) * A[RED]
        o[1] = _mix(f4(0.07) * colours[TONE, 1], f4(0.60), seen) * A[RED + 1]
        o[2] = _mix(f4(0.07) * colours[TONE, 2], f4(0.52), seen) * A[BLUE]
    elif kind == CLOTH:
        rim = min(f4(0.55) + A[U] * f4(9), f4(1))
        for c in range(3):
            o[c] = colours[CLOTH_COLOUR, c] * A[RED + c] * rim
    else:
        for c in range(3):
            o[c] = (f4(0.010) + f4(0.12) * colours[HAIR_COLOUR, c]) * A[RED + c]


@nb.njit(fastmath=True, inline="always")
def _skin_label(A: Floats, texture: Bytes, brows: Bytes, strengths: Floats, b: Floats) -> int:
    """Label of one sample of skin; brows and painted hair count where they cover most of it."""
    if _brow(brows, A[FACE_X], A[FACE_Y], strengths, b) > BROW_SEEN:
        return BROW_LABEL
    label = _nearest(texture, A[U], A[V], LABEL)
    if strengths[SCALP_STRENGTH] > f4(0) and label != EAR_LABEL:
        distance = f4(_nearest(texture, A[U], A[V], SCALP)) / f4(255)
        if _scalp(distance, f4(_nearest(texture, A[U], A[V], RECEDED)) / f4(255), strengths) > SCALP_SEEN:
            return HAIR_LABEL
    return label


@nb.njit(fastmath=True, inline="always")
def _distance_to_lid(triangle: Ints, material: Ints, row: int, column: int, step: int, samples: int) -> int:
    """How many samples above (step -1) or below (+1) the same opening ends; lashes hang in it."""
    kind = material[triangle[row, column]]
    for away in range(1, samples + 1):
        at = row + step * away
        if at < 0 or at >= triangle.shape[0]:
            return samples
        hit = triangle[at, column]
        if hit < 0 or (material[hit] != kind and material[hit] != LASH):
            return away
    return samples


@nb.njit(fastmath=True, inline="always")
def _level(light: f4, curve: Floats) -> f4:
    level: f4 = curve[min(max(int(light * f4(512)), 0), 4095)]
    return level


@nb.njit(fastmath=True, cache=True)
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
    mean, one, o = np.empty(ATTRIBUTES, f4), np.empty(ATTRIBUTES, f4), np.empty(3, f4)
    t, total, sample_label = np.empty(16, f4), np.empty(3, f4), np.empty(4, np.int32)
    face, reach = np.empty(SAMPLED, f4), math.ceil(f4(LID_REACH) / sample_size)
    for y in range(side):
        for x in range(side):
            kind, same = -2, True
            for s in range(4):
                hit = triangle[2 * y + (s >> 1), 2 * x + (s & 1)]
                kind_here = -1 if hit < 0 else material[hit]
                if s == 0:
                    kind = kind_here
                elif kind_here != kind:
                    same = False
            if same and kind == -1:
                for c in range(3):
                    picture[y, x, c] = background[y, x, c]
                labels[y, x] = 0
                continue
            vx = -((f4(x) + f4(0.5)) / f4(side) * f4(2) - f4(1)) * half_tangent
            vy = -(f4(1) - (f4(y) + f4(0.5)) / f4(side) * f4(2)) * half_tangent
            vz = f4(1) / math.sqrt(vx * vx + vy * vy + f4(1))
            vx, vy = vx * vz, vy * vz
            above, below, first_u, first_v, seam = f4(0), f4(0), f4(0), f4(0), False
            for q in range(ATTRIBUTES):
                mean[q] = f4(0)
            for c in range(3):
                total[c] = f4(0)
            for s in range(4):
                row, column = 2 * y + (s >> 1), 2 * x + (s & 1)
                hit = triangle[row, column]
                if hit < 0:
                    sample_label[s] = 0
                    for c in range(3):
                        total[c] += f4(background[y, x, c])
                    continue
                w0, w1 = first_weight[row, column], second_weight[row, column]
                w2 = f4(1) - w0 - w1
                a, b, d = triangles[hit, 0], triangles[hit, 1], triangles[hit, 2]
                for q in range(ATTRIBUTES):
                    one[q] = w0 * attributes[a, q] + w1 * attributes[b, q] + w2 * attributes[d, q]
                if same:
                    for q in range(ATTRIBUTES):
                        mean[q] += f4(0.25) * one[q]
                    if s == 0:
                        first_u, first_v = one[U], one[V]
                    elif abs(one[U] - first_u) + abs(one[V] - first_v) > SEAM:
                        seam = True
                else:
                    if material[hit] in (EYE, MOUTH):
                        above = f4(_distance_to_lid(triangle, material, row, column, -1, reach)) * sample_size
                        below = f4(_distance_to_lid(triangle, material, row, column, 1, reach)) * sample_size
                    _shade(material[hit], one, above, below, vx, vy, vz, texture, canvas, brows, strands, colours,
                           strengths, directions, lights, o, t, face)
                    for c in range(3):
                        total[c] += _level(o[c], curve)
                if not same:
                    is_skin = material[hit] == SKIN
                    sample_label[s] = (_skin_label(one, texture, brows, strengths, o) if is_skin
                                       else label_of[material[hit]])
            if same:
                if seam:
                    mean[U], mean[V] = first_u, first_v
                if kind in (EYE, MOUTH):
                    above = f4(_distance_to_lid(triangle, material, 2 * y, 2 * x, -1, reach)) * sample_size
                    below = f4(_distance_to_lid(triangle, material, 2 * y, 2 * x, 1, reach)) * sample_size
                _shade(kind, mean, above, below, vx, vy, vz, texture, canvas, brows, strands, colours, strengths,
                       directions, lights, o, t, face)
                for c in range(3):
                    picture[y, x, c] = np.uint8(_level(o[c], curve))
                labels[y, x] = _skin_label(mean, texture, brows, strengths, o) if kind == SKIN else label_of[kind]
                continue
            for c in range(3):
                picture[y, x, c] = np.uint8(total[c] * f4(0.25))
            best, most = 0, 0
            for s in range(4):
                votes = 0
                for q in range(4):
                    if sample_label[q] == sample_label[s]:
                        votes += 1
                if votes > most:
                    best, most = sample_label[s], votes
            labels[y, x] = best
