import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from stepwell.store.postgres.store import PostgresStore
from tests.postgres import Databases, databases

_KEPT = ("migration", "migration_lock")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """One server for all tests of the run, started when the first one asks."""
    with databases() as found:
        yield found


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
