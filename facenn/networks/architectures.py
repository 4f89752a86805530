"""The architectures of the Imitator, by name."""

from collections.abc import Mapping

import torch

from facenn.errors import ConfigError
from facenn.networks.dcgan import Dcgan
from facenn.networks.imitator import Imitator
from facenn.networks.pyramid import Pyramid

CLASSES: Mapping[str, type[Dcgan] | type[Pyramid]] = {kind.architecture: kind for kind in (Dcgan, Pyramid)}


def build(architecture: str, parameters: int, *, resolution: int, generator: torch.Generator | None = None) -> Imitator:
    """An untrained Imitator.

    Args:
        architecture: its name.
        parameters: P, length of a parameter vector.
        resolution: side of the picture.
        generator: where the initial weights come from; None for torch's own.

    Raises:
        ConfigError: an architecture or a resolution that is not offered.
    """
    if architecture not in CLASSES:
        raise ConfigError(f"expected an architecture among {', '.join(CLASSES)}, got {architecture!r}")
    return CLASSES[architecture](parameters, resolution=resolution, generator=generator)
