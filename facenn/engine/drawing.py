"""Compiled drawing on arrays: anti-aliased strokes, texture-space rasterising, value noise."""

import numpy as np
from numpy.typing import NDArray

from facenn.engine.kernels.compiling import kernel


@kernel()
def stroke(canvas: NDArray[np.float32], path: NDArray[np.float64], radius: NDArray[np.float64], value: float,
           alpha: float) -> None:
    """Blend a polyline into a canvas.

    Args:
        canvas: (H, W), changed in place.
        path: (N, 2) x, y in pixels.
        radius: (N - 1,) half width of each segment in pixels.
        value: what the stroke pulls the canvas towards.
        alpha: how strongly, 0..1.
    """
    widest = radius.max()
    left = max(int(path[:, 0].min() - widest - 1), 0)
    right = min(int(path[:, 0].max() + widest + 3), canvas.shape[1])
    top = max(int(path[:, 1].min() - widest - 1), 0)
    bottom = min(int(path[:, 1].max() + widest + 3), canvas.shape[0])
    for y in range(top, bottom):
        for x in range(left, right):
            cover = 0.0
            for i in range(len(path) - 1):
                from_x, from_y = x - path[i, 0], y - path[i, 1]
                along_x, along_y = path[i + 1, 0] - path[i, 0], path[i + 1, 1] - path[i, 1]
                t = (from_x * along_x + from_y * along_y) / (along_x**2 + along_y**2 + 1e-9)
                t = min(max(t, 0.0), 1.0)
                distance = ((from_x - t * along_x) ** 2 + (from_y - t * along_y) ** 2) ** 0.5
                cover = max(cover, radius[i] + 0.5 - distance)
            if cover > 0:
                canvas[y, x] += (value - canvas[y, x]) * min(cover, 1.0) * alpha


@kernel()
def rasterize_uv(uv: NDArray[np.float64], triangles: NDArray[np.int32], attributes: NDArray[np.float64],
                 out: NDArray[np.float32], covered: NDArray[np.bool_]) -> None:
    """Interpolate vertex attributes over the texels that the triangles cover, and a little beyond their borders.

    Without the second pass, lookups between texels would mix in what was never painted: a seam.

    Args:
        uv: (V, 2) texture coordinates, v upwards.
        triangles: (T, 3).
        attributes: (V, C).
        out: (S, S, C), changed in place.
        covered: (S, S), changed in place.
    """
    side = out.shape[0]
    for reach in (0.35, 2.0):
        for t in range(triangles.shape[0]):
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            x0, y0 = uv[i, 0] * side, (1 - uv[i, 1]) * side
            x1, y1 = uv[j, 0] * side, (1 - uv[j, 1]) * side
            x2, y2 = uv[k, 0] * side, (1 - uv[k, 1]) * side
            area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
            if abs(area) < 1e-9:
                continue
            slack = -reach / max(abs(area) ** 0.5, 1.0)
            for y in range(max(int(min(y0, y1, y2)) - 2, 0), min(int(max(y0, y1, y2)) + 3, side)):
                for x in range(max(int(min(x0, x1, x2)) - 2, 0), min(int(max(x0, x1, x2)) + 3, side)):
                    if reach > 1 and covered[y, x]:
                        continue
                    px, py = x + 0.5, y + 0.5
                    a = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) / area
                    b = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) / area
                    c = 1 - a - b
                    if a >= slack and b >= slack and c >= slack:
                        for q in range(attributes.shape[1]):
                            out[y, x, q] = a * attributes[i, q] + b * attributes[j, q] + c * attributes[k, q]
                        covered[y, x] = True


@kernel()
def _add_octave(points: NDArray[np.float32], frequency: float, shift: NDArray[np.float64],
                lattice: NDArray[np.float32], amplitude: float, total: NDArray[np.float32]) -> None:
    n = lattice.shape[0]
    cell, fade = np.empty((3, 2), np.int64), np.empty(3)
    for p in range(points.shape[0]):
        for d in range(3):
            q = points[p, d] * frequency + shift[d]
            low = int(np.floor(q))
            f = q - low
            cell[d, 0], cell[d, 1] = low % n, (low + 1) % n
            fade[d] = f * f * (3 - 2 * f)
        value = 0.0
        for i in range(2):
            for j in range(2):
                for k in range(2):
                    weight = ((fade[0] if i else 1 - fade[0]) * (fade[1] if j else 1 - fade[1])
                              * (fade[2] if k else 1 - fade[2]))
                    value += weight * lattice[cell[0, i], cell[1, j], cell[2, k]]
        total[p] += amplitude * value


def noise(points: NDArray[np.float32], frequency: float, seed: int, octaves: int = 3) -> NDArray[np.float32]:
    """(N,) smooth value noise at (N, 3) points, about unit variance per octave before averaging."""
    generator = np.random.default_rng(seed)
    total, amplitude, weight = np.zeros(len(points), np.float32), 1.0, 0.0
    for octave in range(octaves):
        lattice = generator.standard_normal((32, 32, 32)).astype(np.float32)
        _add_octave(points, frequency * 2**octave, generator.random(3) * 32, lattice, amplitude, total)
        weight += amplitude
        amplitude *= 0.55
    return total / np.float32(weight)
