"""Gauss-Newton on the sliders of one face: exact gradients, a guessed curvature that is corrected, true pictures."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facenn.arrays import Array, Vector
from facenn.fitting.engine.least_squares import boxed_step, consistent, robust_loss, robust_weights, updated
from facenn.fitting.engine.objective import EngineObjective
from facenn.fitting.engine.observer import Look
from facenn.fitting.engine.residuals import LEARNED

TRIED = 2  # dampings of a step, the second one if the first one does not lower the loss
DAMPING, BOLDEST, SHYEST = 3.0, 0.01, 20.0  # of the first step, and how far it may change
REACH = 0.15  # of a slider in one step
BOLDER, SHYER = 0.5, 4.0  # factors of the damping after a good step and after a bad one
GOOD, POOR = 0.5, 0.25  # gain of a step, in parts of what the quadratic foretold


class Search:
    """Gauss-Newton on some sliders of one face.

    Args:
        objective: draws and compares.
        free: numbers of the sliders that move.
        jacobian: (R', D) of the terms ``LEARNED``, as it is guessed to be.
    """

    def __init__(self, objective: EngineObjective, free: NDArray[np.intp], jacobian: Array) -> None:
        self._objective, self._free, self._jacobian, self._damping = objective, free, jacobian, DAMPING

    @property
    def vector(self) -> Vector:
        """(P,) where the search is."""
        return self._picture.vector

    def go_to(self, vector: Vector) -> None:
        """Be somewhere else."""
        (self._picture,) = self._objective.draw(vector[None])
        self._seen, _ = self._objective.see(self._picture)

    def step(self) -> None:
        """One step, if it can be found, and the losses into the history."""
        objective, free = self._objective, self._free
        current = objective.current
        learned = np.concatenate([np.arange(current.terms[n].start, current.terms[n].stop) for n in LEARNED])
        residuals, look = self._here()
        if not objective.history:
            objective.note(residuals)
        weights = robust_weights(residuals, current.scales)
        loss = float(robust_loss(residuals, current.scales))
        # The true gradient corrects the Jacobian.
        weighted = weights * residuals
        embedding, skin = current.slopes(weighted, self._seen)
        gradient = objective.observers[0].pull_back(self._picture, self._seen.points[0], look, objective.threads,
                                                    embedding=embedding, skin=skin)
        self._jacobian = consistent(self._jacobian, weighted[learned], gradient)
        of_points = current.of_landmarks(self._seen, objective.observers[0].motion(self._picture))
        of_prior = current.of_prior()
        gradient = (gradient + of_points.T @ residuals[current.terms["landmark"]]
                    + of_prior.T @ residuals[current.terms["prior"]])[free]
        known = of_points.T @ of_points + of_prior.T @ of_prior
        values = self.vector[free].astype(np.float64)
        for _ in range(TRIED):
            jacobian = self._jacobian
            curvature = (known + jacobian.T @ (weights[learned][:, None] * jacobian))[np.ix_(free, free)]
            there = boxed_step(values, curvature, gradient, self._damping, reach=REACH)
            tried = self.vector.copy()
            tried[free] = there
            (picture,) = objective.draw(tried[None])
            seen, found = objective.see(picture)
            move = np.zeros(jacobian.shape[1])
            move[free] = picture.vector[free] - values
            self._jacobian = updated(jacobian, move, (found - residuals)[learned])
            gained = loss - float(robust_loss(found, current.scales))
            if gained > 0:
                foretold = -float(move[free] @ (2 * gradient + curvature @ move[free]))
                if gained > GOOD * foretold:
                    self._damping = max(self._damping * BOLDER, BOLDEST)
                elif gained < POOR * foretold:
                    self._damping /= BOLDER
                self._picture, self._seen, residuals = picture, seen, found
                objective.near = seen.points[0]
                break
            self._damping = min(self._damping * SHYER, SHYEST)
        objective.note(residuals)

    def _here(self) -> tuple[Array, Look]:
        """(R,) residuals of the picture where the search is, in the view that is looked at now, and what is seen."""
        objective = self._objective
        look = objective.observers[0].look(self._picture, self._seen.points[0], objective.threads, view=objective.view)
        self._seen = replace(self._seen, embedding=look.embedding)
        return objective.current.of(self._seen, objective.schema.sliders_in(self.vector[None]))[0], look
