"""The final pass: shades what the samples of a picture see, row by row, and averages 2 x 2 samples into pixels."""

import math

import numba as nb
import numpy as np

from facenn.arrays import Bytes, Floats, Ints
from facenn.engine.kernels.compiling import kernel
from facenn.engine.kernels.eye import shade_eyes
from facenn.engine.kernels.hair import shade_hair
from facenn.engine.kernels.plain import shade_plain
from facenn.engine.kernels.sampling import LANES, ROWS, TEXEL, Row, at, sample
from facenn.engine.kernels.skin import look_up_skin, shade_skin
from facenn.engine.kernels.tables import Hits, Lights, Mesh, Output, Palette, Textures, f4
from facenn.engine.layout import LABEL_OF_MATERIAL, Attribute, Material

ATTRIBUTES, MATERIALS = len(Attribute), len(Material)
MIXED = -2  # of a pixel: its samples show several materials
SEAM = f4(0.02)  # difference of texture coordinates within a pixel from which they are not averaged
LID_REACH = f4(0.06)  # decimetres over which a lid darkens the eye below it

_brightest, _exposure = 8, 0.72  # linear light that is told from more, and its factor
_levels = 4096
_linear = np.linspace(0, _brightest, _levels) * _exposure
_filmic = (_linear * (2.51 * _linear + 0.03)) / (_linear * (2.43 * _linear + 0.59) + 0.14)
TONE_CURVE: Floats = (np.clip(_filmic, 0, 1) ** (1 / 2.2) * 255).astype(np.float32)
"""4096 output levels for linear light 0..8: a filmic shoulder, then gamma 2.2."""
LAST_LEVEL, LEVELS_PER_LIGHT = _levels - 1, f4(_levels // _brightest)

LABELS_OF_MATERIALS = np.array([LABEL_OF_MATERIAL[material] for material in Material], np.uint8)


@kernel(error_model="numpy")
def _shade(S: Floats, kind: int, count: int, y: int, side: int, half_tangent: f4, palette: Palette, lights: Lights
           ) -> None:
    """Linear colour of the samples of one material, all in pixel row ``y``."""
    vy = -(f4(1) - (f4(y) + f4(0.5)) / f4(side) * f4(2)) * half_tangent
    across = f4(2) / f4(side)
    for i in range(count):
        nx, ny, nz = S[at(Attribute.NX, i)], S[at(Attribute.NY, i)], S[at(Attribute.NZ, i)]
        scale = f4(1) / math.sqrt(nx * nx + ny * ny + nz * nz + f4(1e-12))
        S[at(Attribute.NX, i)], S[at(Attribute.NY, i)], S[at(Attribute.NZ, i)] = nx * scale, ny * scale, nz * scale
        vx = -((S[at(Row.COLUMN, i)] + f4(0.5)) * across - f4(1)) * half_tangent
        vz = f4(1) / math.sqrt(vx * vx + vy * vy + f4(1))
        S[at(Row.VIEW_X, i)], S[at(Row.VIEW_Y, i)], S[at(Row.VIEW_Z, i)] = vx * vz, vy * vz, vz
    if kind == Material.SKIN:
        shade_skin(S, count, palette, lights)
    elif kind == Material.EYE:
        shade_eyes(S, count, palette, lights)
    elif kind == Material.HAIR:
        shade_hair(S, count, palette, lights)
    else:
        shade_plain(S, kind, count, palette.colours)


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
def measure_lids(S: Floats, places: Ints, count: int, y: int, hits: Hits, mesh: Mesh, sample_size: f4) -> None:
    """Decimetres from places on an eye or in a mouth to the lids or lips above and below."""
    reach = math.ceil(LID_REACH / sample_size)
    for i in range(count):
        x, s = places[i] >> 2, places[i] & 3
        row, column = 2 * y + (s >> 1), 2 * x + (s & 1)
        S[at(Row.ABOVE, i)] = sample_size * f4(_distance_to_lid(hits.triangle, mesh.material, row, column, -1, reach))
        S[at(Row.BELOW, i)] = sample_size * f4(_distance_to_lid(hits.triangle, mesh.material, row, column, 1, reach))


@kernel(error_model="numpy")
def interpolate(S: Floats, places: Ints, count: int, y: int, kinds: Ints, hits: Hits, mesh: Mesh) -> None:
    """Attributes at places of a pixel row: of one sample, or the mean of a pixel that shows a single material.

    Where a pixel straddles a seam of the texture, its first sample says where it lies on it.
    """
    triangle, triangles, attributes = hits.triangle, mesh.triangles, mesh.attributes
    for i in range(count):
        x, first = places[i] >> 2, places[i] & 3
        samples = 1 if kinds[x] == MIXED else 4
        share = f4(1) / f4(samples)
        S[at(Row.COLUMN, i)], S[at(Row.SHARE, i)] = f4(x), f4(0.25) * f4(samples)
        for q in range(ATTRIBUTES):
            S[at(q, i)] = f4(0)
        first_u, first_v, seam = f4(0), f4(0), False
        w0 = w1 = w2 = f4(0)
        for s in range(first, first + samples):
            row, column = 2 * y + (s >> 1), 2 * x + (s & 1)
            hit = triangle[row, column]
            a, b, d = triangles[hit, 0], triangles[hit, 1], triangles[hit, 2]
            p0, p1 = hits.first[row, column], hits.second[row, column]
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
                    S[at(q, i)] += w0 * attributes[a, q] + w1 * attributes[b, q] + w2 * attributes[d, q]
                w0 = w1 = w2 = f4(0)
        if seam:
            S[at(Attribute.U, i)], S[at(Attribute.V, i)] = first_u, first_v


@nb.njit(error_model="numpy", forceinline=True)
def scan(triangle: Ints, material: Ints, y: int, background: Bytes, kinds: Ints, light: Floats, shown: Bytes
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
def collect(triangle: Ints, material: Ints, kind: int, y: int, start: int, kinds: Ints, places: Ints
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
            level = curve[min(max(int(S[at(Row.RESULT + c, i)] * LEVELS_PER_LIGHT), 0), LAST_LEVEL)]
            light[x, c] += S[at(Row.SHARE, i)] * level
        for q in range(s, s + 1 if kinds[x] == MIXED else 4):
            shown[x, q] = labels[i]


@kernel(error_model="numpy")
def resolve(hits: Hits, mesh: Mesh, textures: Textures, palette: Palette, lights: Lights, half_tangent: f4,
            sample_size: f4, curve: Floats, label_of: Bytes, output: Output) -> None:
    """Average 2x2 samples into pixels, and give each pixel the label that most of its samples show.

    A pixel whose four samples show the same material is shaded and labelled once, at the mean of their attributes.

    Args:
        hits: what each sample sees.
        mesh: that was hit.
        textures: of the mesh.
        palette: colours and strengths of the look.
        lights: of the picture.
        half_tangent: of the field of view.
        sample_size: decimetres between samples, at the face.
        curve: ``TONE_CURVE``.
        label_of: ``LABELS_OF_MATERIALS``.
        output: what is drawn into.
    """
    triangle, material, side = hits.triangle, mesh.material, output.picture.shape[0]
    S, places, found_here = np.empty(ROWS * LANES, f4), np.empty(LANES, np.int32), np.empty(LANES, np.uint8)
    kinds, light, shown = np.empty(side, np.int32), np.empty((side, 3), f4), np.empty((side, 4), np.uint8)
    for y in range(side):
        found = scan(triangle, material, y, output.background, kinds, light, shown)
        for kind in range(MATERIALS):
            if found & (1 << kind) == 0:
                continue
            start = 0
            while start < side:
                start, count = collect(triangle, material, kind, y, start, kinds, places)
                interpolate(S, places, count, y, kinds, hits, mesh)
                found_here[:] = label_of[kind]
                if kind == Material.SKIN:
                    look_up_skin(S, count, textures, palette.strengths, found_here)
                elif kind == Material.HAIR:
                    for i in range(count):
                        sample(textures.strands, S[at(Attribute.U, i)], S[at(Attribute.V, i)], 1, S, TEXEL, i)
                elif kind in (Material.EYE, Material.MOUTH):
                    measure_lids(S, places, count, y, hits, mesh, sample_size)
                _shade(S, kind, count, y, side, half_tangent, palette, lights)
                _add_up(S, places, count, kinds, curve, found_here, light, shown)
        for x in range(side):
            for c in range(3):
                output.picture[y, x, c] = np.uint8(light[x, c])
            output.labels[y, x] = _label(shown, x)
