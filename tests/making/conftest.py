from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The engine's matrix products are small: threads would only wait for each other."""
    with threadpool_limits(1):
        yield
