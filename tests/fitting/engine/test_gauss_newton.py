from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
import pytest

from facenn.arrays import Floats, Log, Vector
from facenn.fitting.choices import choose_options, with_hair_of
from facenn.fitting.engine.gauss_newton import NEAREST, EngineObjective, fit_on_engine, step
from facenn.fitting.engine.initial import Regression, alike, donors
from facenn.fitting.engine.library import Library
from facenn.fitting.engine.residuals import Residuals, Weights
from facenn.fitting.locks import Lock
from facenn.fitting.prior import Prior
from facenn.fitting.result import FitResult
from facenn.networks.traits import Traits
from facenn.perception.observation import Observation
from facenn.schema import ParameterSchema

ANYBODY = Traits(man=True, years=30)  # the toy's people have no sex and no age


class Toy(Protocol):
    """The observer of the fixtures."""

    drawn: int
    viewed: list[int]

    def observe(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Observation: ...

    def photo(self, vector: Vector, *, view: int = 0) -> Observation: ...


def quiet(step: int, losses: Mapping[str, float]) -> None:
    pass


def fitted(photo: Observation, library: Library, observer: Toy, *, rounds: int, log: Log = quiet,
           lock: tuple[str, ...] = ()) -> FitResult:
    return fit_on_engine([photo], ANYBODY, library, observer, rounds=rounds, weights=Weights(),
                         lock=Lock.of(lock, library.schema), log=log)


def prior_of(library: Library, *lock: str) -> Prior:
    return Prior.of(ANYBODY, library.vectors, library.schema, Lock.of(lock, library.schema))


def residuals_of(photo: Observation, library: Library) -> Residuals:
    return Residuals(photo, library.spots, prior_of(library).population, Weights())


def objective_of(photo: Observation, library: Library, observer: Toy) -> EngineObjective:
    return EngineObjective(observer, [residuals_of(photo, library)], library.schema, library.reference)


def changed(vector: Vector, library: Library, **named: float | str) -> Vector:
    values = library.schema.to_named(vector) | {name.replace("__", "."): value for name, value in named.items()}
    return library.schema.from_named(values)


def test_fit_on_engine_finds_planted_parameters(observer: Toy, library: Library, planted: Vector) -> None:
    found = fitted(observer.photo(planted), library, observer, rounds=3)
    sliders = len(library.schema.sliders)
    assert np.abs(found.vector - planted)[:sliders].max() < 0.1
    assert (found.vector - planted)[sliders:] == pytest.approx(0)
    assert found.drawn == observer.drawn


def test_fit_on_engine_gives_the_same_face_again(observer: Toy, library: Library, planted: Vector) -> None:
    photo = observer.photo(planted)
    first, second = (fitted(photo, library, observer, rounds=1).vector for _ in range(2))
    assert np.array_equal(first, second)


def test_fit_on_engine_stops_when_nothing_is_gained(observer: Toy, library: Library, planted: Vector) -> None:
    done: list[int] = []
    fitted(observer.photo(planted), library, observer, rounds=50, log=lambda step, losses: done.append(step))
    assert 1 < len(done) < 10


def test_each_round_compares_the_next_view_of_the_photo(observer: Toy, library: Library, planted: Vector) -> None:
    views = [observer.photo(planted, view=view) for view in range(3)]
    assert not np.allclose(views[0].embedding, views[1].embedding, atol=0.01)
    found = fit_on_engine(views, ANYBODY, library, observer, rounds=2, weights=Weights(),
                          lock=Lock.of((), library.schema), log=quiet)
    assert observer.viewed == [0, 1, 2]
    assert np.abs(found.vector - planted)[:len(library.schema.sliders)].max() < 0.1


def test_fit_on_engine_leaves_locked_parameters_alone(observer: Toy, library: Library, planted: Vector) -> None:
    lock = ("shape.1=0.9", "skin.tone", "hair.style=bald", "hair.lightness=0.6", "brow.style")
    found = fitted(observer.photo(planted), library, observer, rounds=2, lock=lock)
    named = library.schema.to_named(found.vector)
    assert {name: named[name] for name in ("shape.1", "skin.tone", "hair.style", "hair.lightness", "brow.style")} == {
        "shape.1": 0.9, "skin.tone": 0.3, "hair.style": "bald", "hair.lightness": 0.6, "brow.style": "thin"}
    assert named["shape.0"] == pytest.approx(0.7, abs=0.15)


def test_fit_on_engine_with_everything_locked_changes_nothing(observer: Toy, library: Library, planted: Vector) -> None:
    lock = tuple(f"{name}={value}" for name, value in library.schema.to_named(library.vectors[0]).items())
    found = fitted(observer.photo(planted), library, observer, rounds=2, lock=lock)
    assert found.vector == pytest.approx(library.vectors[0], abs=1e-6)
    assert len(found.history["total"]) > 0


def test_irises_have_the_photos_colour_whatever_the_recognition_networks_would_like(
        observer: Toy, library: Library, planted: Vector) -> None:
    photo = observer.photo(planted)
    starer = observer.photo(changed(planted, library, iris__lightness=0.9))
    assert np.linalg.norm(starer.embedding - photo.embedding) > 0.1
    found = fitted(replace(photo, embedding=starer.embedding), library, observer, rounds=2)
    assert library.schema.to_named(found.vector)["iris.lightness"] == pytest.approx(0.2, abs=0.05)


def test_a_step_moves_the_free_sliders_alone(observer: Toy, library: Library, planted: Vector) -> None:
    moved, _ = step(objective_of(observer.photo(planted), library, observer), planted, [1, 3])
    assert moved[[0, 2, 4, 5, 6]] == pytest.approx(planted[[0, 2, 4, 5, 6]])
    assert np.abs(moved[[1, 3]] - planted[[1, 3]]).max() > 0


def test_weights_decide_what_a_fit_looks_at(observer: Toy, library: Library, planted: Vector) -> None:
    photo = observer.photo(planted)
    blind = fit_on_engine([photo], ANYBODY, library, observer, rounds=2, weights=Weights(tone=0, relief=0, prior=1),
                          lock=Lock.of((), library.schema), log=quiet)
    tone = library.schema.columns.index("skin.tone")
    assert abs(blind.vector[tone] - planted[tone]) > abs(
        fitted(photo, library, observer, rounds=2).vector[tone] - planted[tone]) + 0.05


def test_choose_options_prefers_what_the_photo_shows(observer: Toy, library: Library, planted: Vector) -> None:
    objective = objective_of(observer.photo(planted), library, observer)
    start = changed(planted, library, hair__style="long", brow__style="thin")
    assert np.array_equal(choose_options(objective, start, prior_of(library), hair=True), planted)


def test_with_hair_of_changes_hair_alone(observer: Toy, library: Library, planted: Vector) -> None:
    worn = library.vectors[donors(library, residuals_of(observer.photo(planted), library), count=2 * NEAREST)]
    dressed = [library.schema.to_named(v) for v in with_hair_of(planted, worn, library.schema)]
    assert len({named["shape.0"] for named in dressed} | {named["skin.tone"] for named in dressed}) == 2
    assert {named["hair.style"] for named in dressed} == {"short"}
    assert all(abs(float(named["hair.lightness"]) - 0.15) < 0.1 for named in dressed[:4])


def test_regression_guesses_what_can_be_seen(observer: Toy, library: Library, planted: Vector) -> None:
    guess = Regression(library).guess(observer.photo(planted))[0]
    assert guess[:5] == pytest.approx(planted[:5], abs=0.12)


def test_neighbours_find_somebody_of_the_library(observer: Toy, library: Library) -> None:
    assert alike(library, residuals_of(observer.photo(library.vectors[17]), library), count=3)[0] == 17


def translated(schema: ParameterSchema) -> ParameterSchema:
    """The same parameters with headings, labels and names of another language; the roles are the same."""
    sliders = tuple(replace(s, name=f"regler.{i}", group=f"Gruppe {s.group[::-1]}", label=f"Regler {i}")
                    for i, s in enumerate(schema.sliders))
    choices = tuple(replace(c, name=f"wahl.{i}", group="Auswahl", label=f"Wahl {i}")
                    for i, c in enumerate(schema.choices))
    return ParameterSchema("puppe", schema.version, sliders, choices)


def test_a_schema_in_another_language_fits_as_well(observer: Toy, library: Library, planted: Vector) -> None:
    photo = observer.photo(planted)
    starer = observer.photo(changed(planted, library, iris__lightness=0.9))
    photo = replace(photo, embedding=starer.embedding)
    ours = fitted(photo, library, observer, rounds=2)
    theirs = fitted(photo, replace(library, schema=translated(library.schema)), observer, rounds=2)
    assert np.array_equal(ours.vector, theirs.vector)
    assert ours.history == theirs.history
