"""The one policy of choices, hair and irises, for both methods: what decides about them, and in which order.

A recognition network would rather hide a forehead under hair, and make brown irises olive. So hair is decided by where
it is and which colour it has, irises by their colour, and other choices by everything that is compared. What few people
wear has to look better by a little.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from facenn.arrays import Array, Vector
from facenn.fitting.prior import Prior
from facenn.schema import ParameterSchema

Terms = Literal["all", "hair", "iris"]
"""Which terms of an objective decide: all, those of hair, or those of the irises."""


class Objective(Protocol):
    """How parameters are compared with one photo, by some method."""

    @property
    def rare(self) -> float:
        """Loss that an option costs for each power of e by which fewer people wear it."""

    def choose(self, vectors: Vector, price: Array, *, by: Terms) -> int:
        """Number of the one of (B, P) parameters whose loss and price (B,) are least together."""

    def moved(self, vector: Vector, sliders: Sequence[int], *, by: Terms) -> Vector:
        """(P,) the same parameters with some sliders, given by their numbers, moved until the loss is less."""


def choose(objective: Objective, vectors: Vector, prior: Prior, *, by: Terms = "all") -> Vector:
    """(P,) the best of (B, P) parameters, locked where they are locked; rare options at a price."""
    vectors = prior.lock.applied(vectors)
    chosen: Vector = vectors[objective.choose(vectors, objective.rare * prior.rarity(vectors), by=by)]
    return chosen


def choose_options(objective: Objective, vector: Vector, prior: Prior, *, hair: bool) -> Vector:
    """(P,) the same sliders with the best option of each choice that is not locked, one choice at a time.

    Args:
        objective: compares with the photo.
        vector: (P,) of the sliders.
        prior: of the person.
        hair: whether to choose hair, too.
    """
    for choice in prior.schema.choices:
        where = prior.schema.slices[choice.name]
        if prior.lock.held[where].any() or (choice.role == "hair" and not hair):
            continue
        tried = np.repeat(vector[None], len(choice.options), 0)
        tried[:, where] = np.eye(len(choice.options))
        vector = choose(objective, tried, prior, by="hair" if choice.role == "hair" else "all")
    return vector


def with_hair(objective: Objective, vector: Vector, worn: Vector, prior: Prior) -> Vector:
    """(P,) the same person with the best of its own and (N, P) others' hair, in the photo's colour if it is likely."""
    vector = choose(objective, with_hair_of(vector, worn, prior.schema), prior, by="hair")
    return prior.lock.applied(prior.with_likely_hair(_moved(objective, vector, prior, by="hair")))


def with_irises(objective: Objective, vector: Vector, prior: Prior) -> Vector:
    """(P,) the same person with irises of the photo's colour."""
    return _moved(objective, vector, prior, by="iris")


def decide(objective: Objective, vector: Vector, worn: Vector, prior: Prior) -> Vector:
    """(P,) the same person with hair, choices and irises decided, in this order."""
    vector = with_hair(objective, vector, worn, prior)
    return with_irises(objective, choose_options(objective, vector, prior, hair=True), prior)


def with_hair_of(vector: Vector, worn: Vector, schema: ParameterSchema) -> Vector:
    """(N + 1, P) the same person as before, and with the hair of each of (N, P) others."""
    columns = hair_columns(schema)
    dressed = np.repeat(vector[None], len(worn) + 1, 0)
    dressed[1:, columns] = worn[:, columns]
    return dressed


def hair_columns(schema: ParameterSchema) -> list[int]:
    """Numbers of the parameters that make hair."""
    columns = schema.with_role("hair")
    for choice in schema.choices:
        if choice.role == "hair":
            where = schema.slices[choice.name]
            columns += range(where.start, where.stop)
    return columns


def decided_columns(schema: ParameterSchema) -> list[int]:
    """Numbers of the parameters that ``decide`` decides: choices, hair, irises."""
    return sorted({*range(len(schema.sliders), schema.size), *hair_columns(schema), *schema.with_role("iris")})


def _moved(objective: Objective, vector: Vector, prior: Prior, *, by: Literal["hair", "iris"]) -> Vector:
    free = prior.free(by)
    return objective.moved(vector, free, by=by) if free else vector
