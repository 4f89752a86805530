import pytest

from facenn.engine.head import Head, Part
from facenn.engine.renderer import Engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine("portrait")


@pytest.fixture(scope="session")
def head() -> Head:
    return Head()


@pytest.fixture(scope="session")
def skin(head: Head) -> Part:
    return head.part("body")
