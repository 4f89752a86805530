"""What the page of a fit is told: the face, its pictures, and how alike it is to the photo."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from facenn.arrays import Pixels, Vector
from facenn.errors import FormatError, SchemaError, TrainingError
from facenn.report.curves import History
from facenn.schema import ParameterSchema

METRICS = {"cosine": "cosine", "euclidean": "L2"}  # how the page names them


@dataclass(frozen=True)
class Measure:
    """One number that says how alike two faces are; lower is more alike.

    Attributes:
        name: what was measured.
        value: the number.
        explanation: what it means, in plain words.
        reference: the value below which the measure speaks of the same person.
        independent: True when no part of the fit looked at this number.
    """

    name: str
    value: float
    explanation: str
    reference: float | None = None
    independent: bool = False


@dataclass(frozen=True)
class FitSummary:
    """Everything the page of one fit shows.

    Attributes:
        schema: the parameters of the character.
        vector: (size,) the fitted face, projected.
        photo: (H, W, 3) the aligned crop.
        engine: (H, W, 3) the engine's picture of ``vector``; None where the engine is a foreign game.
        imitator: (H, W, 3) the Imitator's picture of ``vector``; None where the engine itself was fitted.
        measures: likeness of ``photo`` and ``engine``, or ``imitator`` where that is None; the most telling
            one first.
        losses: what the fit minimised, step by step.
        photo_name: what the photo is called, such as its file name.
        model: name of the Imitator, or of the method that did without.
        seconds: wall time of the fit.
        steps: optimisation steps taken.
        seed: of every random number in the fit.
        photo_credit: where the photo comes from and under which terms.
        option_scores: per choice, how strongly the fit favoured each option before it tried them, in [0, 1].
    """

    schema: ParameterSchema
    vector: Vector
    photo: Pixels
    engine: Pixels | None
    imitator: Pixels | None
    measures: tuple[Measure, ...]
    losses: History
    photo_name: str
    model: str
    seconds: float
    steps: int
    seed: int
    photo_credit: str | None = None
    option_scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def distance_measure(distance: float, *, title: str, metric: str, judge: bool,
                     usual: tuple[float, float] | None = None, same_person: float | None = None) -> Measure:
    """The distance of a recognition network's embeddings of two faces.

    Args:
        distance: of the embeddings.
        title: what the network is called.
        metric: ``cosine`` or ``euclidean``.
        judge: True for a network that took no part in the fit, False for one whose cosine the fit minimised.
        usual: its mean distances of two photos of one person, and of two people; None when they were not measured.
        same_person: below which it speaks of the same person; None when its authors name no bound.
    """
    if judge:
        bound = "" if same_person is None else f"; below {same_person:g} {title} calls it the same person"
        meaning = (f"The judge: the recognition network {title}, which took no part in the fit. "
                   f"Lower is better{bound}. ")
    else:
        meaning = (f"How differently the recognition network {title} sees the photo and the picture: 0 is the same "
                   "face, 1 is an unrelated one. The fit pulled this number down, so it flatters the result. ")
    if usual is not None:
        meaning += "Two photos of one person usually lie near {:.2f}, photos of strangers near {:.2f}.".format(*usual)
    return Measure(f"{title} {METRICS[metric]} distance", distance, meaning.rstrip(), reference=same_person,
                   independent=judge)


def check_summary(summary: FitSummary) -> None:
    """Refuse a face, pictures, option scores or measures that do not fit together.

    Raises:
        FormatError: neither the engine's nor the Imitator's picture.
        SchemaError: a vector or option scores that do not fit the schema, or a vector that is not projected.
        TrainingError: a measure that is not a finite number.
    """
    if summary.engine is None and summary.imitator is None:
        raise FormatError("expected the engine's or the Imitator's picture of the face, got neither")
    schema, vector = summary.schema, summary.schema.check(summary.vector)
    if vector.ndim != 1 or not np.array_equal(schema.project(vector), vector):
        raise SchemaError(f"expected one projected face of character {schema.character}: shape "
                          f"({schema.size},), sliders in [0, 1], choices one-hot; got shape {vector.shape}")
    options = {choice.name: set(choice.options) for choice in schema.choices}
    for name, scores in summary.option_scores.items():
        if name not in options or not scores.keys() <= options[name]:
            raise SchemaError(f"option scores of {name!r}: expected options of a choice of character "
                              f"{schema.character}, got {sorted(scores)}")
        if not all(0 <= score <= 1 for score in scores.values()):
            raise SchemaError(f"option scores of {name!r}: expected numbers in [0, 1], got {dict(scores)}")
    for measure in summary.measures:
        if not math.isfinite(measure.value):
            raise TrainingError(f"measure {measure.name} is {measure.value}, expected a number")


def check_pixels(name: str, pixels: Pixels) -> Pixels:
    """The picture itself, if it is one.

    Raises:
        FormatError: not (H, W, 3) uint8, or empty.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        raise FormatError(f"picture {name}: expected (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
    return pixels
