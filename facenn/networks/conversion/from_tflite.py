"""BlazeFace, FaceMesh and the iris network, from MediaPipe's float .tflite files."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facenn.errors import FormatError
from facenn.networks.graph import PICTURE, Plan, Step

Array = NDArray[Any]

TYPES: dict[int, type[np.generic]] = {0: np.float32, 1: np.float16, 2: np.int32}
ACTIVATION = {0: "", 1: "relu", 3: "relu6"}
SAME = 0  # TFLite's padding that keeps the size


def convert_tflite(
    data: bytes, origin: Mapping[str, str], *, low: float = 0.0, high: float = 1.0
) -> tuple[Plan, dict[str, Array]]:
    """The network's plan and its float32 weights.

    Args:
        data: a float .tflite file with one square picture as input.
        origin: what the plan says about where it comes from.
        low: what the network wants for black.
        high: what the network wants for white.

    Raises:
        FormatError: an operation that these three networks do not have.
    """
    reader = _Reader(data)
    reader.weights["input_scale"] = np.full(3, high - low, np.float32)
    reader.weights["input_shift"] = np.full(3, low, np.float32)
    first = Step("affine", (PICTURE,), reader.number(reader.graph.Inputs(0)), ("input_scale", "input_shift"))
    steps = [step for k in range(reader.graph.OperatorsLength()) if (step := reader.step(k)) is not None]
    outputs = tuple(reader.number(i) for i in reader.graph.OutputsAsNumpy())
    size = reader.shape(reader.graph.Inputs(0))[1]
    return Plan(size, (first, *steps), outputs, origin), reader.weights


class _Reader:
    """Walks over a file's operations; its tensors are N, H, W, C and torch's N, C, H, W."""

    def __init__(self, data: bytes) -> None:
        import tflite

        self.tflite: Any = tflite
        self.model = tflite.Model.GetRootAsModel(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.names = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
        self.weights: dict[str, Array] = {}
        self.constants: dict[int, Array] = {}
        for i in range(self.graph.TensorsLength()):
            tensor = self.graph.Tensors(i)
            content = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
            if not isinstance(content, int) and len(content):
                values = np.frombuffer(content.tobytes(), TYPES[tensor.Type()])
                self.constants[i] = values.reshape(self.shape(i))

    def number(self, tensor: int) -> int:
        """Of the value that a tensor becomes; 0 is taken by the network's input in [0, 1]."""
        return int(tensor) + 1

    def shape(self, tensor: int) -> tuple[int, ...]:
        found = self.graph.Tensors(tensor)
        return tuple(int(v) for v in found.ShapeAsNumpy()) if found.ShapeLength() else ()

    def keep(self, name: str, values: Array) -> str:
        self.weights[name] = np.ascontiguousarray(values, np.float32)
        return name

    def options(self, operator: Any, kind: str) -> Any:
        table, found = operator.BuiltinOptions(), getattr(self.tflite, kind)()
        found.Init(table.Bytes, table.Pos)
        return found

    def step(self, k: int) -> Step | None:
        """The k-th operation, or None for one that only unpacks weights."""
        operator = self.graph.Operators(k)
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        name = self.names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs, output = [int(i) for i in operator.InputsAsNumpy()], int(operator.Outputs(0))
        if name == "DEQUANTIZE":
            self.constants[output] = self.constants[inputs[0]].astype(np.float32)
            return None
        values = tuple(self.number(i) for i in inputs if i not in self.constants)
        to = self.number(output)
        match name:
            case "CONV_2D" | "DEPTHWISE_CONV_2D":
                return self.convolution(operator, inputs, to, deep=name.startswith("DEPTHWISE"))
            case "MAX_POOL_2D":
                o = self.options(operator, "Pool2DOptions")
                window, stride = (o.FilterHeight(), o.FilterWidth()), (o.StrideH(), o.StrideW())
                padding = self.same(inputs[0], window, stride) if o.Padding() == SAME else (0, 0, 0, 0)
                return Step("largest", values, to, stride=stride, padding=padding, window=window)
            case "PRELU":
                slope = self.keep(f"layer{to}_slope", self.constants[inputs[1]].reshape(-1))
                return Step("prelu", values, to, (slope,))
            case "RELU":
                return Step("activation", values, to, activation="relu")
            case "ADD":
                o = self.options(operator, "AddOptions")
                return Step("sum", values, to, activation=ACTIVATION[o.FusedActivationFunction()])
            case "PAD":
                _, rows, columns, channels = (tuple(map(int, row)) for row in self.constants[inputs[1]])
                return Step("pad", values, to, padding=(*columns, *rows, *channels))
            case "RESHAPE":
                return Step("reshape", values, to, shape=self.shape(output)[1:])
            case "CONCATENATION" if len(self.shape(output)) < 4:
                return Step("join", values, to, axis=self.options(operator, "ConcatenationOptions").Axis())
        raise FormatError(f"tflite weights: expected the operations of a MediaPipe face network, got {name}")

    def convolution(self, operator: Any, inputs: list[int], to: int, *, deep: bool) -> Step:
        o = self.options(operator, "DepthwiseConv2DOptions" if deep else "Conv2DOptions")
        kernel = self.constants[inputs[1]].transpose((3, 0, 1, 2) if deep else (0, 3, 1, 2))
        stride = (o.StrideH(), o.StrideW())
        return Step(
            "convolution", (self.number(inputs[0]),), to,
            (self.keep(f"layer{to}_kernel", kernel), self.keep(f"layer{to}_bias", self.constants[inputs[2]])),
            stride=stride, groups=len(kernel) if deep else 1,
            padding=self.same(inputs[0], kernel.shape[2:], stride) if o.Padding() == SAME else (),
            activation=ACTIVATION[o.FusedActivationFunction()])

    def same(self, tensor: int, window: tuple[int, ...], stride: tuple[int, int]) -> tuple[int, ...]:
        """SAME padding as left, right, top, bottom: the odd pixel goes to the right and the bottom."""
        padding: list[int] = []
        for length, reach, pace in zip(self.shape(tensor)[2:0:-1], window[::-1], stride[::-1], strict=True):
            total = max((-(-length // pace) - 1) * pace + reach - length, 0)
            padding += [total // 2, total - total // 2]
        return tuple(padding)
