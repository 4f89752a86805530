"""Who might be somebody's kin: people of the same sex, those of about the same age among them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facenn.fitting.comparison import sliders_of
from facenn.fitting.library import Library
from facenn.fitting.locks import Lock
from facenn.fitting.newton import Array
from facenn.fitting.population import Population
from facenn.networks.traits import Traits
from facenn.people import sample
from facenn.schema import ParameterSchema, Vector

SEX, AGE = "person.gender", "person.age"  # a character without these sliders has kin of everybody
# groups of sliders
LINES, HAIR, IRISES, MAKE_UP, BEARD = "Lines", "Hair", "Iris", "Make-up", "Beard"
# Hardly different from person to person, and where an engine has its spots tells nothing about where a person has them.
ALIKE_OF_ALL = ("iris.size", "skin.moles")
GREY, GREYING, ASH = "hair.grey", 40.0, 0.4  # until what age hair is ash at most, and the slider for that
TONE, DARK, LIGHTNESS, BROWN = "skin.tone", 0.7, "hair.lightness", 0.3  # from which tone on hair is brown at most
YOUNG, SPAN = 20.0, 50.0  # years at which the slider of age is 0, and until it is 1
DOUBT = 0.1  # deviation of that slider for people of whom a network has told the age
RAREST = 0.005  # share of people that counts as wearing what nobody wears
CROWD, ALIKE = 600, 60  # random people that are met, and how many of them tell what is usual at an age
PEERS = 0.4  # share of the people of a sex that counts as of the same age


@dataclass(frozen=True)
class Kin:
    """People that somebody might be related to.

    Attributes:
        people: those of the same sex.
        peers: those of about the same age among them.
        population: how the sliders of peers vary together.
        settled: numbers of the sliders that stay as the population has them in the mean, see ``settled``.
    """

    people: Library
    peers: Library
    population: Population
    settled: tuple[int, ...]


def kin_of(traits: Traits, library: Library) -> Kin:
    """Those of a library who are of somebody's sex and age."""
    nearest = by_age(traits, library.vectors, library.schema)
    people = peers = library.take(np.sort(nearest))
    if any(s.name == AGE for s in library.schema.sliders):
        peers = library.take(nearest[:max(1, round(PEERS * len(nearest)))])
    population = population_of(traits, peers.vectors, library.schema)
    return Kin(people, peers, population, settled(library.schema, man=traits.man))


def as_locked(traits: Traits, schema: ParameterSchema, lock: Lock) -> Traits:
    """What somebody has locked is truer than what a network sees."""
    locked = {s.name: float(lock.values[i]) for i, s in enumerate(schema.sliders) if lock.held[i]}
    return Traits(locked[SEX] > 0.5 if SEX in locked else traits.man,
                  YOUNG + SPAN * locked[AGE] if AGE in locked else traits.years)


def population_of(traits: Traits, people: Vector, schema: ParameterSchema) -> Population:
    """How the sliders of (N, P) people vary together, of those among them who have somebody's age."""
    names = [s.name for s in schema.sliders]
    population = Population.of(sliders_of(people, schema))
    return population.given(names.index(AGE), age_slider(traits), DOUBT) if AGE in names else population


@dataclass(frozen=True)
class Relatives:
    """Random people that somebody might be related to, for a search that has no library.

    Attributes:
        candidates: (N, P) the neutral face and some of them, all with the settled sliders as they have them in the
            mean, and with what is locked.
        usual: (P,) their mean parameters.
        population: how the sliders of people of that sex and age vary together.
        lock: what was locked before, and the settled sliders.
    """

    candidates: Vector
    usual: Vector
    population: Population
    lock: Lock


def kin_of_all(traits: Sequence[Traits], schema: ParameterSchema, lock: Lock, *, count: int, seed: int
               ) -> list[Relatives]:
    """For each of some people, ``count`` random ones of their sex and about their age.

    Args:
        traits: of the people.
        schema: of any character; one without the sliders of sex and age has kin of everybody.
        lock: parameters that stay as they are.
        count: of the candidates besides the neutral face.
        seed: of all chance.
    """
    generator = np.random.default_rng(seed)
    crowd = np.stack([sample(schema, generator) for _ in range(max(CROWD, 4 * count))])  # two sexes
    return [_relatives(one, crowd, schema, lock, count=count) for one in traits]


