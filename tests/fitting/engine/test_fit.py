from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from facenn.arrays import Floats, Log, Vector
from facenn.engine.characters import character
from facenn.engine.renderer import Engine
from facenn.fitting.engine.fit import CHOOSING, EngineFit, Person
from facenn.fitting.engine.observer import EngineObserver
from facenn.fitting.engine.residuals import Weights
from facenn.fitting.guess import load_translator
from facenn.fitting.locks import Lock
from facenn.fitting.result import FitResult
from facenn.images import to_tensor
from facenn.networks.frozen import Frozen
from facenn.people import random_vector
from facenn.perception.observation import SIDE
from facenn.processes import Threads
from facenn.schema import ParameterSchema
from tests.conftest import PRETRAINED
from tests.fitting.conftest import SCHEMA, SEXED, VIEWS, ToyObserver, as_observers, toy_translator

SLIDERS = len(SCHEMA.sliders)


def quiet(done: int, losses: Mapping[str, float]) -> None:
    pass


def person(observer: ToyObserver, vector: Vector, *, logit: float = 4.0) -> Person:
    points = observer.photo(vector).points
    return Person(observer.photo_of(vector), torch.from_numpy(points * SIDE), np.array([[30, logit]], np.float32))


def fit_of(*observers: ToyObserver, rounds: int, lock: Sequence[str] = (), man: float = 0.98) -> EngineFit:
    first = observers[0]
    return EngineFit(as_observers(*observers), toy_translator(first, man=man), Lock.of(tuple(lock), first.schema),
                     Weights(), rounds=rounds, seed=0)


def fitted(observer: ToyObserver, vector: Vector, *, rounds: int = 6, lock: Sequence[str] = (), log: Log = quiet,
           man: float = 0.98) -> FitResult:
    (found,) = fit_of(observer, rounds=rounds, lock=lock, man=man).all([person(observer, vector)], log)
    return found


def test_planted_parameters_are_found(observer: ToyObserver, planted: Vector) -> None:
    found = fitted(observer, planted)
    assert np.abs(found.vector - planted)[:SLIDERS].max() < 0.1
    assert np.array_equal(found.vector[SLIDERS:], planted[SLIDERS:])
    assert found.drawn == observer.drawn
    assert found.history["total"][-1] < 0.2 * found.history["total"][0]


def test_the_same_photo_gives_the_same_face(observer: ToyObserver, planted: Vector) -> None:
    assert np.array_equal(fitted(observer, planted, rounds=2).vector, fitted(observer, planted, rounds=2).vector)


def test_each_round_looks_at_the_next_view_and_is_told(observer: ToyObserver, planted: Vector) -> None:
    told: list[tuple[int, float]] = []
    found = fitted(observer, planted, rounds=5, log=lambda done, losses: told.append((done, losses["total"])))
    assert observer.viewed == [done % VIEWS for done in range(1, 6)]
    assert told == list(zip(range(1, 6), found.history["total"][1:], strict=True))
    assert found.first_step == 0


def test_locked_parameters_stay(observer: ToyObserver, planted: Vector) -> None:
    lock = ("shape.1=0.9", "skin.tone", "hair.style=bald", "hair.lightness=0.6", "brow.style")
    named = SCHEMA.to_named(fitted(observer, planted, rounds=CHOOSING, lock=lock).vector)
    assert {name: named[name] for name in ("shape.1", "skin.tone", "hair.style", "hair.lightness", "brow.style")} == {
        "shape.1": 0.9, "skin.tone": 0.3, "hair.style": "bald", "hair.lightness": 0.6, "brow.style": "thin"}
    assert named["shape.0"] == pytest.approx(0.7, abs=0.15)


def test_with_everything_locked_nothing_changes(observer: ToyObserver, people: Vector, planted: Vector) -> None:
    lock = [f"{name}={value}" for name, value in SCHEMA.to_named(people[0]).items()]
    found = fitted(observer, planted, rounds=2, lock=lock)
    assert found.vector == pytest.approx(people[0], abs=1e-6)
    assert len(found.history["total"]) == 3


def test_several_people_are_found_as_if_each_was_alone(observer: ToyObserver, people: Vector) -> None:
    alone = [fitted(observer, vector, rounds=2).vector for vector in people[:3]]
    pair = [ToyObserver(observer.reference, observer.spots) for _ in range(2)]
    told: list[tuple[int, float]] = []
    together = fit_of(*pair, rounds=2).all([person(observer, vector) for vector in people[:3]],
                                           lambda done, losses: told.append((done, losses["total"])))
    assert np.array_equal([found.vector for found in together], alone)
    totals = np.array([found.history["total"][1:] for found in together])
    assert [done for done, _ in told] == [1, 2]
    assert [total for _, total in told] == pytest.approx(totals.mean(0))
    assert sum(one.drawn for one in pair) == sum(found.drawn for found in together)


def test_one_person_has_all_observers(observer: ToyObserver, planted: Vector) -> None:
    alone = fitted(observer, planted, rounds=2)
    pair = [ToyObserver(observer.reference, observer.spots) for _ in range(2)]
    (found,) = fit_of(*pair, rounds=2).all([person(observer, planted)], quiet)
    assert np.array_equal(found.vector, alone.vector)
    assert pair[1].drawn > 0
    assert pair[0].drawn + pair[1].drawn == found.drawn


