from collections.abc import Iterator
from pathlib import Path

import pytest

from stepwell.store.memory import MemoryStore
from stepwell.store.port import Store
from stepwell.store.postgres.store import PostgresStore
from stepwell.store.sqlite.store import SqliteStore
from tests.runtime.lanes import Lanes


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def lanes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lanes]:
    yield from _over(request, tmp_path)


@pytest.fixture(params=["memory", "sqlite"])
def embedded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lanes]:
    """For what counts and takes many turns: the turn is the same on every store."""
    yield from _over(request, tmp_path)


def _over(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lanes]:
    store: Store
    match request.param:
        case "memory":
            store = MemoryStore()
        case "sqlite":
            store = SqliteStore.open(tmp_path / "s.db")
        case _:
            store = PostgresStore.open(request.getfixturevalue("postgres_url"))
    store.migrate()
    yield Lanes(store)
    store.close()
