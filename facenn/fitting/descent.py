"""The fit through the Imitator: gradient descent on the parameters, through the frozen Imitator, towards a photo."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facenn.engine.people import sample
from facenn.fitting.locks import Lock
from facenn.fitting.target import Target, coarse
from facenn.images import SIDE
from facenn.losses import colour_loss, identity_loss, landmark_loss, prior_loss
from facenn.networks.frozen import Frozen
from facenn.networks.imitator import Imitator
from facenn.networks.precision import computes_in_bf16
from facenn.schedule import quadratic_decay
from facenn.schema import ParameterSchema, Vector

LOGIT_RATE = 5.0  # choices live on logits, whose range is about that much wider than a slider's
START_LOGIT = 1.0  # lead of the options of the start over the others
FLOOR = 0.002  # learning rate at the end

class Weights(NamedTuple):
    """How much each loss counts in a fit."""

    identity: float
    landmark: float
    colour: float
    prior: float


@dataclass(frozen=True)
class FitResult:
    """What a fit found for B photos.

    Attributes:
        vectors: (B, P) valid parameters, choices one-hot.
        relaxed: (B, P) the same before the choices were made: entries of a choice are probabilities.
        history: per term, the loss that each step started from: lists of B numbers.
    """

    vectors: Vector
    relaxed: Vector
    history: Mapping[str, list[list[float]]]


def fit(target: Target, imitator: Imitator, schema: ParameterSchema, frozen: Frozen, *, steps: int, rate: float,
        weights: Weights, candidates: int, seed: int, lock: Lock,
        log: Callable[[int, Mapping[str, float]], None]) -> FitResult:
    """Parameters whose picture looks like each photo to the recognition, landmark and colour losses.

    Starts at the best of some random faces, then Adam on the sliders, clamped to [0, 1] after each step, and on
    logits of the choices, whose softmax blends the options. At the end each choice becomes its likeliest option.

    Args:
        target: the B photos; they do not influence each other.
        imitator: frozen G, of the schema's parameters.
        schema: what the parameters mean.
        frozen: the networks that compare.
        steps: gradient steps.
        rate: learning rate at the start, above the floor; decays quadratically.
        weights: of the losses.
        candidates: random faces of which the best is the start, besides the neutral one.
        seed: of the candidates, which are the same for every photo, whatever others are fitted beside it.
        lock: parameters that stay as they are from the candidates to the result.
        log: called with the number of finished steps and the mean of each loss.
    """
    neutral = torch.from_numpy(schema.neutral()).to(target.embedding)
    sliders = slice(0, len(schema.sliders))
    start = _best_candidate(target, imitator, schema, frozen, weights=weights, count=candidates, seed=seed,
                            lock=lock)
    values = start[:, sliders].clone().requires_grad_()
    logits = (START_LOGIT * start[:, sliders.stop:]).requires_grad_()
    optimizer = torch.optim.Adam([{"params": [values], "scale": 1.0}, {"params": [logits], "scale": LOGIT_RATE}])
    parts = _parts(target)
    squares = frozen.finder.square(target.landmarks)
    held, decided = torch.from_numpy(lock.held).to(values.device), torch.from_numpy(lock.values).to(values)

    def whole(photos: slice) -> Tensor:
        return torch.where(held, decided, torch.cat([values[photos], *_probabilities(logits[photos], schema)], 1))

    history: dict[str, list[list[float]]] = {}
    for done in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = group["scale"] * quadratic_decay(done - 1, steps, rate, FLOOR)
        optimizer.zero_grad()
        found: list[dict[str, Tensor]] = []
        for photos in parts:
            vectors = whole(photos)
            terms, landmarks = _losses(target.take(photos), draw(imitator, vectors), squares[photos], frozen)
            terms["prior"] = prior_loss(vectors, neutral, sliders=sliders)
            terms["total"] = torch.stack([weight * terms[name] for name, weight in weights._asdict().items()]).sum(0)
            torch.autograd.backward(terms["total"].sum())
            squares[photos] = frozen.finder.square(landmarks)
            found.append({name: loss.detach() for name, loss in terms.items()})
        optimizer.step()
        with torch.no_grad():
            values.clamp_(0, 1)
        losses = {name: torch.cat([terms[name] for terms in found]) for name in found[0]}
        for name, loss in losses.items():
            history.setdefault(name, []).append(loss.tolist())
        log(done, {name: float(loss.mean()) for name, loss in losses.items()})
    with torch.no_grad():
        relaxed = torch.cat([whole(photos) for photos in parts]).cpu().numpy()
    return FitResult(schema.project(relaxed), relaxed, history)


def _parts(target: Target) -> list[slice]:
    """Which photos go through the networks at once: on a GPU all.

    On a CPU one at a time, which takes as long. The sums of a batch are rounded in another order, and descent makes
    much of little: after 70 steps in bfloat16 sliders would differ by 0.04 in the mean from those of a single fit.
    """
    size = 1 if target.embedding.device.type == "cpu" else len(target)
    return [slice(k, k + size) for k in range(0, len(target), size)]


def draw(imitator: Imitator, vectors: Tensor) -> Tensor:
    """(B, P) parameters -> (B, 3, SIDE, SIDE) the Imitator's pictures, in bfloat16 where the device computes in it."""
    with torch.autocast(vectors.device.type, torch.bfloat16, enabled=computes_in_bf16(vectors.device)):
        drawn: Tensor = imitator(vectors)
    if drawn.shape[-1] != SIDE:
        drawn = F.interpolate(drawn, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return drawn.float()


def _probabilities(logits: Tensor, schema: ParameterSchema) -> list[Tensor]:
    offset = len(schema.sliders)
    return [logits[:, w.start - offset:w.stop - offset].softmax(-1) for w in schema.slices.values()]


def _losses(target: Target, drawn: Tensor, squares: Tensor, frozen: Frozen) -> tuple[dict[str, Tensor], Tensor]:
    """The losses that compare pictures, and the landmarks of the drawn faces."""
    landmarks, _ = frozen.finder.landmarks(drawn, squares)
    embedding = frozen.sface.embed(drawn, landmarks)
    every = landmarks.new_ones(landmarks.shape[1])
    return {"identity": identity_loss(embedding, target.embedding),
            "landmark": landmark_loss(landmarks, target.landmarks, weights=every),
            "colour": colour_loss(coarse(drawn), target.colours, weights=target.colour_weights)}, landmarks.detach()


@torch.no_grad()
def _best_candidate(target: Target, imitator: Imitator, schema: ParameterSchema, frozen: Frozen, *,
                    weights: Weights, count: int, seed: int, lock: Lock) -> Tensor:
    """(B, P) for each photo, the best of the neutral face and ``count`` random people."""
    generator = np.random.default_rng(seed)
    faces = [schema.neutral(), *(sample(schema, generator) for _ in range(count))]
    vectors = torch.from_numpy(lock.applied(np.stack(faces))).to(target.embedding)
    squares = frozen.finder.square(target.landmarks)
    best = torch.full((len(target),), torch.inf).to(target.embedding)
    chosen = vectors[0].repeat(len(best), 1)
    for vector in vectors:
        drawn = draw(imitator, vector[None])  # once for all photos
        for photos in _parts(target):
            part = target.take(photos)
            terms, _ = _losses(part, drawn.expand(len(part), -1, -1, -1), squares[photos], frozen)
            total = torch.stack([getattr(weights, name) * loss for name, loss in terms.items()]).sum(0)
            better = total < best[photos]
            chosen[photos][better], best[photos] = vector, torch.minimum(best[photos], total)
    return chosen
