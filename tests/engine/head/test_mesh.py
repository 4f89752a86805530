import numpy as np
import pytest
from numpy.typing import NDArray

from facenn.engine.head.mesh import (
    catmull_clark,
    normals_operator,
    smoothstep,
    surroundings,
    triangle_normals,
    triangulate,
    unique_corners,
    unit,
    weighted_sums,
)

CUBE = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
CUBE_QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])


def grid(size: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A flat square of (size - 1)**2 quads."""
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    first = (np.arange(size - 1)[:, None] * size + np.arange(size - 1)).ravel()
    quads = np.stack([first, first + 1, first + size + 1, first + size], 1)
    return np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1).astype(float), quads


def rows_with(points: NDArray[np.float64], wanted: list[float]) -> int:
    return int((np.abs(np.sort(np.abs(points), 1) - sorted(wanted)).max(1) < 1e-12).sum())


def test_catmull_clark_of_a_cube_is_the_textbook_one() -> None:
    refined = catmull_clark(8, CUBE_QUADS)
    points = refined.smooth @ CUBE
    assert points.shape == (26, 3)
    assert refined.quads.shape == (24, 4)
    assert rows_with(points[:8], [5 / 9, 5 / 9, 5 / 9]) == 8
    assert rows_with(points[8:20], [0, 3 / 4, 3 / 4]) == 12
    assert rows_with(points[20:], [0, 0, 1]) == 6


def test_catmull_clark_keeps_the_outside_outside() -> None:
    refined = catmull_clark(8, CUBE_QUADS)
    points = refined.smooth @ CUBE
    before = triangle_normals(CUBE, triangulate(CUBE_QUADS))
    triangles = triangulate(refined.quads)
    after = triangle_normals(points, triangles)
    outwards = (after * points[triangles].mean(1)).sum(1)
    sign = np.sign((before * CUBE[triangulate(CUBE_QUADS)].mean(1)).sum(1))
    assert (sign == sign[0]).all()
    assert (np.sign(outwards) == sign[0]).all()


@pytest.mark.parametrize("rule", ["smooth", "linear"])
def test_catmull_clark_averages(rule: str) -> None:
    points, quads = grid(5)
    matrix = getattr(catmull_clark(len(points), quads), rule)
    assert np.allclose(matrix.sum(1), 1)
    assert matrix.min() >= 0
    assert np.abs((matrix @ points)[:, 2]).max() == 0


def test_catmull_clark_keeps_straight_borders_and_even_grids() -> None:
    points, quads = grid(5)
    refined = catmull_clark(len(points), quads).smooth @ points
    corners = [0, 4, 20, 24]
    others = np.setdiff1d(np.arange(25), corners)
    assert np.allclose(refined[others], points[others])
    border = (points == 0).any(1) & (points[:, 2] == 0)
    assert ((refined[:25][border][:, :2] >= 0) & (refined[:25][border][:, :2] <= 4)).all()


def test_linear_subdivision_takes_midpoints() -> None:
    points, quads = grid(2)
    refined = catmull_clark(4, quads).linear @ points
    assert sorted(map(tuple, refined[:, :2].tolist())) == sorted(
        (x, y) for x in (0, 0.5, 1) for y in (0, 0.5, 1))


def test_triangulate_covers_the_quads_with_the_same_orientation() -> None:
    points, quads = grid(4)
    normals = triangle_normals(points, triangulate(quads))
    assert np.allclose(normals, [0, 0, 1])
    assert len(normals) == 18


def test_triangle_normals_are_twice_the_area_long() -> None:
    points = np.array([[0.0, 0, 0], [3, 0, 0], [0, 4, 0]])
    assert triangle_normals(points, np.array([[0, 1, 2], [0, 2, 1]])).tolist() == [[0, 0, 12], [0, 0, -12]]


def test_normals_operator_sums_the_triangles_around_a_vertex() -> None:
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    summed = normals_operator(5, triangles) @ np.array([[0.0, 0, 1], [0, 2, 0]])
    assert summed.tolist() == [[0, 2, 1], [0, 0, 1], [0, 2, 1], [0, 2, 0], [0, 0, 0]]


def test_weighted_sums_are_the_product() -> None:
    points, quads = grid(13)
    weights = surroundings(len(points), triangulate(quads))[:40]
    uneven = np.random.default_rng(1).random(points.shape, np.float32)
    assert np.array_equal(weighted_sums(weights, uneven), weights @ uneven)


def test_surroundings_average_a_neighbourhood_some_rings_wide() -> None:
    points, quads = grid(13)
    triangles = triangulate(quads)
    mean = surroundings(len(points), triangles)
    assert np.allclose(mean.sum(1), 1, atol=1e-6)
    assert mean.min() >= 0
    middle = 6 * 13 + 6
    reached = points[mean[middle].nonzero()[1]]
    assert np.abs(reached[:, :2] - 6).max() == 3
    assert mean[middle] @ points == pytest.approx(points[middle][None], abs=1e-5)  # a flat place has no hollow
    assert surroundings(len(points), triangles, rings=1)[middle].nnz == 7  # itself and its neighbours


def test_surroundings_of_a_dent_lie_above_it() -> None:
    points, quads = grid(13)
    points[6 * 13 + 6, 2] = -1
    hollow = (surroundings(len(points), triangulate(quads)) @ points - points)[:, 2]
    assert hollow.argmax() == 6 * 13 + 6
    assert hollow.max() > 0.5
    assert hollow[0] == 0


def test_unique_corners_splits_vertices_at_texture_seams_only() -> None:
    triangles, uv_triangles = np.array([[0, 1, 2], [0, 2, 3]]), np.array([[0, 1, 2], [5, 2, 3]])
    position, uv, corners = unique_corners(triangles, uv_triangles)
    assert len(position) == 5
    assert np.array_equal(position[corners], triangles)
    assert np.array_equal(uv[corners], uv_triangles)


def test_unit_has_length_one_and_leaves_zero_alone() -> None:
    assert unit(np.array([[3.0, 4, 0], [0, 0, 0]])).tolist() == pytest.approx(np.array([[0.6, 0.8, 0], [0, 0, 0]]))


def test_smoothstep_rises_or_falls_between_its_ends() -> None:
    x = np.array([-1.0, 0, 1, 2, 3])
    assert smoothstep(0, 2, x).tolist() == [0, 0, 0.5, 1, 1]
    assert smoothstep(2, 0, x).tolist() == [1, 1, 0.5, 0, 0]
