"""Reads the network of age and sex from TensorFlow.js: weights in 8 bits, listed by a manifest; the steps are known."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facenn.errors import FormatError
from facenn.networks.graph import PICTURE, Plan, Step

SIDE = 112  # of the pictures it takes
MEAN = (122.782, 117.001, 104.298)  # of red, green and blue, taken off before anything else
MIDDLE = 2  # blocks that keep the size


def convert_tfjs(manifest: bytes, data: bytes, origin: Mapping[str, str]) -> tuple[Plan, dict[str, NDArray[Any]]]:
    """The small Xception of face-api, as published: age in years and the two sexes, from one picture.

    Args:
        manifest: JSON that lists the weights in their order, each with shape and quantisation.
        data: the weights.
        origin: for the plan.

    Raises:
        FormatError: a manifest of something else, or one that does not fit the data.
    """
    try:
        weights = read_weights(json.loads(manifest)[0]["weights"], data)
        builder = _Builder(weights)
        outputs = builder.network()
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise FormatError(f"expected the weights of face-api's network of age and sex, got {error!r}") from None
    return Plan(SIDE, tuple(builder.steps), outputs, origin), builder.stored


@dataclass(frozen=True)
class Weight:
    """A tensor as published: numbers, w = number * scale + low."""

    numbers: NDArray[Any]
    scale: float
    low: float


def read_weights(entries: list[dict[str, Any]], data: bytes) -> dict[str, Weight]:
    """The tensors of a TensorFlow.js model.

    Args:
        entries: of its manifest: name, shape and type of each, and in which bits it is stored.
        data: all of them, one after the other.

    Raises:
        KeyError, TypeError: entries that say less.
        ValueError: data of another length.
    """
    weights, start = {}, 0
    for entry in entries:
        stored = entry.get("quantization", {"dtype": entry["dtype"]})
        kind, count = np.dtype(stored["dtype"]), int(np.prod(entry["shape"]))
        numbers = np.frombuffer(data, kind, count, start).reshape(entry["shape"])
        weights[entry["name"]] = Weight(numbers, stored.get("scale", 1.0), stored.get("min", 0.0))
        start += count * kind.itemsize
    if start != len(data):
        raise ValueError(f"{len(data)} bytes for weights of {start}")
    return weights


def same_padding(side: int, window: int, stride: int) -> tuple[int, int, int, int]:
    """What TensorFlow calls "same", as steps take it: odd ones at the end."""
    total = max((-(-side // stride) - 1) * stride + window - side, 0)
    return total // 2, total - total // 2, total // 2, total - total // 2


class _Builder:
    """Puts the steps together; each method takes and gives the number of a value."""

    def __init__(self, weights: Mapping[str, Weight]) -> None:
        self._weights = weights
        self._side = {PICTURE: SIDE}
        self.steps: list[Step] = []
        self.stored: dict[str, NDArray[Any]] = {}

    def network(self) -> tuple[int, int]:
        """Everything; the values of age and of the sexes."""
        self.stored |= {"input_scale": np.ones(3, np.float32), "input_shift": -np.array(MEAN, np.float32) / 255}
        x = self._add("affine", (PICTURE,), side=SIDE, weights=("input_scale", "input_shift"))
        x = self._relu(self._convolution(x, "entry_flow/conv_in", stride=2))
        x = self._reduced(x, "entry_flow/reduction_block_0", active=x)
        x = self._reduced(x, "entry_flow/reduction_block_1", active=self._relu(x))
        for block in range(MIDDLE):
            y = x
            for k in range(3):
                y = self._separable(self._relu(y), f"middle_flow/main_block_{block}/separable_conv{k}")
            x = self._add("sum", (y, x), side=self._side[x])
        x = self._reduced(x, "exit_flow/reduction_block", active=self._relu(x))
        x = self._relu(self._separable(x, "exit_flow/separable_conv"))
        pooled = self._add("mean", (x,), side=1)
        return self._linear(pooled, "fc/age"), self._linear(pooled, "fc/gender")

    def _reduced(self, x: int, name: str, *, active: int) -> int:
        y = self._separable(active, f"{name}/separable_conv0")
        y = self._separable(self._relu(y), f"{name}/separable_conv1")
        pooled = self._add("largest", (y,), side=-(-self._side[y] // 2), stride=(2, 2), window=(3, 3),
                           padding=self._padding(y, 3, 2))
        return self._add("sum", (pooled, self._convolution(x, f"{name}/expansion_conv", stride=2)),
                         side=self._side[pooled])

    def _separable(self, x: int, name: str) -> int:
        channels = self._weights[f"{name}/depthwise_filter"].numbers.shape[2]
        nothing = f"nothing_{channels}"
        self.stored[nothing] = np.zeros(channels, np.float32)
        y = self._convolved(x, self._kernel(f"{name}/depthwise_filter", 2, 3, 0, 1), nothing, side=3, groups=channels)
        return self._convolved(y, self._kernel(f"{name}/pointwise_filter", 3, 2, 0, 1), self._bias(name), side=1)

    def _convolution(self, x: int, name: str, *, stride: int) -> int:
        side = self._weights[f"{name}/filters"].numbers.shape[0]
        return self._convolved(x, self._kernel(f"{name}/filters", 3, 2, 0, 1), self._bias(name), side=side,
                               stride=stride)

    def _convolved(self, x: int, kernel: str, bias: str, *, side: int, stride: int = 1, groups: int = 1) -> int:
        return self._add("convolution", (x,), side=-(-self._side[x] // stride), weights=(kernel, bias), groups=groups,
                         stride=(stride, stride), padding=self._padding(x, side, stride))

    def _linear(self, x: int, name: str) -> int:
        return self._add("linear", (x,), side=1, weights=(self._kernel(f"{name}/weights", 1, 0), self._bias(name)))

    def _bias(self, name: str) -> str:
        self.stored[f"{name}/bias"] = self._weights[f"{name}/bias"].numbers
        return f"{name}/bias"

    def _kernel(self, name: str, *axes: int) -> str:
        """Keep a weight in its 8 bits, its axes in torch's order."""
        weight = self._weights[name]
        zero = round(-weight.low / weight.scale)
        if weight.numbers.dtype != np.uint8 or abs(zero * weight.scale + weight.low) > 1e-6:
            raise ValueError(f"{name} is not in 8 bits with an exact 0")
        blocks = (weight.numbers.astype(np.int16) - 128).astype(np.int8).transpose(axes)
        rows = len(blocks)
        self.stored |= {f"{name}.blocks": blocks, f"{name}.scales": np.full((rows, 1), weight.scale, np.float32),
                        f"{name}.zeros": np.full((rows, 1), zero - 128, np.int8),
                        f"{name}.gains": np.ones(rows, np.float32)}
        return name

    def _relu(self, x: int) -> int:
        return self._add("activation", (x,), side=self._side[x], activation="relu")

    def _padding(self, x: int, window: int, stride: int) -> tuple[int, int, int, int]:
        return same_padding(self._side[x], window, stride)

    def _add(self, operation: str, inputs: tuple[int, ...], *, side: int, **how: Any) -> int:
        output = len(self.steps) + 1
        self.steps.append(Step(operation, inputs, output, **how))
        self._side[output] = side
        return output
