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
from torch.nn.functional import avg_pool2d

from facenn.arrays import Rows, Vector
from facenn.errors import ConfigError, FormatError
from facenn.exchange.renders import RendersFolder
from facenn.images import read_pixels, to_tensor
from facenn.schema import ParameterSchema

SHARE = 0.6  # of a GPU's free memory for pictures; the rest is for the network at work
KEPT = 2**31  # bytes of pictures in main memory, which other programs use as well
AVERAGED = 64  # renders whose mean is the first picture of an Imitator
AHEAD = 4  # batches decoded before they are asked for
WORKERS = min(16, os.cpu_count() or 1)
SHRUNK = 64  # pictures that are made smaller at a time


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


def rows_after(rows: Rows, seen: int, *, batch_size: int, seed: int) -> Rows:
    """Which faces a step learns from: every face once per epoch, each epoch in a new order.

    A pure function of its arguments, so that a resumed training sees what an undisturbed one would have seen.

    Args:
        rows: (N,) faces to draw from.
        seen: how many pictures all steps before have shown.
        batch_size: B faces of this step; a batch may reach into the next epoch.
        seed: of all orders.

    Returns:
        (B,) entries of ``rows``.
    """
    epochs, places = np.divmod(np.arange(seen, seen + batch_size), len(rows))
    drawn = np.empty(batch_size, np.int64)
    for epoch in np.unique(epochs):
        order = np.random.default_rng([seed, int(epoch)]).permutation(len(rows))
        drawn[epochs == epoch] = rows[order[places[epochs == epoch]]]
    return drawn


def noise_after(rows: Rows, seen: int, *, batch_size: int, seed: int, schema: ParameterSchema, width: float) -> Vector:
    """What is added to the parameters of the faces of a step: another noise in every epoch.

    A pure function of its arguments, as ``rows_after`` is. The original exporter replaces about one slider of a
    face by any value, for good; here every slider is off by a little, and choices stay.

    Args:
        rows: (N,) faces that ``rows_after`` draws from.
        seen: how many pictures all steps before have shown.
        batch_size: B faces of this step.
        seed: with epoch and row all that the noise depends on.
        schema: of the parameters.
        width: largest noise; every one up to it, of either sign, is as likely.

    Returns:
        (B, P) noise, 0 where a choice stands.
    """
    noise = np.zeros((batch_size, schema.size), np.float32)
    epochs = np.arange(seen, seen + batch_size) // len(rows)
    drawn = rows_after(rows, seen, batch_size=batch_size, seed=seed)
    for one, epoch, row in zip(noise, epochs, drawn, strict=True):
        # The last number keeps these draws apart from those of the orders: zeros at the end do not count.
        generator = np.random.default_rng([seed, int(epoch), int(row), 1])
        one[: len(schema.sliders)] = generator.uniform(-width, width, len(schema.sliders))
    return noise


def fits(renders: RendersFolder, *, resolution: int, device: torch.device | str) -> bool:
    """Whether the pictures of a folder, decoded, leave enough of a device's memory to compute in.

    Args:
        renders: the folder.
        resolution: R, side of the pictures.
        device: a GPU may hold as much as 0.6 of what it has free, the main memory 2 GiB.
    """
    device = torch.device(device)
    room = SHARE * torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else KEPT
    return len(renders) * 3 * resolution**2 <= room


class Faces:
    """The pairs of one renders folder.

    Args:
        renders: the folder.
        resolution: R, side of the pictures; smaller than the renders averages their pixels.
        keep_on: decode every picture once and keep it on this device, R x R x 3 bytes per face, and the parameters
            beside it; None decodes a picture whenever it is asked for.
    """

    def __init__(
        self, renders: RendersFolder, *, resolution: int, keep_on: torch.device | str | None = None
    ) -> None:
        self.renders = renders
        self.resolution = resolution
        self._kept: Tensor | None = None
        self._parameters = torch.from_numpy(renders.parameters).to(keep_on or "cpu")
        if keep_on is not None:
            kept = torch.empty((len(self), resolution, resolution, 3), dtype=torch.uint8, device=keep_on)
            with ThreadPoolExecutor(WORKERS) as pool:
                for row, pixels in enumerate(pool.map(self.pixels, range(len(self)))):
                    kept[row] = torch.from_numpy(np.array(pixels))
            self._kept = kept

    def __len__(self) -> int:
        return len(self.renders.names)

    def smaller(self, resolution: int, *, keep_on: torch.device | str) -> "Faces":
        """The same pairs with smaller pictures.

        Args:
            resolution: side of the pictures; the same as here gives the same object.
            keep_on: device that keeps them, decoded once, if it has the memory.
        """
        if resolution == self.resolution:
            return self
        fit = fits(self.renders, resolution=resolution, device=keep_on)
        if self._kept is None or not self._kept.is_cuda or not fit:
            return Faces(self.renders, resolution=resolution, keep_on=keep_on if fit else None)
        faces = Faces(self.renders, resolution=resolution)
        faces._parameters = self._parameters
        faces._kept = averaged(self._kept, resolution)
        return faces

    @property
    def kept(self) -> bool:
        """Whether all pictures are decoded already."""
        return self._kept is not None

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
            kept: NDArray[np.uint8] = self._kept[row].cpu().numpy()
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

    def mean_picture(self, rows: Rows) -> Tensor:
        """(3, R, R) RGB in [0, 1], the mean of these rows' pictures, in main memory."""
        return torch.stack([to_tensor(self.pixels(int(row))) for row in rows]).mean(0)

    def batch(self, rows: Sequence[int] | Rows) -> Batch:
        """The pairs of these rows, in their order; where pictures are kept, both come on their device."""
        chosen = torch.from_numpy(np.asarray(rows, np.int64))
        if self._kept is None:
            return Batch(self._parameters[chosen], to_tensor(np.stack([self.pixels(int(row)) for row in rows])))
        if self._kept.is_cuda:  # from pinned memory, because the copy of any other waits for all that the GPU has to do
            chosen = chosen.pin_memory().to(self._kept.device, non_blocking=True)
        return Batch(self._parameters[chosen], to_tensor(self._kept[chosen]))


def averaged(pixels: Tensor, resolution: int) -> Tensor:
    """(N, S, S, 3) uint8 -> (N, R, R, 3) uint8 means of their pixels, on the same device."""
    small = pixels.new_empty((len(pixels), resolution, resolution, 3))
    for start in range(0, len(pixels), SHRUNK):
        wide = pixels[start:start + SHRUNK].movedim(-1, 1).float()
        small[start:start + SHRUNK] = avg_pool2d(wide, pixels.shape[1] // resolution).round().movedim(1, -1)
    return small


def batches(faces: Faces, order: Iterable[Rows]) -> Iterator[Batch]:
    """The batches of these rows, one after the other, decoded in background threads before they are needed.

    Pictures that are kept already need no threads: fetching them takes a hundredth of the time that learning takes.

    Args:
        faces: where the pictures come from.
        order: the rows of each batch.
    """
    if faces.kept:
        yield from map(faces.batch, order)
        return
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
