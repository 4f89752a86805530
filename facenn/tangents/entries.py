"""What the shader was given for each entry of a picture, and the way from entries back to the vertices, compiled.

An entry is what the engine shades at once: a pixel whose four samples show one material, or one sample of a pixel that
shows several.
"""

from typing import NamedTuple

import numba as nb
import numpy as np

from facenn.arrays import Bytes, Floats, Ints
from facenn.engine.kernels.compiling import kernel
from facenn.engine.kernels.resolve import MIXED, collect, interpolate, measure_lids, scan
from facenn.engine.kernels.sampling import LANES, ROWS, TEXEL, Row, at, nearest, sample
from facenn.engine.kernels.skin import look_up_skin
from facenn.engine.kernels.tables import Hits, Mesh, Textures, f4
from facenn.engine.layout import Attribute, Canvas, Material

TABLE = int(Row.BELOW) + 1  # rows that are kept: attributes, skin texture, canvas, and distances to lids


class Entries(NamedTuple):
    """The entries of one material.

    Attributes:
        table: (TABLE, n) attributes and texels of each.
        zone: (n,) number of the zone of lines, 0 for none.
        place: (n,) four times its pixel, counted row by row, and the sample in it.
        samples: (n,) how many samples of the pixel it stands for, 1 or 4.
    """

    table: Floats
    zone: Ints
    place: Ints
    samples: Ints


@kernel(error_model="numpy")
def count_entries(hits: Hits, mesh: Mesh, background: Bytes, counts: Ints) -> None:
    """Add up the entries of each material."""
    side = hits.triangle.shape[0] // 2
    kinds, light, shown = np.empty(side, np.int32), np.empty((side, 3), f4), np.empty((side, 4), np.uint8)
    for y in range(side):
        scan(hits.triangle, mesh.material, y, background, kinds, light, shown)
        for x in range(side):
            if kinds[x] >= 0:
                counts[kinds[x]] += 1
            elif kinds[x] == MIXED:
                for s in range(4):
                    hit = hits.triangle[2 * y + (s >> 1), 2 * x + (s & 1)]
                    if hit >= 0:
                        counts[mesh.material[hit]] += 1


@kernel(error_model="numpy")
def tabulate(hits: Hits, mesh: Mesh, textures: Textures, strengths: Floats, background: Bytes, sample_size: f4,
             kind: int, entries: Entries) -> None:
    """Fill the entries of one material, as many as were counted."""
    side = hits.triangle.shape[0] // 2
    S, places, labels = np.empty(ROWS * LANES, f4), np.empty(LANES, np.int32), np.empty(LANES, np.uint8)
    kinds, light, shown = np.empty(side, np.int32), np.empty((side, 3), f4), np.empty((side, 4), np.uint8)
    n = 0
    for y in range(side):
        found = scan(hits.triangle, mesh.material, y, background, kinds, light, shown)
        if found & (1 << kind) == 0:
            continue
        start = 0
        while start < side:
            start, count = collect(hits.triangle, mesh.material, kind, y, start, kinds, places)
            interpolate(S, places, count, y, kinds, hits, mesh)
            if kind == Material.SKIN:
                look_up_skin(S, count, textures, strengths, labels)
            elif kind == Material.HAIR:
                for i in range(count):
                    sample(textures.strands, S[at(Attribute.U, i)], S[at(Attribute.V, i)], 1, S, TEXEL, i)
            elif kind in (Material.EYE, Material.MOUTH):
                measure_lids(S, places, count, y, hits, mesh, sample_size)
            for i in range(count):
                for row in range(TABLE):
                    entries.table[row, n + i] = S[at(row, i)]
                x = places[i] >> 2
                entries.place[n + i] = 4 * (y * side + x) + (places[i] & 3)
                entries.samples[n + i] = 1 if kinds[x] == MIXED else 4
                entries.zone[n + i] = 0
                if kind == Material.SKIN:
                    u, v = S[at(Attribute.FACE_X, i)], S[at(Attribute.FACE_Y, i)]
                    if nearest(textures.canvas, u, v, Canvas.PAINTED) > 0:
                        entries.zone[n + i] = nearest(textures.canvas, u, v, Canvas.ZONE)
            n += count


@nb.njit(error_model="numpy", forceinline=True)
def _corners(hits: Hits, triangles: Ints, row: int, column: int, share: f4) -> tuple[int, int, int, f4, f4, f4]:
    """The vertices of which a sample is a mean, and what each of them counts in a share of it."""
    hit, p0, p1 = hits.triangle[row, column], hits.first[row, column], hits.second[row, column]
    return (triangles[hit, 0], triangles[hit, 1], triangles[hit, 2], share * p0, share * p1,
            share * (f4(1) - p0 - p1))


@kernel(error_model="numpy")
def spread(entries: Entries, gradient: Floats, hits: Hits, triangles: Ints, out: Floats) -> None:
    """Add the gradient of entries (R, n) to that of the vertices (N, R) of which they are means."""
    side = hits.triangle.shape[0] // 2
    for i in range(entries.place.shape[0]):
        pixel, first = entries.place[i] >> 2, entries.place[i] & 3
        x, y = pixel % side, pixel // side
        samples = entries.samples[i]
        share = f4(1) / f4(samples)
        for s in range(first, first + samples):
            a, b, c, w0, w1, w2 = _corners(hits, triangles, 2 * y + (s >> 1), 2 * x + (s & 1), share)
            for q in range(gradient.shape[0]):
                g = gradient[q, i]
                out[a, q] += w0 * g
                out[b, q] += w1 * g
                out[c, q] += w2 * g


