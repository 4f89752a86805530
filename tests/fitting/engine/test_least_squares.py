import numpy as np
import pytest

from facenn.arrays import Array
from facenn.fitting.engine.least_squares import boxed_step, consistent, robust_loss, robust_weights, updated

GENERATOR = np.random.default_rng(5)
SLOPES = GENERATOR.standard_normal((30, 6))
MIDDLE = np.full(6, 0.5)


def step_towards(goal: Array, slopes: Array = SLOPES, *, damping: float = 0.0) -> Array:
    """From the middle, for residuals that are linear and zero at the goal."""
    return boxed_step(MIDDLE, slopes.T @ slopes, slopes.T @ (slopes @ (MIDDLE - goal)), damping)


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


def test_consistent_jacobian_has_the_true_gradient_and_is_else_the_same() -> None:
    residuals, gradient = GENERATOR.standard_normal(30), GENERATOR.standard_normal(6)
    better = consistent(SLOPES, residuals, gradient)
    across = np.linalg.svd(residuals[None])[2][1]  # at right angles to the residuals
    assert better.T @ residuals == pytest.approx(gradient)
    assert better.T @ across == pytest.approx(SLOPES.T @ across)
    assert consistent(better, residuals, gradient) == pytest.approx(better)


def test_jacobians_stay_without_residuals_and_without_a_step() -> None:
    assert consistent(SLOPES, np.zeros(30), np.ones(6)) is SLOPES
    assert updated(SLOPES, np.zeros(6), np.ones(30)) is SLOPES


def test_updated_jacobian_explains_the_last_step_and_nothing_else() -> None:
    moved, changed = GENERATOR.standard_normal(6), GENERATOR.standard_normal(30)
    better = updated(SLOPES, moved, changed)
    across = np.linalg.svd(moved[None])[2][1]  # at right angles to the step
    assert better @ moved == pytest.approx(changed)
    assert better @ across == pytest.approx(SLOPES @ across)


def test_step_reaches_the_minimum_up_to_the_damping() -> None:
    goal = GENERATOR.uniform(0.2, 0.8, 6)
    errors = [float(np.linalg.norm(step_towards(goal, damping=d) - goal)) for d in (0.0, 0.1, 1.0, 100.0)]
    assert errors[0] == pytest.approx(0, abs=1e-9)
    assert errors == sorted(errors)
    assert errors[1] < 0.2 * errors[3]


def test_step_stays_in_the_box_and_solves_again_for_the_rest() -> None:
    goal = np.array([0.5, 1.4, 0.4, 0.6, 0.5, 0.5])
    there = step_towards(goal)
    assert there.min() >= 0
    assert there[1] == 1
    losses = [float(np.square(SLOPES @ (values - goal)).sum()) for values in (there, np.clip(goal, 0, 1))]
    assert losses[0] < losses[1]


def test_step_stays_where_nothing_changes_anything() -> None:
    assert boxed_step(MIDDLE, np.zeros((6, 6)), np.zeros(6), 1.0) is MIDDLE


def test_step_leaves_alone_what_changes_nothing() -> None:
    slopes = SLOPES.copy()
    slopes[:, 2] = 1e-9
    there = step_towards(np.full(6, 0.3), slopes)
    assert there[2] == MIDDLE[2]
    assert np.delete(there, 2) == pytest.approx(0.3)
