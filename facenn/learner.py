"""One step of a training: forward, loss, backward, optimizer."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Adam

from facenn.errors import TrainingError
from facenn.losses import imitation_loss
from facenn.networks.imitator import Imitator

EAGER = 3  # steps before a step is recorded: in them kernels are chosen, and the optimiser's memory is made


def adam(imitator: Imitator) -> Adam:
    """The optimiser of an Imitator, whose learning rate a learner sets in every step."""
    return Adam(imitator.parameters(), lr=0.0, betas=imitator.betas, fused=True)


class Learner:
    """Learns from batch after batch.

    Args:
        network: what is called to draw, on the device where it learns: an Imitator, or its replica among several
            processes.
        optimizer: of the Imitator, see ``adam``.
        bf16: draw in bfloat16.
        fuse: compile the network first.
        record: record a step per size of pictures and replay it as a CUDA graph: where pictures are small, kernels
            that are started one by one take longer to start than to run. One process on a GPU can.
    """

    def __init__(self, network: nn.Module, optimizer: Adam, *, bf16: bool, fuse: bool, record: bool) -> None:
        self._network, self._optimizer, self._bf16 = network, optimizer, bf16
        self._device = next(network.parameters()).device
        self._loss = torch.compile(self._loss_of, dynamic=False) if fuse else self._loss_of
        self._recorder = _Recorder(optimizer, self._step, self._device) if record else None
        optimizer.param_groups[0]["capturable"] = False  # until a step is recorded, whatever wrote a saved state

    def learn(self, parameters: Tensor, pictures: Tensor, *, rate: float) -> Tensor:
        """Take a step.

        Args:
            parameters: (B, P), on the network's device.
            pictures: (B, 3, S, S) what the engine drew of them.
            rate: learning rate.

        Returns:
            () mean loss of the batch before the step. A GPU may be still at it: to look at the number is to wait.
        """
        self._network.train()
        if self._recorder is not None:
            return self._recorder.step(parameters, pictures, rate)
        self._optimizer.param_groups[0]["lr"] = rate
        return self._step(parameters, pictures)

    def _step(self, parameters: Tensor, pictures: Tensor) -> Tensor:
        loss = self._loss(parameters, pictures)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()

    def _loss_of(self, parameters: Tensor, pictures: Tensor) -> Tensor:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            drawn = self._network(parameters, pictures.shape[-1])
        return imitation_loss(drawn, pictures).mean()


class _Recorder:
    """Records a step per size of pictures, after some that run as they come, and replays it.

    Args:
        optimizer: whose learning rate the steps read.
        learn: the step, from parameters and pictures to the loss.
        device: the GPU.
    """

    def __init__(self, optimizer: Adam, learn: Callable[[Tensor, Tensor], Tensor], device: torch.device) -> None:
        self._optimizer, self._learn, self._device = optimizer, learn, device
        self._rate = torch.zeros((), device=device)  # a recorded step reads it where it was when it was recorded
        optimizer.param_groups[0]["lr"] = self._rate
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._batch: tuple[Tensor, Tensor] | None = None
        self._steps = 0  # with batches of this size

    def step(self, parameters: Tensor, pictures: Tensor, rate: float) -> Tensor:
        """See ``Learner.learn``."""
        with torch.cuda.device(self._device):
            self._rate.fill_(rate)
            if self._batch is None or self._batch[1].shape != pictures.shape:
                self._batch, self._steps = (parameters.clone(), pictures.clone()), 0
                self._optimizer.param_groups[0]["capturable"] = False
            for held, given in zip(self._batch, (parameters, pictures), strict=True):
                held.copy_(given)
            self._steps += 1
            if self._steps <= EAGER:
                return self._as_it_comes(*self._batch)
            if self._steps == EAGER + 1:
                self._graph, self._loss = self._recorded(*self._batch)
            self._graph.replay()
            return self._loss.clone()

    def _as_it_comes(self, parameters: Tensor, pictures: Tensor) -> Tensor:
        """On a stream of its own, as the steps before a recording have to be."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            loss = self._learn(parameters, pictures)
        torch.cuda.current_stream().wait_stream(self._stream)
        return loss

    def _recorded(self, parameters: Tensor, pictures: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        graph = torch.cuda.CUDAGraph()
        self._optimizer.param_groups[0]["capturable"] = True
        self._optimizer.zero_grad()
        with torch.cuda.graph(graph, stream=self._stream):
            loss = self._learn(parameters, pictures)
        return graph, loss


class Losses:
    """The losses since the last report. On a GPU they are read only on request."""

    def __init__(self) -> None:
        self._losses: dict[int, Tensor] = {}

    def add(self, step: int, loss: Tensor) -> None:
        """Keep the loss of a step, a tensor of one number."""
        self._losses[step] = loss

    def check(self) -> None:
        """Look at all of them.

        Raises:
            TrainingError: one is no number.
        """
        values = torch.stack(list(self._losses.values())).tolist() if self._losses else []
        for step, value in zip(self._losses, values, strict=True):
            if not math.isfinite(value):
                raise TrainingError(f"the training loss is {value} at step {step}; the last saved state is intact, "
                                    "a lower learning rate may help")

    def mean(self) -> float:
        """Of them all, which are forgotten then."""
        mean = float(torch.stack(list(self._losses.values())).mean())
        self._losses.clear()
        return mean
