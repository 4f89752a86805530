from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits

from facenn.engine.head import Head, Part
from facenn.engine.renderer import Engine


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The engine's matrix products are small: threads would only wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine("portrait")


@pytest.fixture(scope="session")
def head() -> Head:
    return Head()


@pytest.fixture(scope="session")
def skin(head: Head) -> Part:
    return head.part("body")
