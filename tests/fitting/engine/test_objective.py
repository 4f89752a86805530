import threading
from collections.abc import Sequence

import numpy as np
import pytest

from facenn.arrays import Array, Vector
from facenn.fitting.choices import choose_options
from facenn.fitting.engine.objective import EngineObjective, coloured
from facenn.fitting.engine.residuals import Residuals, Weights
from facenn.fitting.locks import Lock
from facenn.fitting.prior import Population, Prior
from facenn.networks.traits import Traits
from facenn.processes import Threads
from tests.fitting.conftest import SCHEMA, ToyObserver, ToyPicture, as_observers

HAIR, IRIS = SCHEMA.columns.index("hair.lightness"), SCHEMA.columns.index("iris.lightness")
STYLES = SCHEMA.slices["hair.style"]


def objective_of(photo: Vector, people: Vector, *observers: ToyObserver) -> EngineObjective:
    first = observers[0]
    residuals = Residuals(first.photo(photo), first.spots, Population.of(SCHEMA.sliders_in(people)), Weights())
    return EngineObjective(as_observers(*observers), Threads(len(observers)), [residuals], SCHEMA, first.reference)


def changed(vector: Vector, **named: float | str) -> Vector:
    return SCHEMA.from_named(SCHEMA.to_named(vector) | {k.replace("__", "."): v for k, v in named.items()})


def test_options_are_those_that_the_photo_shows(observer: ToyObserver, people: Vector, planted: Vector) -> None:
    prior = Prior.of(Traits(True, 30), people, SCHEMA, Lock.of((), SCHEMA))
    start = changed(planted, hair__style="long", brow__style="thin")
    objective = objective_of(planted, people, observer)
    assert np.array_equal(choose_options(objective, start, prior, hair=True), planted)


def test_heads_of_one_shape_are_drawn_once_and_repainted(observer: ToyObserver, people: Vector, planted: Vector
                                                         ) -> None:
    objective = objective_of(planted, people, observer)
    tried = np.stack([changed(planted, brow__style="thin"), planted])
    assert objective.choose(tried, np.zeros(2), by="all") == 1
    assert (objective.drawn, observer.drawn) == (1, 1)
    assert objective.choose(np.stack([people[0], planted]), np.zeros(2), by="all") == 1
    assert (objective.drawn, observer.drawn) == (3, 3)


def test_price_decides_between_what_looks_alike(observer: ToyObserver, people: Vector, planted: Vector) -> None:
    objective, same = objective_of(planted, people, observer), np.stack([planted, planted])
    assert objective.choose(same, np.array([0.1, 0.0]), by="all") == 1
    assert objective.choose(same, np.array([0.0, 0.1]), by="hair") == 0


def test_hair_is_chosen_by_hair_alone(observer: ToyObserver, people: Vector, planted: Vector) -> None:
    objective = objective_of(planted, people, observer)
    stranger_with_it, self_with_long = changed(people[1], hair__style="short", hair__lightness=0.15), changed(
        planted, hair__style="long")
    assert objective.choose(np.stack([self_with_long, stranger_with_it]), np.zeros(2), by="hair") == 1
    assert objective.choose(np.stack([self_with_long, stranger_with_it]), np.zeros(2), by="all") == 0


def test_next_landmarks_are_sought_where_those_of_the_chosen_are(observer: ToyObserver, people: Vector, planted: Vector
                                                                 ) -> None:
    objective = objective_of(planted, people, observer)
    objective.choose(np.stack([people[0], planted]), np.zeros(2), by="all")
    assert np.array_equal(objective.near, observer.photo(planted).points[0])


@pytest.mark.parametrize(("by", "slider", "value"), [("hair", HAIR, 0.15), ("iris", IRIS, 0.2)])
def test_colours_are_moved_to_those_of_the_photo(observer: ToyObserver, people: Vector, planted: Vector, by: str,
                                                 slider: int, value: float) -> None:
    objective, start = objective_of(planted, people, observer), planted.copy()
    start[slider] = 0.9
    found = objective.moved(start, [slider], by=by)  # type: ignore[arg-type]
    assert found[slider] == pytest.approx(value, abs=0.02)
    assert np.array_equal(np.delete(found, slider), np.delete(planted, slider))
    assert observer.drawn == 1


def test_what_paint_cannot_show_is_tried_in_pictures(people: Vector, planted: Vector, observer: ToyObserver) -> None:
    objective = objective_of(planted, people, observer)
    asked: list[Vector] = []

    def choose(vectors: Vector, price: Array, *, by: str) -> int:
        asked.append(vectors)
        return 2

    objective.choose = choose  # type: ignore[method-assign]
    found = objective.moved(planted, [3, HAIR], by="hair")  # slider 3 is of shape, which no paint shows
    assert asked[0][:, 3] == pytest.approx([0.45, 0.29, 0.37, 0.53, 0.61])
    assert found[3] == pytest.approx(0.37)


def test_pictures_are_shared_among_observers_and_keep_their_order(observer: ToyObserver, people: Vector) -> None:
    busy: list[tuple[int, str]] = []

    class Noting(ToyObserver):
        def draw(self, vector: Vector) -> ToyPicture:
            busy.append((id(self), threading.current_thread().name))
            return super().draw(vector)

    pair = [Noting(observer.reference, observer.spots) for _ in range(2)]
    pictures: Sequence[object] = objective_of(people[0], people, *pair).draw(people[:7])
    assert [tuple(p.vector) for p in pictures] == [tuple(SCHEMA.project(v)) for v in people[:7]]  # type: ignore[attr-defined]
    assert [pair[0].drawn, pair[1].drawn] == [4, 3]
    assert len({thread for one, thread in busy if one == id(pair[0])}) == 1  # no observer serves two threads at once


def test_noted_losses_are_those_of_the_terms(observer: ToyObserver, people: Vector, planted: Vector) -> None:
    objective = objective_of(planted, people, observer)
    for vector in people[:2]:
        (picture,) = objective.draw(vector[None])
        objective.note(objective.see(picture)[1])
    assert {name: len(losses) for name, losses in objective.history.items()} == dict.fromkeys(
        ["total", *objective.current.terms], 2)


def test_coloured_finds_the_least_in_the_box_and_takes_no_step_that_is_worse() -> None:
    goal = np.array([0.3, 1.2])
    assert coloured(np.array([0.9, 0.1]), lambda values: 3 * (values - goal)) == pytest.approx([0.3, 1], abs=0.02)
    start = np.array([0.5])
    assert coloured(start, lambda values: 1 + np.abs(values - 0.5)) is start
    nothing = np.zeros(0)
    assert coloured(nothing, lambda values: values) is nothing
