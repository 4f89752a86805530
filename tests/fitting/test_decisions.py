from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from facenn.fitting import decisions
from facenn.fitting.critic import Critic, Weights
from facenn.fitting.decisions import best_start, decided, decided_columns
from facenn.fitting.face import CELLS
from facenn.fitting.kin import Relatives, kin_of_all
from facenn.fitting.locks import Lock
from facenn.fitting.target import Target
from facenn.networks.traits import Traits
from facenn.schema import ParameterSchema, Vector
from tests.fitting.conftest import SCHEMA

HAIR, IRIS = SCHEMA.columns.index("hair.lightness"), SCHEMA.columns.index("iris.lightness")


class Finder:
    """Networks that look for nothing."""

    @property
    def finder(self) -> "Finder":
        return self

    def square(self, landmarks: Tensor) -> Tensor:
        return landmarks[:, 0]

    def landmarks(self, pictures: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        return squares, squares


@dataclass(frozen=True)
class Looks(Critic):
    """A critic whose losses are simple functions of the parameters, of which some are wanted."""

    wanted: Mapping[str, float]

    def losses(self, target: Target, vectors: Tensor, squares: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        apart = torch.stack([(vectors[:, SCHEMA.columns.index(name)] - value).abs()
                             for name, value in self.wanted.items()]).sum(0)
        reach = float(target.colour_weights.mean())  # the longest hair looks best where the outline does not count
        style = vectors[:, SCHEMA.slices["hair.style"]] @ torch.tensor([0.2, 0.0, 0.8 * reach - 0.4])
        return {"identity": apart, "colour": style + (vectors[:, HAIR] - 0.8).abs()}, squares

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        return terms["identity"]


def looks(wanted: Mapping[str, float]) -> Looks:
    nothing: Any = Finder()
    return Looks(nothing, nothing, Weights(1, 1, 1, 1), wanted)


@pytest.fixture
def target() -> Target:
    cells = torch.ones(1, CELLS, CELLS)
    return Target(torch.zeros(1, 2), torch.zeros(1, 478, 3), torch.full((1, 3, CELLS, CELLS), 0.8), 0.1 * cells, cells,
                  cells, torch.full((1, 3), 0.3), (Traits(True, 30),))


@pytest.fixture(autouse=True)
def _drawing_of_hair_and_irises_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(imitator: Any, vectors: Tensor) -> Tensor:
        pictures = vectors[:, HAIR, None, None, None].repeat(1, 3, CELLS, CELLS)
        pictures[..., 0, 0] = vectors[:, IRIS, None]
        return pictures

    monkeypatch.setattr(decisions, "draw", draw)
    monkeypatch.setattr(decisions, "irises_in", lambda pictures, points: pictures[..., 0, 0])


def relatives(lock: Lock) -> Relatives:
    return kin_of_all([Traits(True, 30)], SCHEMA, lock, count=8, seed=0)[0]


def face(**values: float) -> Vector:
    named = {name: values.get(name.replace(".", "_"), 0.5) for name in (s.name for s in SCHEMA.sliders)}
    return SCHEMA.from_named({**named, "hair.style": "long", "brow.style": "thin"})


def test_start_has_the_best_face_and_the_hair_of_another(target: Target) -> None:
    alike, dressed = face(skin_tone=0.9, hair_lightness=0.1), face(skin_tone=0.1, hair_lightness=0.8)
    start = best_start(looks({"skin.tone": 0.9}), target, np.stack([face(), alike, dressed]), SCHEMA)
    assert start[SCHEMA.columns.index("skin.tone")] == pytest.approx(0.9)
    assert start[HAIR] == pytest.approx(0.8)


def decide(target: Target, *locked: str, brows: str = "brow.style:thick") -> dict[str, float | str]:
    lock = Lock.of(locked, SCHEMA)
    vector = decided(looks({brows: 1.0}), target, torch.from_numpy(lock.applied(face())), torch.zeros(1, 3),
                     relatives(lock), SCHEMA)
    return SCHEMA.to_named(vector.numpy())


def test_options_are_those_that_look_best_and_hair_goes_by_its_colours(target: Target) -> None:
    found = decide(target)
    assert (found["hair.style"], found["brow.style"]) == ("short", "thick")
    assert decide(target, brows="brow.style:thin")["brow.style"] == "thin"
    assert found["hair.lightness"] == pytest.approx(0.8, abs=0.03)
    assert found["skin.tone"] == 0.5


def test_irises_have_the_photos_colour_unless_they_are_locked(target: Target) -> None:
    assert decide(target)["iris.lightness"] == pytest.approx(0.3, abs=0.03)
    assert decide(target, "iris.lightness=0.9")["iris.lightness"] == pytest.approx(0.9)


def test_characters_without_irises_have_nothing_of_them_decided() -> None:
    plain = ParameterSchema("plain", 1, tuple(s for s in SCHEMA.sliders if s.group != "Iris"), SCHEMA.choices)
    free = [i for i in decided_columns(plain) if i < len(plain.sliders)]
    assert [plain.columns[i] for i in free] == ["hair.lightness"]


def test_what_is_decided_is_choices_hair_and_irises() -> None:
    names = [SCHEMA.columns[i] for i in decided_columns(SCHEMA)]
    assert [n for n in names if ":" not in n] == ["hair.lightness", "iris.lightness"]
    assert sum(":" in n for n in names) == SCHEMA.size - len(SCHEMA.sliders)


def test_options_and_hair_that_are_locked_stay(target: Target) -> None:
    found = decide(target, "hair.style=long", "hair.lightness=0.2")
    assert (found["hair.style"], found["brow.style"]) == ("long", "thick")
    assert found["hair.lightness"] == pytest.approx(0.2)


def test_options_that_nobody_wears_have_to_look_better_by_a_little(target: Target, monkeypatch: pytest.MonkeyPatch
                                                                    ) -> None:
    lock = Lock.of((), SCHEMA)
    kin, critic = relatives(lock), looks({"skin.tone": 0.5})
    kin.usual[SCHEMA.slices["brow.style"]] = (0.01, 0.99)
    vector = decided(critic, target, torch.from_numpy(face()), torch.zeros(1, 3), kin, SCHEMA)
    assert SCHEMA.to_named(vector.numpy())["brow.style"] == "thick"
    kin.usual[SCHEMA.slices["brow.style"]] = (0.99, 0.01)
    vector = decided(critic, target, torch.from_numpy(face()), torch.zeros(1, 3), kin, SCHEMA)
    assert SCHEMA.to_named(vector.numpy())["brow.style"] == "thin"
    kin.usual[SCHEMA.slices["brow.style"]] = (0.7, 0.3)
    vector = decided(looks({"brow.style:thick": 1.0}), target, torch.from_numpy(face()), torch.zeros(1, 3), kin, SCHEMA)
    assert SCHEMA.to_named(vector.numpy())["brow.style"] == "thick"
