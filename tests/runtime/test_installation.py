"""The id of a database: made once, kept, another one in every database."""

from pathlib import Path

from stepwell.runtime.installation import installation_id
from stepwell.store.memory import MemoryStore
from stepwell.store.sqlite.store import SqliteStore


def test_it_stays_with_the_database(tmp_path: Path) -> None:
    ids = []
    for _ in range(2):
        store = SqliteStore.open(tmp_path / "s.db")
        store.migrate()
        ids += [installation_id(store, now=5), installation_id(store, now=6)]
        store.close()
    assert len(set(ids)) == 1 and len(ids[0]) == 16


def test_another_database_has_another_one() -> None:
    one, two = (installation_id(MemoryStore(), now=5) for _ in range(2))
    assert one != two
