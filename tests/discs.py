"""A toy game whose faces are soft grey discs, and a training on them as a process of its own that can be killed."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facenn import cli
from facenn.arrays import Log
from facenn.dataset import Faces, split
from facenn.exchange.renders import RendersFolder, write_table
from facenn.images import write_pixels
from facenn.networks.architectures import build
from facenn.networks.imitator import Imitator
from facenn.ranks import ALONE, Ranks, joined
from facenn.schema import ParameterSchema, Slider
from facenn.training import train

SCHEMA = ParameterSchema("toy", 1, tuple(Slider(name, "Face", name) for name in ("x", "y", "grey")))
RESOLUTION = 32
FACES = 80


def draw(parameters: NDArray[np.float32], side: int = RESOLUTION) -> NDArray[np.uint8]:
    """A disc whose place and shade are the parameters."""
    x, y, grey = parameters
    rows, columns = np.mgrid[0:side, 0:side] / side
    disc = np.exp(-((columns - 0.25 - x / 2) ** 2 + (rows - 0.25 - y / 2) ** 2) * 30)
    return np.repeat((disc * (0.3 + 0.7 * grey) * 255)[..., None], 3, axis=2).round().astype(np.uint8)


def write_discs(folder: Path, side: int = RESOLUTION) -> RendersFolder:
    parameters = np.random.default_rng(0).random((FACES, 3), dtype=np.float32)
    names = [f"face_{i:02}" for i in range(FACES)]
    for name, vector in zip(names, parameters, strict=True):
        write_pixels(folder / "images" / f"{name}.png", draw(vector, side))
    write_table(folder, SCHEMA, names, parameters)
    return RendersFolder.open(folder)


def fresh(seed: int = 0, architecture: str = "dcgan", side: int = RESOLUTION) -> Imitator:
    return build(architecture, SCHEMA.size, resolution=side, generator=torch.Generator().manual_seed(seed))


def _kill_at(call: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose n-th call ends the process as a power cut would, after half of its work."""
    calls = 0

    def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            if function is os.fsync:
                os.ftruncate(arguments[0], os.fstat(arguments[0]).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)

    return counted


def learn(imitator: Imitator, renders: Path, state: Path, *, steps: int, batch_size: int = 4, ranks: Ranks = ALONE,
          log: Log = lambda *_: None) -> None:
    """Train on these discs, with four saved states in eight steps."""
    faces = Faces(RendersFolder.open(renders), resolution=imitator.resolution, keep_on="cpu")
    train(imitator, faces, split(FACES, seed=0, fraction=0.2), steps=steps, batch_size=batch_size, peak=2e-4,
          floor=1e-5, precision="fp32", seed=5, checkpoint=state, save_every=2, validate_every=100, log_every=1,
          log=log, show=lambda *_: None, ranks=ranks)


def main() -> None:
    """Train on RENDERS with the state in STATE, and tell every step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("renders", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--architecture", default="dcgan")
    parser.add_argument("--side", type=int, default=RESOLUTION)
    parser.add_argument("--killed-at", type=int, help="step during which the process is killed")
    parser.add_argument("--killed-saving", type=int, help="save during which the process is killed")
    given = parser.parse_args()
    imitator = fresh(architecture=given.architecture, side=given.side)
    if given.killed_at:
        imitator.register_forward_hook(_kill_at(given.killed_at, lambda *_: None))
    if given.killed_saving:
        os.fsync = _kill_at(given.killed_saving, os.fsync)

    def log(step: int, figures: Mapping[str, float]) -> None:
        if "train/error" in figures:
            sys.stdout.write(f"{step}\n")
            sys.stdout.flush()

    with joined("cpu") as ranks:
        learn(imitator, given.renders, given.state, steps=given.steps, batch_size=given.batch_size, ranks=ranks,
              log=log)


if __name__ == "__main__":
    torch.set_num_threads(1)
    cli.app = main  # type: ignore[assignment]
    cli.main()
