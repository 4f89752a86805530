from collections.abc import Callable, Iterator

import pytest
from threadpoolctl import threadpool_limits

from facenn.engine import renderer
from facenn.engine.head import Head, Part
from facenn.engine.looks import SkinMaps
from facenn.engine.renderer import Engine


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The engine's matrix products are small: threads would only wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def head() -> Head:
    return Head()


@pytest.fixture(scope="session")
def skin(head: Head) -> Part:
    return head.part("body")


@pytest.fixture(scope="session")
def maps(head: Head, skin: Part) -> SkinMaps:
    return SkinMaps(head, skin)


@pytest.fixture(scope="session")
def make_engine(maps: SkinMaps) -> Callable[[str, int], Engine]:
    """Engines of a character and a side; painted maps and hair are the same for all of them, and slow to make."""
    scenes: dict[str, renderer._Scene] = {}

    def make(name: str, side: int) -> Engine:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(renderer, "SkinMaps", lambda head, skin: maps)
            made = Engine(name, side=side)
        made._scenes = scenes
        return made

    return make


@pytest.fixture(scope="session")
def engine(make_engine: Callable[[str, int], Engine]) -> Engine:
    return make_engine("portrait", renderer.SIDE)


@pytest.fixture(scope="session")
def small_engine(make_engine: Callable[[str, int], Engine]) -> Engine:
    """The portrait at a quarter of the pixels."""
    return make_engine("portrait", 256)


@pytest.fixture(scope="session")
def classic(make_engine: Callable[[str, int], Engine]) -> Engine:
    return make_engine("classic", renderer.SIDE)
