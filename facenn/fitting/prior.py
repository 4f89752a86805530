"""What is known of a person before a fit has looked closer: people of the same sex and about the same age.

Sex and age come from a small network, or from what is locked. They decide which people a fit may start from, which
sliders it holds, what is usual, and how sliders go together.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facenn.arrays import Array, Vector
from facenn.fitting.locks import Lock
from facenn.networks.traits import Traits
from facenn.people import random_vector
from facenn.schema import ParameterSchema

YOUNG, SPAN = 20.0, 50.0  # years at which the slider of age is 0, and until it is 1
DOUBT = 0.1  # deviation of that slider for people of whom a network has told the age
PEERS = 0.4  # share of the people of a sex that counts as of the same age
RAREST = 0.005  # share of people that counts as wearing an option that no one wears
GREYING, ASH = 40.0, 0.4  # until what age hair is ash at most, and the slider ``hair.grey`` for that
DARK_SKIN, BROWN_HAIR = 0.7, 0.3  # from which ``skin.tone`` on ``hair.lightness`` is brown at most

STRANGE, TRIMMING_ROUNDS = 0.25, 3  # share of random people that is drawn broadly, unlike any person
SHRINKAGE = 0.25  # share of the covariance that is taken for independent: the people are few beside their sliders
CROWD = 1536  # random people of whom a prior takes the peers, if not more are asked for


def crowd(schema: ParameterSchema, *, seed: int, candidates: int = 0) -> Vector:
    """(N, P) random people of any character, so many that there are enough candidates of each sex and age."""
    return np.stack([random_vector(schema, seed, i) for i in range(max(CROWD, 8 * candidates))])


@dataclass(frozen=True)
class Population:
    """How the sliders of people vary together.

    Attributes:
        mean: (D,) of the sliders.
        whitening: (D, D) matrix that makes deviations from the mean independent, of variance 1.
    """

    mean: Array
    whitening: Array

    @classmethod
    def of(cls, values: Array) -> "Population":
        """The population of which (N, D) sliders were drawn, without the strangest; shrunk towards independence."""
        usual = cls._of_all(values)
        for _ in range(TRIMMING_ROUNDS):
            distance = np.square((values - usual.mean) @ usual.whitening.T).sum(1)
            usual = cls._of_all(values[distance <= np.quantile(distance, 1 - STRANGE)])
        return usual

    def given(self, where: int, value: float, noise: float) -> "Population":
        """Those among them whose slider number ``where`` was measured, with normal errors of deviation ``noise``."""
        precision: Array = self.whitening.T @ self.whitening
        precision[where, where] += noise**-2
        known = np.zeros(len(self.mean))
        known[where] = (value - self.mean[where]) * noise**-2
        whitening: Array = np.linalg.cholesky(precision).T.astype(np.float64)
        return Population(self.mean + np.linalg.solve(precision, known), whitening)

    @classmethod
    def _of_all(cls, values: Array) -> "Population":
        covariance = np.atleast_2d(np.cov(values, rowvar=False))
        spread = np.diag(np.diag(covariance) + 1e-4)
        shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * spread
        return cls(values.mean(0), np.linalg.inv(np.linalg.cholesky(shrunk)))


@dataclass(frozen=True)
class Prior:
    """What is known of one person beforehand.

    Attributes:
        schema: what parameters mean.
        traits: sex and age, as a network sees them or as they are locked.
        people: numbers of the random people of the same sex, in their order.
        peers: numbers of those of about the same age among them, the nearest first.
        usual: (P,) mean parameters of the peers: how common each option of a choice is, too.
        population: how the sliders of the peers vary together.
        lock: what stays as it is: what the user locked, and the held sliders, see ``held_sliders``, as the peers have
            them in the mean.
    """

    schema: ParameterSchema
    traits: Traits
    people: NDArray[np.intp]
    peers: NDArray[np.intp]
    usual: Vector
    population: Population
    lock: Lock

    @classmethod
    def of(cls, traits: Traits, vectors: Vector, schema: ParameterSchema, lock: Lock) -> "Prior":
        """The prior of a person of some sex and age.

        Args:
            traits: as a network sees them.
            vectors: (N, P) random people. A character without sliders of the roles sex and age has peers of every
                sex and age.
            schema: what their parameters mean.
            lock: what the user locked.
        """
        traits = as_locked(traits, schema, lock)
        nearest = by_age(traits, vectors, schema)
        age = schema.slider_of("age")
        peers = np.sort(nearest) if age is None else nearest[:max(1, round(PEERS * len(nearest)))]
        population = Population.of(schema.sliders_in(vectors[peers]))
        if age is not None:
            population = population.given(age, age_slider(traits), DOUBT)
        held, values = lock.held.copy(), lock.values.copy()
        where = held_sliders(schema, man=traits.man)
        held[where] = True
        values[where] = population.mean[where].clip(0, 1)
        both = Lock(held, np.where(lock.held, lock.values, values).astype(np.float32))
        return cls(schema, traits, np.sort(nearest), peers, vectors[peers].mean(0), population, both)

    def free(self, *roles: str) -> list[int]:
        """Numbers of the sliders of some roles that may move."""
        return [i for i in self.schema.with_role(*roles) if not self.lock.held[i]]

    def rarity(self, vectors: Vector) -> Array:
        """(B,) how uncommon the options of (B, P) parameters are: minus the logarithms of their shares, added up."""
        shares = np.log(self.usual.astype(np.float64) + RAREST)
        likely: Array = np.sum([vectors[:, where] @ shares[where] for where in self.schema.slices.values()], 0)
        return -likely

    def with_likely_hair(self, vectors: Vector) -> Vector:
        """(..., P) parameters with hair of a likely colour for this person; see ``with_likely_hair`` below."""
        return with_likely_hair(vectors, self.schema, years=self.traits.years)


def with_likely_hair(vectors: Vector, schema: ParameterSchema, *, years: float) -> Vector:
    """(..., P) parameters, with hair no greyer than the age allows, and no fairer than dark skin allows.

    Shorn hair looks grey or fair where skin shows through it; brows and beards would take that colour.
    """
    changed = vectors.copy()
    grey, tone, lightness = (schema.slider_of(role) for role in ("hair.grey", "skin.tone", "hair.lightness"))
    if grey is not None and years < GREYING:
        changed[..., grey] = changed[..., grey].clip(max=ASH)
    if tone is not None and lightness is not None:
        most = np.where(changed[..., tone] > DARK_SKIN, BROWN_HAIR, 1)
        changed[..., lightness] = np.minimum(changed[..., lightness], most)
    return changed


def as_locked(traits: Traits, schema: ParameterSchema, lock: Lock) -> Traits:
    """The same sex and age, but for those that are locked: the user knows better than a network."""
    def locked(role: str) -> float | None:
        where = schema.slider_of(role)
        return float(lock.values[where]) if where is not None and lock.held[where] else None

    sex, age = locked("sex"), locked("age")
    return Traits(traits.man if sex is None else sex > 0.5, traits.years if age is None else YOUNG + SPAN * age)


def by_age(traits: Traits, vectors: Vector, schema: ParameterSchema) -> NDArray[np.intp]:
    """Numbers of those of (N, P) people who are of the same sex, those of about the same age first."""
    sex, age = schema.slider_of("sex"), schema.slider_of("age")
    numbers = np.arange(len(vectors))
    if sex is not None:
        numbers = np.flatnonzero((vectors[:, sex] > 0.5) == traits.man)
    if age is not None:
        apart = np.abs(vectors[numbers, age] - age_slider(traits))
        numbers = numbers[np.argsort(apart, kind="stable")]
    return numbers


def age_slider(traits: Traits) -> float:
    """The slider of age for that many years."""
    return float(np.clip((traits.years - YOUNG) / SPAN, 0, 1))


def held_sliders(schema: ParameterSchema, *, man: bool) -> list[int]:
    """Numbers of the sliders that stay as people of the same sex and age have them in the mean.

    A recognition network would move them to its liking: sex, age and lines, what people hardly differ in, where an
    engine has its spots, make-up of men and beards of women. None for a character without a slider of the role sex.
    """
    if schema.slider_of("sex") is None:
        return []
    return schema.with_role("sex", "age", "lines", "iris.size", "skin.marks", "make-up" if man else "beard")
