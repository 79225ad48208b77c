"""Moving everything from one database to another: definitions, history, and processes in flight. Both are at rest.

The rows keep their ids, so whatever names a process or a step goes on naming it. What was read is read again from the
target and compared. Neither database is ever one that two servers could both go on with: the target is marked until it
is whole, and the source is marked as moved before that mark goes.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from typing import Any

from stepwell.definition.plan import SERVER
from stepwell.model.client import ClientApplication
from stepwell.model.codec import canonical, encode
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import Conflict, StepwellError
from stepwell.model.namespace import Namespace
from stepwell.model.work import Claim
from stepwell.store.port import BLOCK, Changes, Reads, Store, Turn

AT_ONCE = 1_000
"""Rows of one transaction."""
MOVED, INCOMPLETE = "moved", "incomplete"
"""Names of the marks: on a source that another database has taken over from, and on a target that is not whole yet."""

Tell = Callable[[str, int], None]
"""Progress: a table, and how many of its rows are there."""


# -- marks


def check_may_serve(reads: Reads) -> None:
    """Raises Conflict for a database that was moved away, or whose move did not come to its end."""
    moved = reads.entry(EntryKind.INSTALLATION, SERVER, MOVED)
    if moved is not None:
        raise Conflict(
            "this database was moved to another one; start that one. "
            "`stepwell move --undo` gives this one back what it was, without what has happened since",
            code="DATABASE_MOVED",
        )
    if reads.entry(EntryKind.INSTALLATION, SERVER, INCOMPLETE) is not None:
        raise Conflict(
            "a move into this database did not come to its end: empty it, and move again",
            code="MOVE_INCOMPLETE",
        )


def undo(store: Store) -> bool:
    """Let a server go on with a database that was moved. False when it was not."""
    moved = store.reads.entry(EntryKind.INSTALLATION, SERVER, MOVED) is not None
    if moved:
        _unmark(store, MOVED)
    return moved


def _mark(store: Store, name: str, now: int) -> None:
    entry = Entry(
        kind=EntryKind.INSTALLATION,
        namespace=SERVER,
        name=name,
        body=encode(now),
        created=now,
        updated=now,
        updated_by=SERVER,
    )
    with store.turn() as turn:
        turn.save(Changes(entries=[entry]))


def _unmark(store: Store, name: str) -> None:
    with store.turn() as turn:
        turn.save(Changes(dropped_entries=[(EntryKind.INSTALLATION, SERVER, name)]))


# -- the move


def move(source: Store, target: Store, now: int, tell: Tell = lambda table, rows: None) -> dict[str, int]:
    """Copy all of it, compare, and hand over; rows by table. Both stores are migrated, and open for writing.

    Raises Conflict when the source was moved before or the target is not empty, StepwellError when what the target
    says is not what the source says. The source then stays as it is, and the target is of no use."""
    check_may_serve(source.reads)
    if not _is_empty(target.reads):
        raise Conflict("the target is not empty: nothing is ever moved over what is there", code="NOT_EMPTY")
    _mark(target, INCOMPLETE, now)
    with source.turn() as turn:
        next_id = turn.reserve(1)
    with target.turn() as turn:
        turn.reserve(max(1, (next_id - turn.reserve(1)) // BLOCK))
    _copy_queues(source, target)
    counts = {}
    for table, write in _WRITERS.items():
        counts[table] = 0
        for rows in _batches(_rows(source.reads, table)):
            with target.turn() as turn:
                write(turn, rows)
            counts[table] += len(rows)
            tell(table, counts[table])
    for table in _WRITERS:
        _compare(source.reads, target.reads, table)
    if source.reads.queues() != target.reads.queues():
        raise StepwellError("the target numbers its queues in another way", code="MOVE_FAILED")
    _mark(source, MOVED, now)
    _unmark(target, INCOMPLETE)
    return counts


def _is_empty(reads: Reads) -> bool:
    return all(next(iter(reads.table(table)), None) is None for table in _WRITERS)


def _rows(reads: Reads, table: str) -> Iterator[Any]:
    marks = ((EntryKind.INSTALLATION, MOVED), (EntryKind.INSTALLATION, INCOMPLETE))
    for row in reads.table(table):
        if not (isinstance(row, Entry) and (row.kind, row.name) in marks):
            yield row


def _batches(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(rows, AT_ONCE)):
        yield batch


def _copy_queues(source: Store, target: Store) -> None:
    with target.turn() as turn:
        turn.load("queue", sorted(source.reads.queues().items(), key=lambda item: item[1]))


def _clients(turn: Turn, rows: Iterable[ClientApplication]) -> None:
    for row in rows:
        turn.put_client(row)


def _namespaces(turn: Turn, rows: Iterable[Namespace]) -> None:
    for row in rows:
        turn.put_namespace(row)


def _claims(turn: Turn, rows: Iterable[Claim]) -> None:
    for row in rows:
        turn.add_claim(row)


_WRITERS: dict[str, Callable[[Turn, list[Any]], object]] = {
    "namespace": _namespaces,
    "client": _clients,
    "definition": lambda turn, rows: turn.load("definition", rows),
    "error_policy": lambda turn, rows: turn.load("error_policy", rows),
    "current_policy": lambda turn, rows: turn.load("current_policy", rows),
    "entry": lambda turn, rows: turn.save(Changes(entries=rows)),
    "process": lambda turn, rows: turn.save(Changes(new_processes=rows)),
    "step": lambda turn, rows: turn.save(Changes(new_steps=rows)),
    "execution": lambda turn, rows: turn.save(Changes(executions=rows)),
    "block": lambda turn, rows: turn.save(Changes(blocks=rows)),
    "due": lambda turn, rows: turn.save(Changes(due=rows)),
    "claim": _claims,
    "set_aside": lambda turn, rows: turn.load("set_aside", rows),
    "audit": lambda turn, rows: turn.load("audit", rows),
}
"""Table → how its rows are written, in the order of writing."""


def _compare(source: Reads, target: Reads, table: str) -> None:
    """Raises StepwellError when the two do not say the same, row by row."""
    if _digest(source, table) != _digest(target, table):
        raise StepwellError(f"the target's table {table} is not what the source's is", code="MOVE_FAILED")


def _digest(reads: Reads, table: str) -> bytes:
    digest = blake2b(digest_size=16)
    for row in _rows(reads, table):
        digest.update(canonical(row))
    return digest.digest()
