"""The readers' side of the memory store: committed rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from stepwell.model.audit import Audit
from stepwell.model.client import ClientApplication
from stepwell.model.codec import Record
from stepwell.model.definition import StoredDefinition
from stepwell.model.due import CLOCKS, Due
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.liveness import OpenProcess
from stepwell.model.namespace import Namespace
from stepwell.model.process import ProcessContext, ProcessStatus
from stepwell.model.retention import Finished
from stepwell.model.search import ProcessSearch
from stepwell.model.step import StepContext, StepExecution
from stepwell.model.work import QueueName
from stepwell.store.dump import Dump, dump
from stepwell.store.memory_tables import MemoryTables
from stepwell.store.port import SetAside
from stepwell.store.search import matches
from stepwell.store.tables import Table


class MemoryReads:
    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with self._tables.lock:
            yield

    def process(self, id: int, large: bool = True) -> ProcessContext | None:
        return self._tables.process.committed(id)

    def step(self, id: int) -> StepContext | None:
        return self._tables.step.committed(id)

    def steps_by_id(self, ids: Sequence[int]) -> list[StepContext]:
        found = (self._tables.step.committed(id) for id in sorted(set(ids)))
        return [step for step in found if step is not None]

    def steps(
        self, process: ProcessContext, size: int, after: int = 0, limit: int = 1_000
    ) -> list[StepContext]:
        return list(islice(self._steps(process.id, size, after), limit))

    def open_steps(
        self, process: ProcessContext, size: int, after: int = 0, limit: int = 1_000
    ) -> list[StepContext]:
        steps = self._steps(process.id, size, after)
        return list(islice((step for step in steps if step.status.is_open), limit))

    def _steps(self, process_id: int, size: int, after: int) -> Iterator[StepContext]:
        blocks = [b for b in self._tables.block.all_committed() if b.process_id == process_id]
        for first, count in [(process_id, size), *((block.first, block.count) for block in blocks)]:
            for id in range(max(first, after + 1), first + count):
                step = self._tables.step.committed(id)
                if step is not None:
                    yield step

    def due(self, process_id: int) -> list[Due]:
        return [row for row in self._tables.due.all_committed() if row.process_id == process_id]

    def queue_position(self, queue: int, ready: int, step_id: int, limit: int = 10_000) -> int:
        rows = self._tables.step.all_committed()
        places = ((s.hand_out.ready, s.id) for s in rows if s.queue == queue and s.hand_out.ready is not None)
        return min(limit, sum(place < (ready, step_id) for place in places))

    def executions(self, step_ids: Sequence[int], limit: int = 1_000) -> Mapping[int, list[StepExecution]]:
        found: dict[int, list[StepExecution]] = {id: [] for id in step_ids}
        for row in self._tables.execution.all_committed():
            if row.step_id in found:
                found[row.step_id].append(row)
        return {id: rows[-limit:] if limit else [] for id, rows in found.items()}

    def open_processes(self, after: int, limit: int) -> list[OpenProcess]:
        rows = self._tables.process.all_committed()
        waited_for = {row.parent_id for row in rows if row.status.is_open and self._is_waited_for(row)}
        due = {row.process_id for row in self._tables.due.all_committed() if row.kind not in CLOCKS}
        found = islice((row for row in rows if row.status.is_open and row.id > after), limit)
        return [
            OpenProcess(
                row.id,
                row.definition_id,
                row.numbering,
                row.revision,
                row.paused or row.marked or row.id in due or row.id in waited_for,
            )
            for row in found
        ]

    def _is_waited_for(self, process: ProcessContext) -> bool:
        step = None if process.parent_step_id is None else self.step(process.parent_step_id)
        return step is not None and step.status.is_open

    def at_work(self, sizes: Mapping[int, int]) -> set[int]:
        claims = {claim.id for claim in self._tables.claim.all_committed()}

        def is_at_work(step: StepContext) -> bool:
            return step.hand_out.ready is not None or step.hand_out.claim in claims

        return {id for id, size in sizes.items() if any(map(is_at_work, self._own_steps(id, size)))}

    def _own_steps(self, process_id: int, size: int) -> Iterator[StepContext]:
        return (step for step in self._steps(process_id, size, 0) if step.process_id == process_id)

    def late(self, before: int, limit: int) -> int:
        return min(limit, sum(row.at < before for row in self._tables.due.all_committed()))

    def find_processes(
        self, search: ProcessSearch, definition_ids: Sequence[int] | None = None
    ) -> list[ProcessContext]:
        found = [row for row in self._tables.process.all_committed() if matches(row, search, definition_ids)]
        found.reverse()
        return found[search.offset : search.offset + search.limit]

    def finished(self, after: tuple[int, int], before: int, limit: int) -> list[Finished]:
        rows = self._tables.process.all_committed()
        found = sorted((row for row in rows if 0 < row.ended < before), key=lambda row: (row.ended, row.id))
        found = [row for row in found if (row.ended, row.id) > after][:limit]
        return [
            Finished(
                row.id,
                row.namespace,
                row.name,
                row.definition_id,
                row.numbering,
                row.ended,
                row.revision,
                self._is_free(row, rows),
            )
            for row in found
        ]

    def _is_free(self, process: ProcessContext, rows: Sequence[ProcessContext]) -> bool:
        if process.marked or self.due(process.id):
            return False
        if any(row.parent_id == process.id and not row.ended for row in rows):
            return False
        parent = next((row for row in rows if row.id == process.parent_id), None)
        if parent is None or process.parent_step_id is None:
            return True
        told = all(due.step_id != process.parent_step_id for due in self.due(parent.id))
        return process.status is ProcessStatus.COMPLETED and told

    def definition(self, id: int) -> StoredDefinition | None:
        return self._tables.definition.committed(id)

    def find_definition(
        self, namespace: str, name: str, version: int | None = None
    ) -> StoredDefinition | None:
        found = [
            row
            for row in self.all_definitions()
            if (row.namespace, row.name) == (namespace, name)
            and version in (None, row.version)
            and not row.hidden
        ]
        return max(found, key=lambda row: row.version, default=None)

    def definitions(self, namespace: str | None = None) -> list[StoredDefinition]:
        newest: dict[tuple[str, str], StoredDefinition] = {}
        for row in sorted(self.all_definitions(), key=lambda row: row.version):
            if not row.hidden and namespace in (None, row.namespace):
                newest[row.namespace, row.name] = row
        return [newest[key] for key in sorted(newest)]

    def all_definitions(self) -> list[StoredDefinition]:
        return self._tables.definition.all_committed()

    def versions(self, namespace: str, name: str) -> list[int]:
        rows = self.all_definitions()
        return sorted(r.version for r in rows if (r.namespace, r.name) == (namespace, name) and not r.hidden)

    def policy(self, namespace: str, name: str) -> ErrorPolicy | None:
        return self._tables.current_policy.committed((namespace, name))

    def policy_version(self, namespace: str, name: str, version: int) -> ErrorPolicy | None:
        rows = self._tables.policy.all_committed()
        key = (namespace, name, version)
        return next((row for row in rows if (row.namespace, row.name, row.version) == key), None)

    def policies(self, namespace: str | None = None) -> list[ErrorPolicy]:
        rows = self._tables.current_policy.all_committed()
        return [row for row in rows if namespace in (None, row.namespace)]

    def client(self, client_id: str) -> ClientApplication | None:
        return self._tables.client.committed(client_id)

    def clients(self) -> list[ClientApplication]:
        return self._tables.client.all_committed()

    def namespaces(self) -> list[Namespace]:
        return self._tables.namespace.all_committed()

    def set_aside(self) -> list[SetAside]:
        return self._tables.set_aside.all_committed()

    def entry(self, kind: EntryKind, namespace: str, name: str) -> Entry | None:
        return self._tables.entry.committed((kind, namespace, name))

    def entries(self, kind: EntryKind, namespace: str | None = None, prefix: str = "") -> list[Entry]:
        rows = [row for row in self._tables.entry.all_committed() if row.kind is kind]
        if namespace is None:
            return rows
        return [row for row in rows if row.namespace == namespace and row.name.startswith(prefix)]

    def audit(self, process_id: int | None = None, limit: int = 100, before: int = 0) -> list[Audit]:
        found = [
            row
            for row in reversed(self._tables.audit.all_committed())
            if process_id in (None, row.process_id) and (not before or row.id < before)
        ]
        return found[:limit]

    def told(self, process_ids: Sequence[int]) -> list[int]:
        found = (self.process(id) for id in sorted(set(process_ids)))
        return [row.id for row in found if row is not None and (not row.status.is_open or row.response)]

    def children(self, process_id: int, limit: int = 1_000) -> list[ProcessContext]:
        rows = self._tables.process.all_committed()
        return [row for row in rows if row.parent_id == process_id][:limit]

    def table(self, name: str) -> Iterator[Record]:
        table: Table[Any, Record] = getattr(self._tables, "policy" if name == "error_policy" else name)
        yield from table.all_committed()

    def queues(self) -> dict[QueueName, int]:
        table = self._tables.queue
        return {name: number for name, number in table.rows.items() if table.committed(name)}

    def dump(self) -> Dump:
        return dump(self.table, self.queues())
