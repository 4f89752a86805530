"""Networks as safetensors files that say themselves what they are and whose parameters they take."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from facenn.errors import CheckpointError, ConfigError, MissingFileError, SchemaError
from facenn.files import replace_bytes
from facenn.networks.architectures import build
from facenn.networks.imitator import Imitator
from facenn.schema import ParameterSchema

FORMAT = 1
OLDEST = "dcgan"  # the architecture of files that name none
HEADER = "facenn"  # one metadata entry: safetensors writes several in random order, and bytes should repeat


@dataclass(frozen=True)
class Header:
    """What a network file says of itself.

    Attributes:
        network: which class it holds, such as ``imitator``.
        architecture: the name and the arguments that build it.
        schema: whose parameters it takes.
        notes: where it comes from, for people.
    """

    network: str
    architecture: Mapping[str, Any]
    schema: ParameterSchema
    notes: Mapping[str, str]


def save_imitator(
    path: Path, imitator: Imitator, schema: ParameterSchema, *, half: bool = False,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write an Imitator with the schema of its parameters.

    Args:
        path: the file, ``.safetensors``.
        imitator: the network.
        schema: whose parameters it takes.
        half: store weights in 16 bits, half the size. Offsets and the statistics of normalisation stay in 32 bits:
            their variances may be tiny or huge.
        notes: texts about its origin that stay with the file.

    Raises:
        SchemaError: a schema of another size than the network's.
    """
    if schema.size != imitator.parameters_per_face:
        raise SchemaError(f"expected a schema of {imitator.parameters_per_face} parameters for this "
                          f"Imitator, got {schema.size} of character {schema.character}")
    architecture = {"name": imitator.architecture, "parameters": imitator.parameters_per_face,
                    "resolution": imitator.resolution}
    weights = {name for name, weight in imitator.named_parameters() if weight.ndim > 1}
    header = {"format": FORMAT, "network": "imitator", "architecture": architecture,
              "schema": json.loads(schema.to_json()), "notes": dict(notes or {})}
    tensors = {name: _stored(tensor, half=half and name in weights) for name, tensor in imitator.state_dict().items()}
    replace_bytes(path, save(tensors, metadata={HEADER: json.dumps(header)}))


def load_imitator(
    path: Path, *, device: torch.device | str = "cpu", expect: ParameterSchema | None = None
) -> tuple[Imitator, ParameterSchema]:
    """Read what ``save_imitator`` wrote.

    Args:
        path: the file.
        device: where the network will live.
        expect: the schema that the caller's parameters follow; None to take whatever the file says.

    Returns:
        The network, float32 and in eval mode, and its schema.

    Raises:
        MissingFileError: no such file.
        CheckpointError: damaged, of another format or network, or of another schema than expected.
    """
    header, tensors = read_network(path)
    if header.network != "imitator":
        raise CheckpointError(f"{path}: expected an imitator, got a network called {header.network!r}")
    if expect is not None and (difference := schema_difference(expect, header.schema)):
        raise CheckpointError(f"{path}: {difference}")
    imitator = _build(path, header)
    fill(path, imitator, tensors)
    return imitator.to(device).eval(), header.schema


