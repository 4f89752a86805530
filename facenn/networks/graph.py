"""A network as plain steps plus weights: run by torch, differentiable in its input, stored as safetensors."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from facenn.errors import CheckpointError, MissingFileError
from facenn.files import replace_bytes

PICTURE = 0  # the number of the value that a graph is given
METADATA = "facenn.graph"  # one single key, because safetensors writes several in no fixed order


@dataclass(frozen=True)
class Step:
    """One operation of a network.

    Attributes:
        operation: a name in ``OPERATIONS``.
        inputs: numbers of the values it reads; ``PICTURE`` is the network's own input.
        output: number of the value it makes.
        weights: names of its tensors, in the order in which the operation takes them.
        stride: rows, columns.
        padding: as ``torch.nn.functional.pad`` takes it: left, right, top, bottom and so on.
        groups: of a convolution.
        window: rows, columns that a pooling sees.
        shape: what a reshape makes of one picture, channels last.
        axis: along which values are joined.
        activation: what follows: nothing, ``relu`` or ``relu6``.
    """

    operation: str
    inputs: tuple[int, ...]
    output: int
    weights: tuple[str, ...] = ()
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, ...] = ()
    groups: int = 1
    window: tuple[int, int] = (1, 1)
    shape: tuple[int, ...] = ()
    axis: int = 1
    activation: str = ""


@dataclass(frozen=True)
class Plan:
    """What a network computes, without its weights.

    Attributes:
        size: side of the square picture it takes.
        steps: in the order in which they run.
        outputs: numbers of the values that are its results.
        origin: where it comes from: original file, its sha256, licence, what was changed.
    """

    size: int
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    origin: Mapping[str, str]


class Graph(nn.Module):
    """A frozen network: its weights never train, gradients reach its input.

    Args:
        plan: what it computes.
        weights: every tensor that the plan names, as float32.
    """

    def __init__(self, plan: Plan, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.plan = plan
        for name, value in weights.items():
            self.register_buffer(name, value)
        self.eval()

    @property
    def size(self) -> int:
        """Side of the square picture it takes."""
        return self.plan.size

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Its results for a batch of pictures.

        Args:
            pictures: (B, 3, size, size) RGB in [0, 1].

        Returns:
            One tensor per output of the plan, each (B, ...).
        """
        values = {PICTURE: pictures.contiguous(memory_format=torch.channels_last)}  # convolutions are faster on it
        buffers = dict(self.named_buffers())
        for step in self.plan.steps:
            weights = [buffers[name] for name in step.weights]
            result = OPERATIONS[step.operation]([values[i] for i in step.inputs], weights, step)
            values[step.output] = ACTIVATIONS[step.activation](result)
        return tuple(values[i] for i in self.plan.outputs)


def _convolution(values: Sequence[Tensor], weights: Sequence[Tensor], step: Step) -> Tensor:
    left, right, top, bottom = step.padding or (0, 0, 0, 0)
    even = left == right and top == bottom
    x = values[0] if even else F.pad(values[0], step.padding)
    kernel, bias = weights
    return F.conv2d(x, kernel, bias, step.stride, (top, left) if even else 0, groups=step.groups)


def _affine(values: Sequence[Tensor], weights: Sequence[Tensor], step: Step) -> Tensor:
    scale, shift = (w.view(-1, *(1,) * (values[0].dim() - 2)) for w in weights)
    return values[0] * scale + shift


def _sum(values: Sequence[Tensor], weights: Sequence[Tensor], step: Step) -> Tensor:
    if values[0].shape == values[1].shape:
        return values[0] + values[1]
    # dlib continues the smaller one with zeros: in channels, to the right and to the bottom
    c, h, w = (max(a, b) for a, b in zip(values[0].shape[1:], values[1].shape[1:], strict=True))
    first, second = (F.pad(v, (0, w - v.shape[3], 0, h - v.shape[2], 0, c - v.shape[1])) for v in values)
    return first + second


def _largest(values: Sequence[Tensor], weights: Sequence[Tensor], step: Step) -> Tensor:
    # zeros at the border would win against negative values
    x = F.pad(values[0], step.padding, value=float("-inf")) if any(step.padding) else values[0]
    return F.max_pool2d(x, step.window, step.stride)


def _reshape(values: Sequence[Tensor], weights: Sequence[Tensor], step: Step) -> Tensor:
    x = values[0].permute(0, 2, 3, 1) if values[0].dim() == 4 else values[0]
    return x.reshape(x.shape[0], *step.shape)


Operation = Callable[[Sequence[Tensor], Sequence[Tensor], Step], Tensor]

