"""The Imitator G: parameters -> the picture that the engine would draw of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from facenn.errors import ConfigError, SchemaError
from facenn.networks.facemesh import LANDMARKS

RESOLUTIONS = (32, 64, 128, 256, 512)


class Imitator(nn.Module, ABC):
    """A differentiable stand-in for the engine, G(x) of arXiv:1909.01064. Its architectures are its subclasses.

    The buffer ``frame`` (478, 2) tells where the engine has the landmarks of its faces, in pixels of a render: a photo
    is cropped so that its face stands there.

    Args:
        parameters: P, length of a parameter vector.
        resolution: R, side of the picture, a power of two from 32 to 512.

    Attributes:
        architecture: its name in ``params.yaml`` and in network files.
        betas: of the Adam that trains it best, as measured.
        warm_up: steps of a phase in which its learning rate rises.
        sides: in which sizes it can draw, ascending; the last is the resolution.
        inputs: the tensors that parameters are multiplied with, and along which of their axes parameters lie.

    Raises:
        ConfigError: no parameter, or a resolution that is not offered.
    """

    architecture: ClassVar[str]
    inputs: ClassVar[Mapping[str, int]]
    betas: ClassVar[tuple[float, float]]
    warm_up: ClassVar[int]
    frame: Tensor

    def __init__(self, parameters: int, *, resolution: int) -> None:
        super().__init__()
        if parameters < 1:
            raise ConfigError(f"expected an Imitator of one parameter or more, got {parameters}")
        if resolution not in RESOLUTIONS:
            raise ConfigError(f"expected a resolution among {list(RESOLUTIONS)}, got {resolution}")
        self.parameters_per_face = parameters
        self.resolution = resolution
        self.sides: tuple[int, ...] = (resolution,)
        self.register_buffer("frame", torch.zeros(LANDMARKS, 2))

    def forward(self, parameters: Tensor, side: int | None = None) -> Tensor:
        """The picture of each face.

        Args:
            parameters: (B, P) in [0, 1], a choice as a one-hot slice.
            side: S of the picture, one of ``sides``; None for the resolution.

        Returns:
            (B, 3, S, S) RGB in [0, 1].

        Raises:
            SchemaError: vectors of another length.
        """
        if parameters.ndim != 2 or parameters.shape[1] != self.parameters_per_face:
            raise SchemaError(f"expected (B, {self.parameters_per_face}) parameters, "
                              f"got shape {tuple(parameters.shape)}")
        # Centred, because a common offset in all inputs is one more constant to unlearn. The sigmoid in full
        # precision: bfloat16 has fewer steps near 1 than a picture has.
        return self.draw(2 * parameters - 1, side or self.resolution).to(parameters.dtype).sigmoid()

    @abstractmethod
    def draw(self, centred: Tensor, side: int) -> Tensor:
        """The picture before the sigmoid.

        Args:
            centred: (B, P) parameters in [-1, 1].
            side: S of the picture, one of ``sides``.

        Returns:
            (B, 3, S, S) log-odds of RGB.
        """

    @abstractmethod
    def start_from(self, picture: Tensor) -> None:
        """Let an untrained Imitator draw about this picture, so that the first steps need not find it.

        Args:
            picture: (3, R, R) mean of some renders, RGB in [0, 1].
        """
