"""Processes that draw and look at once: the expensive part of a fit on the engine."""

from collections.abc import Iterator
from functools import partial
from types import TracebackType

import torch
from threadpoolctl import threadpool_limits

from facenn.fitting.painter import BATCH, Painter, Setting
from facenn.fitting.sight import Floats, Sights, joined
from facenn.processes import process_pool
from facenn.schema import Vector


class Studio:
    """Several painters, each in a process of its own; use it as a context.

    Processes end with the block, and with this process however it ends.

    Args:
        setting: what they draw and look with.
        workers: processes; about 1.2 GB of memory each.
    """

    def __init__(self, setting: Setting, *, workers: int) -> None:
        self._pool = process_pool(workers, partial(_open, setting))
        for _ in range(workers):
            self._pool.submit(_ready)  # a process starts with its first task, and takes seconds: better now

    def __enter__(self) -> "Studio":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def observe(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Sights:
        """What is seen of (B, P) parameters; see ``Observer``."""
        return joined(list(self.stream(vectors, near, passes=passes, view=view)))

    def stream(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Iterator[Sights]:
        """The same in batches of BATCH, in their order, each as soon as it is there."""
        tasks = [self._pool.submit(_observe, vectors[k:k + BATCH], near, passes, view)
                 for k in range(0, len(vectors), BATCH)]
        for task in tasks:
            yield task.result()


_painters: list[Painter] = []  # a worker process keeps its painter from task to task


def _open(setting: Setting) -> None:
    torch.set_num_threads(1)  # one process per core draws faster than threads that wait for each other
    threadpool_limits(1)
    _painters[:] = [Painter(setting)]


def _ready() -> None:
    """Nothing to do but to be started."""


def _observe(vectors: Vector, near: Floats, passes: int, view: int) -> Sights:
    return _painters[0].observe(vectors, near, passes=passes, view=view)
