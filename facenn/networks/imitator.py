"""The Imitator G: parameters -> the picture that the engine would draw of them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facenn.errors import ConfigError, SchemaError
from facenn.images import SIDE

WIDTHS = (512, 512, 512, 256, 128, 64, 64)  # channels after each layer but the last, as in the blog post
RESOLUTIONS = (32, 64, 128, 256, 512)
INIT_STD = 0.02  # DCGAN, arXiv:1511.06434
LANDMARKS = 478  # MediaPipe's face mesh with both irises


class Imitator(nn.Module):
    """A differentiable stand-in for the engine, G(x) of arXiv:1909.01064.

    Transposed convolutions take (P, 1, 1) to (512, 4, 4) and double the side until it is 512:
    widths 512, 512, 512, 256, 128, 64, 64, 3, each but the last followed by batch normalisation and ReLU,
    the last by a sigmoid. 12.06 million weights for 103 parameters.

    Departs from the original in its initialisation: N(0.4, 0.2) drowns the parameters in a constant, here
    weights are drawn from N(0, 0.02), the sliders are centred first, and the last bias can start at the
    colour of the mean picture.

    The buffer ``frame`` (478, 2) tells where the engine has the landmarks of its faces, in pixels of a
    render: a photo is cropped so that its face stands there.

    Args:
        parameters: P, length of a parameter vector.
        resolution: side of the picture, a power of two from 32 to 512. A smaller one drops the widest
            layers, those that hold most of the weights.
        generator: where the initial weights come from; None for torch's own.

    Raises:
        ConfigError: no parameter, or a resolution that is not offered.
    """

    frame: Tensor

    def __init__(
        self, parameters: int, *, resolution: int = SIDE, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if parameters < 1:
            raise ConfigError(f"expected an Imitator of one parameter or more, got {parameters}")
        if resolution not in RESOLUTIONS:
            raise ConfigError(f"expected a resolution among {list(RESOLUTIONS)}, got {resolution}")
        self.parameters_per_face = parameters
        self.resolution = resolution
        doublings = resolution.bit_length() - 3  # from a side of 4
        widths = WIDTHS[-doublings:]
        self.layers = _layers(parameters, widths)
        self.colours = nn.ConvTranspose2d(widths[-1], 3, 4, stride=2, padding=1)
        self.register_buffer("frame", torch.zeros(LANDMARKS, 2))
        self._initialise(generator)

    def forward(self, parameters: Tensor) -> Tensor:
        """The picture of each face.

        Args:
            parameters: (B, P) in [0, 1], a choice as a one-hot slice.

        Returns:
            (B, 3, R, R) RGB in [0, 1].

        Raises:
            SchemaError: vectors of another length.
        """
        if parameters.ndim != 2 or parameters.shape[1] != self.parameters_per_face:
            raise SchemaError(f"expected (B, {self.parameters_per_face}) parameters, "
                              f"got shape {tuple(parameters.shape)}")
        # Centred, because a common offset in all inputs is one more constant to unlearn.
        drawn: Tensor = self.colours(self.layers((2 * parameters - 1)[:, :, None, None]))
        # The sigmoid in full precision: bfloat16 has fewer steps near 1 than a picture has.
        return drawn.to(parameters.dtype).sigmoid()

    @torch.no_grad()
    def start_from_colour(self, colour: Sequence[float]) -> None:
        """Let an untrained Imitator draw about this colour, so that the first steps need not find it.

        Args:
            colour: mean RGB of the renders, each in [0, 1].
        """
        self.get_parameter("colours.bias").copy_(torch.tensor(colour).clamp(0.01, 0.99).logit())

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
