"""The memory store: nothing outlives the process. The reference that the other stores are compared with."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock, RLock
from typing import Any

from stepwell.model.client import ClientApplication
from stepwell.model.codec import Record, change
from stepwell.model.definition import StoredDefinition
from stepwell.model.due import Due
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.errors import Conflict
from stepwell.model.namespace import Namespace
from stepwell.model.process import Block, ProcessContext
from stepwell.model.search import ProcessSearch
from stepwell.model.step import HandOut, StepContext, StepExecution
from stepwell.model.work import Claim, QueueName
from stepwell.store.dump import Dump, dump
from stepwell.store.port import BLOCK, Changes, Reads, SetAside
from stepwell.store.search import matches
from stepwell.store.tables import ClaimTable, DueTable, StepTable, Table, due_key


class MemoryStore:
    """A store of dicts. `migrate` has nothing to do and `close` forgets nothing."""

    def __init__(self) -> None:
        lock = RLock()
        self.process: Table[int, ProcessContext] = Table(lock)
        self.step = StepTable(lock)
        self.execution: Table[tuple[int, int], StepExecution] = Table(lock)
        self.block: Table[tuple[int, int], Block] = Table(lock)
        self.due = DueTable(lock)
        self.claim = ClaimTable(lock)
        self.queue: Table[QueueName, int] = Table(lock)
        self.definition: Table[int, StoredDefinition] = Table(lock)
        self.version: Table[tuple[str, str], tuple[int, ...]] = Table(lock)
        """Ids of the definitions of each (namespace, name), in the order of their versions."""
        self.policy: Table[int, ErrorPolicy] = Table(lock)
        self.current_policy: Table[tuple[str, str], ErrorPolicy] = Table(lock)
        """Those that are found by name."""
        self.client: Table[str, ClientApplication] = Table(lock)
        self.namespace: Table[str, Namespace] = Table(lock)
        self.set_aside: Table[int, SetAside] = Table(lock)
        self.tables: tuple[Table[Any, Any], ...] = (
            *(self.process, self.step, self.execution, self.block, self.due, self.claim, self.queue),
            *(self.definition, self.version, self.policy, self.current_policy),
            *(self.client, self.namespace, self.set_aside),
        )
        self.next_id = BLOCK
        self.last_claim = 0
        self.last_queue = 0
        self.last_definition = 0
        self.last_policy = 0
        """These five only rise: a rollback loses numbers, so that no cache can mistake one for another."""
        self.reads: Reads = MemoryReads(self)
        self._lock = lock
        self._turn = Lock()

    def migrate(self) -> list[str]:
        return []

    @contextmanager
    def turn(self) -> Iterator["MemoryTurn"]:
        with self._turn:
            try:
                yield MemoryTurn(self)
            except BaseException:
                self._end(commit=False)
                raise
            self._end(commit=True)

    def checks(self) -> list[tuple[str, bool, str]]:
        return [("set aside", not self.set_aside.rows, f"{len(self.set_aside.rows)} events")]

    def close(self) -> None:
        return None

    def _end(self, *, commit: bool) -> None:
        with self._lock:
            for table in self.tables:
                if commit:
                    table.commit()
                else:
                    table.rollback()


class MemoryTurn:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    # -- processes and steps

    def lock(self, process_ids: Sequence[int]) -> Mapping[int, int]:
        return {process.id: process.revision for process in self.processes(process_ids)}

    def processes(self, ids: Sequence[int]) -> list[ProcessContext]:
        rows = self._store.process.rows
        return [rows[id] for id in sorted(set(ids)) if id in rows]

    def steps(self, ids: Sequence[int]) -> list[StepContext]:
        rows = self._store.step.rows
        return [rows[id] for id in sorted(set(ids)) if id in rows]

    def step_range(self, first: int, last: int, limit: int, open_only: bool = False) -> list[StepContext]:
        found: list[StepContext] = []
        for id in self._store.step.ids.between(first, last):
            if len(found) >= limit:
                break
            step = self._store.step.rows[id]
            if step.status.is_open or not open_only:
                found.append(step)
        return found

    def hand_outs(self, step_ids: Sequence[int]) -> Mapping[int, tuple[int, HandOut]]:
        return {step.id: (step.process_id, step.hand_out) for step in self.steps(step_ids)}

    def blocks(self, process_id: int) -> list[Block]:
        return sorted(
            (block for block in self._store.block.rows.values() if block.process_id == process_id),
            key=lambda block: block.first,
        )

    def reserve(self, blocks: int) -> int:
        first = self._store.next_id
        self._store.next_id += blocks * BLOCK
        return first

    def save(self, changes: Changes) -> Sequence[int]:
        store = self._store
        for process in changes.new_processes:
            _insert(store.process, process.id, process, "process")
        for process in changes.processes:
            old = store.process.rows.get(process.id)
            if old is not None:
                store.process.put(process.id, _updated_process(old, process))
        for step in changes.new_steps:
            _insert(store.step, step.id, step, "step")
        missed = self._save_steps(changes)
        for execution in changes.executions:
            _insert(store.execution, (execution.step_id, execution.id), execution, "execution")
        for block in changes.blocks:
            _insert(store.block, (block.process_id, block.first), block, "block")
        self._save_due(changes)
        for event in changes.set_aside:
            id = len(store.set_aside.rows) + 1
            store.set_aside.put(id, change(event, id=id))
        return sorted(missed)

    def _save_steps(self, changes: Changes) -> set[int]:
        table, missed = self._store.step, set()
        for steps, update in (
            (changes.steps, _updated_step),
            (changes.withdrawn, _withdrawn_step),
            (changes.offered, _offered_step),
        ):
            for step in steps:
                old = table.rows.get(step.id)
                if old is None or old.hand_out.token != step.hand_out.token:
                    missed.add(step.process_id)
                else:
                    table.put(step.id, update(old, step))
        for step in changes.inputs:
            old = table.rows.get(step.id)
            if old is not None:
                table.put(step.id, change(old, input=step.input))
        return missed

    def _save_due(self, changes: Changes) -> None:
        table = self._store.due
        for process_id, step_id, kind in changes.undue:
            table.delete((process_id, step_id, int(kind)))
        for process_id in changes.ended:
            for key in list(table.of_process.get(process_id, ())):
                table.delete(key)
        for row in changes.due:
            table.put(due_key(row), row)

    # -- the queue

    def queue(self, name: QueueName) -> int:
        known = self._store.queue.rows.get(name)
        if known is not None:
            return known
        self._store.last_queue += 1
        self._store.queue.put(name, self._store.last_queue)
        return self._store.last_queue

    def claim(
        self, queue: int, limit: int, claim: int, now: int, lease_ms: int, executor: str, worker: str
    ) -> list[StepContext]:
        taken: list[StepContext] = []
        while len(taken) < limit:
            step = self._store.step.take_first(queue)
            if step is None:
                break
            deadline = now + (step.lease_ms or lease_ms)
            step = change(step, hand_out=step.hand_out.taken(claim, now, deadline, executor, worker))
            self._store.step.put(step.id, step)
            taken.append(step)
        return taken

    def add_claim(self, claim: Claim) -> None:
        self._store.last_claim = max(self._store.last_claim, claim.id)
        _insert(self._store.claim, claim.id, claim, "claim")

    def drop_claims(self, ids: Iterable[int]) -> None:
        for id in ids:
            self._store.claim.delete(id)

    def claim_of_poll(self, client: str, poll_id: str) -> Claim | None:
        ids = self._store.claim.of_poll.get((client, poll_id))
        return self._store.claim.rows[max(ids)] if ids else None

    def next_claim_id(self) -> int:
        self._store.last_claim += 1
        return self._store.last_claim

    def claims_due(self, now: int, limit: int) -> list[Claim]:
        found: list[Claim] = []
        for deadline, id in self._store.claim.order.keys[:limit]:
            if deadline > now:
                break
            found.append(self._store.claim.rows[id])
        return found

    def postpone_claim(self, claim: int, deadline: int) -> None:
        row = self._store.claim.rows.get(claim)
        if row is not None:
            self._store.claim.put(claim, change(row, deadline=deadline))

    def extend(self, leases: Sequence[tuple[int, int, int]]) -> list[bool]:
        return [self._hold(id, token, deadline=deadline) for id, token, deadline in leases]

    def release(self, leases: Sequence[tuple[int, int, int]]) -> None:
        for id, token, rank in leases:
            step = self._store.step.rows.get(id)
            if step is not None:
                back = {"runs": step.hand_out.runs - 1, "deliveries": step.hand_out.deliveries - 1}
                self._hold(id, token, ready=rank, claim=None, deadline=0, **back)

    def _hold(self, id: int, token: int, **columns: int | None) -> bool:
        """Change a hand-out while that token holds the step; whether it did."""
        step = self._store.step.rows.get(id)
        if step is None or step.hand_out.token != token or step.hand_out.claim is None:
            return False
        self._store.step.put(id, change(step, hand_out=change(step.hand_out, **columns)))
        return True

    # -- due rows

    def due(self, now: int, limit: int) -> list[Due]:
        found: list[Due] = []
        for at, *key in self._store.due.order.keys[:limit]:
            if at > now:
                break
            found.append(self._store.due.rows[key[0], key[1], key[2]])
        return found

    def take_due(self, rows: Sequence[Due]) -> list[Due]:
        taken: list[Due] = []
        for row in rows:
            stored = self._store.due.rows.get(due_key(row))
            if stored is not None and stored.at == row.at:
                self._store.due.delete(due_key(row))
                taken.append(stored)
        return taken

    def next_due_at(self) -> int | None:
        keys = self._store.due.order.keys
        return keys[0][0] if keys else None

    def next_claim_deadline(self) -> int | None:
        keys = self._store.claim.order.keys
        return keys[0][0] if keys else None

    # -- the catalog

    def definition(self, id: int) -> StoredDefinition | None:
        return self._store.definition.rows.get(id)

    def find_definition(
        self, namespace: str, name: str, version: int | None = None, hidden: bool = False
    ) -> StoredDefinition | None:
        rows = self._store.definition.rows
        for id in reversed(self._store.version.rows.get((namespace, name), ())):
            found = rows[id]
            if (version is None or found.version == version) and (hidden or not found.hidden):
                return found
        return None

    def put_definition(self, definition: StoredDefinition) -> StoredDefinition:
        key = (definition.namespace, definition.name)
        ids, rows = self._store.version.rows.get(key, ()), self._store.definition.rows
        if any(rows[id].version == definition.version for id in ids):
            raise Conflict(f"{definition.namespace}/{definition.name} {definition.version} exists already")
        self._store.last_definition += 1
        stored = change(definition, id=self._store.last_definition)
        self._store.definition.put(stored.id, stored)
        self._store.version.put(key, tuple(sorted((*ids, stored.id), key=lambda id: rows[id].version)))
        return stored

    def hide_definitions(self, namespace: str, name: str, version: int | None) -> int:
        rows = [self._store.definition.rows[id] for id in self._store.version.rows.get((namespace, name), ())]
        visible = [row for row in rows if not row.hidden and version in (None, row.version)]
        for row in visible:
            self._store.definition.put(row.id, change(row, hidden=True))
        return len(visible)

    def show_definition(self, id: int) -> None:
        row = self._store.definition.rows.get(id)
        if row is not None:
            self._store.definition.put(id, change(row, hidden=False))

    def policy(self, namespace: str, name: str) -> ErrorPolicy | None:
        return self._store.current_policy.rows.get((namespace, name))

    def policy_by_id(self, id: int) -> ErrorPolicy | None:
        return self._store.policy.rows.get(id)

    def put_policy(self, policy: ErrorPolicy) -> ErrorPolicy:
        key, rows = (policy.namespace, policy.name), self._store.policy.rows.values()
        latest = max((row.version for row in rows if (row.namespace, row.name) == key), default=0)
        self._store.last_policy += 1
        stored = change(policy, id=self._store.last_policy, version=latest + 1)
        self._store.policy.put(stored.id, stored)
        self._store.current_policy.put(key, stored)
        return stored

    def delete_policy(self, namespace: str, name: str) -> bool:
        return self._store.current_policy.delete((namespace, name)) is not None

    def client(self, client_id: str) -> ClientApplication | None:
        return self._store.client.rows.get(client_id)

    def put_client(self, client: ClientApplication) -> None:
        self._store.client.put(client.client_id, client)

    def namespace(self, name: str) -> Namespace | None:
        return self._store.namespace.rows.get(name)

    def put_namespace(self, namespace: Namespace) -> None:
        if namespace.name not in self._store.namespace.rows:
            self._store.namespace.put(namespace.name, namespace)


class MemoryReads:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def process(self, id: int) -> ProcessContext | None:
        return self._store.process.committed(id)

    def step(self, id: int) -> StepContext | None:
        return self._store.step.committed(id)

    def steps(
        self, process: ProcessContext, size: int, after: int = 0, limit: int = 1_000
    ) -> list[StepContext]:
        blocks = [b for b in self._store.block.all_committed() if b.process_id == process.id]
        runs = [(process.id, size), *((block.first, block.count) for block in blocks)]
        found: list[StepContext] = []
        for first, count in runs:
            for id in range(max(first, after + 1), first + count):
                if len(found) >= limit:
                    return found
                step = self._store.step.committed(id)
                if step is not None:
                    found.append(step)
        return found

    def executions(self, step_ids: Sequence[int], limit: int = 1_000) -> Mapping[int, list[StepExecution]]:
        found: dict[int, list[StepExecution]] = {id: [] for id in step_ids}
        for row in self._store.execution.all_committed():
            if row.step_id in found:
                found[row.step_id].append(row)
        return {id: rows[-limit:] if limit else [] for id, rows in found.items()}

    def find_processes(
        self, search: ProcessSearch, definition_ids: Sequence[int] | None = None
    ) -> list[ProcessContext]:
        found = [row for row in self._store.process.all_committed() if matches(row, search, definition_ids)]
        found.reverse()
        return found[search.offset : search.offset + search.limit]

    def definition(self, id: int) -> StoredDefinition | None:
        return self._store.definition.committed(id)

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
        return self._store.definition.all_committed()

    def versions(self, namespace: str, name: str) -> list[int]:
        rows = self.all_definitions()
        return sorted(r.version for r in rows if (r.namespace, r.name) == (namespace, name) and not r.hidden)

    def policy(self, namespace: str, name: str) -> ErrorPolicy | None:
        return self._store.current_policy.committed((namespace, name))

    def policies(self, namespace: str | None = None) -> list[ErrorPolicy]:
        rows = self._store.current_policy.all_committed()
        return [row for row in rows if namespace in (None, row.namespace)]

    def client(self, client_id: str) -> ClientApplication | None:
        return self._store.client.committed(client_id)

    def clients(self) -> list[ClientApplication]:
        return self._store.client.all_committed()

    def namespaces(self) -> list[Namespace]:
        return self._store.namespace.all_committed()

    def set_aside(self) -> list[SetAside]:
        return self._store.set_aside.all_committed()

    def dump(self) -> Dump:
        store = self._store
        queues = {name: number for name, number in store.queue.rows.items() if store.queue.committed(name)}
        tables: dict[str, Iterable[Record]] = {
            "process": store.process.all_committed(),
            "step": store.step.all_committed(),
            "execution": store.execution.all_committed(),
            "block": store.block.all_committed(),
            "due": store.due.all_committed(),
            "claim": store.claim.all_committed(),
            "definition": store.definition.all_committed(),
            "error_policy": store.policy.all_committed(),
            "current_policy": store.current_policy.all_committed(),
            "client": store.client.all_committed(),
            "namespace": store.namespace.all_committed(),
            "set_aside": store.set_aside.all_committed(),
        }
        return dump(tables, queues)


def _insert(table: Table[Any, Any], key: Any, row: Any, what: str) -> None:
    if key in table.rows:
        raise Conflict(f"there is a {what} {key} already")
    table.put(key, row)


def _updated_process(old: ProcessContext, new: ProcessContext) -> ProcessContext:
    return change(
        old,
        status=new.status,
        priority=new.priority,
        output=new.output,
        state=new.state,
        updated=new.updated,
        ended=new.ended,
        tags=new.tags,
        step_count=new.step_count,
        deadline=new.deadline,
        reason=new.reason,
        marked=new.marked,
        resumed=new.resumed,
        revision=new.revision,
    )


def _updated_step(old: StepContext, new: StepContext) -> StepContext:
    return change(
        new,
        process_id=old.process_id,
        path=old.path,
        parent_id=old.parent_id,
        queue=old.queue,
        input=old.input,
        hand_out=old.hand_out,
    )


def _withdrawn_step(old: StepContext, new: StepContext) -> StepContext:
    return change(_updated_step(old, new), hand_out=old.hand_out.released())


def _offered_step(old: StepContext, new: StepContext) -> StepContext:
    return change(_updated_step(old, new), hand_out=new.hand_out)
