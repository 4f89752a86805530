import pytest
import torch
from torch import Tensor

from facenn.fitting.imitator.objective import Losses, Weights, backdrop, draw
from facenn.fitting.imitator.target import see
from facenn.networks.frozen import Frozen
from facenn.networks.imitator import Imitator
from facenn.schema import ParameterSchema

WEIGHTS = Weights(identity=2.0, landmark=3.0, colour=0.5, prior=0.1)


def test_losses_sees_no_difference_between_a_picture_and_itself(
        astronaut: Tensor, face_points: Tensor, toy_imitator: Imitator, portrait: ParameterSchema, frozen: Frozen,
        monkeypatch: pytest.MonkeyPatch) -> None:
    target = see(astronaut[None], face_points[None], frozen, wall=torch.zeros(3))
    monkeypatch.setattr("facenn.fitting.imitator.objective.draw", lambda imitator, vectors: astronaut[None])
    losses = Losses(toy_imitator, frozen, WEIGHTS)
    with torch.no_grad():
        found, landmarks = losses.of(target, torch.zeros(1, portrait.size), frozen.finder.square(target.landmarks))
    assert (landmarks - target.landmarks)[..., :2].abs().max() < 3
    assert found["identity"] < 0.02 and found["landmark"] < 0.01


def test_losses_adds_up_the_terms_that_there_are_as_much_as_they_count(toy_imitator: Imitator, frozen: Frozen) -> None:
    losses = Losses(toy_imitator, frozen, WEIGHTS)
    terms = {"identity": torch.tensor([1.0, 2.0]), "colour": torch.tensor([4.0, 0.0])}
    assert losses.total(terms).tolist() == [4, 4]


def test_backdrop_is_the_colour_of_the_upper_corners(toy_imitator: Imitator, portrait: ParameterSchema,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = torch.full((1, 3, 512, 512), 0.5)
    drawn[:, 0, :40, :40] = drawn[:, 0, :40, -40:] = 0.9
    monkeypatch.setattr("facenn.fitting.imitator.objective.draw", lambda imitator, vectors: drawn)
    assert backdrop(toy_imitator, portrait).tolist() == pytest.approx([0.9, 0.5, 0.5], abs=1e-4)


def test_pictures_come_in_the_size_of_renders(toy_imitator: Imitator, portrait: ParameterSchema) -> None:
    picture = draw(toy_imitator, torch.from_numpy(portrait.neutral())[None])
    assert picture.shape == (1, 3, 512, 512) and picture.dtype == torch.float32