@kernel(error_model="numpy")
def gather(entries: Entries, values: Floats, hits: Hits, triangles: Ints, out: Floats) -> None:
    """(R, n) means over entries of what vertices (N, R) have: the transpose of ``spread``."""
    side = hits.triangle.shape[0] // 2
    for i in range(entries.place.shape[0]):
        pixel, first = entries.place[i] >> 2, entries.place[i] & 3
        x, y = pixel % side, pixel // side
        samples = entries.samples[i]
        share = f4(1) / f4(samples)
        for q in range(out.shape[0]):
            out[q, i] = f4(0)
        for s in range(first, first + samples):
            a, b, c, w0, w1, w2 = _corners(hits, triangles, 2 * y + (s >> 1), 2 * x + (s & 1), share)
            for q in range(out.shape[0]):
                out[q, i] += w0 * values[a, q] + w1 * values[b, q] + w2 * values[c, q]


@kernel()
def carriers(triangle: Ints, reach: int, out: Ints, fade: Floats) -> None:
    """Which pixel's surface moves each pixel: itself where it shows one, else the nearest within reach, or -1.

    Args:
        triangle: (2 S, 2 S) what each sample sees.
        reach: pixels.
        out: (S, S) number of that pixel, counted row by row.
        fade: (S, S) how much of its motion arrives: 1, and ever less beyond the silhouette.
    """
    side = out.shape[0]
    for y in range(side):
        for x in range(side):
            seen = False
            for s in range(4):
                if triangle[2 * y + (s >> 1), 2 * x + (s & 1)] >= 0:
                    seen = True
            out[y, x] = y * side + x if seen else -1
            fade[y, x] = f4(1) if seen else f4(0)
    for y in range(side):
        for x in range(side):
            if fade[y, x] == f4(1):
                continue
            best = reach * reach + 1
            for dy in range(max(-reach, -y), min(reach, side - 1 - y) + 1):
                for dx in range(max(-reach, -x), min(reach, side - 1 - x) + 1):
                    if dy * dy + dx * dx < best and fade[y + dy, x + dx] == f4(1):
                        best = dy * dy + dx * dx
                        out[y, x] = (y + dy) * side + x + dx
            if best <= reach * reach:
                fade[y, x] = f4(-1) - f4(best)  # told apart from covered pixels until all are known
    for y in range(side):
        for x in range(side):
            if fade[y, x] < f4(0):
                away = np.sqrt(f4(-1) - fade[y, x])
                fade[y, x] = max(f4(1) - (away - f4(1)) / f4(reach), f4(0))


@kernel(error_model="numpy")
def spread_flow(pull: Floats, carrier: Ints, fade: Floats, hits: Hits, triangles: Ints, out: Floats) -> None:
    """Add what the motion of each pixel costs, (S, S, 2) per sample, to the motion of vertices (N, 2)."""
    side = carrier.shape[0]
    for y in range(side):
        for x in range(side):
            if carrier[y, x] < 0:
                continue
            gx, gy = pull[y, x, 0] * fade[y, x], pull[y, x, 1] * fade[y, x]
            if gx == f4(0) and gy == f4(0):
                continue
            cx, cy = carrier[y, x] % side, carrier[y, x] // side
            count = 0
            for s in range(4):
                if hits.triangle[2 * cy + (s >> 1), 2 * cx + (s & 1)] >= 0:
                    count += 1
            share = f4(1) / f4(count)
            for s in range(4):
                row, column = 2 * cy + (s >> 1), 2 * cx + (s & 1)
                hit = hits.triangle[row, column]
                if hit < 0:
                    continue
                p0, p1 = share * hits.first[row, column], share * hits.second[row, column]
                p2 = share - p0 - p1
                for corner, weight in ((triangles[hit, 0], p0), (triangles[hit, 1], p1), (triangles[hit, 2], p2)):
                    out[corner, 0] += weight * gx
                    out[corner, 1] += weight * gy


@kernel(error_model="numpy")
def gather_flow(values: Floats, carrier: Ints, fade: Floats, hits: Hits, triangles: Ints, out: Floats) -> None:
    """(S, S, 2) motion of pixels from that of vertices (N, 2): the transpose of ``spread_flow``."""
    side = carrier.shape[0]
    for y in range(side):
        for x in range(side):
            out[y, x, 0] = out[y, x, 1] = f4(0)
            if carrier[y, x] < 0:
                continue
            cx, cy = carrier[y, x] % side, carrier[y, x] // side
            count = 0
            for s in range(4):
                row, column = 2 * cy + (s >> 1), 2 * cx + (s & 1)
                hit = hits.triangle[row, column]
                if hit < 0:
                    continue
                count += 1
                p0, p1 = hits.first[row, column], hits.second[row, column]
                p2 = f4(1) - p0 - p1
                for corner, weight in ((triangles[hit, 0], p0), (triangles[hit, 1], p1), (triangles[hit, 2], p2)):
                    out[y, x, 0] += weight * values[corner, 0]
                    out[y, x, 1] += weight * values[corner, 1]
            scale = fade[y, x] / f4(count)
            out[y, x, 0] *= scale
            out[y, x, 1] *= scale


def entries_of(hits: Hits, mesh: Mesh, textures: Textures, strengths: Floats, background: Bytes, sample_size: float
               ) -> dict[Material, Entries]:
    """The entries of a picture by material, those that it shows."""
    counts = np.zeros(len(Material), np.int32)
    count_entries(hits, mesh, background, counts)
    found = {}
    for kind in Material:
        if n := int(counts[kind]):
            found[kind] = Entries(np.empty((TABLE, n), f4), *np.empty((3, n), np.int32))
            tabulate(hits, mesh, textures, strengths, background, f4(sample_size), int(kind), found[kind])
    return found


