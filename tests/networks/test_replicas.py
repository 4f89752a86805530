from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from torch import nn

from facenn.networks.dcgan import Dcgan
from facenn.networks.replicas import JointBatchNorm2d, replicated


@pytest.fixture(autouse=True)
def group() -> Iterator[None]:
    """One process that talks to itself; what several do is tested where trainings are started."""
    dist.init_process_group("gloo", store=dist.HashStore(),  # type: ignore[attr-defined]
                            rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_joint_batch_norm_of_one_process_is_batch_norm() -> None:
    plain, joint = nn.BatchNorm2d(3).double(), JointBatchNorm2d(3)
    batch = (100 + 3 * torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))).requires_grad_()
    for norm in (plain, joint):
        with torch.no_grad():
            norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    weights = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(1))
    found: list[list[torch.Tensor]] = []
    for norm, given in ((plain, batch.double()), (joint, batch)):
        drawn = norm(given)
        gradients = torch.autograd.grad((drawn * weights).sum(), (batch, norm.weight, norm.bias))
        found.append([tensor.double() for tensor in (drawn, *gradients, *norm.buffers())])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_joint_batch_norm_keeps_the_type_of_its_input() -> None:
    assert JointBatchNorm2d(2)(torch.randn(2, 2, 4, 4).bfloat16()).dtype == torch.bfloat16


def test_a_replica_shares_weights_and_statistics_and_leaves_its_original_alone() -> None:
    imitator = Dcgan(3, resolution=32)
    learner = replicated(imitator).train()
    before = {name: tensor.clone() for name, tensor in imitator.state_dict().items()}
    learner(torch.rand(4, 3)).square().mean().backward()
    assert all(weight.grad is not None for weight in imitator.parameters())
    changed = {name for name, tensor in imitator.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if "running" in name or "tracked" in name}
    assert any(type(module) is nn.BatchNorm2d for module in imitator.modules())
    assert not any(type(module) is nn.BatchNorm2d for module in learner.modules())
