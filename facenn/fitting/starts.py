"""Where a fit on the engine may start: what a library of drawn people says about a photo, without drawing anything."""

import numpy as np
from numpy.typing import NDArray

from facenn.fitting.comparison import Comparison, sliders_of
from facenn.fitting.library import Library
from facenn.fitting.newton import Array, robust_loss
from facenn.fitting.sight import Sights
from facenn.networks.cropping import procrustes
from facenn.networks.facemesh import MESH

RIDGE = 0.03  # of the mean variance of a feature times their number: as good on held-out people as any near it
EMBEDDING, POINTS, TONES, RELIEF = 0.5, 1.0, 1.0, 0.3  # what each kind of feature counts, all together


class Regression:
    """Linear guesses of the sliders from what is seen, learnt on a library.

    Args:
        library: of drawn people.
    """

    def __init__(self, library: Library) -> None:
        self._layout = library.layout
        self._frame = library.frame[:MESH]
        raw = self._raw(library.sights)
        self._mean = [r.mean(0) for r in raw]
        self._size = [float(np.sqrt(np.square(r - m).sum(1).mean())) for r, m in zip(raw, self._mean, strict=True)]
        features = self._features(library.sights)
        sliders = sliders_of(library.vectors, library.schema)
        self._middle = sliders.mean(0)
        kernel = features @ features.T  # people are fewer than features
        kernel[np.diag_indices_from(kernel)] += RIDGE * len(features) * np.square(features).mean()
        self._slopes = features.T @ np.linalg.solve(kernel, sliders - self._middle)

    def guess(self, seen: Sights) -> Array:
        """(B, D) sliders of B pictures."""
        guess: Array = np.clip(self._middle + self._features(seen) @ self._slopes, 0, 1)
        return guess

    def _raw(self, seen: Sights) -> list[Array]:
        count = len(seen)
        points = procrustes(seen.points[:, :MESH], self._frame)
        parts = (seen.embedding, points, self._layout.tones(seen.skin), self._layout.relief(seen.skin))
        return [p.reshape(count, -1).astype(np.float64) for p in parts]

    def _features(self, seen: Sights) -> Array:
        weights = (EMBEDDING, POINTS, TONES, RELIEF)
        return np.concatenate([w / s * (r - m) for w, r, m, s in
                               zip(weights, self._raw(seen), self._mean, self._size, strict=True)], 1)


def alike(library: Library, comparison: Comparison, *, count: int) -> NDArray[np.intp]:
    """Numbers of the people of a library who are most like a photo in everything that can be seen, best first."""
    losses = robust_loss(_residuals(library, comparison), comparison.scales)
    return np.argsort(losses, kind="stable")[:count]


def donors(library: Library, comparison: Comparison, *, count: int) -> NDArray[np.intp]:
    """Numbers of the people of a library whose hair is most like a photo's, best first."""
    residuals = _residuals(library, comparison)
    around = comparison.only(residuals, "cover") + comparison.only(residuals, "hair")
    return np.argsort(around, kind="stable")[:count]


def _residuals(library: Library, comparison: Comparison) -> Array:
    return comparison.residuals(library.sights, sliders_of(library.vectors, library.schema))
