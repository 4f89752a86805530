"""What a fit through an Imitator makes small: draws parameters, and compares the pictures with photos."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.arrays import Array, Vector
from facenn.fitting.choices import Terms
from facenn.fitting.imitator.target import Target, irises_in
from facenn.fitting.prior import Prior
from facenn.images import SIDE
from facenn.losses import colour_loss, identity_loss, landmark_loss
from facenn.networks.facemesh import OUTER_EYE_CORNERS
from facenn.networks.frozen import Frozen
from facenn.networks.imitator import Imitator
from facenn.networks.precision import computes_in_bf16
from facenn.perception.cells import coarse
from facenn.schedule import quadratic_decay
from facenn.schema import ParameterSchema

CORNER = 2  # cells of the picture that make a corner, per side
# Steps of a colour, their learning rates from start to end, and the loss of such sliders as far from usual as can be:
# small differences shall not make hair red.
COLOURING, COLOURING_RATE, FLOOR, PULL = 16, 0.1, 0.002, 0.02


class Weights(NamedTuple):
    """How much each loss counts in a fit."""

    identity: float
    landmark: float
    colour: float
    prior: float


@dataclass(frozen=True)
class Losses:
    """Draws parameters of any number of faces and compares the pictures with photos.

    Attributes:
        imitator: frozen G.
        frozen: the networks that compare.
        weights: of the losses.
    """

    imitator: Imitator
    frozen: Frozen
    weights: Weights

    def of(self, target: Target, vectors: Tensor, squares: Tensor) -> tuple[dict[str, Tensor], Tensor]:
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


@dataclass(frozen=True)
class ImitatorObjective:
    """Compares parameters with one photo; see ``facenn.fitting.choices.Objective``.

    Attributes:
        losses: draw and compare.
        target: one photo.
        squares: (1, 2, 3) where the face is looked for in the pictures.
        prior: of the person.
        candidates: (N, P) people whose colours of hair and irises are tried first.
        rare: loss of an option for each power of e by which fewer people wear it.
    """

    losses: Losses
    target: Target
    squares: Tensor
    prior: Prior
    candidates: Vector
    rare: float = 0.006

    @torch.no_grad()
    def choose(self, vectors: Vector, price: Array, *, by: Terms) -> int:
        """Number of the best of (B, P) parameters; hair by the coarse colours around the face, the wall among them."""
        outlined = replace(self.target, colour_weights=self.target.outline_weights)
        tried = torch.from_numpy(vectors).to(self.target.embedding)
        if by == "hair":
            found = [colour_loss(coarse(draw(self.losses.imitator, one[None])), outlined.colours,
                                 weights=outlined.colour_weights) for one in tried]
        else:
            found = [self.losses.total(self.losses.of(outlined, one[None], self.squares)[0]) for one in tried]
        return int((torch.cat(found).cpu().numpy() + price).argmin())

    def moved(self, vector: Vector, sliders: Sequence[int], *, by: Terms) -> Vector:
        """(P,) with hair, or irises, moved by Adam until their colour in the picture is most like the photo's.

        Starts at the best of the face's own and the candidates' sliders, and is pulled towards what is usual.
        """
        start = torch.from_numpy(vector).to(self.target.embedding)
        if by == "hair":
            return self._descended(start, sliders, self._hair) if self.target.hair_weights.any() else vector
        with torch.no_grad():
            drawn = draw(self.losses.imitator, start[None])
            points = self.losses.frozen.finder.landmarks(drawn, self.squares)[0]
        return self._descended(start, sliders, lambda drawn: (irises_in(drawn, points) - self.target.irises
                                                              ).abs().mean(1))

    def _hair(self, drawn: Tensor) -> Tensor:
        return colour_loss(coarse(drawn), self.target.colours, weights=self.target.hair_weights)

    @torch.no_grad()
    def _descended(self, start: Tensor, sliders: Sequence[int], loss_in: Callable[[Tensor], Tensor]) -> Vector:
        """(P,) with some sliders where a loss of the picture is least."""
        where = torch.tensor(sliders, device=start.device)
        usual = torch.from_numpy(self.prior.usual[sliders]).to(start)

        def loss_of(values: Tensor) -> Tensor:
            moved = start.index_copy(0, where, values)
            return loss_in(draw(self.losses.imitator, moved[None])) + PULL * (values - usual).square().mean()

        tried = torch.cat([start[None, sliders], torch.from_numpy(self.candidates[:, sliders]).to(start)])
        values = tried[torch.cat([loss_of(one) for one in tried]).argmin()].clone().requires_grad_()
        optimizer = torch.optim.Adam([values])
        for done in range(COLOURING):
            optimizer.param_groups[0]["lr"] = quadratic_decay(done, COLOURING, COLOURING_RATE, FLOOR)
            optimizer.zero_grad()
            with torch.enable_grad():
                torch.autograd.backward(loss_of(values))
            optimizer.step()
            values.data.clamp_(0, 1)
        return to_array(start.index_copy(0, where, values.detach()))


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


def to_array(vectors: Tensor) -> Vector:
    """Parameters off the device and the graph."""
    array: Vector = vectors.detach().cpu().numpy()
    return array
