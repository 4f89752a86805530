"""The fit through the Imitator: gradient descent on the parameters, through the frozen Imitator, towards photos."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from facenn.arrays import Log, Pixels, Vector
from facenn.fitting.choices import decide, decided_columns
from facenn.fitting.imitator.initial import best_start, candidates_of
from facenn.fitting.imitator.objective import FLOOR, ImitatorObjective, Losses, Weights, draw, to_array
from facenn.fitting.imitator.target import Target
from facenn.fitting.locks import Lock
from facenn.fitting.prior import Prior, crowd
from facenn.fitting.result import FitResult
from facenn.images import to_pixels
from facenn.losses import prior_loss
from facenn.networks.frozen import Frozen
from facenn.networks.imitator import Imitator
from facenn.schedule import quadratic_decay
from facenn.schema import ParameterSchema

LOGIT_RATE = 5.0  # choices live on logits, whose range is about that much wider than a slider's
START_LOGIT = 1.0  # lead of the options of the start over the others
DECIDED = 0.6  # share of the steps after which choices are made; the sliders go on with them


def fit(target: Target, imitator: Imitator, schema: ParameterSchema, frozen: Frozen, *, steps: int, rate: float,
        weights: Weights, candidates: int, seed: int, lock: Lock, log: Log) -> list[FitResult]:
    """Parameters whose picture looks like each photo to the recognition, landmark and colour losses.

    Starts at the best of some random people of the same sex and about the same age, then Adam on the sliders, clamped
    to [0, 1] after each step, and on logits of the choices, whose softmax blends the options. Before the last steps
    choices, hair and irises are decided, see ``facenn.fitting.choices``. What the prior holds, see
    ``facenn.fitting.prior``, is that of the candidates.

    Args:
        target: the B photos; they do not influence each other.
        imitator: frozen G, of the schema's parameters.
        schema: what the parameters mean.
        frozen: the networks that compare.
        steps: gradient steps.
        rate: learning rate at the start, above the floor; decays quadratically.
        weights: of the losses.
        candidates: random faces of which the best is the start, besides the neutral one.
        seed: of the random people.
        lock: parameters that stay as they are from the candidates to the result.
        log: called with the number of finished steps and the mean of each loss.

    Returns:
        One result per photo.
    """
    # What is known of each person beforehand, and the start.
    people = crowd(schema, seed=seed, candidates=candidates)
    priors = [Prior.of(traits, people, schema, lock) for traits in target.traits]
    chosen = [candidates_of(prior, people, count=candidates) for prior in priors]
    losses = Losses(imitator, frozen, weights)
    singles = [target.take(slice(i, i + 1)) for i in range(len(target))]
    begun = [best_start(losses, one, tried, schema) for one, tried in zip(singles, chosen, strict=True)]
    faces = _Faces(torch.stack(begun), priors, schema)
    optimizer = torch.optim.Adam([{"params": [faces.values], "scale": 1.0},
                                  {"params": [faces.logits], "scale": LOGIT_RATE}])
    mean, whitening = (torch.from_numpy(np.stack([getattr(prior.population, name) for prior in priors])).to(
        target.embedding) for name in ("mean", "whitening"))
    # To the prior, every colour of hair and irises is usual.
    coloured = torch.zeros(len(schema.sliders), dtype=torch.bool, device=mean.device)
    coloured[schema.with_role("hair", "iris")] = True
    parts = _parts(target)
    squares = frozen.finder.square(target.landmarks)
    history: dict[str, list[list[float]]] = {}
    for done in range(1, steps + 1):
        # Decide choices, hair and irises once, while there are steps left for the sliders to follow.
        if done == int(DECIDED * steps) + 1:
            relaxed = to_array(faces.vectors())
            objectives = [ImitatorObjective(losses, one, squares[i:i + 1], prior, tried) for i, (one, prior, tried) in
                          enumerate(zip(singles, priors, chosen, strict=True))]
            faces.decide(np.stack([
                decide(objective, prior.lock.applied(schema.project(vector)), tried, prior)
                for objective, vector, tried, prior in zip(objectives, relaxed, chosen, priors, strict=True)]))
        for group in optimizer.param_groups:
            group["lr"] = group["scale"] * quadratic_decay(done - 1, steps, rate, FLOOR)
        # Forward and backward, as many photos at once as the device can take.
        optimizer.zero_grad()
        found: list[dict[str, Tensor]] = []
        for photos in parts:
            vectors = faces.vectors(photos)
            terms, landmarks = losses.of(target.take(photos), vectors, squares[photos])
            terms["prior"] = prior_loss(torch.where(coloured, mean[photos], vectors[:, :len(schema.sliders)]),
                                        mean[photos], whitening[photos])
            terms["total"] = losses.total(terms)
            torch.autograd.backward(terms["total"].sum())
            squares[photos] = frozen.finder.square(landmarks)
            found.append({name: loss.detach() for name, loss in terms.items()})
        # Step, and stay in the box.
        optimizer.step()
        with torch.no_grad():
            faces.values.clamp_(0, 1)
        # Remember and tell.
        now = {name: torch.cat([terms[name] for terms in found]) for name in found[0]}
        for name, loss in now.items():
            history.setdefault(name, []).append(loss.tolist())
        log(done, {name: float(loss.mean()) for name, loss in now.items()})
    ends = schema.project(to_array(faces.vectors()))
    return [FitResult(ends[i], relaxed[i], {name: [step[i] for step in steps] for name, steps in history.items()},
                      first_step=1, imitated=_drawn(imitator, ends[i], target.embedding))
            for i in range(len(target))]


@torch.no_grad()
def _drawn(imitator: Imitator, vector: Vector, like: Tensor) -> Pixels:
    pixels: Pixels = to_pixels(draw(imitator, torch.from_numpy(vector).to(like)[None]))[0]
    return pixels


class _Faces:
    """Parameters of B faces on their way.

    Args:
        start: (B, P) parameters.
        priors: of the B people, which know what is locked.
        schema: what the parameters mean.
    """

    def __init__(self, start: Tensor, priors: Sequence[Prior], schema: ParameterSchema) -> None:
        self._schema, self._sliders = schema, len(schema.sliders)
        self.values = start[:, :self._sliders].clone().requires_grad_()
        self.logits = (START_LOGIT * start[:, self._sliders:]).requires_grad_()
        self._held = torch.from_numpy(np.stack([one.lock.held for one in priors])).to(start.device)
        self._values = torch.from_numpy(np.stack([one.lock.values for one in priors])).to(start)

    def vectors(self, photos: slice = slice(None)) -> Tensor:
        """(b, P) parameters, those of choices as the probabilities of their options until they are decided."""
        blends = [self.logits[photos, w.start - self._sliders:w.stop - self._sliders].softmax(-1)
                  for w in self._schema.slices.values()]
        return torch.where(self._held[photos], self._values[photos], torch.cat([self.values[photos], *blends], 1))

    def decide(self, vectors: Vector) -> None:
        """From now on choices, hair and irises are those of (B, P) parameters."""
        columns = decided_columns(self._schema)
        self._held[:, columns] = True
        self._values[:, columns] = torch.from_numpy(vectors[:, columns]).to(self._values)


def _parts(target: Target) -> list[slice]:
    """Which photos go through the networks at once: on a GPU all.

    On a CPU one at a time, which takes as long. The sums of a batch are rounded in another order, and descent makes
    much of little: after 70 steps in bfloat16 sliders would differ by 0.04 in the mean from those of a single fit.
    """
    size = 1 if target.embedding.device.type == "cpu" else len(target)
    return [slice(k, k + size) for k in range(0, len(target), size)]
