import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from stepwell.store.memory import MemoryStore
from stepwell.store.port import Store
from stepwell.store.postgres.store import PostgresStore
from stepwell.store.sqlite.store import SqliteStore
from tests.postgres import Databases

_KEPT = ("migration", "migration_lock")


@pytest.fixture(scope="session")
def migrated(postgres: Databases) -> str:
    """The URL of a database with the tables of today. Its rows are gone with every `postgres_url`."""
    url = postgres.create()
    store = PostgresStore.open(url)
    store.migrate()
    store.close()
    return url


@pytest.fixture
def postgres_url(migrated: str) -> str:
    """A database without rows."""
    asyncio.run(_empty(migrated))
    return migrated


async def _empty(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        deletes = [f"delete from {name}" for (name,) in tables if name not in (*_KEPT, "number")]
        again = "update number set next = case name when 'id' then 64 else 0 end"
        await connection.execute("; ".join([*deletes, again]))
    finally:
        await connection.close()


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