def read_network(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """The header and the tensors of a network file, as stored.

    Raises:
        MissingFileError: no such file.
        CheckpointError: no safetensors file, cut short, or without facenn's header.
    """
    if not path.is_file():
        raise MissingFileError(f"expected a network at {path}, found no file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: expected a whole safetensors file, got {error}") from None
    if HEADER not in metadata:
        raise CheckpointError(f"{path}: expected a network saved by facenn, its metadata has no "
                              f"{HEADER!r} entry")
    return _parse_header(path, metadata[HEADER]), tensors


@torch.no_grad()
def adopt_weights(imitator: Imitator, schema: ParameterSchema, path: Path) -> int:
    """Let an Imitator begin where another one ended, one of an older schema or of another character.

    Parameters of the same column name take their weights along; the others keep theirs.

    Args:
        imitator: changed in place.
        schema: of its parameters.
        path: file of the other Imitator.

    Returns:
        How many parameters were known.

    Raises:
        MissingFileError: no such file.
        CheckpointError: not an Imitator, or one of another resolution or architecture.
    """
    other, known = load_imitator(path)
    if other.architecture != imitator.architecture:
        raise CheckpointError(f"{path}: expected an Imitator of architecture {imitator.architecture} to start from, "
                              f"got one of {other.architecture}")
    if other.resolution != imitator.resolution:
        raise CheckpointError(f"{path}: expected an Imitator of {imitator.resolution} pixels to start from, "
                              f"got one of {other.resolution}")
    mine, theirs = imitator.state_dict(), other.state_dict()
    shared = [c for c in schema.columns if c in known.columns]
    places, found = (torch.tensor([columns.index(c) for c in shared], dtype=torch.int64)
                     for columns in (schema.columns, known.columns))
    entries = {name: mine[name].index_copy(axis, places, theirs[name].index_select(axis, found).to(mine[name]))
               for name, axis in imitator.inputs.items()}
    imitator.load_state_dict({**theirs, **entries})
    return len(shared)


def schema_difference(expected: ParameterSchema, found: ParameterSchema) -> str | None:
    """The first thing in which two schemas differ, as a sentence; None when they are the same."""
    if found.character != expected.character:
        return f"expected parameters of character {expected.character}, got {found.character}"
    if found.version != expected.version:
        return (f"expected version {expected.version} of the schema of {expected.character}, "
                f"got version {found.version}")
    for i, (want, have) in enumerate(zip(expected.columns, found.columns, strict=False)):
        if want != have:
            return f"expected column {i} to be {want}, got {have}"
    if found.size != expected.size:
        return f"expected {expected.size} parameters, got {found.size}"
    return None


def _stored(tensor: Tensor, *, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if half else tensor


def _parse_header(path: Path, text: str) -> Header:
    try:
        raw: dict[str, Any] = json.loads(text)
        if raw["format"] != FORMAT:
            raise CheckpointError(f"{path}: expected format {FORMAT}, got {raw['format']!r}")
        schema = ParameterSchema.from_json(json.dumps(raw["schema"]), source=str(path))
        return Header(raw["network"], raw["architecture"], schema, raw["notes"])
    except (json.JSONDecodeError, KeyError, TypeError, SchemaError) as error:
        raise CheckpointError(f"{path}: expected facenn's header in its metadata, got {error!r}") from None


def _build(path: Path, header: Header) -> Imitator:
    try:
        given = header.architecture
        imitator = build(given.get("name", OLDEST), given["parameters"], resolution=given["resolution"])
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{path}: expected the architecture of an Imitator, got {error!r}") from None
    if imitator.parameters_per_face != header.schema.size:
        raise CheckpointError(f"{path}: its network takes {imitator.parameters_per_face} parameters, "
                              f"its schema has {header.schema.size}")
    return imitator


def fill(path: Path, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a network the tensors of its file, in its own precision.

    Raises:
        CheckpointError: a tensor that is missing, of another shape, not finite, or one too many.
    """
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        if name not in tensors:
            raise CheckpointError(f"{path}: expected a tensor {name}, found none")
        if tensors[name].shape != tensor.shape:
            raise CheckpointError(f"{path}: expected {name} of shape {tuple(tensor.shape)}, "
                                  f"got {tuple(tensors[name].shape)}")
        if not torch.isfinite(tensors[name]).all():
            raise CheckpointError(f"{path}: expected finite numbers in {name}, found others")
    if unknown := sorted(tensors.keys() - wanted.keys()):
        raise CheckpointError(f"{path}: expected {len(wanted)} tensors, found {unknown[0]} besides")
    network.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in tensors.items()})
