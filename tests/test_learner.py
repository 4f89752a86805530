import copy

import pytest
import torch
from torch import Tensor

from facenn.errors import TrainingError
from facenn.learner import Learner, Losses, adam
from facenn.losses import imitation_loss
from facenn.networks.imitator import Imitator
from tests.discs import RESOLUTION, SCHEMA, fresh


def batch() -> tuple[Tensor, Tensor]:
    parameters = torch.rand(4, SCHEMA.size, generator=torch.Generator().manual_seed(0))
    return parameters, parameters[:, :, None, None].repeat(1, 1, RESOLUTION, RESOLUTION)


def learner_of(imitator: Imitator) -> Learner:
    return Learner(imitator, adam(imitator), bf16=False, fuse=False, record=False)


def test_learner_tells_the_loss_before_its_step_and_lowers_it() -> None:
    imitator, (parameters, pictures) = fresh(), batch()
    learner = learner_of(imitator)
    expected = imitation_loss(copy.deepcopy(imitator).train()(parameters), pictures).mean().item()
    losses = [float(learner.learn(parameters, pictures, rate=1e-2)) for _ in range(20)]
    assert losses[0] == pytest.approx(expected, rel=1e-5)
    assert losses[-1] < 0.8 * losses[0]
    assert imitator.training


def test_learner_of_rate_zero_learns_nothing() -> None:
    imitator, (parameters, pictures) = fresh(), batch()
    before = [p.detach().clone() for p in imitator.parameters()]
    learner_of(imitator).learn(parameters, pictures, rate=0.0)
    assert all(torch.equal(one, other) for one, other in zip(before, imitator.parameters(), strict=True))


def test_learner_takes_over_an_optimiser_whose_steps_were_recorded() -> None:
    one, other, (parameters, pictures) = fresh(), fresh(), batch()
    plain, recorded = adam(one), adam(other)
    for optimizer, imitator in ((plain, one), (recorded, other)):
        Learner(imitator, optimizer, bf16=False, fuse=False, record=False).learn(parameters, pictures, rate=1e-3)
    state = recorded.state_dict()
    state["param_groups"][0].update(capturable=True, lr=torch.tensor(0.5))
    recorded.load_state_dict(state)
    for optimizer, imitator in ((plain, one), (recorded, other)):
        Learner(imitator, optimizer, bf16=False, fuse=False, record=False).learn(parameters, pictures, rate=1e-3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_losses_are_forgotten_once_they_are_told() -> None:
    losses = Losses()
    for step, value in enumerate((1.0, 2.0, 6.0), 1):
        losses.add(step, torch.tensor(value))
    losses.check()
    assert losses.mean() == 3
    losses.check()
    losses.add(4, torch.tensor(5.0))
    assert losses.mean() == 5


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_losses_name_the_first_step_that_went_wrong(bad: float) -> None:
    losses = Losses()
    for step, value in enumerate((1.0, bad, float("nan")), 7):
        losses.add(step, torch.tensor(value))
    with pytest.raises(TrainingError, match=f"the training loss is {bad} at step 8; the last saved state is intact"):
        losses.check()
