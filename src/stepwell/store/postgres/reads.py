"""The readers' side of the PostgreSQL store: a link for each thread that reads."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from stepwell.model.audit import Audit
from stepwell.model.client import ClientApplication
from stepwell.model.codec import Record, decode_as
from stepwell.model.definition import StoredDefinition
from stepwell.model.due import Due
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.errors import StepwellError, Unreachable
from stepwell.model.liveness import OpenProcess
from stepwell.model.namespace import Namespace
from stepwell.model.process import Block, ProcessContext
from stepwell.model.retention import Finished
from stepwell.model.search import ProcessSearch
from stepwell.model.step import StepContext, StepExecution
from stepwell.model.work import QueueName
from stepwell.store.dump import Dump, dump
from stepwell.store.port import SetAside
from stepwell.store.postgres.catalog import Catalog
from stepwell.store.postgres.find import find_statement
from stepwell.store.postgres.link import Link, Row
from stepwell.store.postgres.queries import STATEMENTS
from stepwell.store.sqlite.rows import (
    Fetch,
    audit_of,
    claim_of,
    client_of,
    definition_of,
    due_of,
    entry_of,
    execution_of,
    finished_of,
    left_apart,
    open_process_of,
    process_of,
    set_aside_of,
    step_of,
)

_NO_ID = 2**62
"""Above every id."""


class PostgresReads(Catalog):
    def __init__(self, url: str) -> None:
        self._url = url
        self._local = threading.local()
        self._open: list[Link] = []
        self._closed = False

    def _link(self) -> Link:
        link: Link | None = getattr(self._local, "link", None)
        if link is None:
            if self._closed:
                raise StepwellError("the store is closed")
            link = self._local.link = Link(self._url, writer=False)
            self._open.append(link)
        return link

    def close(self) -> None:
        self._closed = True
        for link in self._open:
            link.close()

    def _all(self, name: str, *values: Any) -> list[Row]:
        return self._ask(STATEMENTS[name], values)

    def _ask(self, statement: str, values: Sequence[Any]) -> list[Row]:
        """A connection that has died meanwhile is made again: what only reads may be asked twice."""
        link = self._link()
        is_new = link.connect()
        try:
            return link.fetch(statement, *values)
        except Unreachable:
            if is_new or getattr(self._local, "in_snapshot", False):
                raise
            link.connect()
            return link.fetch(statement, *values)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        link = self._link()
        link.begin("begin isolation level repeatable read read only")
        self._local.in_snapshot = True
        try:
            yield
        finally:
            self._local.in_snapshot = False
            with suppress(Unreachable):
                link.execute("rollback")

    def process(self, id: int, large: bool = True) -> ProcessContext | None:
        rows = self._all("processes", [id])
        return process_of(rows[0], self._fetch if large else left_apart) if rows else None

    def step(self, id: int) -> StepContext | None:
        rows = self._all("steps", [id])
        return step_of(rows[0], self._fetch) if rows else None

    def steps_by_id(self, ids: Sequence[int]) -> list[StepContext]:
        return [step_of(row, self._fetch) for row in self._all("steps", list(ids))] if ids else []

    def steps(
        self, process: ProcessContext, size: int, after: int = 0, limit: int = 1_000
    ) -> list[StepContext]:
        return self._steps("step_range", process, size, after, limit)

    def open_steps(
        self, process: ProcessContext, size: int, after: int = 0, limit: int = 1_000
    ) -> list[StepContext]:
        return self._steps("open_step_range", process, size, after, limit)

    def _steps(
        self, statement: str, process: ProcessContext, size: int, after: int, limit: int
    ) -> list[StepContext]:
        runs = [(process.id, size), *((block.first, block.count) for block in self._blocks(process.id))]
        found: list[StepContext] = []
        for first, count in runs:
            last = first + count - 1
            if last > after and len(found) < limit:
                rows = self._all(statement, max(first, after + 1), last, limit - len(found))
                found += [step_of(row, self._fetch) for row in rows]
        return found

    def due(self, process_id: int) -> list[Due]:
        return [due_of(row) for row in self._all("due_of_process", process_id)]

    def queue_position(self, queue: int, ready: int, step_id: int, limit: int = 10_000) -> int:
        count: int = self._all("queue_position", queue, ready, step_id, limit)[0][0]
        return count

    def _blocks(self, process_id: int) -> list[Block]:
        return [Block(*row) for row in self._all("blocks", process_id)]

    def executions(self, step_ids: Sequence[int], limit: int = 1_000) -> Mapping[int, list[StepExecution]]:
        found: dict[int, list[StepExecution]] = {}
        for id in step_ids:
            rows = self._all("newest_executions", id, limit)
            found[id] = [execution_of(row, self._fetch) for row in reversed(rows)]
        return found

    def finished(self, after: tuple[int, int], before: int, limit: int) -> list[Finished]:
        return [finished_of(row) for row in self._all("finished", *after, before, limit)]

    def open_processes(self, after: int, limit: int) -> list[OpenProcess]:
        return [open_process_of(row) for row in self._all("open_processes", after, limit)]

    def at_work(self, sizes: Mapping[int, int]) -> set[int]:
        if not sizes:
            return set()
        runs = [(id, id, id + size - 1) for id, size in sizes.items()]
        blocks = self._all("runs_of", list(sizes))
        runs += [(process, first, first + count - 1) for process, first, count in blocks]
        return {row[0] for row in self._all("at_work", *map(list, zip(*runs, strict=True)))}

    def size(self) -> int:
        """Bytes on disk."""
        bytes: int = self._ask("select pg_database_size(current_database())", ())[0][0]
        return bytes

    def late(self, before: int, limit: int) -> int:
        count: int = self._all("late", before, limit)[0][0]
        return count

    def find_processes(
        self, search: ProcessSearch, definition_ids: Sequence[int] | None = None
    ) -> list[ProcessContext]:
        statement, values = find_statement(search, definition_ids)
        rows = self._ask(statement, values)
        return [process_of(row, self._fetch) for row in rows]

    def definitions(self, namespace: str | None = None) -> list[StoredDefinition]:
        return [definition_of(row) for row in self._all("newest_definitions", namespace)]

    def all_definitions(self) -> list[StoredDefinition]:
        return [definition_of(row) for row in self._all("all_definitions")]

    def versions(self, namespace: str, name: str) -> list[int]:
        return [row[0] for row in self._all("versions", namespace, name)]

    def policy_version(self, namespace: str, name: str, version: int) -> ErrorPolicy | None:
        row = self._first("policy_version", namespace, name, version)
        return None if row is None else decode_as(row[0], ErrorPolicy)

    def policies(self, namespace: str | None = None) -> list[ErrorPolicy]:
        return [decode_as(row[0], ErrorPolicy) for row in self._all("current_policies", namespace)]

    def clients(self) -> list[ClientApplication]:
        return [client_of(row) for row in self._all("clients")]

    def namespaces(self) -> list[Namespace]:
        return [Namespace(*row) for row in self._all("namespaces")]

    def set_aside(self) -> list[SetAside]:
        return [set_aside_of(row) for row in self._all("set_aside")]

    def entries(self, kind: EntryKind, namespace: str | None = None, prefix: str = "") -> list[Entry]:
        if namespace is None:
            return [entry_of(row) for row in self._all("entries", kind)]
        return [entry_of(row) for row in self._all("entries_with_prefix", kind, namespace, prefix)]

    def audit(self, process_id: int | None = None, limit: int = 100, before: int = 0) -> list[Audit]:
        before = before or _NO_ID
        if process_id:
            return [audit_of(row) for row in self._all("audit_of_process", process_id, before, limit)]
        return [audit_of(row) for row in self._all("audit", before, process_id, limit)]

    def told(self, process_ids: Sequence[int]) -> list[int]:
        return [row[0] for row in self._all("told", process_ids)] if process_ids else []

    def children(self, process_id: int, limit: int = 1_000) -> list[ProcessContext]:
        return [process_of(row, self._fetch) for row in self._all("children", process_id, limit)]

    def table(self, name: str) -> Iterator[Record]:
        statement, values, record_of = _TABLES[name]
        link = Link(self._url, writer=False)
        try:
            link.connect()
            for row in link.each(STATEMENTS[statement], *values):
                yield record_of(row, self._fetch)
        finally:
            link.close()

    def queues(self) -> dict[QueueName, int]:
        return {QueueName(*row[1:]): row[0] for row in self._all("queues")}

    def dump(self) -> Dump:
        return dump(self._rows, self.queues())

    def _rows(self, name: str) -> list[Record]:
        statement, values, record_of = _TABLES[name]
        return [record_of(row, self._fetch) for row in self._all(statement, *values)]


_TABLES: dict[str, tuple[str, tuple[Any, ...], Callable[[Row, Fetch], Record]]] = {
    "process": ("all_processes", (), process_of),
    "step": ("step_range", (0, _NO_ID, None), step_of),
    "execution": ("all_executions", (), execution_of),
    "block": ("all_blocks", (), lambda row, _: Block(*row)),
    "due": ("all_due", (), lambda row, _: due_of(row)),
    "claim": ("all_claims", (), lambda row, _: claim_of(row)),
    "definition": ("all_definitions", (), lambda row, _: definition_of(row)),
    "error_policy": ("all_policies", (), lambda row, _: decode_as(row[0], ErrorPolicy)),
    "current_policy": ("current_policies", (None,), lambda row, _: decode_as(row[0], ErrorPolicy)),
    "client": ("clients", (), lambda row, _: client_of(row)),
    "namespace": ("namespaces", (), lambda row, _: Namespace(*row)),
    "set_aside": ("set_aside", (), lambda row, _: SetAside(**_set_aside(row))),
    "entry": ("all_entries", (), lambda row, _: entry_of(row)),
    "audit": ("all_audit", (), lambda row, _: audit_of(row)),
}
"""Table → its statement in key order, the statement's values, and how a row becomes a record."""


def _set_aside(row: Row) -> dict[str, Any]:
    return dict(zip(("id", "process_id", "event", "error", "created"), row, strict=True))
