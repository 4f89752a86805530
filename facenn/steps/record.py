"""What a training leaves for the stages after it: which run it was, which faces it learned from and held out."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from facenn.arrays import Rows, Vector
from facenn.errors import FormatError
from facenn.exchange.renders import RendersFolder
from facenn.files import replace_text

MODEL_FILE = "imitator.safetensors"
RECORD_FILE = "training.json"
SEEN_FILE = "seen.txt"  # beside a registered Imitator: the faces it learned from


@dataclass(frozen=True)
class TrainingRecord:
    """The record of a finished training.

    Attributes:
        mlflow_run: id of its MLflow run.
        model_version: of its Imitator in the registry.
        renders_sha256: digest of the renders it learned from.
        validation_error: mean absolute error on the held-out renders at its end.
        held_out: names of the faces that it has not learned from.
    """

    mlflow_run: str
    model_version: str
    renders_sha256: str
    validation_error: float
    held_out: tuple[str, ...]

    def write(self, path: Path) -> None:
        """Write the record as JSON."""
        replace_text(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "TrainingRecord":
        """Read what ``write`` wrote.

        Raises:
            FormatError: no file, or not the record of a training.
        """
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            run, version, digest = (str(facts[key]) for key in ("mlflow_run", "model_version", "renders_sha256"))
            return cls(run, version, digest, float(facts["validation_error"]), tuple(map(str, facts["held_out"])))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(f"{path}: expected the record of a training, got {error}") from None


def write_seen(path: Path, folder: RendersFolder, rows: Rows) -> None:
    """Write which faces a training learned from: a line per face that tells its parameters from others'."""
    replace_text(path, "".join(f"{print_}\n" for print_ in _prints(folder.parameters[rows])))


def unseen(folder: RendersFolder, rows: Rows, seen: set[str]) -> Rows:
    """Numbers of those rows whose faces are none of those that ``write_seen`` wrote."""
    prints = _prints(folder.parameters[rows])
    return np.array([row for row, print_ in zip(rows, prints, strict=True) if print_ not in seen], np.int64)


def _prints(vectors: Vector) -> Sequence[str]:
    """Eight letters per face; of a hundred thousand faces, two by chance share theirs, which leaves out one more."""
    return [hashlib.sha256(vector.tobytes()).hexdigest()[:8] for vector in vectors]
