"""SQLite under simulated crashes: what a power cut leaves is a copy of the files as they stand at that instant."""

import shutil
from pathlib import Path

from stepwell.store.port import Store
from stepwell.store.sqlite.store import SqliteStore


class Disk:
    """Files of one run. Every crash moves to a new pair of files; the old connection never closes cleanly into them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._crashes = 0

    def store(self) -> SqliteStore:
        store = SqliteStore.open(self._path())
        store.migrate()
        return store

    def survive(self, store: Store) -> Store:
        """Copy database and log while the transaction stands as it does, then open the copy like after a kill."""
        old = self._path()
        self._crashes += 1
        for suffix in ("", "-wal"):
            source = old.with_name(old.name + suffix)
            if source.exists():
                shutil.copyfile(source, self._path().with_name(self._path().name + suffix))
        return self.store()

    def _path(self) -> Path:
        return self._folder / f"run{self._crashes}.db"
