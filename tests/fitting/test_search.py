from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
import pytest

from facenn.errors import FacennError
from facenn.fitting.comparison import Comparison
from facenn.fitting.descent import FitResult
from facenn.fitting.kin import kin_of
from facenn.fitting.library import Library
from facenn.fitting.locks import Lock
from facenn.fitting.search import NEAREST, Log, Search, choose_options, fit_on_engine, step, with_hair_of
from facenn.fitting.sight import Floats, Sights
from facenn.fitting.starts import Regression, alike, donors
from facenn.networks.traits import Traits
from facenn.schema import ParameterSchema, Vector

ANYBODY = Traits(man=True, years=30)  # the toy's people have no sex and no age


class Toy(Protocol):
    """The observer of the fixtures."""

    drawn: int
    viewed: list[int]

    def observe(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Sights: ...

    def photo(self, vector: Vector, *, view: int = 0) -> Sights: ...


def quiet(step: int, losses: Mapping[str, float]) -> None:
    pass


def fitted(photo: Sights, library: Library, observer: Toy, *, rounds: int, log: Log = quiet, lock: tuple[str, ...] = ()
           ) -> tuple[FitResult, int]:
    return fit_on_engine([photo], ANYBODY, library, observer, rounds=rounds,
                         lock=Lock.of(lock, library.schema), log=log)


def changed(vector: Vector, library: Library, **named: float | str) -> Vector:
    values = library.schema.to_named(vector) | {name.replace("__", "."): value for name, value in named.items()}
    return library.schema.from_named(values)


def test_fit_on_engine_finds_planted_parameters(observer: Toy, library: Library, planted: Vector) -> None:
    found, drawn = fitted(observer.photo(planted), library, observer, rounds=3)
    sliders = len(library.schema.sliders)
    assert np.abs(found.vectors[0] - planted)[:sliders].max() < 0.1
    assert (found.vectors[0] - planted)[sliders:] == pytest.approx(0)
    assert drawn == observer.drawn


def test_fit_on_engine_gives_the_same_face_again(observer: Toy, library: Library, planted: Vector) -> None:
    photo = observer.photo(planted)
    first, second = (fitted(photo, library, observer, rounds=1)[0].vectors for _ in range(2))
    assert np.array_equal(first, second)


def test_fit_on_engine_stops_when_nothing_is_gained(observer: Toy, library: Library, planted: Vector) -> None:
    done: list[int] = []
    fitted(observer.photo(planted), library, observer, rounds=50, log=lambda step, losses: done.append(step))
    assert 1 < len(done) < 10


def test_each_round_compares_the_next_view_of_the_photo(observer: Toy, library: Library, planted: Vector) -> None:
    views = [observer.photo(planted, view=view) for view in range(3)]
    assert not np.allclose(views[0].embedding, views[1].embedding, atol=0.01)
    found, _ = fit_on_engine(views, ANYBODY, library, observer, rounds=2, lock=Lock.of((), library.schema), log=quiet)
    assert observer.viewed == [0, 1, 2]
    assert np.abs(found.vectors[0] - planted)[:len(library.schema.sliders)].max() < 0.1


def test_fit_on_engine_leaves_locked_parameters_alone(observer: Toy, library: Library, planted: Vector) -> None:
    lock = ("shape.1=0.9", "skin.tone", "hair.style=bald", "hair.lightness=0.6", "brow.style")
    found, _ = fitted(observer.photo(planted), library, observer, rounds=2, lock=lock)
    named = library.schema.to_named(found.vectors[0])
    assert {name: named[name] for name in ("shape.1", "skin.tone", "hair.style", "hair.lightness", "brow.style")} == {
        "shape.1": 0.9, "skin.tone": 0.3, "hair.style": "bald", "hair.lightness": 0.6, "brow.style": "thin"}
    assert named["shape.0"] == pytest.approx(0.7, abs=0.15)


def test_fit_on_engine_with_everything_locked_changes_nothing(observer: Toy, library: Library, planted: Vector) -> None:
    lock = tuple(f"{name}={value}" for name, value in library.schema.to_named(library.vectors[0]).items())
    found, _ = fitted(observer.photo(planted), library, observer, rounds=2, lock=lock)
    assert found.vectors[0] == pytest.approx(library.vectors[0], abs=1e-6)
    assert len(found.history["total"]) > 0


def test_irises_have_the_photos_colour_whatever_the_recognition_networks_would_like(
        observer: Toy, library: Library, planted: Vector) -> None:
    photo = observer.photo(planted)
    starer = observer.photo(changed(planted, library, iris__lightness=0.9))
    assert np.linalg.norm(starer.embedding - photo.embedding) > 0.1
    found, _ = fitted(replace(photo, embedding=starer.embedding), library, observer, rounds=2)
    assert library.schema.to_named(found.vectors[0])["iris.lightness"] == pytest.approx(0.2, abs=0.05)


def test_what_is_settled_or_locked_is_not_free(observer: Toy, library: Library, planted: Vector) -> None:
    comparison = Comparison(observer.photo(planted), library.layout, kin_of(ANYBODY, library).population)
    search = Search(observer, [comparison], library.schema, Lock.of(("shape.2",), library.schema), library.reference,
                    library.vectors.mean(0), (0, 4))
    assert search.free(lambda group: group != "Hair") == [1, 3, 6]
    moved, _ = step(search, planted)
    assert moved[[0, 2, 4, 5, 6]] == pytest.approx(planted[[0, 2, 4, 5, 6]])
    assert np.abs(moved[[1, 3]] - planted[[1, 3]]).max() > 0


def test_a_locked_sex_is_truer_than_what_is_seen(portrait: ParameterSchema, library: Library, observer: Toy,
                                                 planted: Vector, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def kin_of_nobody(traits: Traits, people: Library) -> None:
        asked.append(traits)
        raise FacennError("nobody")

    monkeypatch.setattr("facenn.fitting.search.kin_of", kin_of_nobody)
    for lock, man in (((), True), (("person.gender=0",), False)):
        with pytest.raises(FacennError, match="nobody"):
            fit_on_engine([observer.photo(planted)], ANYBODY, replace(library, schema=portrait), observer, rounds=1,
                          lock=Lock.of(lock, portrait), log=quiet)
        assert asked.pop() == Traits(man, 30)


def test_choose_options_prefers_what_the_photo_shows(observer: Toy, library: Library, planted: Vector) -> None:
    comparison = Comparison(observer.photo(planted), library.layout, kin_of(ANYBODY, library).population)
    search = Search(observer, [comparison], library.schema, Lock.of((), library.schema), library.reference,
                    library.vectors.mean(0), ())
    start = changed(planted, library, hair__style="long", brow__style="thin")
    assert np.array_equal(choose_options(search, start, hair=True), planted)


def test_with_hair_of_changes_hair_alone(observer: Toy, library: Library, planted: Vector) -> None:
    comparison = Comparison(observer.photo(planted), library.layout, kin_of(ANYBODY, library).population)
    worn = library.vectors[donors(library, comparison, count=2 * NEAREST)]
    dressed = [library.schema.to_named(v) for v in with_hair_of(planted, worn, library.schema)]
    assert len({named["shape.0"] for named in dressed} | {named["skin.tone"] for named in dressed}) == 2
    assert {named["hair.style"] for named in dressed} == {"short"}
    assert all(abs(float(named["hair.lightness"]) - 0.15) < 0.1 for named in dressed[:4])


def test_regression_guesses_what_can_be_seen(observer: Toy, library: Library, planted: Vector) -> None:
    guess = Regression(library).guess(observer.photo(planted))[0]
    assert guess[:5] == pytest.approx(planted[:5], abs=0.12)


def test_neighbours_find_somebody_of_the_library(observer: Toy, library: Library) -> None:
    comparison = Comparison(observer.photo(library.vectors[17]), library.layout, kin_of(ANYBODY, library).population)
    assert alike(library, comparison, count=3)[0] == 17
