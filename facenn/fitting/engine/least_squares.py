"""Robust Gauss-Newton in a box: few evaluations that are expensive, many of which can be made at once."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facenn.arrays import Array

STEP = 0.12  # of the differences: pictures have 256 levels and 256 pixels, a smaller step would measure their grain
DAMPINGS = (0.02, 0.1, 0.3, 1.2)  # tried at once, in units of the mean curvature: from bold to careful
BOUND_ROUNDS = 6  # of freezing what runs into the box; the set no longer changes after about four
IDLE = 1e-3  # columns whose length is below this part of the longest one are left out of the solve


@dataclass(frozen=True)
class Point:
    """Where a search is.

    Attributes:
        values: (D,) in [0, 1].
        residuals: (R,) there.
        loss: there, robust.
    """

    values: Array
    residuals: Array
    loss: float


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


def probes(values: Array) -> tuple[Array, Array]:
    """The points at which a Jacobian is measured: each value moved by STEP, towards the farther end of [0, 1].

    Returns:
        (D, D) points, and (D,) signed steps.
    """
    steps = np.where(values > 0.5, -STEP, STEP)
    return values + np.diag(steps), steps


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


def proposals(point: Point, jacobian: Array, scales: Array) -> Array:
    """(K, D) where to go from a point, one proposal per damping.

    Minimises |W (r + J d)|^2 + damping m |d|^2 within the box, with the robust weights W and the mean curvature m.

    Args:
        point: from where.
        jacobian: (R, D) there.
        scales: (R,) of the robust loss.
    """
    weights = robust_weights(point.residuals, scales)
    curvature = jacobian.T @ (weights[:, None] * jacobian)
    gradient = jacobian.T @ (weights * point.residuals)
    diagonal = np.diag(curvature)
    if not diagonal.any():  # nothing that is seen depends on these values
        return point.values[None]
    alive = diagonal > IDLE**2 * diagonal.max()
    return np.stack([_boxed(point.values, curvature + damping * diagonal[alive].mean() * np.eye(len(diagonal)),
                            gradient, alive) for damping in DAMPINGS])


def _boxed(values: Array, curvature: Array, gradient: Array, alive: NDArray[np.bool_]) -> Array:
    """Minimiser of the quadratic in [0, 1]; what runs out of the box is held at its border, then solved again."""
    free, move = alive.copy(), np.zeros_like(values)
    for _ in range(BOUND_ROUNDS):
        held = ~free
        pull = gradient[free] + curvature[np.ix_(free, held)] @ move[held]
        move[free] = -np.linalg.solve(curvature[np.ix_(free, free)], pull)
        outside = free & ((values + move < 0) | (values + move > 1))
        move = np.clip(values + move, 0, 1) - values
        if not outside.any():
            break
        free &= ~outside
    there: Array = values + move
    return there


def best(points: Array, residuals: Array, scales: Array, *, start: Point) -> Point:
    """The best of some points, or the start if none is better.

    Args:
        points: (K, D).
        residuals: (K, R) there.
        scales: (R,).
        start: what they are compared with.
    """
    losses = robust_loss(residuals, scales)
    first = int(losses.argmin())
    if not losses[first] < start.loss:
        return start
    return Point(points[first], residuals[first], float(losses[first]))


Evaluate = Callable[[Array], Array]
"""(B, D) points -> (B, R) residuals."""


def jacobian_at(values: Array, evaluate: Evaluate) -> tuple[Array, Array]:
    """Residuals, (R,), and Jacobian, (R, D), at a point; all measured in one go."""
    points, widths = probes(values)
    residuals = evaluate(np.vstack([values, points]))
    jacobian: Array = ((residuals[1:] - residuals[0]) / widths[:, None]).T
    return residuals[0], jacobian
