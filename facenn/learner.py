"""One step of a training: a network draws, is told how far off it was, and learns from it."""

import math

import torch
from torch import Tensor, nn
from torch.optim import Adam

from facenn.errors import TrainingError
from facenn.losses import imitation_loss
from facenn.networks.imitator import Imitator

EAGER = 3  # steps before a step is recorded: in them kernels are chosen, and the optimiser's memory is made


class Learner:
    """Learns from batch after batch.

    Args:
        imitator: on the device where it learns.
        network: what is called to draw: the Imitator, or its replica among several processes.
        bf16: draw in bfloat16.
        fuse: compile the network first.
        record: record a step per size of pictures and replay it as a CUDA graph: where pictures are small, kernels
            that are started one by one take longer to start than to run. One process on a GPU can.
    """

    def __init__(self, imitator: Imitator, network: nn.Module, *, bf16: bool, fuse: bool, record: bool) -> None:
        self._network = network
        self._bf16 = bf16
        self._record = record
        self._device = next(imitator.parameters()).device
        # A recorded step reads the rate where it was when it was recorded.
        self._rate = torch.zeros((), device=self._device) if record else 0.0
        self.optimizer = Adam(imitator.parameters(), lr=self._rate, betas=imitator.betas, fused=True, capturable=record)
        self._loss = torch.compile(self._loss_of, dynamic=False) if fuse else self._loss_of
        self._side = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def learn(self, parameters: Tensor, pictures: Tensor, *, side: int, rate: float) -> Tensor:
        """Take a step.

        Args:
            parameters: (B, P), on the network's device.
            pictures: (B, 3, S, S) what the engine drew of them; of one size as many in every step.
            side: S.
            rate: learning rate.

        Returns:
            () mean loss of the batch before the step. A GPU may be still at it: to look at the number is to wait.
        """
        self._set_rate(rate)
        if side != self._side:
            self._side, self._steps, self._graph = side, 0, None
        self._network.train()
        self._steps += 1
        if not self._record:
            return self._step(parameters, pictures)
        if self._steps <= EAGER:
            return self._beside(parameters, pictures)
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            self._batch = (parameters.clone(), pictures.clone())
            self.optimizer.zero_grad()
            with torch.cuda.graph(self._graph):
                self._result = self._step(*self._batch)
        for held, given in zip(self._batch, (parameters, pictures), strict=True):
            held.copy_(given)
        self._graph.replay()
        return self._result.clone()

    def resume(self, state: dict[str, object]) -> None:
        """Take over the optimiser's state of an earlier training."""
        self.optimizer.load_state_dict(state)
        self.optimizer.param_groups[0]["lr"] = self._rate

    def _set_rate(self, rate: float) -> None:
        if isinstance(self._rate, Tensor):
            self._rate.fill_(rate)
        else:
            self.optimizer.param_groups[0]["lr"] = rate

    def _beside(self, parameters: Tensor, pictures: Tensor) -> Tensor:
        """A step on a stream of its own, as the first steps of what is to be recorded have to be."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            loss = self._step(parameters, pictures)
        torch.cuda.current_stream().wait_stream(stream)
        return loss

    def _step(self, parameters: Tensor, pictures: Tensor) -> Tensor:
        loss = self._loss(parameters, pictures)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach()

    def _loss_of(self, parameters: Tensor, pictures: Tensor) -> Tensor:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            drawn = self._network(parameters, pictures.shape[-1])
        return imitation_loss(drawn, pictures).mean()


class Losses:
    """The losses since the last report. On a GPU they are looked at only when somebody asks."""

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
        """Of them all, which are forgotten then.

        Raises:
            TrainingError: one is no number.
        """
        self.check()
        mean = float(torch.stack(list(self._losses.values())).mean())
        self._losses.clear()
        return mean
