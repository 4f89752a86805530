"""An Imitator that draws a small picture and adds finer and finer detail to it: it can learn the small ones first."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facenn.images import SIDE
from facenn.networks.imitator import Imitator

EMBEDDED = 256  # what the sliders come to together
START = 8  # side of the first features
SMALLEST = 64  # pixels, of the smallest picture
WIDTHS = {8: 128, 16: 96, 32: 64, 64: 48, 128: 32, 256: 16}  # channels of the features of each side
MAPS = 8  # per level: features that stand still, which a face turns up and down
FAINT = 0.01  # standard deviation of weights whose result is added to something that is about right already


class Pyramid(Imitator):
    """A Laplacian pyramid that is drawn from its top: a picture of 64 pixels, and for each doubling what it lacks.

    Two linear layers see the sliders together; features of 8 x 8 are doubled by transposed convolutions, and those of
    half a level's side become its detail by sub-pixel convolution (arXiv:1609.05158). As in arXiv:1912.04958 every
    level's picture adds to the one before, so that a training may begin with small pictures, see
    ``facenn.schedule.growth``. The picture of the mean face is learned apart.

    4.2 million weights for 169 parameters, of which four fifths lead to the first features; to draw takes a third of
    the arithmetic of ``Dcgan``.

    Args:
        parameters: P, length of a parameter vector.
        resolution: side of the picture, a power of two from 32 to 512.
        generator: where the initial weights come from; None for torch's own.

    Raises:
        ConfigError: no parameter, or a resolution that is not offered.
    """

    architecture = "pyramid"
    inputs = {"embed.0.weight": 1, "direct.weight": 1}  # noqa: RUF012 (typed ClassVar in the base class)
    betas = (0.9, 0.99)
    warm_up = 50

    def __init__(self, parameters: int, *, resolution: int = SIDE, generator: torch.Generator | None = None) -> None:
        super().__init__(parameters, resolution=resolution)
        smallest = min(SMALLEST, resolution)
        self.sides = tuple(2**k for k in range(smallest.bit_length() - 1, resolution.bit_length()))
        self.embed = nn.Sequential(nn.Linear(parameters, EMBEDDED), nn.SiLU(), nn.Linear(EMBEDDED, EMBEDDED), nn.SiLU())
        self.start = nn.Linear(EMBEDDED, WIDTHS[START] * START**2)
        self.direct = nn.Linear(parameters, WIDTHS[START] * START**2, bias=False)
        coarse = [side for side in WIDTHS if START < side < smallest // 2]
        self.coarse = nn.ModuleList(_doubling(side) for side in coarse)
        self.levels = nn.ModuleList(_Level(side // 2) for side in self.sides)
        self.mean = nn.Parameter(torch.zeros(1, 3, resolution // 2, resolution // 2))
        self._initialise(generator)

    def draw(self, centred: Tensor, side: int) -> Tensor:
        """See ``Imitator.draw``."""
        embedded = self.embed(centred)
        features = (self.start(embedded) + self.direct(centred)).unflatten(1, (-1, START, START))
        for doubling in self.coarse:
            features = doubling(F.silu(features))
        features, picture = self.levels[0](features, embedded)
        for level in self.levels[1 : self.sides.index(side) + 1]:
            features, detail = level(features, embedded)
            picture = detail + _resized(picture, detail.shape[-1])
        drawn: Tensor = picture + _resized(self.mean, side)
        return drawn

    @torch.no_grad()
    def start_from(self, picture: Tensor) -> None:
        """Start at the picture."""
        self.mean.copy_(F.avg_pool2d(picture[None], 2).clamp(0.01, 0.99).logit())

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator | None) -> None:
        """He's initialisation, of arXiv:1502.01852; what is added to a picture or an embedding starts faint."""
        for name, weight in self.named_parameters():
            if name.endswith("bias") or name == "mean":
                weight.zero_()
            elif name.endswith("maps"):
                weight.normal_(0, 0.3, generator=generator)
            elif name.endswith(("detail.weight", "gain.weight")):
                weight.normal_(0, FAINT, generator=generator)
            else:
                transposed = "doubling" in name or name.startswith("coarse")  # of its 16 taps four meet a pixel
                inputs = 4 * weight.shape[0] if transposed else weight[0].numel()
                weight.normal_(0, math.sqrt(2 / inputs), generator=generator)


class _Level(nn.Module):
    """Features of the next side, and a picture of twice that."""

    def __init__(self, side: int) -> None:
        super().__init__()
        width = WIDTHS[side]
        self.doubling = _doubling(side)
        self.maps = nn.Parameter(torch.empty(1, MAPS, side, side))
        self.gain = nn.Linear(EMBEDDED, MAPS)
        self.mix = nn.Conv2d(width + MAPS, width, 3, padding=1)
        self.detail = nn.Conv2d(width, 12, 3, padding=1)

    def forward(self, features: Tensor, embedded: Tensor) -> tuple[Tensor, Tensor]:
        features = self.doubling(F.silu(features))
        maps = self.maps * (1 + self.gain(embedded))[:, :, None, None]
        mixed = F.silu(self.mix(torch.cat([F.silu(features), maps], 1)))
        return features, F.pixel_shuffle(self.detail(mixed), 2)


def _doubling(side: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(WIDTHS[side // 2], WIDTHS[side], 4, stride=2, padding=1)


def _resized(picture: Tensor, side: int) -> Tensor:
    if picture.shape[-1] > side:
        return F.avg_pool2d(picture, picture.shape[-1] // side)
    return F.interpolate(picture, (side, side), mode="bilinear", align_corners=False)
