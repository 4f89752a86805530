"""Parameters that a fit leaves alone, because the user has decided them."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from facenn.arrays import Vector
from facenn.errors import ConfigError
from facenn.schema import Choice, ParameterSchema, Slider

SHOWN = 12  # names in an error where none is like the one that was given


@dataclass(frozen=True)
class Lock:
    """Which entries of a parameter vector are decided, and how.

    Attributes:
        held: (P,) True for those that are.
        values: (P,) what they are; 0 elsewhere.
    """

    held: NDArray[np.bool_]
    values: Vector

    @classmethod
    def of(cls, entries: Sequence[str], schema: ParameterSchema) -> "Lock":
        """Read ``name=value`` (a slider's number or a choice's option) and ``name`` (its neutral value).

        Raises:
            ConfigError: an unknown or repeated name, a number outside of [0, 1], an unknown option.
        """
        held, values = np.zeros(schema.size, bool), np.zeros(schema.size, np.float32)
        sliders = {slider.name: (i, slider) for i, slider in enumerate(schema.sliders)}
        choices = {choice.name: choice for choice in schema.choices}
        seen: set[str] = set()
        for entry in entries:
            name, _, text = (part.strip() for part in entry.partition("="))
            if name in seen:
                raise ConfigError(f"lock: expected each parameter once, got {name} twice")
            seen.add(name)
            given = text if "=" in entry else None
            if name in sliders:
                i, slider = sliders[name]
                held[i], values[i] = True, _number(slider, given)
            elif name in choices:
                where = schema.slices[name]
                held[where], values[where.start + _option(choices[name], given)] = True, 1
            else:
                raise ConfigError(f"lock: expected a parameter of character {schema.character}, got {name!r}"
                                  + _nearest(name, [*sliders, *choices]))
        return cls(held, values)

    def applied(self, vectors: Vector) -> Vector:
        """(..., P) the same parameters, with those that are decided as they are decided."""
        applied: Vector = np.where(self.held, self.values, vectors)
        return applied


def _number(slider: Slider, text: str | None) -> float:
    try:
        value = slider.neutral if text is None else float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise ConfigError(f"lock: expected a number in [0, 1] for {slider.name}, got {text!r}")
    return value


def _option(choice: Choice, text: str | None) -> int:
    option = choice.neutral if text is None else text
    if option not in choice.options:
        raise ConfigError(f"lock: expected an option of {choice.name}, got {option!r}"
                          + _nearest(option, choice.options))
    return choice.options.index(option)


def _nearest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"; the nearest: {', '.join(close)}"
    return f"; there are {', '.join(known[:SHOWN])}" + (f" and {len(known) - SHOWN} more" if len(known) > SHOWN else "")