@pytest.mark.parametrize("sex", [0.0, 1.0])
def test_where_sex_is_unsure_both_are_tried(observer: ToyObserver, planted: Vector, sex: float) -> None:
    observer = replace(observer, schema=SEXED)
    someone = SEXED.from_named({**SCHEMA.to_named(planted), "sex": sex})
    where = SEXED.columns.index("sex")
    unsure, wrong = (fitted(observer, someone, rounds=1, man=man) for man in (0.5, 0.95 - 0.9 * sex))
    assert (unsure.vector[where] > 0.5) == (sex > 0.5)
    assert (wrong.vector[where] > 0.5) != (sex > 0.5)
    locked = fitted(observer, someone, rounds=1, man=0.5, lock=[f"sex={1 - sex}"])
    assert locked.vector[where] == 1 - sex


def test_irises_have_the_photos_colour_whatever_the_recognition_networks_would_like(
        observer: ToyObserver, planted: Vector, monkeypatch: pytest.MonkeyPatch) -> None:
    starer = planted.copy()
    starer[SCHEMA.columns.index("iris.lightness")] = 0.9
    stared = observer.photo(starer).embedding
    assert np.linalg.norm(stared - observer.photo(planted).embedding) > 0.1
    fit = fit_of(observer, rounds=3)
    photos = fit._photos

    def with_other_eyes(*arguments: object) -> list[object]:
        return [replace(p, embedding=observer.photo(starer, view=k).embedding)
                for k, p in enumerate(photos(*arguments))]  # type: ignore[arg-type]

    monkeypatch.setattr(fit, "_photos", with_other_eyes)
    (found,) = fit.all([person(observer, planted)], quiet)
    assert found.vector[SCHEMA.columns.index("iris.lightness")] == pytest.approx(0.2, abs=0.06)


@pytest.fixture(scope="module")
def engine_observer(frozen: Frozen) -> EngineObserver:
    translator = load_translator(PRETRAINED / "translator-portrait.safetensors")
    return EngineObserver(Engine("portrait", side=SIDE), frozen, translator.reader.reference)


@pytest.fixture(scope="module")
def drawn_person(engine_observer: EngineObserver, frozen: Frozen, portrait: ParameterSchema) -> tuple[Person, Vector]:
    """Somebody of the engine, and of what parameters."""
    vector = portrait.project(random_vector(portrait, 11, 4))
    picture = engine_observer.draw(vector)
    reference = load_translator(PRETRAINED / "translator-portrait.safetensors").frame
    seen = engine_observer.see(picture, reference, passes=3)
    pixels, points = to_tensor(picture.render.picture)[None], torch.from_numpy(seen.points * SIDE)
    return Person(pixels, points, np.array([[30, 6 * vector[portrait.slider_of("sex") or 0] - 3]], np.float32)), vector


def test_engine_observer_sees_what_it_drew_and_its_gradient_is_downhill(
        engine_observer: EngineObserver, drawn_person: tuple[Person, Vector], portrait: ParameterSchema) -> None:
    someone, vector = drawn_person
    tone = portrait.columns.index("skin.tone")
    picture = engine_observer.draw(vector)
    points: Floats = (someone.landmarks[0, :, :2] / SIDE).numpy()
    seen = engine_observer.see_repainted(picture, vector, points)
    darker, lighter = vector.copy(), vector.copy()
    darker[tone], lighter[tone] = vector[tone] + 0.05, vector[tone] - 0.05
    skin = (engine_observer.see_repainted(picture, darker, points).skin[0]
            - engine_observer.see_repainted(picture, lighter, points).skin[0])
    look = engine_observer.look(picture, points, Threads(1), view=0)
    slopes = engine_observer.pull_back(picture, points, look, Threads(1), embedding=np.zeros_like(seen.embedding[0]),
                                       skin=skin)
    assert slopes[tone] * 0.1 == pytest.approx(float(np.square(skin).sum()), rel=0.1)
    assert look.embedding == pytest.approx(seen.embedding, abs=0.02)
    cover, colour = engine_observer.hair(picture)
    assert cover == pytest.approx(seen.cover[0])
    assert colour == pytest.approx(seen.hair[0], abs=0.01)
    assert engine_observer.repainted_irises(picture, vector, points) == pytest.approx(seen.iris[0], abs=1e-4)
    assert engine_observer.repainted_hair(picture, vector) == pytest.approx(seen.hair[0], abs=1e-4)


def test_fit_on_the_engine_gets_nearer_to_one_of_its_own_faces(engine_observer: EngineObserver,
                                                               drawn_person: tuple[Person, Vector]) -> None:
    someone, planted = drawn_person
    schema = character("portrait").schema
    translator = load_translator(PRETRAINED / "translator-portrait.safetensors", expect=schema)
    fit = EngineFit([engine_observer], translator, Lock.of(("nose.hump=0.3",), schema), Weights(), rounds=2, seed=0)
    (found,) = fit.all([someone], quiet)
    total = found.history["total"]
    assert total[-1] < 0.8 * total[0]
    assert found.vector[schema.columns.index("nose.hump")] == pytest.approx(0.3)
    apart = [float(np.abs(v[:len(schema.sliders)] - planted[:len(schema.sliders)]).mean())
             for v in (found.vector, schema.neutral())]
    assert apart[0] < apart[1]
