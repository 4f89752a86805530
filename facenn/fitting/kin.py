"""Who of a library might be somebody's kin: people of the same sex, those of about the same age among them."""

from dataclasses import dataclass

import numpy as np

from facenn.fitting.comparison import sliders_of
from facenn.fitting.library import Library
from facenn.fitting.population import Population
from facenn.networks.traits import Traits
from facenn.schema import ParameterSchema, Vector

SEX, AGE = "person.gender", "person.age"  # a character without these sliders has kin of everybody
LINES = "Lines"  # the group of the sliders of wrinkles
YOUNG, SPAN = 20.0, 50.0  # years at which the slider of age is 0, and until it is 1
DOUBT = 0.1  # deviation of that slider for people of whom a network has told the age
PEERS = 0.4  # share of the people of a sex that counts as of the same age


@dataclass(frozen=True)
class Kin:
    """People that somebody might be related to.

    Attributes:
        people: those of the same sex.
        peers: those of about the same age among them.
        population: how the sliders of peers vary together.
    """

    people: Library
    peers: Library
    population: Population


def kin_of(traits: Traits, library: Library) -> Kin:
    """Those of a library who are of somebody's sex and age."""
    names = [s.name for s in library.schema.sliders]
    people = library
    if SEX in names:
        men = library.vectors[:, names.index(SEX)] > 0.5
        people = library.take(np.flatnonzero(men == traits.man))
    if AGE not in names:
        return Kin(people, people, Population.of(sliders_of(people.vectors, people.schema)))
    at, age = names.index(AGE), float(np.clip((traits.years - YOUNG) / SPAN, 0, 1))
    apart = np.abs(people.vectors[:, at] - age)
    peers = people.take(np.argsort(apart, kind="stable")[:max(1, round(PEERS * len(apart)))])
    return Kin(people, peers, Population.of(sliders_of(peers.vectors, peers.schema)).given(at, age, DOUBT))


def told(schema: ParameterSchema) -> list[int]:
    """Numbers of the sliders that follow from sex and age; a recognition network would move them to its liking."""
    return [i for i, s in enumerate(schema.sliders) if s.name in (SEX, AGE) or s.group == LINES]


def aged(vectors: Vector, population: Population, schema: ParameterSchema) -> Vector:
    """(B, P) parameters with the sex, the age and the lines that a population has in the mean."""
    changed, where = vectors.copy(), told(schema)
    changed[:, where] = population.mean[where]
    return schema.project(changed)
