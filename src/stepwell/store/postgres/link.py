"""A connection with an event loop of its own, so that whoever uses it need not be asynchronous.

A link belongs to one user at a time: the lane's thread, or one thread of readers. asyncpg's futures live in the
link's loop, which runs only while somebody waits for an answer.
"""

import asyncio
import sys
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import asyncpg

from stepwell.model.errors import Busy, Conflict, Invalid, Overtaken, StepwellError, Unreachable

CONNECT_S = 5.0
COMMAND_S = 15.0
"""An answer that takes longer will not come: the connection is given up."""
PAGE = 500
STATEMENTS = 300
"""Prepared statements that a connection keeps: more than there are."""

Row = tuple[Any, ...]
T = TypeVar("T")

_USUAL = {"application_name": "stepwell", "jit": "off", "lock_timeout": "5s"}

WRITER_SETTINGS = {
    # Nothing less is ever asked for, whatever the database's own default is.
    "synchronous_commit": "on",
    # A node that stands still in a turn must not hold its processes from the others.
    "idle_in_transaction_session_timeout": "10s",
    # Every statement of a turn is by key. A plan made when a table was small would read it whole for ever.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}

_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, not up yet, cut off
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby: the writer is somewhere else now
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""After these a connection is of no use."""
_AGAIN = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_SHORT = (asyncpg.InsufficientResourcesError, asyncpg.LockNotAvailableError, asyncpg.PostgresSystemError)
ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""Whatever the driver may raise."""


class BadText(Invalid):
    """PostgreSQL keeps no NUL character in a text."""

    code = "NUL_IN_TEXT"


def ours(error: BaseException) -> StepwellError:
    """The error that a caller knows: only Busy is worth another try."""
    message = f"PostgreSQL: {error or type(error).__name__}"
    if isinstance(error, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError):
        return BadText("a text holds a NUL character, and PostgreSQL keeps none")
    if isinstance(error, _AGAIN):
        return Overtaken(message)
    if isinstance(error, _GONE):
        return Unreachable(message)
    if isinstance(error, _SHORT):
        return Busy(message)
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return Conflict(message)
    return StepwellError(message)


@contextmanager
def translated() -> Iterator[None]:
    """Raises Busy, Conflict, Invalid or StepwellError in place of the driver's errors."""
    try:
        yield
    except ERRORS as error:
        raise ours(error) from error


class Link:
    """One connection, made when it is first needed and made again after it was lost."""

    def __init__(self, url: str, *, writer: bool) -> None:
        self._url = url
        self._settings = _USUAL | (WRITER_SETTINGS if writer else {})
        self._loop = _new_loop()
        self._connection: Any = None

    def connect(self) -> bool:
        """Whether a connection had to be made. Raises Unreachable."""
        if self._connection is not None and not self._connection.is_closed():
            return False
        self._connection = None
        self._connection = self._run(self._connected())
        return True

    async def _connected(self) -> Any:
        return await asyncpg.connect(
            self._url,
            timeout=CONNECT_S,
            command_timeout=COMMAND_S,
            statement_cache_size=STATEMENTS,
            server_settings=self._settings,
            target_session_attrs="read-write",
        )

    def begin(self, statement: str = "begin") -> None:
        """Begin a transaction. The connection may have died while nobody used it: nothing was asked yet, so that is
        tried once more. Raises Unreachable."""
        is_new = self.connect()
        try:
            self.execute(statement)
        except Unreachable:
            if is_new:
                raise
            self.connect()
            self.execute(statement)

    def fetch(self, statement: str, *values: Any) -> list[Row]:
        rows: list[Row] = self._run(self._alive().fetch(statement, *values))
        return rows

    def execute(self, script: str) -> str:
        """Statements without values; what became of the last one."""
        status: str = self._run(self._alive().execute(script))
        return status

    def _alive(self) -> Any:
        """Raises Unreachable: what is under way here is over, and only the one who began it may connect again."""
        if self._connection is None:
            raise Unreachable("PostgreSQL: the connection is gone")
        return self._connection

    def each(self, statement: str, *values: Any) -> Iterator[Row]:
        """The rows of a query that may be large, of one moment, a page in memory at a time."""
        self.execute("begin isolation level repeatable read read only")
        cursor = self._run(self._alive().cursor(statement, *values))
        while rows := self._run(cursor.fetch(PAGE)):
            yield from rows
        self.execute("commit")

    def drop(self) -> None:
        """Forget the connection: it is not known what state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            with suppress(*ERRORS, StepwellError):
                self._run(_terminate(connection))

    def close(self) -> None:
        if self._loop.is_closed() or self._loop.is_running():
            return
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            with suppress(*ERRORS, StepwellError):
                self._run(connection.close(timeout=1))
        self._loop.close()

    def _run(self, work: Awaitable[T]) -> T:
        try:
            if asyncio._get_running_loop() is None:
                return self._loop.run_until_complete(work)
            # This thread runs a loop already, and a thread can run but one.
            with ThreadPoolExecutor(1) as other:
                return other.submit(self._loop.run_until_complete, work).result()
        except ERRORS as error:
            if isinstance(error, _GONE) and not isinstance(error, asyncpg.TooManyConnectionsError):
                self._give_up()
            raise ours(error) from error

    def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*ERRORS):
                connection.terminate()


async def _terminate(connection: Any) -> None:
    connection.terminate()


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
