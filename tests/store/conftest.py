from collections.abc import Iterator
from pathlib import Path

import pytest

from stepwell.store.memory import MemoryStore
from stepwell.store.port import Store
from stepwell.store.postgres.store import PostgresStore
from stepwell.store.sqlite.store import SqliteStore


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store
    match request.param:
        case "memory":
            opened = MemoryStore()
        case "sqlite":
            opened = SqliteStore.open(tmp_path / "s.db")
        case _:
            opened = PostgresStore.open(request.getfixturevalue("postgres_url"))
    opened.migrate()
    yield opened
    opened.close()
