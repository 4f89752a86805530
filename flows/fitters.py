"""One fitter per process, shared by its batches: opening one costs seconds and memory."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from facenn.config import FitConfig
from facenn.steps.project import Project, choose_device

if TYPE_CHECKING:  # the step imports torch
    from facenn.steps.fit import Fitter


@dataclass(frozen=True)
class Opening:
    """The arguments with which a process opens a fitter; small, so that they can be sent to another machine.

    Attributes:
        config: of the fits.
        model: Imitator file; None with the method engine.
        project: where networks and libraries are, as paths that hold in every process.
    """

    config: FitConfig
    model: Path | None
    project: Project


@dataclass
class _Held:
    opening: Opening | None = None
    fitter: "Fitter | None" = None
    resources: ExitStack = field(default_factory=ExitStack)
    opens: threading.Lock = field(default_factory=threading.Lock)
    draws: threading.Lock = field(default_factory=threading.Lock)


_held = _Held()


@contextmanager
def shared_fitter(opening: Opening) -> Iterator["Fitter"]:
    """The fitter of this process for these options; other options replace it.

    Threads share it by the method imitator. By the method engine, whose processes belong to one fit at a time, each
    waits for its turn.
    """
    from facenn.steps.fit import open_fitter

    with _held.draws if opening.config.method == "engine" else nullcontext():
        with _held.opens:
            if _held.opening != opening or _held.fitter is None:
                _held.resources.close()
                _held.opening, _held.fitter = None, None
                _held.fitter = _held.resources.enter_context(open_fitter(
                    opening.config, opening.model, opening.project, device=choose_device()))
                _held.opening = opening
            fitter = _held.fitter
        yield fitter
