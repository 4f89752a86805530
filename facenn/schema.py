"""What the sliders and choices of a character are, and how one vector in [0, 1] holds them all.

A *role* says what a slider or choice means to a fit, in whatever language its name, group and label are:

    sex              0 feminine to 1 masculine
    age              0 about 20 years to 1 about 70
    lines            of the skin, which come with age
    skin.tone        0 very fair to 1 very dark
    skin.marks       where a face has spots that tell nothing about a person, such as moles
    hair             colour, cut and hairline; a choice of this role is a hair style
    hair.lightness   0 black to 1 blond
    hair.grey        0 none to 1 white
    iris             colour of the irises
    iris.size        hardly different from person to person
    beard, make-up   0 none

What has no role is shape or tone that a fit may move as it likes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facenn.arrays import Array, Vector
from facenn.errors import MissingFileError, SchemaError
from facenn.files import replace_text

FORMAT = 2  # of schema.json: 1 had no roles
SINGLE = ("sex", "age", "skin.tone", "hair.lightness", "hair.grey")  # roles that one slider can have
ROLES = (*SINGLE, "lines", "skin.marks", "hair", "iris", "iris.size", "beard", "make-up")
CHOICE_ROLES = ("hair", "beard", "make-up")


@dataclass(frozen=True)
class Slider:
    """One continuous parameter in [0, 1].

    Attributes:
        name: unique identifier, such as ``nose.hump``.
        group: heading under which an editor shows it.
        label: what an artist reads beside it.
        neutral: value at which it changes nothing.
        two_sided: True when both directions from ``neutral`` mean something.
        tooltip: what an editor shows on request: what changes, and what the ends mean.
        role: what it means to a fit, one of ``ROLES``; empty for none of them.
    """

    name: str
    group: str
    label: str
    neutral: float = 0.5
    two_sided: bool = True
    tooltip: str = ""
    role: str = ""


@dataclass(frozen=True)
class Choice:
    """One pick out of several options, held as a one-hot slice of the vector.

    Attributes:
        name: unique identifier, such as ``hair.style``.
        group: heading under which an editor shows it.
        label: what an artist reads beside it.
        options: at least two unique names.
        neutral: the option of the neutral face.
        role: what it means to a fit, one of ``CHOICE_ROLES``; empty for none of them.
    """

    name: str
    group: str
    label: str
    options: tuple[str, ...]
    neutral: str
    role: str = ""


def _is_share(value: object) -> bool:
    """True for a number in [0, 1]; presets come from people, so anything may stand in the place of one."""
    return isinstance(value, int | float | np.floating) and not isinstance(value, bool) and bool(0 <= value <= 1)


@dataclass(frozen=True)
class ParameterSchema:
    """The parameters of one character: all sliders first, then the one-hot slices of all choices.

    Example:
        >>> schema = ParameterSchema("elf", 1, (Slider("ear.length", "Ears", "Length"),),
        ...                          (Choice("hair.style", "Hair", "Style", ("bald", "bob"), "bald", role="hair"),))
        >>> vector = schema.from_named({"ear.length": 0.75, "hair.style": "bob"})
        >>> vector.tolist(), schema.columns
        ([0.75, 0.0, 1.0], ('ear.length', 'hair.style:bald', 'hair.style:bob'))

    Attributes:
        character: whose parameters these are.
        version: raised whenever the meaning of a vector changes.
        sliders: in the order of the vector.
        choices: in the order of the vector, behind the sliders.

    Raises:
        SchemaError: a name that occurs twice, a neutral outside of [0, 1] or of the options, an unknown role, a role
            of one slider that several have.
    """

    character: str
    version: int
    sliders: tuple[Slider, ...]
    choices: tuple[Choice, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name in (*(s.name for s in self.sliders), *(c.name for c in self.choices)):
            if name in seen:
                raise SchemaError(f"character {self.character}: the name {name!r} occurs twice in its schema")
            seen.add(name)
        if not seen:
            raise SchemaError(f"character {self.character}: its schema has no parameter")
        for slider in self.sliders:
            if not 0 <= slider.neutral <= 1:
                raise SchemaError(f"slider {slider.name}: expected a neutral in [0, 1], got {slider.neutral}")
        for choice in self.choices:
            if len(choice.options) < 2 or len(set(choice.options)) != len(choice.options):
                raise SchemaError(f"choice {choice.name}: expected two or more unique options, "
                                  f"got {list(choice.options)}")
            if choice.neutral not in choice.options:
                raise SchemaError(f"choice {choice.name}: its neutral {choice.neutral!r} is not "
                                  f"one of {list(choice.options)}")
        self._check_roles()
        if len(set(self.columns)) != self.size:
            raise SchemaError(f"character {self.character}: two of its parameters share a column name")

    def _check_roles(self) -> None:
        for kind, known, parameters in (("slider", ROLES, self.sliders), ("choice", CHOICE_ROLES, self.choices)):
            for parameter in parameters:
                if parameter.role and parameter.role not in known:
                    raise SchemaError(f"{kind} {parameter.name}: expected a role out of {', '.join(known)}, "
                                      f"got {parameter.role!r}")
        for role in SINGLE:
            if len(names := [s.name for s in self.sliders if s.role == role]) > 1:
                raise SchemaError(f"character {self.character}: expected one slider of the role {role}, "
                                  f"got {', '.join(names)}")

    @cached_property
    def size(self) -> int:
        """Length of the vector."""
        return len(self.sliders) + sum(len(c.options) for c in self.choices)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """One unique name per entry of the vector; an option of a choice is ``choice:option``."""
        return (*(s.name for s in self.sliders), *(f"{c.name}:{o}" for c in self.choices for o in c.options))

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where the one-hot entries of each choice stand in the vector."""
        found, start = {}, len(self.sliders)
        for choice in self.choices:
            found[choice.name] = slice(start, start + len(choice.options))
            start += len(choice.options)
        return found

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Headings in the order of their first use."""
        return tuple(dict.fromkeys([*(s.group for s in self.sliders), *(c.group for c in self.choices)]))

    def with_role(self, *roles: str) -> list[int]:
        """Numbers of the sliders of some roles; ``hair`` means ``hair.grey`` as well, and so on."""
        return [i for i, s in enumerate(self.sliders) if s.role in roles or s.role.partition(".")[0] in roles]

    def slider_of(self, role: str) -> int | None:
        """Number of the one slider of a role out of ``SINGLE``; None where the character has none."""
        return next((i for i, s in enumerate(self.sliders) if s.role == role), None)

    def sliders_in(self, vectors: Vector) -> Array:
        """(..., size) parameters -> (..., D) their sliders, in double precision."""
        sliders: Array = vectors[..., :len(self.sliders)].astype(np.float64)
        return sliders

    def check(self, vectors: NDArray[Any]) -> Vector:
        """The same parameters as float32, once it is sure that they belong to this schema.

        Args:
            vectors: (..., size) numbers.

        Raises:
            SchemaError: another length, or an entry that is not a finite number.
        """
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim == 0 or vectors.shape[-1] != self.size:
            raise SchemaError(f"expected {self.size} parameters per face for character {self.character}, "
                              f"got shape {vectors.shape}")
        if not np.isfinite(vectors).all():
            bad = np.unravel_index(np.flatnonzero(~np.isfinite(vectors))[0], vectors.shape)
            raise SchemaError(f"parameter {self.columns[int(bad[-1])]} is {vectors[bad]}, expected a number")
        return vectors

    def project(self, vectors: NDArray[Any]) -> Vector:
        """The nearest valid parameters: sliders clamped to [0, 1], each choice one-hot at its largest entry.

        Args:
            vectors: (..., size) finite numbers.

        Returns:
            (..., size) a copy.
        """
        projected = np.clip(self.check(vectors), 0, 1)
        for where in self.slices.values():
            entries = self.check(vectors)[..., where]
            projected[..., where] = np.arange(entries.shape[-1]) == entries.argmax(-1)[..., None]
        return projected

    def neutral(self) -> Vector:
        """(size,) the face at which no slider changes anything."""
        vector = np.zeros(self.size, np.float32)
        vector[: len(self.sliders)] = [s.neutral for s in self.sliders]
        for choice in self.choices:
            vector[self.slices[choice.name].start + choice.options.index(choice.neutral)] = 1
        return vector

    def sample(self, generator: np.random.Generator) -> Vector:
        """(size,) a random face: every slider uniform in [0, 1], every choice equally likely."""
        vector = np.zeros(self.size, np.float32)
        vector[: len(self.sliders)] = generator.random(len(self.sliders))
        for where in self.slices.values():
            vector[generator.integers(where.start, where.stop)] = 1
        return vector

    def to_named(self, vector: NDArray[Any]) -> dict[str, float | str]:
        """One face as names: a number per slider, an option per choice."""
        vector = self.check(vector)
        if vector.ndim != 1:
            raise SchemaError(f"expected one face of {self.size} parameters, got shape {vector.shape}")
        named: dict[str, float | str] = {
            s.name: round(float(v), 6) for s, v in zip(self.sliders, vector, strict=False)
        }
        for choice in self.choices:
            named[choice.name] = choice.options[int(vector[self.slices[choice.name]].argmax())]
        return named

    def from_named(self, named: Mapping[str, float | str]) -> Vector:
        """The vector of a face given by names; the inverse of ``to_named``.

        Raises:
            SchemaError: a name that is unknown or left out, a slider outside of [0, 1], an unknown option.
        """
        expected = {s.name for s in self.sliders} | {c.name for c in self.choices}
        for name in named:
            if name not in expected:
                raise SchemaError(f"character {self.character} has no parameter {name!r}")
        if missing := sorted(expected - named.keys()):
            raise SchemaError(f"character {self.character}: no value for {', '.join(missing[:5])}"
                              + (f" and {len(missing) - 5} more" if len(missing) > 5 else ""))
        vector = np.zeros(self.size, np.float32)
        for i, slider in enumerate(self.sliders):
            value = named[slider.name]
            if isinstance(value, str) or not _is_share(value):
                raise SchemaError(f"slider {slider.name}: expected a number in [0, 1], got {value!r}")
            vector[i] = value
        for choice in self.choices:
            option = named[choice.name]
            if option not in choice.options:
                raise SchemaError(f"choice {choice.name}: expected one of {list(choice.options)}, "
                                  f"got {option!r}")
            vector[self.slices[choice.name].start + choice.options.index(str(option))] = 1
        return vector

    def by_group(self) -> Iterator[tuple[str, list[Slider], list[Choice]]]:
        """Each heading with its sliders and choices, in editor order."""
        for group in self.groups:
            yield (group, [s for s in self.sliders if s.group == group],
                   [c for c in self.choices if c.group == group])

    def to_json(self) -> str:
        """The schema as a JSON document of the format ``FORMAT``."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str, *, source: str = "schema") -> "ParameterSchema":
        """A schema from ``to_json``, of this format or an earlier one.

        Args:
            text: the JSON document.
            source: file or key that an error names.

        Raises:
            SchemaError: no JSON, a later format, an unknown or missing key, or whatever the schema itself refuses.
        """
        try:
            raw = json.loads(text)
            if (written := raw.pop("format", 1)) not in range(1, FORMAT + 1):
                raise SchemaError(f"expected a schema of the format {FORMAT} or lower, got {written!r}")
            sliders = tuple(Slider(**s) for s in raw.pop("sliders"))
            choices = tuple(Choice(**{**c, "options": tuple(c["options"])}) for c in raw.pop("choices"))
            return cls(sliders=sliders, choices=choices, **raw)
        except SchemaError as error:
            raise SchemaError(f"{source}: {error}") from None
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise SchemaError(f"{source}: expected a parameter schema in JSON, got {error}") from None

    def save(self, path: Path) -> None:
        """Write the schema as JSON."""
        replace_text(path, self.to_json() + "\n")

    @classmethod
    def load(cls, path: Path) -> "ParameterSchema":
        """Read what ``save`` wrote.

        Raises:
            MissingFileError: no such file.
            SchemaError: not a schema.
        """
        if not path.is_file():
            raise MissingFileError(f"expected a parameter schema at {path}, found no file")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise SchemaError(f"{path}: expected a parameter schema in JSON, got {error}") from None
        return cls.from_json(text, source=str(path))
