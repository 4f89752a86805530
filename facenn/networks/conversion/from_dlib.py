"""dlib's face recognition ResNet-29, from dlib's own serialisation; dlib itself is not needed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facenn.errors import FormatError
from facenn.networks.graph import PICTURE, Plan, Step

Array = NDArray[np.float32]

SIZE = 150
MEAN = (122.782, 117.001, 104.298)  # dlib's own, of RGB in 0..255, which it then divides by 256
STRIDES = (1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 2, 1, 1, 2)  # of the residual blocks; 2 goes without padding


@dataclass(frozen=True)
class Layer:
    """One layer with weights.

    Attributes:
        kind: ``con``, ``affine`` or ``fc``.
        values: all its numbers, in the file's order.
        geometry: of a convolution: filters, rows, columns, strides, paddings; of ``fc``: outputs, bias mode.
    """

    kind: str
    values: Array
    geometry: tuple[int, ...]


class _Cursor:
    """Reads dlib's numbers: a control byte with sign and length, then little-endian bytes."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def integer(self) -> int:
        control = self.data[self.at]
        length = control & 0x0F
        if control & 0x70 or length > 8:
            raise FormatError(f"dlib weights: expected an integer at byte {self.at}, got {control:#x}")
        value = int.from_bytes(self.data[self.at + 1 : self.at + 1 + length], "little")
        self.at += 1 + length
        return -value if control & 0x80 else value

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def tensor(self) -> Array:
        version, *shape = self.integers(5)
        if version != 2:
            raise FormatError(f"dlib weights: expected tensor version 2 before byte {self.at}, got {version}")
        count = int(np.prod(shape))
        values = np.frombuffer(self.data, "<f4", count, self.at).astype(np.float32)
        self.at += 4 * count
        return values


def read_layers(data: bytes) -> Iterator[Layer]:
    """The layers with weights, in the order in which the picture passes them.

    Raises:
        FormatError: bytes that dlib does not write.
    """
    for match in re.finditer(rb"con_\d|affine_|fc_\d?", data):
        length = data[match.start() - 1]  # a string is: the size of its length, its length, its characters
        if data[match.start() - 2] != 1 or length < 4:
            continue
        cursor = _Cursor(data, match.start() + length)
        kind = match.group().split(b"_")[0].decode()
        if kind == "fc":
            geometry = cursor.integers(2)
            yield Layer(kind, cursor.tensor(), geometry)
        elif kind == "con":
            values = cursor.tensor()
            yield Layer(kind, values, cursor.integers(7))
        else:
            yield Layer(kind, cursor.tensor(), ())


def convert_dlib(data: bytes, origin: Mapping[str, str]) -> tuple[Plan, dict[str, Array]]:
    """The network's plan and its float32 weights.

    Args:
        data: ``dlib_face_recognition_resnet_model_v1.dat``.
        origin: what the plan says about where it comes from.

    Raises:
        FormatError: another network, or damaged bytes.
    """
    layers = list(read_layers(data))
    convolutions = [layer for layer in layers if layer.kind == "con"]
    affines = [layer for layer in layers if layer.kind == "affine"]
    last = [layer for layer in layers if layer.kind == "fc"]
    if (len(convolutions), len(affines), len(last)) != (29, 29, 1):
        raise FormatError(f"dlib weights: expected 29 convolutions, 29 affine layers and 1 fc, got "
                          f"{len(convolutions)}, {len(affines)} and {len(last)}")
    steps = _steps()
    weights: dict[str, Array] = {
        "input_scale": np.full(3, 255 / 256, np.float32),
        "input_shift": -np.array(MEAN, np.float32) / np.float32(256),
        "fc": last[0].values.reshape(256, 128).T.copy(),
    }
    kernels = [step for step in steps if step.operation == "convolution"]
    channels = 3
    for step, convolution, affine in zip(kernels, convolutions, affines, strict=True):
        kernel, bias = _fold(convolution, affine, step, channels)
        weights[step.weights[0]], weights[step.weights[1]] = kernel, bias
        channels = len(bias)
    return Plan(SIZE, steps, (steps[-1].output,), origin), weights


def _fold(layer: Layer, affine: Layer, step: Step, channels: int) -> tuple[Array, Array]:
    """Kernel and bias of a convolution with the affine layer behind it folded in."""
    filters, rows, columns, *rest = layer.geometry
    padding = step.padding[0] if step.padding else 0
    count = filters * (channels * rows * columns + 1)
    if rest != [*step.stride, padding, padding] or layer.values.size != count:
        raise FormatError(f"dlib weights: expected stride {step.stride}, padding {padding} and {channels} "
                          f"channels for {step.weights[0]}, got geometry {layer.geometry}")
    gain, shift = affine.values.reshape(2, filters)
    kernel = layer.values[:-filters].reshape(filters, channels, rows, columns)
    return kernel * gain[:, None, None, None], layer.values[-filters:] * gain + shift


def _steps() -> tuple[Step, ...]:
    steps = [
        Step("affine", (PICTURE,), 1, ("input_scale", "input_shift")),
        Step("convolution", (1,), 2, ("stem_kernel", "stem_bias"), stride=(2, 2), activation="relu"),
        Step("largest", (2,), 3, window=(3, 3), stride=(2, 2)),
    ]
    at = 3
    for i, stride in enumerate(STRIDES):
        first, second = ((f"block{i}_{name}_kernel", f"block{i}_{name}_bias") for name in ("first", "second"))
        padding = (1, 1, 1, 1) if stride == 1 else ()
        skip = at
        steps.append(Step("convolution", (at,), at + 1, first, (stride, stride), padding, activation="relu"))
        steps.append(Step("convolution", (at + 1,), at + 2, second, padding=(1, 1, 1, 1)))
        if stride == 2:
            skip = at + 3
            steps.append(Step("average", (at,), skip, window=(2, 2), stride=(2, 2)))
        steps.append(Step("sum", (skip, at + 2), at + 4, activation="relu"))
        at += 4
    return (*steps, Step("mean", (at,), at + 1), Step("linear", (at + 1,), at + 2, ("fc",)))
