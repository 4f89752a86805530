import numpy as np
import pytest

from facenn.arrays import Array
from facenn.fitting.engine.least_squares import (
    DAMPINGS,
    Point,
    best,
    jacobian_at,
    probes,
    proposals,
    robust_loss,
    robust_weights,
    updated,
)

GENERATOR = np.random.default_rng(5)
SLOPES = GENERATOR.standard_normal((30, 6))
PLAIN = np.full(30, np.inf)
MIDDLE = np.full(6, 0.5)


def at(values: Array, goal: Array) -> Point:
    residuals = (values - goal) @ SLOPES.T
    return Point(values, residuals, float(robust_loss(residuals, PLAIN)))


def test_robust_loss_of_infinite_scales_is_the_sum_of_squares() -> None:
    assert robust_loss(np.array([3.0, -4.0]), np.full(2, np.inf)) == pytest.approx(25)


def test_robust_loss_hardly_grows_beyond_its_scale() -> None:
    scales = np.array([0.1])
    small, large = (float(robust_loss(np.array([r]), scales)) for r in (0.01, 10.0))
    assert small == pytest.approx(0.01**2, rel=0.01)
    assert large < 0.1**2 * 10


def test_robust_weights_are_the_slope_of_the_loss_over_that_of_the_square() -> None:
    residuals, scales, tiny = np.array([0.3, -0.02]), np.array([0.1, 0.2]), 1e-6
    weights = robust_weights(residuals, scales)
    for i in range(2):
        moved = residuals.copy()
        moved[i] += tiny
        slope = (float(robust_loss(moved, scales)) - float(robust_loss(residuals, scales))) / tiny
        assert slope == pytest.approx(2 * weights[i] * residuals[i], rel=1e-3)


def test_probes_stay_in_the_box() -> None:
    points, widths = probes(np.array([0.0, 0.5, 0.51, 1.0]))
    assert points.min() >= 0
    assert points.max() <= 1
    assert (widths > 0).tolist() == [True, True, False, False]


def test_jacobian_at_is_exact_for_a_linear_model() -> None:
    residuals, jacobian = jacobian_at(MIDDLE, lambda points: (points - 0.3) @ SLOPES.T)
    assert residuals == pytest.approx((MIDDLE - 0.3) @ SLOPES.T)
    assert jacobian == pytest.approx(SLOPES)


def test_steps_reach_the_solution_of_a_linear_model_up_to_the_damping() -> None:
    goal = GENERATOR.uniform(0.2, 0.8, 6)
    tried = proposals(at(MIDDLE, goal), SLOPES, PLAIN)
    errors = np.linalg.norm(tried - goal, axis=1)
    assert len(tried) == len(DAMPINGS)
    assert errors[0] < 0.1 * np.linalg.norm(MIDDLE - goal)
    assert (np.diff(errors) > 0).all()  # the more damping, the shorter the step


def test_steps_solve_again_for_the_rest_when_one_value_runs_into_the_box() -> None:
    goal = np.array([0.5, 1.4, 0.4, 0.6, 0.5, 0.5])
    start = at(MIDDLE, goal)
    bold = proposals(start, SLOPES, PLAIN)[0]
    assert bold.min() >= 0
    assert bold[1] == 1
    clipped = np.clip(goal, 0, 1)
    assert at(bold, goal).loss < at(clipped, goal).loss


def test_steps_stay_where_nothing_changes_anything() -> None:
    point = Point(MIDDLE, np.ones(30), 30.0)
    assert np.array_equal(proposals(point, np.zeros_like(SLOPES), PLAIN), MIDDLE[None])


def test_steps_leave_alone_what_changes_nothing() -> None:
    slopes = SLOPES.copy()
    slopes[:, 2] = 1e-9
    tried = proposals(at(MIDDLE, np.full(6, 0.3)), slopes, PLAIN)
    assert (tried[:, 2] == MIDDLE[2]).all()


def test_updated_jacobian_explains_the_last_step_and_nothing_else() -> None:
    moved, changed = GENERATOR.standard_normal(6), GENERATOR.standard_normal(30)
    better = updated(SLOPES, moved, changed)
    across = np.linalg.svd(moved[None])[2][1]  # at right angles to the step
    assert better @ moved == pytest.approx(changed)
    assert better @ across == pytest.approx(SLOPES @ across)


def test_updated_jacobian_of_no_step_is_the_same() -> None:
    assert updated(SLOPES, np.zeros(6), np.ones(30)) is SLOPES


def test_best_keeps_the_start_when_nothing_is_better() -> None:
    start = at(np.full(6, 0.3), np.full(6, 0.3))
    points = GENERATOR.random((4, 6))
    residuals = (points - 0.3) @ SLOPES.T
    assert best(points, residuals, PLAIN, start=start) is start
    worse = at(np.ones(6), np.full(6, 0.3))
    assert best(points, residuals, PLAIN, start=worse).loss == robust_loss(residuals, PLAIN).min()
