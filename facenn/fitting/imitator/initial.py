"""Where a fit through an Imitator starts: random people of the same sex and about the same age."""

import numpy as np
import torch
from torch import Tensor

from facenn.arrays import Vector
from facenn.fitting.choices import hair_columns
from facenn.fitting.imitator.objective import Losses
from facenn.fitting.imitator.target import Target
from facenn.fitting.prior import Prior
from facenn.schema import ParameterSchema


def candidates_of(prior: Prior, people: Vector, *, count: int) -> Vector:
    """(count + 1, P) the neutral face and the nearest peers, locked where they are locked."""
    return prior.lock.applied(np.concatenate([prior.schema.neutral()[None], people[prior.peers[:count]]]))


@torch.no_grad()
def best_start(losses: Losses, target: Target, candidates: Vector, schema: ParameterSchema) -> Tensor:
    """(P,) the one of (N, P) people who looks most like one photo, with the hair of the one whose colours do.

    Args:
        losses: draw and compare.
        target: one photo.
        candidates: (N, P) people.
        schema: what the parameters mean.
    """
    vectors = torch.from_numpy(candidates).to(target.embedding)
    squares = losses.frozen.finder.square(target.landmarks)
    found = [losses.of(target, vector[None], squares)[0] for vector in vectors]
    best = vectors[torch.cat([losses.total(terms) for terms in found]).argmin()].clone()
    columns = hair_columns(schema)
    best[columns] = vectors[torch.cat([terms["colour"] for terms in found]).argmin(), columns]
    return best
