"""What draws parameters and looks at the pictures, the expensive part of a fit on the engine: here, or in a pool."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from facenn.arrays import Floats, Vector
from facenn.engine.layout import LABELS
from facenn.engine.renderer import Engine
from facenn.errors import FormatError
from facenn.images import to_tensor
from facenn.networks.frozen import load_views
from facenn.networks.landmarks import load_finder
from facenn.perception.observation import SIDE, Observation, Observer, joined
from facenn.perception.skin import SkinSpots
from facenn.processes import process_pool

HAIR = LABELS.index("hair")
BATCH = 4  # pictures looked at together; a constant, as sums depend on it: a result must not depend on the workers
PASSES = 2  # of the landmark network over pictures whose faces may be anywhere near


class RenderObserver(Protocol):
    """Draws parameters and says what is seen of them."""

    def observe(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Observation:
        """Observation of (B, P) parameters; landmarks are looked for near (478, 2) others, ``passes`` times.

        The view is the number of the crops by which recognition networks tell people apart.
        """


@dataclass(frozen=True)
class ObserverSetting:
    """What a process needs to draw and look.

    Attributes:
        character: embedded character.
        pretrained: folder of the frozen networks.
        reference: (478, 2) landmarks of the neutral face, as parts of the picture's side.
    """

    character: str
    pretrained: Path
    reference: Floats


class EngineObserver:
    """An engine and the networks that look at its pictures, in one process.

    Args:
        setting: what it draws and looks with.
    """

    def __init__(self, setting: ObserverSetting) -> None:
        self._engine = Engine(setting.character, side=SIDE)
        self._observer = Observer(load_finder(setting.pretrained), load_views(setting.pretrained),
                          SkinSpots(setting.reference))

    def observe(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Observation:
        """What is seen of (B, P) parameters; see ``RenderObserver``."""
        renders = [self._engine.draw(vector) for vector in vectors]
        pictures = to_tensor(np.stack([r.picture for r in renders]))
        hair = torch.from_numpy(np.stack([r.labels == HAIR for r in renders]))
        near_pixels = torch.from_numpy(near * SIDE)[None].expand(len(vectors), -1, -1)
        return self._observer.see(pictures, near_pixels, hair=hair, passes=passes, view=view)


def reference_points(character: str, pretrained: Path) -> Floats:
    """(478, 2) landmarks of a character's neutral face, as parts of the picture's side.

    Raises:
        FormatError: the networks see no face in the engine's picture.
    """
    engine, finder = Engine(character, side=SIDE), load_finder(pretrained)
    picture = to_tensor(engine.draw(engine.schema.neutral()).picture)
    faces = finder.detect(picture)
    if not faces:
        raise FormatError(f"expected a face in the neutral picture of character {character}, found none")
    with torch.no_grad():
        landmarks, _ = finder.landmarks(picture[None], finder.settle(picture, faces[:1]))
    points: Floats = (landmarks[0, :, :2] / SIDE).numpy()
    return points


class ObserverPool:
    """Several engine observers, each in a process of its own; use it as a context.

    Processes end with the block, and with this process however it ends.

    Args:
        setting: what they draw and look with.
        workers: processes; about 1.2 GB of memory each.
    """

    def __init__(self, setting: ObserverSetting, *, workers: int) -> None:
        self._pool = process_pool(workers, partial(_open, setting))
        for _ in range(workers):
            self._pool.submit(_ready)  # a process starts with its first task, and takes seconds: better now

    def __enter__(self) -> "ObserverPool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)

    def observe(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Observation:
        """What is seen of (B, P) parameters; see ``RenderObserver``."""
        return joined(list(self.stream(vectors, near, passes=passes, view=view)))

    def stream(self, vectors: Vector, near: Floats, *, passes: int = 1, view: int = 0) -> Iterator[Observation]:
        """The same in batches of BATCH, in their order, each as soon as it is there."""
        tasks = [self._pool.submit(_observe, vectors[k:k + BATCH], near, passes, view)
                 for k in range(0, len(vectors), BATCH)]
        for task in tasks:
            yield task.result()


_of_worker: list[EngineObserver] = []  # a worker process keeps its observer from task to task


def _open(setting: ObserverSetting) -> None:
    torch.set_num_threads(1)  # one process per core draws faster than threads that wait for each other
    threadpool_limits(1)
    _of_worker[:] = [EngineObserver(setting)]


def _ready() -> None:
    """Nothing to do but to be started."""


def _observe(vectors: Vector, near: Floats, passes: int, view: int) -> Observation:
    return _of_worker[0].observe(vectors, near, passes=passes, view=view)
