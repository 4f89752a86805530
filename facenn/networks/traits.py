"""Sex and age of a face, estimated by a small network."""

from dataclasses import dataclass

import torch
from torch import Tensor

from facenn.networks.cropping import crop, mirrored, similarity
from facenn.networks.facemesh import (
    EYE_CORNERS,
    LOWER_LID_MIDDLES,
    LOWER_LIP_BOTTOM,
    LOWER_LIP_TOP,
    MOUTH_CORNERS,
    UPPER_LID_MIDDLES,
    UPPER_LIP_BOTTOM,
    UPPER_LIP_TOP,
)
from facenn.networks.graph import Graph

# Landmarks whose means are the middles of the eyes and of the mouth.
MIDDLES = (*((*corners, upper, lower) for corners, upper, lower
             in zip(EYE_CORNERS, UPPER_LID_MIDDLES, LOWER_LID_MIDDLES, strict=True)),
           (*MOUTH_CORNERS, UPPER_LIP_TOP, LOWER_LIP_BOTTOM, UPPER_LIP_BOTTOM, LOWER_LIP_TOP))
# Where face-api's alignment has the eyes and the mouth of an upright face, as parts of the crop's side: their centre
# at (0.5, 0.43), the mouth 0.45 from the eyes.
TEMPLATE = ((0.311, 0.294), (0.689, 0.294), (0.5, 0.702))


@dataclass(frozen=True)
class Traits:
    """Apparent sex and age of a person.

    Attributes:
        man: True for a man, False for a woman.
        years: age.
    """

    man: bool
    years: float


@dataclass(frozen=True)
class TraitsNetwork:
    """Estimates age and sex.

    Attributes:
        network: from crops to years, (B, 1), and to logits of man and woman, (B, 2).
    """

    network: Graph

    def of(self, picture: Tensor, landmarks: Tensor) -> Traits:
        """The traits of one face.

        Args:
            picture: (1, 3, H, W) RGB in [0, 1].
            landmarks: (1, 478, 2 or 3) in pixels.
        """
        years, man = self.estimate(picture, landmarks)[0].tolist()
        return Traits(man > 0, years)

    @torch.no_grad()
    def estimate(self, pictures: Tensor, landmarks: Tensor) -> Tensor:
        """(B, 2) years, and the logit of a man against a woman, by the means over pictures and their mirror images.

        Args:
            pictures: (B, 3, H, W) RGB in [0, 1].
            landmarks: (B, 478, 2 or 3) in pixels.
        """
        size = self.network.size
        seen = torch.stack([landmarks[:, list(group), :2].mean(1) for group in MIDDLES], 1)
        maps = similarity(seen.new_tensor(TEMPLATE)[None] * size, seen)
        both = [self.network(crop(pictures, m, size)) for m in (maps, mirrored(maps, size=size))]
        return torch.stack([torch.cat([years[:, 0], sexes[:, 0] - sexes[:, 1]]).reshape(2, -1).T
                            for years, sexes in both]).mean(0)
