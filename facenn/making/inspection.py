"""What each slider and choice of a character does: the pictures along it, and how much of them changes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facenn.arrays import Pixels, Vector
from facenn.engine.renderer import Engine
from facenn.schema import ParameterSchema, Slider

STOPS = (0.0, 0.5, 1.0)  # values at which a slider is drawn
VISIBLE = 0.05
"""Grey levels: a slider that changes its picture by less from end to end can be neither used nor recovered."""

WITH_HAIR = {"hair.style": "crop"}
CONTEXTS: dict[str, dict[str, str]] = dict.fromkeys(
    ("hair.lightness", "hair.redness", "hair.grey", "hair.hairline"), WITH_HAIR)
"""What the neutral head must wear for a slider to be seen."""


@dataclass(frozen=True)
class Strip:
    """One parameter drawn at several values, all others neutral.

    Attributes:
        name: of the slider or choice.
        group: heading under which an editor shows it.
        values: the slider's values, or the choice's options.
        pictures: (S, S, 3) uint8 each, one per value.
        visibility: mean absolute change of grey from a slider's one end to the other, in levels of 255; None for a
            choice.
    """

    name: str
    group: str
    values: tuple[str, ...]
    pictures: tuple[Pixels, ...]
    visibility: float | None


def strips(engine: Engine) -> Iterator[Strip]:
    """Every slider and choice of the engine's character, group by group in editor order."""
    schema = engine.schema
    for group, sliders, choices in schema.by_group():
        for slider in sliders:
            pictures = tuple(engine.draw(_with(schema, slider, value)).picture for value in STOPS)
            yield Strip(slider.name, group, tuple(f"{value:g}" for value in STOPS), pictures,
                        grey_change(pictures[0], pictures[-1]))
        for choice in choices:
            worn = [schema.from_named(_neutral(schema) | {choice.name: option}) for option in choice.options]
            yield Strip(choice.name, group, choice.options, tuple(engine.draw(face).picture for face in worn), None)


def visibility(engine: Engine, slider: Slider) -> float:
    """Mean absolute change of grey from one end of a slider to the other, in levels of 255."""
    low, high = (engine.draw(_with(engine.schema, slider, value)).picture for value in (STOPS[0], STOPS[-1]))
    return grey_change(low, high)


def grey_change(first: Pixels, second: Pixels) -> float:
    """Mean absolute difference between two pictures in grey, the mean of their channels.

    Args:
        first: (H, W, 3).
        second: (H, W, 3).

    Returns:
        0 for equal pictures, 255 for black and white ones.
    """
    return float(np.abs(first.mean(-1) - second.mean(-1)).mean())


def _neutral(schema: ParameterSchema) -> dict[str, float | str]:
    return schema.to_named(schema.neutral())


def _with(schema: ParameterSchema, slider: Slider, value: float) -> Vector:
    """The neutral face with what the slider needs to be seen, and the slider at a value."""
    return schema.from_named(_neutral(schema) | CONTEXTS.get(slider.name, {}) | {slider.name: value})
