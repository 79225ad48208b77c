"""The shared store: one PostgreSQL, any number of nodes, everything durable before it is answered."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from secrets import token_hex
from threading import Lock
from typing import Self

from stepwell.model.errors import Busy, Conflict, Overtaken, StepwellError, Unreachable
from stepwell.model.work import QueueName
from stepwell.store.port import Reads
from stepwell.store.postgres import checks
from stepwell.store.postgres.hints import Hints
from stepwell.store.postgres.link import Link
from stepwell.store.postgres.migrate import migrate, shipped
from stepwell.store.postgres.numbers import Numbers
from stepwell.store.postgres.queries import STATEMENTS
from stepwell.store.postgres.reads import PostgresReads
from stepwell.store.postgres.save import Key
from stepwell.store.postgres.turn import PostgresTurn

UNKNOWN_S = 20.0
"""How long a turn is waited for of which it is not known whether it was committed."""


_NOTE = (
    "insert into writer (name, turn, fence) values ('{name}', {turn}, {fence}) on conflict (name) do update "
    "set turn = case when writer.fence = {fence} then {turn} else 1 / (writer.turn - writer.turn) end; commit"
)
"""The end of every turn that has written something. Behind a fence it fails, and the turn with it."""


class PostgresStore:
    shared = True

    def __init__(self, url: str, *, exclusive: bool = True) -> None:
        self._url = url
        self._writes = exclusive
        self._writer = token_hex(8)
        """Under this name this store notes which of its turns was committed last."""
        self._turn_number = self._fence = 0
        self._link = Link(url, writer=True)
        self._numbers_link = Link(url, writer=True)
        self._numbers = Numbers(self._numbers_link)
        self._queues: dict[QueueName, int] = {}
        self._scrub = False
        self._contended: list[Key] = []
        self._one_turn = Lock()
        self._hints: Hints | None = None
        self._postgres_reads = PostgresReads(url)
        self.reads: Reads = self._postgres_reads

    @classmethod
    def open(cls, url: str, *, exclusive: bool = True) -> Self:
        """`exclusive` = may write; any number of nodes may. Raises Busy when the database cannot be reached."""
        store = cls(url, exclusive=exclusive)
        store._link.connect()
        return store

    def migrate(self) -> list[str]:
        with self._one_turn:
            return migrate(self._writing(), shipped())

    @contextmanager
    def turn(self) -> Iterator[PostgresTurn]:
        with self._one_turn:
            link = self._writing()
            link.begin()
            turn = PostgresTurn(link, self._numbers, self._queues, self._scrub, self._contended)
            self._scrub, self._contended = False, []
            try:
                yield turn
                turn.finish()
                if turn.failure is not None:
                    raise turn.failure
            except BaseException:
                self._scrub, self._contended = turn.bad_text, turn.overtaken
                self._roll_back(link)
                raise
            self._commit(link, turn)
            self._queues.update(turn.new_queues)

    @staticmethod
    def _roll_back(link: Link) -> None:
        try:
            link.execute("rollback")
        except StepwellError:
            link.drop()

    def _commit(self, link: Link, turn: PostgresTurn) -> None:
        if not turn.wrote:
            link.execute("commit")
            return
        self._turn_number += 1
        note = _NOTE.format(name=self._writer, turn=self._turn_number, fence=self._fence)
        try:
            said = link.execute(note)
        except Unreachable as error:
            if not self._was_committed(link, self._turn_number):
                raise Overtaken(f"nothing was committed: {error.message}") from error
            return
        except StepwellError:
            self._roll_back(link)
            raise
        if said != "COMMIT":
            raise Busy("PostgreSQL has rolled the turn back")

    def _was_committed(self, link: Link, number: int) -> bool:
        """The connection was lost in the middle of a commit: what the database says of it. Raises Unreachable."""
        self._fence += 1
        give_up = time.monotonic() + UNKNOWN_S
        pause = 0.05
        while True:
            try:
                link.connect()
                # A commit that is still under way over there holds this row, and is waited for.
                turn: int = link.fetch(STATEMENTS["fence_writer"], self._writer, self._fence)[0][0]
                return turn == number
            except Busy as error:
                if time.monotonic() > give_up:
                    raise Unreachable(
                        "the database went away in the middle of a commit, and cannot be asked whether it was done",
                        code="OUTCOME_UNKNOWN",
                    ) from error
                time.sleep(pause)
                pause = min(2 * pause, 1.0)

    def listen(self, heard: Callable[[str], None]) -> bool:
        self._hints = Hints(self._url, heard)
        return True

    def tell(self, hint: str) -> None:
        if self._hints is not None:
            self._hints.say(hint)

    def durability(self) -> list[tuple[str, bool, str]]:
        with self._one_turn:
            link = self._link
            link.connect()
            return checks.durability(link)

    def size(self) -> int:
        return self._postgres_reads.size()

    def checks(self) -> list[tuple[str, bool, str]]:
        link = Link(self._url, writer=False)
        try:
            link.connect()
            return checks.checks(link)
        finally:
            link.close()

    def close(self) -> None:
        if self._hints is not None:
            self._hints.close()
        self._postgres_reads.close()
        self._numbers_link.close()
        self._link.close()

    def _writing(self) -> Link:
        if not self._writes:
            raise Conflict("this database is open for reading only", code="READ_ONLY")
        return self._link
