"""The training loop of the Imitator: steps, held-out error, and a state from which it continues exactly."""

import hashlib
import io
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from facenn.arrays import Log, Rows
from facenn.dataset import Batch, Faces, Split, batches, noise_after, rows_after
from facenn.errors import CheckpointError, ConfigError, TrainingError
from facenn.files import replacing
from facenn.learner import Learner, Losses, adam
from facenn.losses import imitation_loss
from facenn.networks.imitator import Imitator
from facenn.networks.precision import Precision, wants_bf16
from facenn.networks.replicas import replicated
from facenn.ranks import ALONE, Ranks
from facenn.schedule import Phase, growth

Show = Callable[[int, Tensor], None]
Settings = dict[str, str | int | float]

SHOWN = 6  # faces on a sample picture


@dataclass(frozen=True)
class TrainingResult:
    """What a training came to.

    Attributes:
        steps: optimisation steps in all.
        resumed_at: step at which this call took over from a saved state, 0 for a fresh start.
        validation_error: mean absolute error on the held-out faces, in eval mode.
        pictures_per_second: speed of this call without validating, saving and reporting, but with
            compiling; 0 if nothing was left to do.
        precision: in which the network ran, ``fp32`` or ``bf16``.
    """

    steps: int
    resumed_at: int
    validation_error: float
    pictures_per_second: float
    precision: str


def train(
    imitator: Imitator, faces: Faces, parts: Split, *, steps: int, batch_size: int, peak: float, floor: float,
    grow: bool = True, precision: Precision = "auto", fuse: bool = False, label_noise: float = 0.0, seed: int,
    device: torch.device | str = "cpu", checkpoint: Path, save_every: int, validate_every: int, log_every: int = 10,
    log: Log, show: Show, ranks: Ranks = ALONE,
) -> TrainingResult:
    """Teach an Imitator to draw like the engine, in place; leaves it in eval mode.

    Adam on the mean absolute error, with a quadratically decaying rate. An Imitator that draws in several sizes learns
    them one after the other, see ``growth``. Where ``checkpoint`` holds a state of
    the same training it continues there, and sees the same faces as if it had never stopped. Of several
    processes each learns from its part of every step's faces, and the first alone saves, logs and shows.

    Args:
        imitator: a fresh network; a saved state replaces its weights.
        faces: the pairs, in the network's resolution.
        parts: which of them to learn from and which to hold out.
        steps: optimisation steps.
        batch_size: faces per step and process, in the network's resolution; more where it learns smaller pictures.
        peak: learning rate at the start, above the floor.
        floor: learning rate at the end.
        grow: learn smaller pictures first, where the network can draw them.
        precision: ``auto`` is bfloat16 where the device computes in it, float32 elsewhere.
        fuse: compile the network's kernels first, which needs a C++ compiler, and on a GPU replay whole steps as CUDA
            graphs. One process can.
        label_noise: largest noise on a slider, see ``noise_after``; 0 for none.
        seed: of the order of the faces, and of the noise.
        device: where to compute.
        checkpoint: file of the training state, replaced as a whole.
        save_every: steps between two states; the last step is always saved.
        validate_every: steps between two looks at the held-out faces; the last step always has one.
        log_every: steps between two reports of the training error, of which each is a mean.
        log: called with the number of finished steps and named figures.
        show: called after each validation with a (3, H, W) picture, renders above, drawings below.
        ranks: the processes that train together.

    Raises:
        TrainingError: the loss is no longer a number; the last saved state stays.
        CheckpointError: ``checkpoint`` is damaged or belongs to another training.
        ConfigError: ``fuse`` in several processes.
    """
    device = torch.device(device)
    if fuse and ranks.count > 1:
        raise ConfigError(f"expected one process for a training with fuse, got {ranks.count}")
    bf16 = wants_bf16(precision, device)
    together = batch_size * ranks.count
    phases = growth(imitator.sides if grow else imitator.sides[-1:], steps, together, peak)
    settings = _settings(imitator, faces, parts, phases, floor, seed, label_noise, bf16)
    # Network and optimizer, as they were when a killed training was last saved.
    imitator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = adam(imitator)
    start = _resume(checkpoint, imitator, optimizer, settings) if checkpoint.exists() else 0
    ranks.check_same(f"{settings} from step {start}", device=device)
    network = imitator if ranks.count == 1 else replicated(imitator, partly=len(phases) > 1)
    learner = Learner(network, optimizer, bf16=bf16, fuse=fuse, record=fuse and device.type == "cuda")
    # The first process alone writes and reports.
    if ranks.first:
        _remove_leftovers(checkpoint)
    else:
        log, show = _silent, _silent
    clock, losses, error = _Clock(), Losses(), float("nan")
    batches_by_phase = _batches_by_phase(faces, parts, phases, start, seed, ranks, device, clock)
    for done, phase, (parameters, pictures) in batches_by_phase:
        # Shift the sliders that the network is told.
        if label_noise:
            noise = noise_after(parts.training, phase.seen_after(done - 1), batch_size=phase.batch_size, seed=seed,
                                schema=faces.schema, width=label_noise)
            parameters = (parameters + torch.from_numpy(ranks.share(noise)).to(parameters.device)).clamp(0, 1)
        # Rate, forward, backward, step.
        rate = phase.rate(done - 1, floor, warm_up=imitator.warm_up)
        loss = learner.learn(parameters.to(device), pictures.to(device), rate=rate)
        losses.add(done, ranks.sum(loss) / ranks.count)
        clock.pictures += phase.batch_size
        # Log, look at the held-out renders and save, each at its own interval and off the clock.
        logs, validates, saves = (
            done % every == 0 or done == steps for every in (log_every, validate_every, save_every))
        if not (logs or validates or saves):
            continue
        losses.check()
        with clock.paused():
            if logs:
                log(done, {"train/error": losses.mean(), "train/rate": rate, "train/side": phase.side,
                           "train/pictures_per_second": clock.lap()})
            if validates:
                error = validation_error(imitator, faces, parts.validation, batch_size=batch_size, bf16=bf16,
                                         ranks=ranks)
                log(done, {"validation/error": error})
                show(done, _sample(imitator, faces, parts.validation[:SHOWN]))
            if ranks.first and saves:
                _save(checkpoint, imitator, optimizer, settings, done)
    # A training that was killed after its last step has only to be measured.
    if start == steps:
        error = validation_error(imitator, faces, parts.validation, batch_size=batch_size, bf16=bf16, ranks=ranks)
        show(steps, _sample(imitator, faces, parts.validation[:SHOWN]))
    imitator.eval()
    return TrainingResult(steps, start, error, clock.mean(), "bf16" if bf16 else "fp32")


