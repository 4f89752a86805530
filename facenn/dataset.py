"""(parameters, picture) pairs of a renders folder, split and shuffled by a seed alone."""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from facenn.errors import ConfigError, FormatError
from facenn.exchange.renders import RendersFolder
from facenn.images import read_pixels, to_tensor
from facenn.schema import ParameterSchema

Rows = NDArray[np.int64]
AHEAD = 4  # batches decoded before they are asked for
WORKERS = min(8, os.cpu_count() or 1)


class Batch(NamedTuple):
    """Faces as a network sees them: parameters (B, P) and pictures (B, 3, R, R), both in [0, 1]."""

    parameters: Tensor
    pictures: Tensor


class Split(NamedTuple):
    """Row numbers of the faces to learn from and of those held out, both sorted."""

    training: Rows
    validation: Rows


def split(count: int, *, seed: int, fraction: float) -> Split:
    """Which faces are held out: a pure function of its arguments.

    Args:
        count: faces in all.
        seed: of the draw.
        fraction: share that is held out, rounded to whole faces.

    Raises:
        ConfigError: a fraction that leaves nothing to learn from or nothing to check.
    """
    held_out = round(count * fraction)
    if not 0 < held_out < count:
        raise ConfigError(f"expected a validation fraction that splits {count} faces in two, got {fraction}")
    shuffled = np.random.default_rng(seed).permutation(count)
    return Split(np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out]))


def rows_of_step(rows: Rows, step: int, *, batch_size: int, seed: int) -> Rows:
    """Which faces step number ``step`` learns from: every face once per epoch, each epoch in a new order.

    A pure function of its arguments, so that a resumed training sees what an undisturbed one would have seen.

    Args:
        rows: (N,) faces to draw from.
        step: counted from 0.
        batch_size: B faces per step; a batch may reach into the next epoch.
        seed: of all orders.

    Returns:
        (B,) entries of ``rows``.
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = positions // len(rows)
    drawn = np.empty(batch_size, np.int64)
    for epoch in np.unique(epochs):
        order = np.random.default_rng([seed, int(epoch)]).permutation(len(rows))
        drawn[epochs == epoch] = rows[order[positions[epochs == epoch] % len(rows)]]
    return drawn


class Faces:
    """The pairs of one renders folder.

    Args:
        renders: the folder.
        resolution: R, side of the pictures; smaller than the renders averages their pixels.
        in_memory: decode every picture once and keep it, R x R x 3 bytes per face.
    """

    def __init__(self, renders: RendersFolder, *, resolution: int, in_memory: bool = False) -> None:
        self.renders = renders
        self.resolution = resolution
        self._kept: NDArray[np.uint8] | None = None
        if in_memory:
            kept = np.empty((len(self), resolution, resolution, 3), np.uint8)
            with ThreadPoolExecutor(WORKERS) as pool:
                for row, pixels in enumerate(pool.map(self.pixels, range(len(self)))):
                    kept[row] = pixels
            self._kept = kept

    def __len__(self) -> int:
        return len(self.renders.names)

    @property
    def schema(self) -> ParameterSchema:
        """Whose parameters they are."""
        return self.renders.schema

    def pixels(self, row: int) -> NDArray[np.uint8]:
        """(R, R, 3) uint8, the picture of one face.

        Raises:
            MissingFileError: no such picture.
            FormatError: not a picture, not square, or smaller than R.
        """
        if self._kept is not None:
            kept: NDArray[np.uint8] = self._kept[row]
            return kept
        path = self.renders.image_path(row)
        pixels = read_pixels(path)
        height, width, _ = pixels.shape
        if height != width or height < self.resolution:
            raise FormatError(f"{path}: expected a square render, {self.resolution} pixels a side or more, "
                              f"got {width}x{height}")
        if height == self.resolution:
            return pixels
        side = (self.resolution, self.resolution)
        return np.asarray(Image.fromarray(pixels).resize(side, Image.Resampling.BOX))

    def batch(self, rows: Sequence[int] | Rows) -> Batch:
        """The pairs of these rows, in their order."""
        parameters = torch.from_numpy(self.renders.parameters[np.asarray(rows)])
        return Batch(parameters, to_tensor(np.stack([self.pixels(int(row)) for row in rows])))


def batches(faces: Faces, order: Iterable[Rows]) -> Iterator[Batch]:
    """The batches of these rows, one after the other, decoded in background threads before they are needed.

    Args:
        faces: where the pictures come from.
        order: the rows of each batch.
    """
    # Threads, because Pillow lets go of the interpreter lock while it decodes.
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="decode") as pool:
        waiting: deque[Future[Batch]] = deque()
        try:
            for rows in order:
                waiting.append(pool.submit(faces.batch, rows))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
