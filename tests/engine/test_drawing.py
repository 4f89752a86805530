import numpy as np
import pytest

from facenn.engine.drawing import noise, rasterize_uv, stroke


def test_stroke_is_as_wide_as_its_radius_and_stays_on_its_path() -> None:
    canvas = np.zeros((40, 60), np.float32)
    stroke(canvas, np.array([[10.0, 20], [50, 20]]), np.array([3.0]), 1.0, 1.0)
    assert canvas[:, 30].sum() == pytest.approx(6, abs=1.1)
    assert canvas[20, 10:51] == pytest.approx(1)
    assert canvas[:16].sum() == canvas[25:].sum() == 0


def test_stroke_blends_towards_its_value_and_fades_at_the_edge() -> None:
    canvas = np.full((20, 20), 0.4, np.float32)
    stroke(canvas, np.array([[2.0, 10.25], [17, 10.25]]), np.array([2.0]), 0.8, 0.5)
    assert canvas[10, 10] == pytest.approx(0.6)
    assert 0.4 < canvas[12, 10] < 0.6
    assert canvas[0, 0] == np.float32(0.4)


def test_stroke_may_leave_the_canvas() -> None:
    canvas = np.zeros((10, 10), np.float32)
    stroke(canvas, np.array([[-20.0, 5], [30, 5]]), np.array([1.0]), 1.0, 1.0)
    assert canvas[5] == pytest.approx(1)
    before = canvas.copy()
    stroke(canvas, np.array([[-20.0, -5], [-10, -5]]), np.array([1.0]), 1.0, 1.0)
    assert np.array_equal(canvas, before)


def test_rasterize_uv_interpolates_attributes_over_texels() -> None:
    uv = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    triangles = np.array([[0, 1, 2], [1, 3, 2]], np.int32)
    out, covered = np.zeros((16, 16, 2), np.float32), np.zeros((16, 16), bool)
    rasterize_uv(uv, triangles, uv.copy(), out, covered)
    u, v = np.meshgrid((np.arange(16) + 0.5) / 16, 1 - (np.arange(16) + 0.5) / 16)
    assert covered.all()
    assert np.abs(out - np.dstack([u, v])).max() < 1e-6


def test_rasterize_uv_covers_two_texels_around_a_triangle_and_leaves_the_rest_and_flat_ones_alone() -> None:
    uv = np.array([[0.1, 0.1], [0.3, 0.1], [0.1, 0.3], [0.9, 0.9]])
    out, covered = np.zeros((64, 64, 1), np.float32), np.zeros((64, 64), bool)
    rasterize_uv(uv, np.array([[0, 1, 2], [0, 3, 3]], np.int32), np.ones((4, 1)), out, covered)
    u, v = np.meshgrid((np.arange(64) + 0.5) / 64, 1 - (np.arange(64) + 0.5) / 64)
    border = 2 / 64
    near = (u > 0.1 - border) & (v > 0.1 - border) & (u + v < 0.4 + border)
    assert not covered[~near].any()
    assert (near & ~covered).sum() <= 2  # the tips of the acute corners
    assert np.array_equal(out[..., 0] == 1, covered)


def test_noise_is_smooth_centred_and_a_function_of_its_seed() -> None:
    points = np.random.default_rng(0).random((4000, 3), np.float32) * 8
    values = noise(points, 2.0, 1)
    assert np.array_equal(values, noise(points, 2.0, 1))
    assert abs(values.mean()) < 0.1
    assert 0.2 < values.std() < 1
    nearby = noise(points + np.float32(1e-3), 2.0, 1)
    assert np.abs(nearby - values).max() < 0.05
    assert abs(np.corrcoef(values, noise(points, 2.0, 2))[0, 1]) < 0.1
