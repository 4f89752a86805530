"""Which file holds the state of an unfinished training."""

import hashlib
from pathlib import Path

from facenn.config import TrainConfig
from facenn.errors import CheckpointError


def state_file(folder: Path, config: TrainConfig, digest: str, *, processes: int) -> Path:
    """Where a training keeps its state, and finds it again after it was killed.

    Any number of processes may go on with a training, as long as they show as many pictures per step together.

    Args:
        folder: of all states.
        config: of the training.
        digest: of its renders.
        processes: how many train together.

    Raises:
        CheckpointError: the same training was begun by another number of processes.
    """
    settings = config.model_dump_json(exclude={"batch_size"}) + digest
    name = hashlib.sha256(settings.encode()).hexdigest()[:16]
    for path in sorted(folder.glob(f"{name}-*x*.pt")):
        batch_size, others = map(int, path.stem.rpartition("-")[2].split("x"))
        if batch_size * others == config.batch_size * processes:
            return path
        if batch_size == config.batch_size:
            raise CheckpointError(f"{path}: expected to go on with {others} processes of {batch_size} pictures per "
                                  f"step, got {processes}; move it away to start anew")
    return folder / f"{name}-{config.batch_size}x{processes}.pt"
