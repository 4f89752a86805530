"""The Imitator of the blog post: transposed convolutions from a single pixel to the picture."""

import torch
from torch import Tensor, nn

from facenn.images import SIDE
from facenn.networks.imitator import Imitator

WIDTHS = (512, 512, 512, 256, 128, 64, 64)  # channels after each layer but the last, as in the blog post
INIT_STD = 0.02  # DCGAN, arXiv:1511.06434


class Dcgan(Imitator):
    """Transposed convolutions take (P, 1, 1) to (512, 4, 4) and double the side until it is 512.

    Widths 512, 512, 512, 256, 128, 64, 64, 3, each but the last followed by batch normalisation and ReLU, the last by
    a sigmoid. 12.06 million weights for 103 parameters.

    Departs from the original in its initialisation: N(0.4, 0.2) drowns the parameters in a constant, here weights are
    drawn from N(0, 0.02), the sliders are centred first, and the last bias can start at the mean colour.

    Args:
        parameters: P, length of a parameter vector.
        resolution: side of the picture, a power of two from 32 to 512. A smaller one drops the widest layers, those
            that hold most of the weights.
        generator: where the initial weights come from; None for torch's own.

    Raises:
        ConfigError: no parameter, or a resolution that is not offered.
    """

    architecture = "dcgan"
    inputs = {"layers.0.weight": 0}  # noqa: RUF012 (typed ClassVar in the base class)
    betas = (0.5, 0.999)  # those of DCGAN: with few steps the low momentum ends lower
    warm_up = 0

    def __init__(self, parameters: int, *, resolution: int = SIDE, generator: torch.Generator | None = None) -> None:
        super().__init__(parameters, resolution=resolution)
        doublings = resolution.bit_length() - 3  # from a side of 4
        widths = WIDTHS[-doublings:]
        self.layers = _layers(parameters, widths)
        self.colours = nn.ConvTranspose2d(widths[-1], 3, 4, stride=2, padding=1)
        self._initialise(generator)

    def draw(self, centred: Tensor, side: int) -> Tensor:
        """See ``Imitator.draw``."""
        drawn: Tensor = self.colours(self.layers(centred[:, :, None, None]))
        return drawn

    @torch.no_grad()
    def start_from(self, picture: Tensor) -> None:
        """Start at the mean colour of the picture: the last bias is all that is the same everywhere."""
        self.get_parameter("colours.bias").copy_(picture.mean((1, 2)).clamp(0.01, 0.99).logit())

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator | None) -> None:
        for weight in self.parameters():
            if weight.ndim == 4:
                weight.normal_(0, INIT_STD, generator=generator)
        self.get_parameter("colours.bias").zero_()


def _layers(parameters: int, widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = parameters
    for depth, width in enumerate(widths):
        stride, padding = (1, 0) if depth == 0 else (2, 1)
        # No bias: the normalisation behind it would subtract it again.
        layers += [nn.ConvTranspose2d(before, width, 4, stride, padding, bias=False),
                   nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers)
