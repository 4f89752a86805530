"""What a fit found for one photo, by whatever method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facenn.arrays import Pixels, Vector


@dataclass(frozen=True)
class FitResult:
    """What a fit found.

    Attributes:
        vector: (P,) valid parameters, choices one-hot.
        relaxed: (P,) what they were when the choices were to be made: entries of a choice are probabilities.
        history: per term, the losses of the steps: through an Imitator those that each step started from, on the
            engine those that each round ended with, behind those of the start.
        first_step: number of the step to which the first loss belongs.
        imitated: the Imitator's picture of the parameters, where one took part.
        drawn: how many pictures the engine drew for it.
    """

    vector: Vector
    relaxed: Vector
    history: Mapping[str, Sequence[float]]
    first_step: int
    imitated: Pixels | None = None
    drawn: int = 0
