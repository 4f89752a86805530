"""One fitter per process, shared by its batches: opening one costs seconds and memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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
        model: Imitator or Translator file.
        project: where networks are, as paths that hold in every process.
    """

    config: FitConfig
    model: Path
    project: Project


@dataclass
class _Held:
    opening: Opening | None = None
    fitter: "Fitter | None" = None
    opens: threading.Lock = field(default_factory=threading.Lock)
    draws: threading.Lock = field(default_factory=threading.Lock)


_held = _Held()


@contextmanager
def shared_fitter(opening: Opening) -> Iterator["Fitter"]:
    """The fitter of this process for these options; other options replace it.

    Threads share it. By the method engine, whose engines belong to one call at a time, each waits for its turn.
    """
    from facenn.steps.fit import open_fitter

    with _held.draws if opening.config.method == "engine" else nullcontext():
        with _held.opens:
            if _held.opening != opening or _held.fitter is None:
                _held.opening, _held.fitter = None, None
                _held.fitter = open_fitter(opening.config, opening.model, opening.project, device=choose_device())
                _held.opening = opening
            fitter = _held.fitter
        yield fitter
