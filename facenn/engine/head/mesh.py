"""Operations on quad meshes as sparse matrices: subdivision, normals, unique corners."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from facenn.engine.kernels.compiling import kernel

Points = NDArray[np.floating]
Indices = NDArray[np.integer]


@dataclass(frozen=True)
class Subdivision:
    """One subdivision step, ready to be applied to any attribute of the coarse vertices.

    Attributes:
        smooth: (new, old) Catmull-Clark rule, for positions.
        linear: (new, old) midpoints, for texture coordinates.
        quads: (4 F, 4) faces of the refined mesh; vertices are ordered old, edge points, face points.
    """

    smooth: sp.csr_matrix
    linear: sp.csr_matrix
    quads: NDArray[np.int64]


def _sparse(value: float, rows: Indices, columns: Indices, shape: tuple[int, int]) -> sp.csr_matrix:
    return sp.csr_matrix((np.full(len(rows), value), (rows, columns)), shape=shape)


def _diagonal(where: NDArray[np.bool_], values: NDArray[np.float64] | float) -> sp.dia_matrix:
    return sp.diags(np.where(where, values, 0.0))


def catmull_clark(count: int, quads: Indices) -> Subdivision:
    """The Catmull-Clark rule for a quad mesh with borders.

    Args:
        count: number of vertices.
        quads: (F, 4) vertex indices.
    """
    faces = len(quads)
    corners = quads.ravel()
    pairs = np.sort(np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2), 1)
    edges, edge_of, uses = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    edge_of = edge_of.ravel()
    of_face, of_edge = np.repeat(np.arange(faces), 4), np.repeat(np.arange(len(edges)), 2)
    border = uses == 1

    face_point = _sparse(0.25, of_face, corners, (faces, count))
    middle = _sparse(0.5, of_edge, edges.ravel(), (len(edges), count))
    beside = _sparse(1.0, edge_of, of_face, (len(edges), faces)) @ face_point
    edge_point = _diagonal(border, 1.0) @ middle + _diagonal(~border, 0.5) @ middle
    edge_point = edge_point + _diagonal(~border, 0.25) @ beside

    around = _sparse(1.0, corners, of_face, (count, faces))
    along = _sparse(1.0, edges.ravel(), of_edge, (count, len(edges)))
    edge_count = np.maximum(np.asarray(along.sum(1)).ravel(), 1)
    valence = np.maximum(np.bincount(corners, minlength=count).astype(float), 1)
    on_border = np.zeros(count, bool)
    on_border[edges[border].ravel()] = True
    inner = ~on_border
    vertex = _diagonal(inner, 1 / valence**2) @ around @ face_point
    vertex = vertex + _diagonal(inner, 2 / (valence * edge_count)) @ along @ middle
    vertex = vertex + _diagonal(inner, (valence - 3) / valence)
    border_edges = along @ sp.diags(border.astype(float))
    border_count = np.maximum(np.asarray(border_edges.sum(1)).ravel(), 1)
    vertex = vertex + _diagonal(on_border, 0.5) @ (sp.diags(1 / border_count) @ border_edges @ middle)
    vertex = vertex + _diagonal(on_border, 0.5)

    edge_index = edge_of.reshape(faces, 4) + count
    face_index = np.arange(faces) + count + len(edges)
    refined = [np.stack([quads[:, k], edge_index[:, k], face_index, edge_index[:, (k - 1) % 4]], 1)
               for k in range(4)]
    return Subdivision(
        smooth=sp.vstack([vertex, edge_point, face_point]).tocsr(),
        linear=sp.vstack([sp.identity(count, format="csr"), middle, face_point]).tocsr(),
        quads=np.concatenate(refined).astype(np.int64),
    )


def triangulate(quads: Indices) -> Indices:
    """(F, 4) quads -> (2 F, 3) triangles with the same orientation."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def normals_operator(count: int, triangles: Indices) -> sp.csr_matrix:
    """(count, T) matrix that sums triangle normals into vertex normals."""
    return _sparse(1.0, triangles.ravel(), np.repeat(np.arange(len(triangles)), 3), (count, len(triangles)))


def weighted_sums(weights: sp.csr_matrix, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """``weights @ points``, (M, N) float32 times (N, 3), in half of scipy's time and with the same rounding."""
    sums = np.empty((weights.shape[0], 3), np.float32)
    _add_up(weights.indptr, weights.indices, weights.data, points, sums)
    return sums


@kernel()
def _add_up(starts: Indices, indices: Indices, weights: Points, points: Points, sums: Points) -> None:
    for row in range(len(sums)):
        x = y = z = np.float32(0)
        for k in range(starts[row], starts[row + 1]):
            weight, i = weights[k], indices[k]
            x += weight * points[i, 0]
            y += weight * points[i, 1]
            z += weight * points[i, 2]
        sums[row, 0], sums[row, 1], sums[row, 2] = x, y, z


def triangle_normals(positions: Points, triangles: Indices) -> Points:
    """(T, 3) normals whose length is twice the triangle's area."""
    normals = np.empty((len(triangles), 3), positions.dtype)
    _cross_edges(positions, triangles, normals)
    return normals


@kernel()
def _cross_edges(positions: Points, triangles: Indices, normals: Points) -> None:
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            along_j, along_k = positions[b, j] - positions[a, j], positions[b, k] - positions[a, k]
            across_j, across_k = positions[c, j] - positions[a, j], positions[c, k] - positions[a, k]
            normals[t, i] = along_j * across_k - along_k * across_j


def surroundings(count: int, triangles: Indices, rings: int = 3) -> sp.csr_matrix:
    """(count, count) matrix of the mean over a vertex's neighbourhood, some rings of neighbours wide."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    pairs = np.concatenate([pairs, pairs[:, ::-1], np.repeat(np.arange(count)[:, None], 2, 1)])
    linked = sp.csr_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    linked.data[:] = 1.0
    step = sp.diags(1 / np.asarray(linked.sum(1)).ravel()) @ linked
    mean = step
    for _ in range(rings - 1):
        mean = mean @ step
    return mean.tocsr().astype(np.float32)


def unique_corners(triangles: Indices, uv_triangles: Indices) -> tuple[Indices, Indices, Indices]:
    """Vertices that differ in position or texture coordinate.

    Args:
        triangles: (T, 3) position indices.
        uv_triangles: (T, 3) texture coordinate indices of the same corners.

    Returns:
        (V,) position index and (V,) texture coordinate index of each vertex, (T, 3) triangles over them.
    """
    corners = np.stack([triangles.ravel(), uv_triangles.ravel()], 1)
    unique, index = np.unique(corners, axis=0, return_inverse=True)
    return unique[:, 0], unique[:, 1], index.reshape(triangles.shape)


def unit(vectors: Points) -> Points:
    """Vectors scaled to length 1 along the last axis."""
    scaled: Points = vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)
    return scaled


def smoothstep(low: float, high: float, x: Points) -> Points:
    """0 at ``low``, 1 at ``high``, smooth in between; ``low`` may be the larger one."""
    t = np.clip((x - low) / (high - low), 0, 1)
    result: Points = t * t * (3 - 2 * t)
    return result
