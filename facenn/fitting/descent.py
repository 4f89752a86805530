"""The fit through the Imitator: gradient descent on the parameters, through the frozen Imitator, towards a photo."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facenn.fitting.critic import Critic, Weights
from facenn.fitting.decisions import FLOOR, best_start, decided, decided_columns, to_array
from facenn.fitting.kin import HAIR, IRISES, Relatives, kin_of_all
from facenn.fitting.locks import Lock
from facenn.fitting.target import Target
from facenn.losses import prior_loss
from facenn.networks.frozen import Frozen
from facenn.networks.imitator import Imitator
from facenn.schedule import quadratic_decay
from facenn.schema import ParameterSchema, Vector

LOGIT_RATE = 5.0  # choices live on logits, whose range is about that much wider than a slider's
START_LOGIT = 1.0  # lead of the options of the start over the others
DECIDED = 0.6  # share of the steps after which choices are made; the sliders go on with them


@dataclass(frozen=True)
class FitResult:
    """What a fit found for B photos.

    Attributes:
        vectors: (B, P) valid parameters, choices one-hot.
        relaxed: (B, P) what they were when the choices were to be made: entries of a choice are probabilities.
        history: per term, the loss that each step started from: lists of B numbers.
    """

    vectors: Vector
    relaxed: Vector
    history: Mapping[str, list[list[float]]]


def fit(target: Target, imitator: Imitator, schema: ParameterSchema, frozen: Frozen, *, steps: int, rate: float,
        weights: Weights, candidates: int, seed: int, lock: Lock,
        log: Callable[[int, Mapping[str, float]], None]) -> FitResult:
    """Parameters whose picture looks like each photo to the recognition, landmark and colour losses.

    Starts at the best of some random people of the same sex and about the same age, then Adam on the sliders, clamped
    to [0, 1] after each step, and on logits of the choices, whose softmax blends the options. Before the last steps
    each choice becomes the option that looks best, hair by its colours alone: a recognition network would rather hide
    a forehead under it. The colours of hair and irises become the photo's. What is settled, see
    ``facenn.fitting.kin``, is that of the candidates.

    Args:
        target: the B photos; they do not influence each other.
        imitator: frozen G, of the schema's parameters.
        schema: what the parameters mean.
        frozen: the networks that compare.
        steps: gradient steps.
        rate: learning rate at the start, above the floor; decays quadratically.
        weights: of the losses.
        candidates: random faces of which the best is the start, besides the neutral one.
        seed: of the candidates of a photo, whatever others are fitted beside it.
        lock: parameters that stay as they are from the candidates to the result.
        log: called with the number of finished steps and the mean of each loss.
    """
    kin = kin_of_all(target.traits, schema, lock, count=candidates, seed=seed)
    critic = Critic(imitator, frozen, weights)
    begun = [best_start(critic, target.take(slice(i, i + 1)), one.candidates, schema) for i, one in enumerate(kin)]
    faces = _Faces(torch.stack(begun), kin, schema)
    optimizer = torch.optim.Adam([{"params": [faces.values], "scale": 1.0},
                                  {"params": [faces.logits], "scale": LOGIT_RATE}])
    mean, whitening = (torch.from_numpy(np.stack([getattr(one.population, name) for one in kin])).to(target.embedding)
                       for name in ("mean", "whitening"))
    # whatever hair and irises somebody has are usual
    coloured = torch.tensor([slider.group in (HAIR, IRISES) for slider in schema.sliders], device=mean.device)
    parts = _parts(target)
    squares = frozen.finder.square(target.landmarks)
    history: dict[str, list[list[float]]] = {}
    for done in range(1, steps + 1):
        if done == int(DECIDED * steps) + 1:
            relaxed = faces.vectors().detach()
            faces.decide(torch.stack([
                decided(critic, target.take(slice(i, i + 1)), vector, squares[i:i + 1], one, schema)
                for i, (vector, one) in enumerate(zip(relaxed, kin, strict=True))]))
        for group in optimizer.param_groups:
            group["lr"] = group["scale"] * quadratic_decay(done - 1, steps, rate, FLOOR)
        optimizer.zero_grad()
        found: list[dict[str, Tensor]] = []
        for photos in parts:
            vectors = faces.vectors(photos)
            terms, landmarks = critic.losses(target.take(photos), vectors, squares[photos])
            terms["prior"] = prior_loss(torch.where(coloured, mean[photos], vectors[:, :len(schema.sliders)]),
                                        mean[photos], whitening[photos])
            terms["total"] = critic.total(terms)
            torch.autograd.backward(terms["total"].sum())
            squares[photos] = frozen.finder.square(landmarks)
            found.append({name: loss.detach() for name, loss in terms.items()})
        optimizer.step()
        with torch.no_grad():
            faces.values.clamp_(0, 1)
        losses = {name: torch.cat([terms[name] for terms in found]) for name in found[0]}
        for name, loss in losses.items():
            history.setdefault(name, []).append(loss.tolist())
        log(done, {name: float(loss.mean()) for name, loss in losses.items()})
    return FitResult(schema.project(to_array(faces.vectors())), to_array(relaxed), history)


class _Faces:
    """Parameters of B faces on their way.

    Args:
        start: (B, P) parameters.
        kin: of the B people, who know what is decided.
        schema: what the parameters mean.
    """

    def __init__(self, start: Tensor, kin: Sequence[Relatives], schema: ParameterSchema) -> None:
        self._schema, self._sliders = schema, len(schema.sliders)
        self.values = start[:, :self._sliders].clone().requires_grad_()
        self.logits = (START_LOGIT * start[:, self._sliders:]).requires_grad_()
        self._held = torch.from_numpy(np.stack([one.lock.held for one in kin])).to(start.device)
        self._values = torch.from_numpy(np.stack([one.lock.values for one in kin])).to(start)

    def vectors(self, photos: slice = slice(None)) -> Tensor:
        """(b, P) parameters, those of choices as the probabilities of their options until they are decided."""
        blends = [self.logits[photos, w.start - self._sliders:w.stop - self._sliders].softmax(-1)
                  for w in self._schema.slices.values()]
        return torch.where(self._held[photos], self._values[photos], torch.cat([self.values[photos], *blends], 1))

    def decide(self, vectors: Tensor) -> None:
        """From now on choices, hair and irises are those of (B, P) parameters."""
        columns = decided_columns(self._schema)
        self._held[:, columns] = True
        self._values[:, columns] = vectors[:, columns]


def _parts(target: Target) -> list[slice]:
    """Which photos go through the networks at once: on a GPU all.

    On a CPU one at a time, which takes as long. The sums of a batch are rounded in another order, and descent makes
    much of little: after 70 steps in bfloat16 sliders would differ by 0.04 in the mean from those of a single fit.
    """
    size = 1 if target.embedding.device.type == "cpu" else len(target)
    return [slice(k, k + size) for k in range(0, len(target), size)]
