"""The processes that train together: which of them this one is, and how they hear of each other."""

import hashlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from facenn.errors import ConfigError, TrainingError

TIMEOUT = timedelta(minutes=10)  # the first process alone loads the landmark networks, saves and logs meanwhile
TOLD = timedelta(seconds=5)
RESUMES = "the last saved state is intact, the same command goes on from it"

Entry = TypeVar("Entry", bound=np.generic)


@dataclass(frozen=True)
class Ranks:
    """The processes of one training, as one of them sees them.

    Attributes:
        rank: number of this process, from 0.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process saves, logs and shows for all."""
        return self.rank == 0

    def share(self, rows: NDArray[Entry]) -> NDArray[Entry]:
        """The part of these rows that is this process's: consecutive ones, as many as the others' or one less."""
        part: NDArray[Entry] = np.array_split(rows, self.count)[self.rank]
        return part

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all processes; each of them must ask."""
        if self.count == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    def check_same(self, what: str, *, device: torch.device) -> None:
        """Make sure that all processes speak of the same thing; each of them must ask.

        Args:
            what: any text that tells one thing from another.
            device: where the processes exchange numbers.

        Raises:
            ConfigError: they do not; each process of a training has to find the same files.
        """
        if self.count == 1:
            return
        number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:7], "big")
        extremes = torch.tensor([number, -number], device=device)
        dist.all_reduce(extremes, dist.ReduceOp.MAX)
        if int(extremes[0]) != -int(extremes[1]):
            raise ConfigError(f"expected the same renders and the same saved state in all {self.count} processes, "
                              "got different ones: each machine has to see the same folders")


ALONE = Ranks()


@contextmanager
def joined(device: torch.device | str) -> Iterator[Ranks]:
    """The processes that torchrun started with this one, until the block ends; without torchrun this one alone.

    Args:
        device: where this process computes; CUDA devices talk by NCCL, processors by Gloo.

    Raises:
        TrainingError: another process has ended, does not answer, or the launcher ends them all.
    """
    device = torch.device(device)
    if (count := _count()) == 1:
        yield ALONE
        return
    try:
        with _hearing_signals() if device.type == "cpu" else nullcontext():
            if device.type == "cuda":
                torch.cuda.set_device(device)
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
            yield Ranks(dist.get_rank(), count)
            dist.destroy_process_group()
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise TrainingError(f"another process of this training has ended or does not answer; {RESUMES}") from None


def is_main() -> bool:
    """Whether this process tells the results of all."""
    return os.environ.get("RANK", "0") == "0"


def report_once() -> bool:
    """Whether no other process of this training has reported yet why it ends; of several, one line is enough."""
    if _count() == 1:
        return True
    try:
        store = dist.TCPStore(  # type: ignore[attr-defined]  # public, but not in torch's own list
            os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False, timeout=TOLD,
            wait_for_workers=False)
        return int(store.add(f"facenn/told/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", 1)) == 1
    except dist.DistError:  # the process that kept the store is gone
        return True


def _count() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def _hearing_signals() -> Iterator[None]:
    """SIGTERM, by which torchrun ends the others when one has died, is an error that is reported.

    Only where processors compute: a process that waits for NCCL would not hear the signal, and has to end by it.
    """
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    except BaseException:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # nothing may come between an error and its line
        raise
    signal.signal(signal.SIGTERM, before)


def _end(signum: int, frame: object) -> None:
    raise TrainingError(f"the training was ended by {signal.Signals(signum).name}; {RESUMES}")
