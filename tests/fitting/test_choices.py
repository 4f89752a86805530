from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from facenn.arrays import Array, Vector
from facenn.fitting.choices import Terms, choose_options, decide, decided_columns, with_hair
from facenn.fitting.locks import Lock
from facenn.fitting.prior import Prior
from facenn.networks.traits import Traits
from facenn.people import random_vector
from facenn.schema import ParameterSchema
from tests.fitting.conftest import SCHEMA

HAIR, IRIS = SCHEMA.columns.index("hair.lightness"), SCHEMA.columns.index("iris.lightness")


@dataclass
class Wishes:
    """An objective that likes thick brows, by all terms the longest hair, by those of hair alone short and light hair.

    Attributes:
        thick: loss of thin brows.
        asked: by which terms it was asked, one after the other.
    """

    thick: float = 1.0
    rare: float = 0.006
    asked: list[Terms] = field(default_factory=list)

    def choose(self, vectors: Vector, price: Array, *, by: Terms) -> int:
        self.asked.append(by)
        style = vectors[:, SCHEMA.slices["hair.style"]]
        brows = vectors[:, SCHEMA.columns.index("brow.style:thin")]
        loss = (style @ [0.4, 0.0, 0.2] + np.abs(vectors[:, HAIR] - 0.8) if by == "hair"
                else style @ [2.0, 1.0, 0.0] + self.thick * brows)
        return int((loss + price).argmin())

    def moved(self, vector: Vector, sliders: Sequence[int], *, by: Terms) -> Vector:
        self.asked.append(by)
        changed = vector.copy()
        changed[sliders] = 0.8 if by == "hair" else 0.3
        return changed


def prior_of(*locked: str, schema: ParameterSchema = SCHEMA) -> Prior:
    people = np.stack([random_vector(SCHEMA, 0, i) for i in range(50)])
    return Prior.of(Traits(True, 30), people, schema, Lock.of(locked, schema))


def face(**values: float) -> Vector:
    named = {name: values.get(name.replace(".", "_"), 0.5) for name in (s.name for s in SCHEMA.sliders)}
    return SCHEMA.from_named({**named, "hair.style": "long", "brow.style": "thin"})


def decided(*locked: str, wishes: Wishes | None = None) -> dict[str, float | str]:
    prior, worn = prior_of(*locked), np.stack([face(hair_lightness=0.1), face(hair_lightness=0.7)])
    return SCHEMA.to_named(decide(wishes or Wishes(), prior.lock.applied(face()), worn, prior))


def test_options_are_those_that_look_best_and_hair_goes_by_its_own_terms() -> None:
    found = decided()
    assert (found["hair.style"], found["brow.style"]) == ("short", "thick")
    assert found["hair.lightness"] == pytest.approx(0.8)
    assert found["skin.tone"] == 0.5


def test_hair_is_decided_before_choices_and_irises_are_last() -> None:
    wishes = Wishes()
    decided(wishes=wishes)
    assert wishes.asked == ["hair", "hair", "hair", "all", "iris"]


def test_choices_between_rounds_leave_hair_alone() -> None:
    found = SCHEMA.to_named(choose_options(Wishes(), face(), prior_of(), hair=False))
    assert (found["hair.style"], found["brow.style"]) == ("long", "thick")


def test_irises_have_the_photos_colour_unless_they_are_locked() -> None:
    assert decided()["iris.lightness"] == pytest.approx(0.3)
    assert decided("iris.lightness=0.9")["iris.lightness"] == pytest.approx(0.9)


def test_options_and_hair_that_are_locked_stay() -> None:
    found = decided("hair.style=long", "hair.lightness=0.2")
    assert (found["hair.style"], found["brow.style"]) == ("long", "thick")
    assert found["hair.lightness"] == pytest.approx(0.2)


@pytest.mark.parametrize(("shares", "thick", "chosen"), [
    ((0.01, 0.99), 0.0, "thick"), ((0.99, 0.01), 0.0, "thin"), ((0.7, 0.3), 1.0, "thick")])
def test_options_that_few_people_wear_have_to_look_better_by_a_little(
        shares: tuple[float, float], thick: float, chosen: str) -> None:
    prior = prior_of()
    prior.usual[SCHEMA.slices["brow.style"]] = shares
    vector = choose_options(Wishes(thick), face(), prior, hair=False)
    assert SCHEMA.to_named(vector)["brow.style"] == chosen


def test_hair_of_the_young_never_turns_grey_whatever_the_objective_says(portrait: ParameterSchema) -> None:
    people = np.stack([random_vector(portrait, 0, i) for i in range(60)])
    grey = portrait.columns.index("hair.grey")

    class Greying(Wishes):
        def choose(self, vectors: Vector, price: Array, *, by: Terms) -> int:
            return 0

    for years, most in ((25, 0.4), (60, 0.8)):
        prior = Prior.of(Traits(True, years), people, portrait, Lock.of((), portrait))
        assert with_hair(Greying(), people[0], people[1:3], prior)[grey] == pytest.approx(most)


def test_characters_without_irises_have_nothing_of_them_decided() -> None:
    plain = ParameterSchema("plain", 1, tuple(s for s in SCHEMA.sliders if s.role != "iris"), SCHEMA.choices)
    free = [i for i in decided_columns(plain) if i < len(plain.sliders)]
    assert [plain.columns[i] for i in free] == ["hair.lightness"]


def test_what_is_decided_is_choices_hair_and_irises() -> None:
    names = [SCHEMA.columns[i] for i in decided_columns(SCHEMA)]
    assert [n for n in names if ":" not in n] == ["hair.lightness", "iris.lightness"]
    assert sum(":" in n for n in names) == SCHEMA.size - len(SCHEMA.sliders)


def test_without_roles_nothing_is_hair() -> None:
    plain = ParameterSchema("plain", 1, tuple(replace(s, role="") for s in SCHEMA.sliders),
                            tuple(replace(c, role="") for c in SCHEMA.choices))
    wishes = Wishes()
    choose_options(wishes, face(), prior_of(schema=plain), hair=False)
    assert wishes.asked == ["all", "all"]
