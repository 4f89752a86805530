"""Reads FaceRes, a MobileNet, from a TensorFlow.js model: weights in 16 bits, listed by name; the steps are known."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facenn.errors import FormatError
from facenn.networks.conversion.from_tfjs import Weight, read_weights, same_padding
from facenn.networks.graph import PICTURE, Plan, Step

SIDE = 224  # of the pictures it takes
MEAN = (123.68, 116.779, 103.939)  # of red, green and blue, taken off before anything else
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # of the depthwise convolutions


def convert_mobilenet(model: bytes, data: bytes, origin: Mapping[str, str]) -> tuple[Plan, dict[str, NDArray[Any]]]:
    """The identity features of FaceRes, (B, 1024); what it makes of them, age and sex, is left out.

    Args:
        model: JSON that lists the weights in their order, each with name, shape and type.
        data: the weights.
        origin: for the plan.

    Raises:
        FormatError: a model of something else, or one that does not fit the data.
    """
    try:
        weights = read_weights(json.loads(model)["weightsManifest"][0]["weights"], data)
        return _network(weights, origin)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise FormatError(f"expected the weights of FaceRes, got {error!r}") from None


def _network(weights: Mapping[str, Weight], origin: Mapping[str, str]) -> tuple[Plan, dict[str, NDArray[Any]]]:
    def numbers(name: str) -> NDArray[Any]:
        return weights[name].numbers

    stored: dict[str, NDArray[Any]] = {"input_scale": np.full(3, 255, np.float32),
                                       "input_shift": -np.array(MEAN, np.float32)}
    steps = [Step("affine", (PICTURE,), 1, ("input_scale", "input_shift"))]

    def add(operation: str, *names: str, **how: Any) -> None:
        steps.append(Step(operation, (len(steps),), len(steps) + 1, names, **how))

    def convolve(name: str, kernel: NDArray[Any], bias: NDArray[Any], **how: Any) -> None:
        stored.update({f"{name}_kernel": kernel, f"{name}_bias": bias})
        add("convolution", f"{name}_kernel", f"{name}_bias", **how)

    def merged(name: str, **how: Any) -> None:
        """A convolution with its normalisation, as the file has them: kernel and offset."""
        kernel = numbers(f"{name}/convolution/merged_input").transpose(3, 2, 0, 1)
        # the original takes blue first
        convolve(name, kernel[:, ::-1] if name == "conv1" else kernel, numbers(f"{name}_bn/batchnorm_1/sub"),
                 activation="relu6", **how)

    merged("conv1", stride=(2, 2), padding=same_padding(SIDE, 3, 2))
    for block, stride in enumerate(STRIDES, 1):
        name = f"conv_dw_{block}"
        kernel, normalisation = numbers(f"{name}/depthwise_kernel").transpose(2, 3, 0, 1), f"{name}_bn/batchnorm_1"
        convolve(name, kernel, np.zeros(len(kernel), np.float16), groups=len(kernel), stride=(stride, stride),
                 padding=same_padding(SIDE, 3, stride))  # the same for every side that is halved
        stored.update({f"{name}_gain": numbers(f"{normalisation}/mul"),
                       f"{name}_shift": numbers(f"{normalisation}/sub")})
        add("affine", f"{name}_gain", f"{name}_shift", activation="relu6")
        merged(f"conv_pw_{block}")
    add("mean")
    return Plan(SIDE, tuple(steps), (len(steps),), origin), stored
