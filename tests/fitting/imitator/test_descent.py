import numpy as np
import pytest
import torch
from torch import Tensor

from facenn.fitting.choices import decided_columns
from facenn.fitting.imitator.descent import fit
from facenn.fitting.imitator.objective import Weights, backdrop, draw
from facenn.fitting.imitator.target import Target, see
from facenn.fitting.locks import Lock
from facenn.fitting.prior import held_sliders
from facenn.fitting.result import FitResult
from facenn.networks.frozen import Frozen
from facenn.networks.imitator import Imitator
from facenn.schema import ParameterSchema

WALL = torch.tensor([0.6, 0.6, 0.62])
WEIGHTS = Weights(identity=1.0, landmark=1.0, colour=1.0, prior=0.1)


@pytest.fixture(scope="module")
def target(astronaut: Tensor, face_points: Tensor, frozen: Frozen) -> Target:
    return see(astronaut[None], face_points[None], frozen, wall=WALL)


def search(target: Target, imitator: Imitator, schema: ParameterSchema, frozen: Frozen, *, steps: int,
           candidates: int = 1, lock: tuple[str, ...] = ()) -> list[FitResult]:
    return fit(target, imitator, schema, frozen, steps=steps, rate=0.015, weights=WEIGHTS, candidates=candidates,
               seed=0, lock=Lock.of(lock, schema), log=lambda step, losses: None)


@pytest.fixture(scope="module")
def found(target: Target, toy_imitator: Imitator, portrait: ParameterSchema, frozen: Frozen) -> FitResult:
    return search(target, toy_imitator, portrait, frozen, steps=6)[0]


def test_fit_lowers_the_total_loss(target: Target, toy_imitator: Imitator, portrait: ParameterSchema, frozen: Frozen
                                   ) -> None:
    # by colours alone: where an untrained network draws no face, landmarks jump about
    weights = Weights(identity=0, landmark=0, colour=10, prior=0.1)
    found, = fit(target, toy_imitator, portrait, frozen, steps=6, rate=0.02, weights=weights, candidates=1, seed=0,
                lock=Lock.of((), portrait), log=lambda step, losses: None)
    total = found.history["total"]
    assert total[-1] < total[0]


def test_fit_ends_with_valid_parameters(found: FitResult, portrait: ParameterSchema) -> None:
    assert np.array_equal(portrait.project(found.vector), found.vector)
    for where in portrait.slices.values():
        assert found.relaxed[where].sum() == pytest.approx(1, abs=1e-5)


def test_fit_keeps_every_step_of_every_loss(found: FitResult) -> None:
    assert set(found.history) == {"identity", "landmark", "colour", "prior", "total"}
    assert {len(steps) for steps in found.history.values()} == {6}
    assert found.imitated is not None and found.imitated.shape == (512, 512, 3)


def test_fit_gives_the_same_face_for_the_same_seed(found: FitResult, target: Target, toy_imitator: Imitator,
                                                   portrait: ParameterSchema, frozen: Frozen) -> None:
    again, = search(target, toy_imitator, portrait, frozen, steps=6)
    assert np.array_equal(again.relaxed, found.relaxed)
    assert np.array_equal(again.vector, found.vector)


def test_fit_leaves_locked_parameters_alone(target: Target, toy_imitator: Imitator, portrait: ParameterSchema,
                                            frozen: Frozen) -> None:
    lock = ("nose.hump=0.3", "skin.tone", "hair.style=bald")
    found, = search(target, toy_imitator, portrait, frozen, steps=4, candidates=2, lock=lock)
    named = portrait.to_named(found.vector)
    assert (named["nose.hump"], named["hair.style"]) == (0.3, "bald")
    held = Lock.of(lock, portrait)
    assert np.array_equal(found.vector[held.held], held.values[held.held])
    assert np.array_equal(found.relaxed[held.held], held.values[held.held])
    assert np.abs(found.relaxed - portrait.neutral())[~held.held].max() > 0.02


def test_fit_of_two_photos_is_two_fits(found: FitResult, astronaut: Tensor, face_points: Tensor,
                                       toy_imitator: Imitator, portrait: ParameterSchema, frozen: Frozen) -> None:
    darker = torch.stack([astronaut, astronaut * 0.5])
    both = Target.of_all([see(picture[None], face_points[None], frozen, wall=WALL) for picture in darker])
    one, other = search(both, toy_imitator, portrait, frozen, steps=6)
    assert np.abs(one.relaxed - found.relaxed).max() < 1e-4
    assert np.abs(one.vector - found.vector).max() < 1e-3
    assert one.history["total"] == pytest.approx(found.history["total"], abs=1e-4)
    assert np.abs(other.relaxed - one.relaxed).max() > 0.02


def test_fit_of_the_imitators_own_picture_moves_towards_its_parameters(
        toy_imitator: Imitator, portrait: ParameterSchema, frozen: Frozen, face_points: Tensor) -> None:
    planted = portrait.neutral()
    planted[portrait.columns.index("skin.tone")] = 1.0
    sliders = {slider.name: i for i, slider in enumerate(portrait.sliders)}
    # neutral, and held there: they are no matter of descent
    others = {*decided_columns(portrait), *held_sliders(portrait, man=True), *held_sliders(portrait, man=False)}
    planted[[i for i in sliders.values() if i % 3 == 0 and i not in others]] = 0.9
    lock = Lock.of([*(name for name, i in sliders.items() if i in others), *portrait.slices], portrait)
    picture = draw(toy_imitator, torch.from_numpy(planted)[None])
    target = see(picture, face_points[None], frozen, wall=backdrop(toy_imitator, portrait))
    result, = fit(target, toy_imitator, portrait, frozen, steps=40, rate=0.05, seed=0, candidates=0,
                 lock=lock, weights=Weights(identity=0.0, landmark=0.0, colour=20.0, prior=0.0),
                 log=lambda step, losses: None)
    assert result.history["colour"][-1] < 0.5 * result.history["colour"][0]