@torch.no_grad()
def validation_error(
    imitator: Imitator, faces: Faces, rows: Rows, *, batch_size: int = 8, bf16: bool = False, ranks: Ranks = ALONE
) -> float:
    """Mean absolute error of an Imitator on these faces, in eval mode.

    Args:
        imitator: the network; left in eval mode.
        faces: the pairs.
        rows: which of them.
        batch_size: faces drawn at a time.
        bf16: draw in bfloat16.
        ranks: the processes that share the work; each of them learns the result.
    """
    imitator.eval()
    device = next(imitator.parameters()).device
    total = torch.zeros((), dtype=torch.float64, device=device)
    own = ranks.share(rows)
    order = (own[i : i + batch_size] for i in range(0, len(own), batch_size))
    for parameters, pictures in batches(faces, order):
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            drawn = imitator(parameters.to(device))
        total += imitation_loss(drawn, pictures.to(device)).sum()
    return float(ranks.sum(total)) / len(rows)


@torch.no_grad()
def _sample(imitator: Imitator, faces: Faces, rows: Rows) -> Tensor:
    imitator.eval()
    parameters, pictures = faces.batch(rows)
    drawn = imitator(parameters.to(next(imitator.parameters()).device)).cpu()
    return torch.cat([torch.cat(list(pictures.cpu()), dim=2), torch.cat(list(drawn), dim=2)], dim=1)


