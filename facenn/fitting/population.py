"""How the sliders of people vary together, of everybody or of one sex: what a fit takes for usual."""

from dataclasses import dataclass

import numpy as np

from facenn.fitting.newton import Array

STRANGE, TRIMMING_ROUNDS = 0.25, 3  # share of a library's people that is drawn broadly: nobody is like them
SHRINKAGE = 0.25  # share of the covariance that is taken for independent: a library is small beside its sliders


@dataclass(frozen=True)
class Population:
    """How the sliders of people vary together.

    Attributes:
        mean: (D,) of the sliders.
        whitening: (D, D) matrix that makes deviations from the mean independent, of variance 1.
    """

    mean: Array
    whitening: Array

    @classmethod
    def of(cls, values: Array) -> "Population":
        """The population of which (N, D) sliders were drawn, without the strangest; shrunk towards independence."""
        usual = cls._of_all(values)
        for _ in range(TRIMMING_ROUNDS):
            distance = np.square((values - usual.mean) @ usual.whitening.T).sum(1)
            usual = cls._of_all(values[distance <= np.quantile(distance, 1 - STRANGE)])
        return usual

    def given(self, where: int, value: float, noise: float) -> "Population":
        """Those among them whose slider number ``where`` was measured, with normal errors of deviation ``noise``."""
        precision: Array = self.whitening.T @ self.whitening
        precision[where, where] += noise**-2
        known = np.zeros(len(self.mean))
        known[where] = (value - self.mean[where]) * noise**-2
        whitening: Array = np.linalg.cholesky(precision).T.astype(np.float64)
        return Population(self.mean + np.linalg.solve(precision, known), whitening)

    @classmethod
    def _of_all(cls, values: Array) -> "Population":
        covariance = np.atleast_2d(np.cov(values, rowvar=False))
        spread = np.diag(np.diag(covariance) + 1e-4)
        shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * spread
        return cls(values.mean(0), np.linalg.inv(np.linalg.cholesky(shrunk)))
