"""What looks at the faces of a fit through an Imitator: draws parameters, and compares the pictures with photos."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.fitting.face import coarse
from facenn.fitting.target import Target
from facenn.images import SIDE
from facenn.losses import colour_loss, identity_loss, landmark_loss
from facenn.networks.facemesh import OUTER_EYE_CORNERS
from facenn.networks.frozen import Frozen
from facenn.networks.imitator import Imitator
from facenn.networks.precision import computes_in_bf16
from facenn.schema import ParameterSchema

CORNER = 2  # cells of the picture that make a corner, per side


class Weights(NamedTuple):
    """How much each loss counts in a fit."""

    identity: float
    landmark: float
    colour: float
    prior: float


@dataclass(frozen=True)
class Critic:
    """Draws parameters and compares the pictures with photos.

    Attributes:
        imitator: frozen G.
        frozen: the networks that compare.
        weights: of the losses.
    """

    imitator: Imitator
    frozen: Frozen
    weights: Weights

    def losses(self, target: Target, vectors: Tensor, squares: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The losses that compare pictures, and the landmarks of the drawn faces.

        Args:
            target: B photos, or one for all faces.
            vectors: (B, P) parameters.
            squares: where the faces are looked for.

        Returns:
            (B,) unweighted losses by name, and (B, 478, 3) landmarks in pixels.
        """
        drawn = draw(self.imitator, vectors)
        landmarks, _ = self.frozen.finder.landmarks(drawn, squares)
        embedding = self.frozen.ensemble.embed(drawn, landmarks)
        every = landmarks.new_ones(landmarks.shape[1])
        return {"identity": identity_loss(embedding, target.embedding),
                "landmark": landmark_loss(landmarks, target.landmarks, weights=every, eyes=OUTER_EYE_CORNERS),
                "colour": colour_loss(coarse(drawn), target.colours, weights=target.colour_weights)
                }, landmarks.detach()

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """(B,) the terms that there are, each as much as it counts."""
        return torch.stack([getattr(self.weights, name) * loss for name, loss in terms.items()]).sum(0)


def draw(imitator: Imitator, vectors: Tensor) -> Tensor:
    """(B, P) parameters -> (B, 3, SIDE, SIDE) the Imitator's pictures, in bfloat16 where the device computes in it."""
    with torch.autocast(vectors.device.type, torch.bfloat16, enabled=computes_in_bf16(vectors.device)):
        drawn: Tensor = imitator(vectors)
    if drawn.shape[-1] != SIDE:
        drawn = F.interpolate(drawn, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return drawn.float()


@torch.no_grad()
def backdrop(imitator: Imitator, schema: ParameterSchema) -> Tensor:
    """(3,) the colour that is behind the faces of an Imitator: that of the upper corners, where no hair is."""
    neutral = torch.from_numpy(schema.neutral())[None].to(next(imitator.parameters()))
    top = coarse(draw(imitator, neutral))[0, :, :CORNER]
    wall: Tensor = torch.cat([top[..., :CORNER], top[..., -CORNER:]], -1).flatten(1).median(1).values
    return wall
