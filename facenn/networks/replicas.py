"""Networks whose copies in several processes learn as one network would from all their faces."""

import copy
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.parallel import DistributedDataParallel


def replicated(network: nn.Module, *, partly: bool = False) -> nn.Module:
    """A learner that shares weights and statistics with ``network``, and gradients with the other processes.

    After ``backward`` every process has the mean of all gradients. Batch normalisation sees the faces of all
    processes, so that N processes with B faces each learn what one learns from N x B. The first process's
    weights are where all of them start.

    Args:
        network: on the device where this process computes; stays a network of its own, to draw and to save.
        partly: some steps leave some of its weights out.
    """
    shared = {id(tensor): tensor for tensor in [*network.parameters(), *network.buffers()]}
    twin = copy.deepcopy(network, shared)
    if next(network.parameters()).is_cuda:
        twin = nn.SyncBatchNorm.convert_sync_batchnorm(twin)  # type: ignore[no-untyped-call]
    else:
        _replace_norms(twin)
    return DistributedDataParallel(twin, find_unused_parameters=partly)


class JointBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation in training, over the batches of all processes.

    torch's own SyncBatchNorm runs on GPUs alone. Mean and variance are computed one after the other, because
    their difference from the mean of squares loses digits.
    """

    def forward(self, batch: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape, every process with as many faces."""
        processes = dist.get_world_size()
        wide = batch.float()
        mean = _sum(wide.mean((0, 2, 3))) / processes
        centred = wide - mean[:, None, None]
        variance = _sum(centred.square().mean((0, 2, 3))) / processes
        self._remember(mean, variance, processes * wide.numel() // wide.shape[1])
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(batch.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, values: int) -> None:
        for running, latest in ((self.running_mean, mean), (self.running_var, variance * values / (values - 1))):
            running.lerp_(latest, self.momentum)  # type: ignore[union-attr,arg-type]  # all Imitators have them
        self.num_batches_tracked.add_(1)  # type: ignore[union-attr]


class _Sum(Function):
    """The sum over all processes; the gradient of a sum is the sum of the gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _sum(tensor: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(tensor)
    return total


def _replace_norms(network: nn.Module) -> None:
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d:
                joint = JointBatchNorm2d(child.num_features, child.eps, child.momentum)
                joint.weight, joint.bias = child.weight, child.bias
                joint.running_mean, joint.running_var = child.running_mean, child.running_var
                joint.num_batches_tracked = child.num_batches_tracked
                setattr(module, name, joint)
