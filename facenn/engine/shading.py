"""Compiled materials: from interpolated attributes and a look to linear colour, and the final resolve."""

import math

import numba as nb
import numpy as np

from facenn.engine.rasterizer import (
    ATTRIBUTES,
    BLUE,
    CLOTH,
    EYE,
    HAIR,
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

# channels of the skin texture; MOTTLE and FLUSH are signed, 128 = 0
(MOTTLE, FLUSH, DARK, GLOSS, LIPS, INNER_MOUTH, SCALP, BEARD, STUBBLE, STRANDS, BLUSH, EYE_SHADOW, LINER,
 FRECKLES, BROW, LABEL) = range(16)

# rows of the look's colour table
TONE, HAIR_COLOUR, LIP_COLOUR, SHADOW_COLOUR, IRIS_OUTER, IRIS_INNER, CLOTH_COLOUR = range(7)
# entries of the look's strength table
(LIP_STRENGTH, BLUSH_STRENGTH, SHADOW_STRENGTH, LINER_STRENGTH, FRECKLE_STRENGTH, STUBBLE_STRENGTH,
 BEARD_STRENGTH, SCALP_STRENGTH, BROW_STRENGTH, FLUSH_STRENGTH) = range(10)

LABEL_OF_MATERIAL = np.array([1, 3, 7, 11, 10, 3], np.uint8)
"""Label of each material; skin reads its own from the texture."""
SKIN_LABEL, BROW_LABEL, HAIR_LABEL = 1, 2, 10
BROW_SEEN = f4(0.37)  # brow coverage from which a sample counts as brow

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
def _albedo(t: Floats, colours: Floats, strengths: Floats, out: Floats) -> None:
    """Diffuse colour of skin, with everything painted on it, from one texture sample ``t``.

    Painted hair is darker than cards of the same colour: short hairs shadow each other.
    """
    mottle, flush = (t[MOTTLE] - f4(128 / 255)) * f4(2), (t[FLUSH] - f4(128 / 255)) * f4(2)
    flush *= (f4(1.0) + f4(0.4) * strengths[BLUSH_STRENGTH]) * strengths[FLUSH_STRENGTH]
    stubble = t[BEARD] * (f4(0.25) + f4(0.5) * t[STUBBLE]) * strengths[STUBBLE_STRENGTH]
    beard = clamp01(t[BEARD] * (f4(0.62) + f4(0.55) * t[STRANDS])) * strengths[BEARD_STRENGTH]
    scalp = clamp01(t[SCALP] * (f4(0.72) + f4(0.4) * t[STRANDS])) * strengths[SCALP_STRENGTH]
    brow = min(t[BROW] * f4(1.05), f4(0.96)) * strengths[BROW_STRENGTH]
    for c in range(3):
        tone, hair = colours[TONE, c], colours[HAIR_COLOUR, c]
        if c == 0:
            hollow, freckle, flushed, lip = f4(0.45), f4(0.35), tone * f4(1.16), tone * f4(0.88)
            inside, blushed = tone * f4(0.45), tone * f4(1.08)
        elif c == 1:
            hollow, freckle, flushed, lip = f4(0.55), f4(0.5), tone * f4(0.70), tone * f4(0.52)
            inside, blushed = tone * f4(0.12), tone * f4(0.55)
        else:
            hollow, freckle, flushed, lip = f4(0.5), f4(0.6), tone * f4(0.67), tone * f4(0.52)
            inside, blushed = tone * f4(0.12), tone * f4(0.55)
        a = _mix(tone * (f4(1) + mottle * f4(0.8)), flushed, flush)
        a *= f4(1) - t[DARK] * hollow
        a *= f4(1) - t[FRECKLES] * strengths[FRECKLE_STRENGTH] * freckle
        a = _mix(a, _mix(lip, colours[LIP_COLOUR, c], strengths[LIP_STRENGTH]), t[LIPS] * f4(0.85))
        a = _mix(a, inside, t[INNER_MOUTH])
        a = _mix(a, blushed, t[BLUSH] * strengths[BLUSH_STRENGTH] * f4(0.6))
        a = _mix(a, colours[SHADOW_COLOUR, c], t[EYE_SHADOW] * strengths[SHADOW_STRENGTH])
        a = _mix(a, f4(0.01), t[LINER] * strengths[LINER_STRENGTH])
        a = _mix(a, hair * f4(0.33) + tone * f4(0.12), stubble)
        a = _mix(a, hair * f4(0.44), beard)
        a = _mix(a, hair * f4(0.44), scalp)
        out[c] = _mix(a, hair * f4(0.41), brow)


@nb.njit(fastmath=True, inline="always")
def _skin(A: Floats, vx: f4, vy: f4, vz: f4, nx: f4, ny: f4, nz: f4,
          texture: Bytes, colours: Floats, strengths: Floats, directions: Floats, lights: Floats, o: Floats,
          t: Floats) -> None:
    """Diffuse skin and a GGX-like highlight of three lights; the darker the skin, the rougher."""
    _sample(texture, A[U], A[V], 15, t)
    _albedo(t, colours, strengths, o)
    gloss = t[GLOSS]
    pale = clamp01(colours[TONE, 1] * f4(2.6))
    rough = f4(0.56) - f4(0.06) * pale - f4(0.16) * gloss
    a2 = rough * rough * rough * rough
    for c in range(3):
        o[c] *= A[RED + c]
    for light in range(3):
        lx, ly, lz = directions[light, 0], directions[light, 1], directions[light, 2]
        nh = max(_half_dot(lx, ly, lz, vx, vy, vz, nx, ny, nz), f4(0))
        spread = nh * nh * (a2 - f4(1)) + f4(1)
        grazing = f4(1) - max(_half_dot(lx, ly, lz, vx, vy, vz, vx, vy, vz), f4(0))
        base = f4(0.026) + (f4(0.012) * gloss if light == 0 else f4(0))
        fresnel = base + (f4(1) - base) * grazing * grazing * grazing * grazing * grazing
        facing = max(nx * lx + ny * ly + nz * lz, f4(0))
        share = A[LIT] if light == 0 else A[OPEN]
        s = a2 / (f4(3.14159) * spread * spread) * fresnel * facing * f4(0.33) * share
        for c in range(3):
            o[c] += lights[light, c] * s


@nb.njit(fastmath=True, inline="always")
def _eye(A: Floats, vx: f4, vy: f4, vz: f4, nx: f4, ny: f4, nz: f4,
         colours: Floats, o: Floats) -> None:
    """Sclera, iris with fibres and limbal ring, pupil, two catch lights, by the angle from the gaze axis."""
    angle, around = math.acos(min(max(nz, f4(-1)), f4(1))), math.atan2(ny, nx)
    fibre = (f4(0.5) + f4(0.25) * math.sin(around * f4(31) + f4(3) * math.sin(around * f4(7)))
             + f4(0.25) * math.sin(around * f4(53) + angle * f4(20)))
    iris = clamp01((f4(0.45) - angle) / f4(0.045))
    iris = iris * iris * (f4(3) - f4(2) * iris)
    inner = clamp01((f4(0.418) - angle) / f4(0.242)) * f4(0.6)
    limbus = clamp01((f4(0.45) - angle) / f4(0.12)) * f4(0.75) + f4(0.25)
    pupil = clamp01((angle - f4(0.16)) / f4(0.04))
    white = f4(1) - f4(0.36) * clamp01((angle - f4(0.45)) / f4(0.55))
    vein = clamp01((angle - f4(0.65)) / f4(0.5)) * f4(0.5)
    from_above = f4(1.2) - f4(0.5) * clamp01((ny + f4(0.3)) / f4(0.65))
    lid = f4(0.34) + f4(0.66) * clamp01((f4(0.42) - ny) / f4(0.5))
    for c in range(3):
        coloured = (colours[IRIS_OUTER, c] * (f4(0.45) + f4(0.75) * fibre) * (f4(1) - inner)
                    + colours[IRIS_INNER, c] * inner) * limbus
        coloured = (f4(0.006) * (f4(1) - pupil) + coloured * pupil) * from_above
        sclera = (f4(0.54) - f4(0.025) * f4(c)) * white
        sclera = sclera * (f4(1) - vein) + (f4(0.50) if c == 0 else f4(0.33)) * vein
        o[c] = (sclera * (f4(1) - iris) + coloured * iris) * A[RED + c] * lid
    bulge = nz + f4(0.25) * clamp01((f4(0.52) - angle) / f4(0.52))
    scale = f4(1) / math.sqrt(nx * nx + ny * ny + bulge * bulge)
    key = _half_dot(f4(-0.3516), f4(0.4186), f4(0.837), vx, vy, vz, nx * scale, ny * scale, bulge * scale)
    fill = _half_dot(f4(0.637), f4(0.228), f4(0.728), vx, vy, vz, nx * scale, ny * scale, bulge * scale)
    catch = max(key, f4(0)) ** 900 * f4(4) + max(fill, f4(0)) ** 400 * f4(0.4)
    for c in range(3):
        o[c] += catch


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
def _shade(kind: int, A: Floats, vx: f4, vy: f4, vz: f4, texture: Bytes, strands: Bytes, colours: Floats,
           strengths: Floats, directions: Floats, lights: Floats, o: Floats, t: Floats) -> None:
    nx, ny, nz = A[NX], A[NY], A[NZ]
    scale = f4(1) / math.sqrt(nx * nx + ny * ny + nz * nz + f4(1e-12))
    nx, ny, nz = nx * scale, ny * scale, nz * scale
    if kind == SKIN:
        _skin(A, vx, vy, vz, nx, ny, nz, texture, colours, strengths, directions, lights, o, t)
    elif kind == EYE:
        _eye(A, vx, vy, vz, nx, ny, nz, colours, o)
    elif kind == HAIR:
        _hair(A, vx, vy, vz, nx, ny, nz, strands, colours, directions, lights, o, t)
    elif kind == MOUTH:
        o[0], o[1], o[2] = f4(0.66) * A[RED], f4(0.60) * A[RED + 1], f4(0.52) * A[BLUE]
    elif kind == CLOTH:
        rim = min(f4(0.55) + A[U] * f4(9), f4(1))
        for c in range(3):
            o[c] = colours[CLOTH_COLOUR, c] * A[RED + c] * rim
    else:
        for c in range(3):
            o[c] = f4(0.012) * A[RED + c]


@nb.njit(fastmath=True, inline="always")
def _skin_label(texture: Bytes, u: f4, v: f4, strengths: Floats) -> int:
    """Label of one texel; where hair would be painted, a head without it shows skin."""
    height, width = texture.shape[0], texture.shape[1]
    row = min(max(int((f4(1) - v) * f4(height)), 0), height - 1)
    column = min(max(int(u * f4(width)), 0), width - 1)
    if f4(texture[row, column, BROW]) * f4(1 / 255) * strengths[BROW_STRENGTH] > BROW_SEEN:
        return BROW_LABEL
    label = int(texture[row, column, LABEL])
    if label == HAIR_LABEL and strengths[SCALP_STRENGTH] == f4(0):
        return SKIN_LABEL
    return label


@nb.njit(fastmath=True, inline="always")
def _level(light: f4, curve: Floats) -> f4:
    level: f4 = curve[min(max(int(light * f4(512)), 0), 4095)]
    return level


@nb.njit(fastmath=True, cache=True)
def resolve(triangle: Ints, first_weight: Floats, second_weight: Floats, triangles: Ints, material: Ints,
            attributes: Floats, texture: Bytes, strands: Bytes, colours: Floats, strengths: Floats,
            directions: Floats, lights: Floats, curve: Floats, label_of: Bytes, half_tangent: f4,
            background: Bytes, picture: Bytes, labels: Bytes) -> None:
    """Average 2x2 samples into pixels, and give each pixel the label that most of its samples show.

    A pixel whose four samples show the same material is shaded once, at the mean of their attributes.

    Args:
        triangle: (2 S, 2 S) visibility buffer, with its weights ``first_weight`` and ``second_weight``.
        first_weight: (2 S, 2 S).
        second_weight: (2 S, 2 S).
        triangles: (T, 3), with ``material`` (T,).
        material: (T,).
        attributes: (N, ATTRIBUTES).
        texture: (R, R, 16) skin texture, channels as above.
        strands: (H, W, 2) hair cards.
        colours: (7, 3) of the look.
        strengths: (10,) of the look.
        directions: (4, 3) of the lights, with colours ``lights`` (4, 3).
        lights: (4, 3).
        curve: (4096,) tone curve.
        label_of: (6,) label per material.
        half_tangent: of the field of view.
        background: (S, S, 3).
        picture: (S, S, 3) result.
        labels: (S, S) result.
    """
    side = picture.shape[0]
    mean, one, o = np.empty(ATTRIBUTES, f4), np.empty(ATTRIBUTES, f4), np.empty(3, f4)
    t, total, sample_label = np.empty(16, f4), np.empty(3, f4), np.empty(4, np.int32)
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
                else:
                    _shade(material[hit], one, vx, vy, vz, texture, strands, colours, strengths, directions,
                           lights, o, t)
                    for c in range(3):
                        total[c] += _level(o[c], curve)
                if material[hit] == SKIN:
                    sample_label[s] = _skin_label(texture, one[U], one[V], strengths)
                else:
                    sample_label[s] = label_of[material[hit]]
            if same:
                _shade(kind, mean, vx, vy, vz, texture, strands, colours, strengths, directions, lights, o, t)
                for c in range(3):
                    picture[y, x, c] = np.uint8(_level(o[c], curve))
            else:
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
