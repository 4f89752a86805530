"""Pools of processes that end with the process that made them, however it ends; and how many threads each may use."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")


def process_pool(workers: int, initializer: Callable[[], object] | None = None) -> ProcessPoolExecutor:
    """A pool of fresh processes.

    Args:
        workers: processes.
        initializer: called once in each of them before its first task; must be picklable.
    """
    # spawn: a forked child would inherit the locks of the numerical libraries' threads
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin,
                               initargs=(initializer,))


def _begin(initializer: Callable[[], object] | None) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer()


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for tasks for ever, and keep its memory."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Numerical libraries use one thread in the block: several of them on few cores would wait for each other."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


class Threads:
    """Threads that share tasks; use it as a context. One thread is the caller's own.

    Example:
        >>> with Threads(2) as threads:
        ...     threads.run([lambda: 1 + 1, lambda: 2 + 2])
        [2, 4]

    Args:
        count: threads, in each of which numerical libraries use that one alone.
    """

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, initializer=use_one_thread) if count > 1 else None

    def __enter__(self) -> "Threads":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def run(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """The results of tasks, in their order."""
        if self._pool is None or len(tasks) == 1:
            return [task() for task in tasks]
        return [future.result() for future in [self._pool.submit(task) for task in tasks]]


def use_one_thread() -> None:
    """Torch uses one thread in this one, which other threads' settings do not reach."""
    import torch

    torch.set_num_threads(1)
