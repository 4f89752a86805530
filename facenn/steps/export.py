"""The Imitator for other programs: an ONNX file that needs neither facenn nor PyTorch."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facenn.arrays import Vector
from facenn.errors import FormatError, MissingFileError
from facenn.files import replacing
from facenn.networks.checkpoints import load_imitator

PACKAGES = ("onnx", "onnxruntime", "onnxscript")  # torch writes ONNX through the last, the second reads it back
INPUT, OUTPUT = "parameters", "picture"
SCHEMA = "schema"  # the entry of the file's metadata
TOLERANCE = 1e-4  # of a picture in [0, 1]: a fortieth of what a screen can show
TRACED, CHECKED = 2, 3  # faces; two numbers, to see that the file does not depend on them


@dataclass(frozen=True)
class Exported:
    """An ONNX file that was written.

    Attributes:
        path: of the file.
        bytes: its size.
        difference: the largest one between its pictures and those of the original, on random faces.
    """

    path: Path
    bytes: int
    difference: float


def export_onnx(model: Path, out: Path) -> Exported:
    """Write an Imitator as an ONNX file, and read it back to see that it draws the same.

    The file takes ``parameters`` (B, P) float32 in [0, 1] for any B and gives ``picture`` (B, 3, R, R) float32 RGB in
    [0, 1]. Its metadata hold the schema of the parameters as JSON, under ``schema``.

    Args:
        model: Imitator file, ``.safetensors``.
        out: the file, ``.onnx``.

    Raises:
        MissingFileError: no such model, or a package of the extra ``convert`` is not installed.
        CheckpointError: not an Imitator.
        FormatError: the written file draws something else.
    """
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingFileError(f"expected the package {package}, which takes part in writing ONNX, found none: "
                                   "run `pip install 'facenn[convert]'`")
    imitator, schema = load_imitator(model)
    imitator.requires_grad_(False)
    faces = torch.from_numpy(np.stack([schema.sample(np.random.default_rng(i)) for i in range(CHECKED)]))
    program: Any = torch.onnx.export(  # its type admits None, for other arguments
        imitator, (faces[:TRACED],), dynamo=True, verbose=False, input_names=[INPUT], output_names=[OUTPUT],
        dynamic_shapes=({0: torch.export.Dim("batch")},))
    program.model.metadata_props[SCHEMA] = schema.to_json()
    with replacing(out) as temporary:
        program.save(temporary, external_data=False)
        difference = float(np.abs(_draw(temporary, faces.numpy()) - imitator(faces).numpy()).max())
        if not difference <= TOLERANCE:
            raise FormatError(f"{out}: expected the pictures of {model} within {TOLERANCE}, they differ by "
                              f"{difference}")
        size = temporary.stat().st_size
    return Exported(out, size, difference)


def _draw(path: Path, parameters: Vector) -> NDArray[np.float32]:
    """(B, 3, R, R) what ONNX Runtime draws of these faces."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (picture,) = session.run([OUTPUT], {INPUT: parameters})
    return np.asarray(picture)