def _relatives(traits: Traits, crowd: Vector, schema: ParameterSchema, lock: Lock, *, count: int) -> Relatives:
    traits = as_locked(traits, schema, lock)
    nearest = crowd[by_age(traits, crowd, schema)]
    population, where = population_of(traits, nearest, schema), list(settled(schema, man=traits.man))
    held, values = lock.held.copy(), lock.values.copy()
    held[where] = True
    values[where] = population.mean[where].clip(0, 1)
    decided = Lock(held, np.where(lock.held, lock.values, values).astype(np.float32))
    candidates = decided.applied(np.concatenate([schema.neutral()[None], nearest[:count]]))
    return Relatives(candidates, nearest[:ALIKE].mean(0), population, decided)


def by_age(traits: Traits, vectors: Vector, schema: ParameterSchema) -> NDArray[np.intp]:
    """Numbers of those of (N, P) people who are of somebody's sex, those of about the same age first."""
    names = [s.name for s in schema.sliders]
    numbers = np.arange(len(vectors))
    if SEX in names:
        numbers = np.flatnonzero((vectors[:, names.index(SEX)] > 0.5) == traits.man)
    if AGE in names:
        apart = np.abs(vectors[numbers, names.index(AGE)] - age_slider(traits))
        numbers = numbers[np.argsort(apart, kind="stable")]
    return numbers


def age_slider(traits: Traits) -> float:
    """Where the slider of age stands for somebody."""
    return float(np.clip((traits.years - YOUNG) / SPAN, 0, 1))


def settled(schema: ParameterSchema, *, man: bool) -> tuple[int, ...]:
    """Numbers of the sliders that stay as people of somebody's sex and age have them in the mean.

    A recognition network would move them to its liking: sex, age and lines, what people hardly differ in, make-up of
    men and beards of women.
    """
    if not any(s.name == SEX for s in schema.sliders):
        return ()
    return tuple(i for i, s in enumerate(schema.sliders) if s.name in (SEX, AGE, *ALIKE_OF_ALL)
                 or s.group in (LINES, MAKE_UP if man else BEARD))


def with_likely_hair(vectors: Vector, traits: Traits, schema: ParameterSchema) -> Vector:
    """(..., P) parameters, with hair that is no greyer than somebody's age allows, and no fairer than dark skin does.

    Shorn hair looks grey or fair where skin shows through it; brows and beards would take that colour.
    """
    changed, columns = vectors.copy(), {s.name: i for i, s in enumerate(schema.sliders)}
    if GREY in columns and traits.years < GREYING:
        changed[..., columns[GREY]] = changed[..., columns[GREY]].clip(max=ASH)
    if {TONE, LIGHTNESS} <= columns.keys():
        most = np.where(changed[..., columns[TONE]] > DARK, BROWN, 1)
        changed[..., columns[LIGHTNESS]] = np.minimum(changed[..., columns[LIGHTNESS]], most)
    return changed


def hair_columns(schema: ParameterSchema) -> list[int]:
    """Numbers of the parameters that make hair."""
    columns = [i for i, s in enumerate(schema.sliders) if s.group == HAIR]
    for choice in schema.choices:
        if choice.group == HAIR:
            where = schema.slices[choice.name]
            columns += range(where.start, where.stop)
    return columns


def rarity(vectors: Vector, usual: Vector, schema: ParameterSchema) -> Array:
    """(B,) how uncommon the options of (B, P) parameters are: minus the logarithms of their shares, added up.

    Args:
        vectors: parameters.
        usual: (P,) mean parameters of people like these: how common each option of a choice is.
        schema: what they mean.
    """
    shares = np.log(usual.astype(np.float64) + RAREST)
    likely: Array = np.sum([vectors[:, where] @ shares[where] for where in schema.slices.values()], 0)
    return -likely


def settle(vectors: Vector, kin: Kin, schema: ParameterSchema) -> Vector:
    """(B, P) parameters with the settled sliders as the kin have them in the mean."""
    changed, where = vectors.copy(), list(kin.settled)
    changed[:, where] = kin.population.mean[where]
    return schema.project(changed)
