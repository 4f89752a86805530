"""SFace, from an ONNX file whose weights are stored as int8 blocks; the blocks are kept as they are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facenn.errors import FormatError
from facenn.networks.graph import PICTURE, Plan, Step

Array = NDArray[Any]

SIZE = 112
WITHOUT_EFFECT = {"Dropout", "Constant", "Identity"}


@dataclass(frozen=True)
class Node:
    """One operation of the file, weights resolved.

    Attributes:
        operation: the file's name for it.
        arrays: its weights that are stored as numbers.
        blocks: its weights that are stored as int8 blocks.
        options: its attributes.
    """

    operation: str
    arrays: tuple[Array, ...]
    blocks: tuple["Blocks", ...]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Blocks:
    """An int8 weight: w = (blocks - zero) * scale, one scale and zero for each run of a flattened row."""

    blocks: Array
    scales: Array
    zeros: Array

    def floats(self) -> Array:
        """The weight in float32."""
        runs = self.blocks.astype(np.float32).reshape(*self.scales.shape, -1) - self.zeros[..., None]
        return (runs * self.scales[..., None]).reshape(self.blocks.shape)


def read_nodes(data: bytes) -> list[Node]:
    """The operations in order; what only unpacks weights is resolved.

    Raises:
        FormatError: blocks that do not divide a row evenly.
    """
    import onnx

    graph = onnx.load_model_from_string(data).graph
    known: dict[str, Array | Blocks] = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    nodes = []
    for node in graph.node:
        options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        inputs = [known.get(name) for name in node.input]
        if node.op_type == "DequantizeLinear":
            known[node.output[0]] = _blocks(inputs, options, node.name)
        elif node.op_type == "Reshape" and isinstance(inputs[0], Blocks):
            shape = np.asarray(inputs[1])
            known[node.output[0]] = replace(inputs[0], blocks=inputs[0].blocks.reshape(shape))
        else:
            arrays = tuple(w for w in inputs if isinstance(w, np.ndarray))
            blocks = tuple(w for w in inputs if isinstance(w, Blocks))
            nodes.append(Node(node.op_type, arrays, blocks, options))
    return nodes


def _blocks(inputs: list[Any], options: Mapping[str, Any], name: str) -> Blocks:
    blocks, scales, zeros = inputs
    length = options["block_size"]
    if blocks.shape[-1] != scales.shape[-1] * length or options["axis"] != blocks.ndim - 1:
        raise FormatError(f"onnx weights: expected blocks of {length} to divide the rows of {name}, "
                          f"got {blocks.shape} with scales {scales.shape}")
    return Blocks(blocks, scales, zeros)


def convert_onnx(data: bytes, origin: Mapping[str, str]) -> tuple[Plan, dict[str, Array]]:
    """The network's plan and its weights: int8 blocks kept, normalisations folded into what they follow.

    Args:
        data: ``face_recognition_sface_2021dec_int8bq.onnx``.
        origin: what the plan says about where it comes from.

    Raises:
        FormatError: an operation that SFace does not have.
    """
    steps = [Step("affine", (PICTURE,), 1, ("input_scale", "input_shift"))]
    # the file takes RGB in 0..255 and begins with a subtraction and a product
    weights: dict[str, Array] = {"input_scale": np.full(3, 255, np.float32),
                                 "input_shift": np.zeros(3, np.float32)}
    for node in read_nodes(data):
        if node.operation in WITHOUT_EFFECT:
            continue
        if node.operation in {"Sub", "Mul"}:
            _into_input(node, weights)
        elif node.operation == "BatchNormalization" and steps[-1].operation in {"convolution", "linear"}:
            _into_weights(node, weights, steps[-1].weights)
        else:
            steps.append(_step(node, steps[-1].output, weights))
    return Plan(SIZE, tuple(steps), (steps[-1].output,), origin), weights


def _into_input(node: Node, weights: dict[str, Array]) -> None:
    number = node.arrays[0]
    if node.operation == "Sub":
        weights["input_shift"] = weights["input_shift"] - number
    else:
        weights["input_scale"] = weights["input_scale"] * number
        weights["input_shift"] = weights["input_shift"] * number


def _normalisation(node: Node) -> tuple[Array, Array]:
    gamma, beta, mean, variance = node.arrays
    gain = gamma / np.sqrt(variance + np.float32(node.options.get("epsilon", 1e-5)))
    return gain, beta - mean * gain


def _into_weights(node: Node, weights: dict[str, Array], names: tuple[str, ...]) -> None:
    gain, shift = _normalisation(node)
    kernel, bias = names
    weights[f"{kernel}.gains"] = weights[f"{kernel}.gains"] * gain
    weights[bias] = weights[bias] * gain + shift


def _step(node: Node, before: int, weights: dict[str, Array]) -> Step:
    name = f"layer{before}"
    step = Step("", (before,), before + 1)
    match node.operation:
        case "Conv":
            top, left, bottom, right = node.options["pads"]
            kernel, bias = _keep(f"{name}_kernel", node, weights), f"{name}_bias"
            return replace(step, operation="convolution", weights=(kernel, bias),
                           stride=tuple(node.options["strides"]), padding=(left, right, top, bottom),
                           groups=node.options["group"])
        case "Gemm":
            kernel, bias = _keep(f"{name}_kernel", node, weights), f"{name}_bias"
            return replace(step, operation="linear", weights=(kernel, bias))
        case "PRelu":
            weights[f"{name}_slope"] = node.arrays[0].reshape(-1)
            return replace(step, operation="prelu", weights=(f"{name}_slope",))
        case "BatchNormalization":
            weights[f"{name}_scale"], weights[f"{name}_shift"] = _normalisation(node)
            return replace(step, operation="affine", weights=(f"{name}_scale", f"{name}_shift"))
        case "Flatten":
            return replace(step, operation="flatten")
    raise FormatError(f"onnx weights: expected the operations of SFace, got {node.operation}")


def _keep(name: str, node: Node, weights: dict[str, Array]) -> str:
    kernel, *bias = node.blocks
    outputs = len(kernel.blocks)
    weights[f"{name}.blocks"], weights[f"{name}.scales"], weights[f"{name}.zeros"] = (
        kernel.blocks, kernel.scales, kernel.zeros)
    weights[f"{name}.gains"] = np.ones(outputs, np.float32)
    weights[name.replace("_kernel", "_bias")] = bias[0].floats() if bias else np.zeros(outputs, np.float32)
    return name
