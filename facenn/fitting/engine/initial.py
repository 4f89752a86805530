"""Where a fit on the engine starts: people of a library, and what the library says about a photo, drawing nothing."""

import numpy as np
from numpy.typing import NDArray

from facenn.arrays import Array, Vector
from facenn.fitting.engine.least_squares import robust_loss
from facenn.fitting.engine.library import Library
from facenn.fitting.engine.residuals import Residuals
from facenn.fitting.prior import Prior
from facenn.networks.cropping import procrustes
from facenn.networks.facemesh import MESH
from facenn.perception.observation import Observation
from facenn.schema import ParameterSchema

RIDGE = 0.03  # of the mean variance of a feature times their number: as good on held-out people as any near it
EMBEDDING, POINTS, TONES, RELIEF = 0.5, 1.0, 1.0, 0.3  # what each kind of feature counts, all together


class Regression:
    """Linear guesses of the sliders from what is seen, learnt on a library.

    Args:
        library: of drawn people.
    """

    def __init__(self, library: Library) -> None:
        self._spots = library.spots
        self._frame = library.frame[:MESH]
        raw = self._raw(library.observations)
        self._mean = [r.mean(0) for r in raw]
        self._size = [float(np.sqrt(np.square(r - m).sum(1).mean())) for r, m in zip(raw, self._mean, strict=True)]
        features = self._features(library.observations)
        sliders = library.schema.sliders_in(library.vectors)
        self._middle = sliders.mean(0)
        kernel = features @ features.T  # people are fewer than features
        kernel[np.diag_indices_from(kernel)] += RIDGE * len(features) * np.square(features).mean()
        self._slopes = features.T @ np.linalg.solve(kernel, sliders - self._middle)

    def guess(self, seen: Observation) -> Array:
        """(B, D) sliders of B pictures."""
        guess: Array = np.clip(self._middle + self._features(seen) @ self._slopes, 0, 1)
        return guess

    def _raw(self, seen: Observation) -> list[Array]:
        count = len(seen)
        points = procrustes(seen.points[:, :MESH], self._frame)
        parts = (seen.embedding, points, self._spots.tones(seen.skin), self._spots.relief(seen.skin))
        return [p.reshape(count, -1).astype(np.float64) for p in parts]

    def _features(self, seen: Observation) -> Array:
        weights = (EMBEDDING, POINTS, TONES, RELIEF)
        return np.concatenate([w / s * (r - m) for w, r, m, s in
                               zip(weights, self._raw(seen), self._mean, self._size, strict=True)], 1)


def starts(photo: Observation, library: Library, residuals: Residuals, prior: Prior, *, nearest: int) -> Vector:
    """(B, P) people who may look like the photo: the nearest of the same sex, a linear guess, and what lies halfway.

    Args:
        photo: what is seen in it, B = 1.
        library: of drawn people.
        residuals: compare with the photo.
        prior: of the person, over the people of the library.
        nearest: how many of the nearest.
    """
    people = library.take(prior.people)
    near = people.vectors[alike(people, residuals, count=nearest)]
    guess = Regression(people).guess(photo)[0]
    return library.schema.project(prior.lock.applied(_between(near, guess, library.schema)))


def _between(near: Vector, guess: Array, schema: ParameterSchema) -> Vector:
    guesses = near.copy()
    guesses[:, :len(guess)] = guess
    halfway = (guesses + near) / 2
    return schema.project(np.concatenate([near, guesses[:1], halfway]))


def alike(library: Library, residuals: Residuals, *, count: int) -> NDArray[np.intp]:
    """Numbers of the people of a library who are most like a photo in everything that can be seen, best first."""
    losses = robust_loss(_of(library, residuals), residuals.scales)
    return np.argsort(losses, kind="stable")[:count]


def donors(library: Library, residuals: Residuals, *, count: int) -> NDArray[np.intp]:
    """Numbers of the people of a library whose hair is most like a photo's, best first."""
    found = _of(library, residuals)
    around = residuals.only(found, "cover") + residuals.only(found, "hair")
    return np.argsort(around, kind="stable")[:count]


def _of(library: Library, residuals: Residuals) -> Array:
    return residuals.of(library.observations, library.schema.sliders_in(library.vectors))
