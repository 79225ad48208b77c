"""The embedded store: one SQLite file, one server, everything durable before it is answered."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Self

import apsw

from stepwell.model.errors import Conflict
from stepwell.store.port import Reads
from stepwell.store.sqlite import checks
from stepwell.store.sqlite.connection import (
    FileLock,
    connect_reader,
    connect_writer,
    is_held,
    transaction,
    translated,
)
from stepwell.store.sqlite.migrate import migrate, shipped
from stepwell.store.sqlite.reads import SqliteReads
from stepwell.store.sqlite.turn import SqliteTurn

BLOB_THRESHOLD = 8_192
"""Bytes. Larger payloads stand apart from the rows that are read and written again and again."""


class SqliteStore:
    shared = False

    def __init__(self, path: Path, lock: FileLock | None, blob_threshold: int) -> None:
        self.path = path
        self._lock = lock
        self._blob_threshold = blob_threshold
        self._writer: apsw.Connection | None = connect_writer(path) if lock is not None else None
        self._state: SqliteTurn | None = None
        self._one_turn = Lock()
        self._sqlite_reads = SqliteReads(path)
        self.reads: Reads = self._sqlite_reads

    @classmethod
    def open(cls, path: str | Path, *, exclusive: bool = True, blob_threshold: int = BLOB_THRESHOLD) -> Self:
        """`exclusive` = as the one server of this file, else for reading only, beside a server or without.

        Raises Conflict when another server holds the file, StepwellError when it cannot be opened.
        """
        path = Path(path).absolute()
        with translated():
            if not exclusive:
                return cls(path, None, blob_threshold)
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            try:
                return cls(path, lock, blob_threshold)
            except BaseException:
                lock.release()
                raise

    def migrate(self) -> list[str]:
        return migrate(self._writing(), shipped())

    @contextmanager
    def turn(self) -> Iterator[SqliteTurn]:
        with self._one_turn:
            connection, committed = self._writing(), False
            with translated():
                turn = self._state = self._state or SqliteTurn(connection, self._blob_threshold)
            try:
                with transaction(connection):
                    yield turn
                committed = True
            finally:
                turn.ended(committed=committed)

    def listen(self, heard: Callable[[str], None]) -> bool:
        """There is nobody to hear."""
        return False

    def tell(self, hint: str) -> None:
        """There is nobody to tell."""

    def durability(self) -> list[tuple[str, bool, str]]:
        return []

    def checks(self) -> list[tuple[str, bool, str]]:
        """A writer's settings are asked of the writer: not while a turn runs."""
        with translated():
            if self._writer is not None:
                with self._one_turn:
                    return checks.checks(self._writer, writer=True, served=True)
            connection = connect_reader(self.path)
            try:
                return checks.checks(connection, writer=False, served=is_held(self.path))
            finally:
                connection.close()

    def size(self) -> int:
        """The file and its log."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Readers first, so that the writer is the last one out and leaves no log behind."""
        self._sqlite_reads.close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._lock is not None:
            self._lock.release()

    def _writing(self) -> apsw.Connection:
        if self._writer is None:
            raise Conflict(f"{self.path} is closed, or open for reading only", code="READ_ONLY")
        return self._writer
