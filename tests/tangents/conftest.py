"""Engines that say how their pictures change, small ones, and one person on whom every slider of looks shows."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from facenn.arrays import Floats, Vector
from facenn.engine.renderer import Engine
from facenn.processes import one_thread_each
from facenn.schema import ParameterSchema
from facenn.tangents.picture import LinearPicture, TangentEngine

SIDE = 128


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """As in fits: on small arrays threads wait for each other."""
    with one_thread_each():
        yield


@pytest.fixture(scope="session")
def drawer(make_engine: Callable[[str, int], Engine]) -> TangentEngine:
    return TangentEngine(make_engine("portrait", SIDE))


@pytest.fixture(scope="session")
def classic_drawer(make_engine: Callable[[str, int], Engine]) -> TangentEngine:
    return TangentEngine(make_engine("classic", SIDE))


@pytest.fixture(scope="session")
def person(drawer: TangentEngine, portrait: ParameterSchema) -> Vector:
    """Somebody with a little of everything, whose shape is nowhere neutral."""
    vector, shape = portrait.neutral(), drawer.engine.from_vector
    vector[drawer.engine.colouring] = 0.5
    vector[portrait.with_role("beard")] = 0.45
    chance = np.random.default_rng(0)
    vector[shape] = 0.5 + chance.choice((-1, 1), len(shape)) * chance.uniform(0.05, 0.15, len(shape))
    return portrait.from_named({**portrait.to_named(vector), "hair.style": "side_part"})


@pytest.fixture(scope="session")
def picture(drawer: TangentEngine, person: Vector) -> LinearPicture:
    return drawer.draw(person)


def levels(engine: Engine, vector: Vector) -> Floats:
    """(S, S, 3) a true picture, sRGB in [0, 1]."""
    return engine.draw(vector).picture.astype(np.float32) / np.float32(255)