OPERATIONS: Mapping[str, Operation] = {
    "convolution": _convolution,
    "linear": lambda values, weights, step: F.linear(values[0], *weights),
    "affine": _affine,
    "prelu": lambda values, weights, step: F.prelu(values[0], weights[0]),
    "activation": lambda values, weights, step: values[0],
    "sum": _sum,
    "largest": _largest,
    "average": lambda values, weights, step: F.avg_pool2d(values[0], step.window, step.stride),
    "mean": lambda values, weights, step: values[0].mean((2, 3)),
    "pad": lambda values, weights, step: F.pad(values[0], step.padding),
    "flatten": lambda values, weights, step: values[0].flatten(1),
    "reshape": _reshape,
    "join": lambda values, weights, step: torch.cat(list(values), step.axis),
}

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {"": lambda x: x, "relu": F.relu, "relu6": F.relu6}


def dequantise(blocks: Tensor, scales: Tensor, zeros: Tensor, gains: Tensor) -> Tensor:
    """The float32 weights of int8 blocks: w = (block - zero) * scale * gain.

    Args:
        blocks: (O, ...) int8, one row per output.
        scales: (O, N) one scale for each of N equal runs of a flattened row.
        zeros: (O, N) int8, what stands for 0 in each run.
        gains: (O,) one factor per output, from a normalisation that was folded in.

    Returns:
        (O, ...) float32.
    """
    runs = blocks.float().reshape(*scales.shape, -1) - zeros.float()[..., None]
    return (runs * scales[..., None] * gains[:, None, None]).reshape(blocks.shape)


def save_graph(path: Path, plan: Plan, tensors: Mapping[str, Tensor]) -> None:
    """Write a network as one safetensors file; the same network gives the same bytes.

    Args:
        path: where it will stand.
        plan: what it computes.
        tensors: by name, in the type in which they are stored. A quantised weight ``w`` is four tensors:
            ``w.blocks``, ``w.scales``, ``w.zeros`` and ``w.gains``, see ``dequantise``.
    """
    usual = {field.name: field.default for field in fields(Step)}
    steps = [{k: v for k, v in asdict(step).items() if v != usual[k]} for step in plan.steps]
    head = {"size": plan.size, "steps": steps, "outputs": plan.outputs, "origin": dict(plan.origin),
            "sha256": _checksum(tensors)}
    replace_bytes(path, save(dict(tensors), {METADATA: json.dumps(head, sort_keys=True)}))


def load_graph(path: Path, *, device: torch.device | str = "cpu") -> Graph:
    """Read what ``save_graph`` wrote; weights become float32.

    Raises:
        MissingFileError: no such file.
        CheckpointError: not a safetensors file, not a network of this project, or damaged.
    """
    if not path.is_file():
        raise MissingFileError(f"expected a pretrained network at {path}, found no file: run `dvc pull`")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: expected a safetensors file, got {error}") from None
    if text is None:
        raise CheckpointError(f"{path}: expected a frozen network, found no {METADATA!r} in its metadata")
    plan, checksum = _parse(text, path)
    if checksum != _checksum(tensors):
        raise CheckpointError(f"{path}: its weights have another sha256 than it says: the file is damaged")
    weights = _weights(tensors)
    _check(plan, weights, path)
    return Graph(plan, weights).to(device)


def _parse(text: str, path: Path) -> tuple[Plan, str]:
    try:
        head = json.loads(text)
        steps = tuple(_step(raw) for raw in head["steps"])
        return Plan(int(head["size"]), steps, tuple(head["outputs"]), head["origin"]), str(head["sha256"])
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{path}: expected a network's steps in its metadata, got {error!r}") from None


def _step(raw: Mapping[str, Any]) -> Step:
    named: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
    return Step(**named)


def _weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    weights = {name: value.float() for name, value in tensors.items() if "." not in name}
    for name in (n.removesuffix(".blocks") for n in tensors if n.endswith(".blocks")):
        parts = [f"{name}.{part}" for part in ("blocks", "scales", "zeros", "gains")]
        if tensors.keys() >= set(parts):
            weights[name] = dequantise(*(tensors[part] for part in parts))
    return weights


def _check(plan: Plan, weights: Mapping[str, Tensor], path: Path) -> None:
    known = {PICTURE}
    for step in plan.steps:
        if step.operation not in OPERATIONS or step.activation not in ACTIVATIONS:
            raise CheckpointError(f"{path}: unknown operation {step.operation!r} {step.activation!r}")
        for name in step.weights:
            if name not in weights:
                raise CheckpointError(f"{path}: step {step.output} needs the weight {name!r}, found none")
        if not known.issuperset(step.inputs):
            raise CheckpointError(f"{path}: step {step.output} reads a value before it is made")
        known.add(step.output)
    if not known.issuperset(plan.outputs):
        raise CheckpointError(f"{path}: expected steps that make the outputs {list(plan.outputs)}")


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def network_file(folder: Path, name: str) -> Path:
    """Where the network of that name is stored."""
    return folder / f"{name}.safetensors"
