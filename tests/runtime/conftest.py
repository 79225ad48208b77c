from collections.abc import Iterator
from pathlib import Path

import pytest

from stepwell.store.memory import MemoryStore
from stepwell.store.port import Store
from stepwell.store.sqlite.store import SqliteStore
from tests.runtime.lanes import Lanes


@pytest.fixture(params=["memory", "sqlite"])
def lanes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lanes]:
    store: Store = MemoryStore() if request.param == "memory" else SqliteStore.open(tmp_path / "s.db")
    store.migrate()
    yield Lanes(store)
    store.close()
