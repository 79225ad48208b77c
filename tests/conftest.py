from collections.abc import Iterator

import pytest

from tests.postgres import Databases, databases


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """One server for all tests of the run, started when the first one asks."""
    with databases() as found:
        yield found
