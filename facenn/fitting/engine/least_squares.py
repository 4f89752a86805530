"""Robust Gauss-Newton in a box, with a Jacobian that is guessed and then corrected by what is found out about it."""

import numpy as np
from numpy.typing import NDArray

from facenn.arrays import Array

BOUND_ROUNDS = 6  # of freezing what runs into the box; the set no longer changes after about four
IDLE = 1e-3  # columns whose length is below this part of the longest one are left out of the solve


def robust_loss(residuals: Array, scales: Array) -> Array:
    """How large residuals are: r^2 for small ones, ever less for those beyond their scale (Cauchy's loss).

    sum_i s_i^2 log(1 + (r_i / s_i)^2), and r_i^2 where s_i is infinite.

    Args:
        residuals: (..., R).
        scales: (R,) s, positive or infinite.

    Returns:
        (...) one loss each.
    """
    plain = ~np.isfinite(scales)
    bent, limits = residuals[..., ~plain], scales[~plain]
    loss: Array = np.square(residuals[..., plain]).sum(-1) + (
        limits**2 * np.log1p(np.square(bent / limits))).sum(-1)
    return loss


def robust_weights(residuals: Array, scales: Array) -> Array:
    """(R,) what each square counts in the quadratic that touches the robust loss: 1 / (1 + (r / s)^2)."""
    weights: Array = 1 / (1 + np.square(residuals / scales))
    return weights


def consistent(jacobian: Array, weighted: Array, gradient: Array) -> Array:
    """The nearest Jacobian whose gradient is the true one: J^T W r = g, the adjoint of Broyden's update.

    Args:
        jacobian: (R, D) J.
        weighted: (R,) residuals times their robust weights, W r.
        gradient: (D,) g.
    """
    length = float(weighted @ weighted)
    if length == 0:
        return jacobian
    better: Array = jacobian + np.outer(weighted, gradient - jacobian.T @ weighted) / length
    return better


def updated(jacobian: Array, moved: Array, changed: Array) -> Array:
    """Broyden's update: the nearest Jacobian that explains what the last step did.

    Args:
        jacobian: (R, D).
        moved: (D,) the step.
        changed: (R,) what it did to the residuals.
    """
    length = float(moved @ moved)
    if length == 0:
        return jacobian
    better: Array = jacobian + np.outer(changed - jacobian @ moved, moved) / length
    return better


def boxed_step(values: Array, curvature: Array, gradient: Array, damping: float, *, reach: float = 1.0) -> Array:
    """(D,) the minimiser in [0, 1] of the quadratic with a damping, in units of the mean curvature.

    Args:
        values: (D,) from where.
        curvature: (D, D) of the quadratic: J^T W J.
        gradient: (D,) half of its gradient there: J^T W r.
        damping: how much a step costs.
        reach: how far a value may move: beyond, the quadratic knows nothing of the function.
    """
    diagonal = np.diag(curvature)
    if not diagonal.any():  # nothing that is seen depends on these values
        return values
    alive = diagonal > IDLE**2 * diagonal.max()
    damped = curvature + damping * diagonal[alive].mean() * np.eye(len(diagonal))
    return _boxed(values, damped, gradient, alive, np.maximum(values - reach, 0), np.minimum(values + reach, 1))


def _boxed(values: Array, curvature: Array, gradient: Array, alive: NDArray[np.bool_], low: Array, high: Array
           ) -> Array:
    """Minimiser of the quadratic in a box; what runs out of it is held at its border, then the rest is solved again."""
    free, move = alive.copy(), np.zeros_like(values)
    for _ in range(BOUND_ROUNDS):
        held = ~free
        pull = gradient[free] + curvature[np.ix_(free, held)] @ move[held]
        move[free] = -np.linalg.solve(curvature[np.ix_(free, free)], pull)
        outside = free & ((values + move < low) | (values + move > high))
        move = np.clip(values + move, low, high) - values
        if not outside.any():
            break
        free &= ~outside
    there: Array = values + move
    return there