def _batches_by_phase(faces: Faces, parts: Split, phases: Sequence[Phase], start: int, seed: int, ranks: Ranks,
             device: torch.device, clock: "_Clock") -> Iterator[tuple[int, Phase, Batch]]:
    """From a finished step on: the number of each step, its phase, and this process's part of its faces."""
    for phase in phases:
        todo = range(max(phase.before, start), phase.before + phase.steps)
        order = (ranks.share(rows_after(parts.training, phase.seen_after(step), batch_size=phase.batch_size, seed=seed))
                 for step in todo)
        if todo:
            with clock.paused():
                sized = faces.smaller(phase.side, keep_on=device)
            yield from zip(range(todo.start + 1, todo.stop + 1), repeat(phase), batches(sized, order))


class _Clock:
    """Pictures per second since the last lap and in all, outside of its ``paused`` blocks."""

    def __init__(self) -> None:
        self.pictures = self._lapped_pictures = 0
        self._seconds = self._lapped_seconds = 0.0
        self._since = time.perf_counter()

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._seconds += time.perf_counter() - self._since
        yield
        self._since = time.perf_counter()

    def lap(self) -> float:
        """While paused."""
        pictures, seconds = self.pictures - self._lapped_pictures, self._seconds - self._lapped_seconds
        self._lapped_pictures, self._lapped_seconds = self.pictures, self._seconds
        return pictures / seconds

    def mean(self) -> float:
        """While paused, or right after."""
        return self.pictures / self._seconds if self.pictures else 0.0


def _settings(
    imitator: Imitator, faces: Faces, parts: Split, phases: Sequence[Phase], floor: float, seed: int,
    label_noise: float, bf16: bool,
) -> Settings:
    """All that makes this training this one: a saved state continues only under the same settings."""
    digest = hashlib.sha256("\n".join(faces.renders.names).encode())
    for array in (faces.renders.parameters, parts.training, parts.validation):
        digest.update(array.tobytes())
    last = phases[-1]
    return {
        "steps": last.before + last.steps, "batch_size": last.batch_size, "peak": phases[0].peak, "floor": floor,
        "seed": seed, "label_noise": label_noise, "precision": "bf16" if bf16 else "fp32",
        "architecture": imitator.architecture, "resolution": imitator.resolution, "sizes": len(phases),
        "schema": hashlib.sha256(faces.schema.to_json().encode()).hexdigest()[:12],
        "faces": digest.hexdigest()[:12],
    }


def _save(path: Path, imitator: Imitator, optimizer: Optimizer, settings: Settings, step: int) -> None:
    for name, weight in imitator.named_parameters():
        if not torch.isfinite(weight).all():
            raise TrainingError(f"the weights {name} are no longer numbers at step {step}; "
                                "the last saved state is intact")
    state = {"step": step, "settings": settings, "weights": imitator.state_dict(),
             "optimizer": optimizer.state_dict()}
    buffer = io.BytesIO()  # on a full disk torch.save itself would tell of its own confusion, not of the disk
    torch.save(state, buffer)
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise TrainingError(f"{path}: could not save the state of step {step}: {error.strerror}; what was "
                            "saved before is intact") from None


def _remove_leftovers(path: Path) -> None:
    """Remove what a process left that was killed while it saved."""
    for left in path.parent.glob(f".{path.stem}.*{path.suffix}"):
        left.unlink(missing_ok=True)


def _resume(path: Path, imitator: Imitator, optimizer: Optimizer, settings: Settings) -> int:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        saved: Settings = state["settings"]
        for key, value in settings.items():
            if saved[key] != value:
                raise CheckpointError(f"{path}: expected the state of a training with {key} {value}, "
                                      f"got one with {saved[key]}; move it away to start anew")
        imitator.load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])
    except CheckpointError:
        raise
    except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, TypeError, ValueError,
            AttributeError) as error:
        raise CheckpointError(f"{path}: expected a training state, got {_line(error)}; move it away to start "
                              "anew") from None


def _line(error: Exception) -> str:
    """PyTorch explains at length; its first line says what happened."""
    return str(error).partition("\n")[0] or type(error).__name__


def _silent(step: int, told: object) -> None:
    """What the processes behind the first one log and show."""
