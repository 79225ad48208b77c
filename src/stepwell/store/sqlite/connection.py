"""Opening a database file, holding it, and what its driver's errors mean."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from stepwell.model.errors import Busy, Conflict, StepwellError

BUSY_MS = 5_000
"""How long a statement waits for another connection, milliseconds."""
WAL_PAGES = 4_000
"""Pages in the log before a commit also checkpoints: 16 MB."""
CACHE_KIB = 65_536
_LOOKS = 3
_LOOK_S = 0.01
STATEMENTS = 200
"""Prepared statements that a connection keeps: more than there are."""


def connect_writer(path: Path) -> apsw.Connection:
    """Every commit is on disk before it is answered."""
    connection = apsw.Connection(str(path), statementcachesize=STATEMENTS)
    connection.set_busy_timeout(BUSY_MS)
    connection.pragma("page_size", 4_096)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("wal_autocheckpoint", WAL_PAGES)
    connection.pragma("cache_size", -CACHE_KIB)
    connection.pragma("temp_store", "memory")
    return connection


def connect_reader(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, statementcachesize=STATEMENTS)
    connection.set_busy_timeout(BUSY_MS)
    connection.pragma("query_only", True)
    connection.pragma("temp_store", "memory")
    return connection


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Commit at the end of the block, roll back when it raises. Errors of the driver come out as ours."""
    with translated():
        connection.execute("begin immediate")
        try:
            yield
            connection.execute("commit")
        except BaseException:
            # Some errors end the transaction by themselves.
            if connection.in_transaction:
                connection.execute("rollback")
            raise


@contextmanager
def translated() -> Iterator[None]:
    """Raises Busy, Conflict or StepwellError in place of the driver's errors."""
    try:
        yield
    except apsw.Error as error:
        raise ours(error) from error


def ours(error: apsw.Error) -> StepwellError:
    """The error that a caller knows: only Busy is worth another try."""
    message = f"SQLite: {error}"
    if isinstance(error, apsw.BusyError | apsw.LockedError | apsw.FullError | apsw.IOError):
        return Busy(message)
    if isinstance(error, apsw.ConstraintError):
        return Conflict(message)
    return StepwellError(message)


class FileLock:
    """The operating system's lock that makes one process the server of a file. It dies with the process."""

    def __init__(self, path: Path) -> None:
        """Raises Conflict when another server holds the file."""
        self._descriptor = os.open(_lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take()
        except OSError as error:
            holder = os.pread(self._descriptor, 20, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise Conflict(
                f"{path} belongs to another server (process {holder or 'unknown'}), and a file has one "
                "server only. Stop that one, or open the file for reading.",
                code="DATABASE_IN_USE",
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def _take(self) -> None:
        """Raises OSError. Who only looks whether it is held (`is_held`) has it for a moment: that is waited for."""
        for _ in range(_LOOKS):
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(_LOOK_S)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def is_held(path: Path) -> bool:
    """Does a server have the file?"""
    try:
        descriptor = os.open(_lock_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
