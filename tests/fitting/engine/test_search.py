from itertools import pairwise

import numpy as np
import pytest

from facenn.arrays import Vector
from facenn.fitting.engine.objective import EngineObjective
from facenn.fitting.engine.residuals import Residuals, Weights
from facenn.fitting.engine.search import Search
from facenn.fitting.prior import Population
from facenn.processes import Threads
from tests.fitting.conftest import SCHEMA, VIEWS, ToyObserver, as_observers, toy_translator

FREE = np.arange(5)  # shape and tone
WEAK = Weights(prior=1e-5)


def search_of(observer: ToyObserver, photo: Vector, people: Vector, *, free: np.ndarray = FREE,
              weights: Weights = WEAK) -> tuple[Search, EngineObjective]:
    population = Population.of(SCHEMA.sliders_in(people))
    residuals = [Residuals(observer.photo(photo, view=view), observer.spots, population, weights)
                 for view in range(VIEWS)]
    objective = EngineObjective(as_observers(observer), Threads(1), residuals, SCHEMA, observer.reference)
    return Search(objective, free, residuals[0].guessed(toy_translator(observer).jacobian)), objective


@pytest.fixture
def start(planted: Vector) -> Vector:
    vector = planted.copy()
    vector[FREE] = 0.5
    return vector


def test_steps_find_planted_sliders(observer: ToyObserver, people: Vector, planted: Vector, start: Vector) -> None:
    search, objective = search_of(observer, planted, people)
    search.go_to(start)
    for number in range(6):
        objective.view = number % VIEWS
        search.step()
    assert search.vector[FREE] == pytest.approx(planted[FREE], abs=0.06)
    assert observer.viewed == [0, 1, 2, 0, 1, 2]


def test_steps_never_end_higher_than_they_began(observer: ToyObserver, people: Vector, start: Vector) -> None:
    search, objective = search_of(observer, people[7], people)
    search.go_to(start)
    for _ in range(10):
        search.step()
    total = objective.history["total"]
    assert len(total) == 11  # the start, and each step
    assert all(later <= earlier for earlier, later in pairwise(total))
    assert total[-1] < 0.7 * total[0]


def test_a_step_moves_the_free_sliders_alone(observer: ToyObserver, people: Vector, planted: Vector, start: Vector
                                             ) -> None:
    search, _ = search_of(observer, planted, people, free=np.array([1, 3]))
    search.go_to(start)
    search.step()
    assert np.array_equal(np.delete(search.vector, [1, 3]), np.delete(start, [1, 3]))
    assert np.abs(search.vector[[1, 3]] - start[[1, 3]]).min() > 0


def test_where_nothing_is_free_a_step_stays_and_is_noted(observer: ToyObserver, people: Vector, planted: Vector,
                                                         start: Vector) -> None:
    search, objective = search_of(observer, planted, people, free=np.zeros(0, np.intp))
    search.go_to(start)
    search.step()
    assert np.array_equal(search.vector, start)
    assert objective.history["total"][0] == objective.history["total"][1]


def test_weights_decide_what_a_search_looks_at(observer: ToyObserver, people: Vector, planted: Vector, start: Vector
                                               ) -> None:
    found = []
    for weights in (WEAK, Weights(tone=0, relief=0, prior=1)):
        search, _ = search_of(observer, planted, people, weights=weights)
        search.go_to(start)
        for _ in range(4):
            search.step()
        found.append(abs(float(search.vector[4] - planted[4])))
    assert found[1] > found[0] + 0.05


def test_landmarks_of_the_next_picture_are_sought_at_those_of_the_last(observer: ToyObserver, people: Vector,
                                                                       planted: Vector, start: Vector) -> None:
    search, objective = search_of(observer, planted, people)
    search.go_to(start)
    search.step()
    assert np.array_equal(objective.near, observer.photo(search.vector).points[0])
