"""The writer's side of the SQLite store: one transaction at a time, on one connection."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw

from stepwell.model.client import ClientApplication
from stepwell.model.codec import Json, change, decode_as
from stepwell.model.definition import StoredDefinition
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.namespace import Namespace
from stepwell.model.process import Block, ProcessContext, ProcessStatus
from stepwell.model.step import HandOut, StepContext
from stepwell.model.work import Claim, QueueName
from stepwell.store.packing import pack
from stepwell.store.port import BLOCK, Changes, SetAside, Taker
from stepwell.store.sqlite.catalog import Catalog
from stepwell.store.sqlite.connection import ours
from stepwell.store.sqlite.queries import STATEMENTS
from stepwell.store.sqlite.rows import (
    Row,
    audit_row,
    claim_of,
    claim_row,
    client_row,
    definition_row,
    due_of,
    due_row,
    entry_of,
    entry_row,
    execution_row,
    hash_of,
    ids_of,
    input_row,
    offer_row,
    policy_row,
    process_of,
    process_row,
    process_update,
    set_aside_of,
    step_of,
    step_row,
    step_update,
    take_row,
)

AHEAD = 1_024
"""Blocks that one durable move of the sequence covers. A restart skips what is left of them."""


LATE_MS = 86_400_000
"""How much later than one with a higher id a process may be created: ids are reserved first, and a server may stop
between the two. What is older than that by as much ends the look-up of the newest."""


class SqliteTurn(Catalog):
    """Lives as long as its store: numbers reserved ahead and the queues' numbers are kept between turns."""

    def __init__(self, connection: apsw.Connection, blob_threshold: int) -> None:
        self._writer = connection
        self._limit = blob_threshold
        self._spilled: list[Row] = []
        self._fresh: dict[int, StepContext] = {}
        """Ready steps as the last `save` of this turn inserted them: most are claimed at once, unread."""
        self._next_id: int = self._all("sequence")[0][0]
        self._reserved = self._reserved_before = self._next_id
        numbers: tuple[int, ...] = self._all("last_numbers")[0]
        self._last_claim, self._last_queue, self._last_definition, self._last_policy = numbers
        self._queues = {QueueName(*row[1:]): int(row[0]) for row in self._all("queues")}
        self._new_queues: list[QueueName] = []

    @property
    def _connection(self) -> apsw.Connection:
        return self._writer

    def ended(self, *, committed: bool) -> None:
        """Called after every transaction. Numbers that a rollback gave back are lost all the same, so that
        no cache can take one row for another."""
        if committed:
            self._reserved_before = self._reserved
        else:
            self._reserved = self._reserved_before
            for name in self._new_queues:
                del self._queues[name]
        self._new_queues.clear()
        self._spilled.clear()
        self._fresh.clear()

    # -- processes and steps

    def look_around(
        self, mark: tuple[EntryKind, str, str], step_ids: Sequence[int]
    ) -> tuple[int, Mapping[int, int]]:
        entry = self.entry(*mark)
        owners = {id: process_id for id, (process_id, _) in self.hand_outs(step_ids).items()}
        return 0 if entry is None else entry.version, owners

    def lock(self, process_ids: Sequence[int], step_ids: Sequence[int] = ()) -> Mapping[int, int]:
        return dict(self._all("revisions", ids_of(process_ids))) if process_ids else {}

    def processes(self, ids: Sequence[int]) -> list[ProcessContext]:
        if not ids:
            return []
        return [process_of(row, self._fetch) for row in self._all("processes", ids_of(ids))]

    def steps(self, ids: Sequence[int]) -> list[StepContext]:
        if not ids:
            return []
        return [step_of(row, self._fetch) for row in self._all("steps", ids_of(ids))]

    def step_range(self, first: int, last: int, limit: int, open_only: bool = False) -> list[StepContext]:
        rows = self._all("open_step_range" if open_only else "step_range", first, last, limit)
        return [step_of(row, self._fetch) for row in rows]

    def hand_outs(self, step_ids: Sequence[int]) -> Mapping[int, tuple[int, HandOut]]:
        if not step_ids:
            return {}
        return {row[0]: (row[1], HandOut(*row[2:])) for row in self._all("hand_outs", ids_of(step_ids))}

    def blocks(self, process_id: int) -> list[Block]:
        return [Block(*row) for row in self._all("blocks", process_id)]

    def reserve(self, blocks: int) -> int:
        first = self._next_id
        self._next_id += blocks * BLOCK
        if self._next_id > self._reserved:
            self._reserved = self._next_id + AHEAD * BLOCK
            self._writer.execute(STATEMENTS["move_sequence"], (self._reserved,))
        return first

    def save(self, changes: Changes) -> Sequence[int]:
        limit, spill = self._limit, self._spill
        if changes.new_processes:
            self._each("insert_process", [process_row(p, limit, spill) for p in changes.new_processes])
        if changes.processes:
            self._save_processes(changes.processes)
        if changes.new_steps:
            self._each("insert_step", [step_row(s, limit, spill) for s in changes.new_steps])
        missed = self._save_steps(changes)
        if changes.inputs:
            self._each("replace_input", [input_row(s, limit, spill) for s in changes.inputs])
        if changes.executions:
            self._each("insert_execution", [execution_row(e, limit, spill) for e in changes.executions])
        if changes.blocks:
            self._each("insert_block", [(b.process_id, b.first, b.count) for b in changes.blocks])
        self._fresh = {step.id: step for step in changes.new_steps if step.hand_out.ready is not None}
        for steps in (changes.steps, changes.withdrawn, changes.offered, changes.inputs):
            for step in steps:
                self._fresh.pop(step.id, None)
        self._save_due(changes)
        if changes.settled:
            self._each("delete_set_aside", [(id,) for id in changes.settled])
        if changes.set_aside:
            self._each(
                "insert_set_aside", [(s.process_id, s.event, s.error, s.created) for s in changes.set_aside]
            )
        if changes.dropped_entries:
            self._each("drop_entry", changes.dropped_entries)
        if changes.entries:
            self._each("put_entry", [entry_row(entry) for entry in changes.entries])
        if changes.audit:
            self._each("insert_audit", [audit_row(line) for line in changes.audit])
        if self._spilled:
            self._each("insert_blob", self._spilled)
            self._spilled.clear()
        return missed

    def _save_processes(self, processes: Sequence[ProcessContext]) -> None:
        running: list[Row] = []
        others: list[Row] = []
        for process in processes:
            row = process_update(process, self._limit, self._spill)
            (running if process.status is ProcessStatus.RUNNING else others).append(row)
        if running and self._each("update_running_process", running) != len(running):
            others += running
        if others:
            self._each("update_process", others)

    def _save_steps(self, changes: Changes) -> Sequence[int]:
        limit, spill = self._limit, self._spill
        written = 0
        if changes.withdrawn:
            written += self._each("close_step", [step_update(s, limit, spill) for s in changes.withdrawn])
        if changes.steps:
            written += self._each("update_step", [step_update(s, limit, spill) for s in changes.steps])
        if changes.offered:
            written += self._each("offer_step", [offer_row(s, limit, spill) for s in changes.offered])
        if written == len(changes.withdrawn) + len(changes.steps) + len(changes.offered):
            return ()
        return self._missed((*changes.steps, *changes.withdrawn, *changes.offered))

    def _missed(self, steps: Sequence[StepContext]) -> list[int]:
        found = self.hand_outs([step.id for step in steps])
        missed = {
            s.process_id for s in steps if s.id not in found or found[s.id][1].token != s.hand_out.token
        }
        return sorted(missed)

    def _save_due(self, changes: Changes) -> None:
        if changes.undue:
            self._each("delete_due", [(process, step, int(kind)) for process, step, kind in changes.undue])
        if changes.ended:
            self._each("delete_due_of_process", [(id,) for id in changes.ended])
        if changes.due:
            self._each("insert_due", [due_row(row) for row in changes.due])

    def _each(self, name: str, rows: Sequence[Row]) -> int:
        """Run one statement for every row; how many rows of the table that changed."""
        before = self._writer.total_changes()
        try:
            self._writer.executemany(STATEMENTS[name], rows)
        except apsw.Error as error:
            raise ours(error) from error
        return self._writer.total_changes() - before

    def _spill(self, process_id: int, payload: Json) -> str:
        reference = hash_of(payload)
        self._spilled.append((process_id, reference, pack(payload)))
        return reference

    def set_aside(self, process_id: int) -> list[SetAside]:
        return [set_aside_of(row) for row in self._all("set_aside_of_process", process_id)]

    def newest_process(self, namespace: str, name: str, since_ms: int) -> ProcessContext | None:
        for id, its_namespace, created in self._writer.execute(STATEMENTS["processes_of_name"], (name,)):
            if its_namespace == namespace and created >= since_ms:
                return self.processes([id])[0]
            if created < since_ms - LATE_MS:
                break
        return None

    def entries(self, kind: EntryKind, namespace: str, prefix: str) -> list[Entry]:
        return [entry_of(row) for row in self._all("entries_with_prefix", kind, namespace, prefix)]

    def drop_expired_entries(self, now: int, limit: int) -> int:
        return self._each("drop_expired_entries", [(now, limit)])

    # -- retention

    def drop_process(self, id: int, revision: int) -> bool:
        if not self._each("drop_process", [(id, revision)]):
            return False
        self._each("drop_blocks", [(id,)])
        return True

    def drop_steps(self, first: int, last: int, limit: int) -> int:
        ids = [row[0] for row in self._all("step_ids", first, last, limit)]
        if ids:
            self._each("drop_executions", [(ids[0], ids[-1])])
            self._all("drop_steps", ids_of(ids))
        return len(ids)

    def drop_blobs(self, process_id: int, limit: int) -> int:
        return self._each("drop_blobs", [(process_id, limit)])

    # -- moving

    def load(self, table: str, rows: Sequence[Any]) -> None:
        match table:
            case "definition":
                self._each("insert_definition", [definition_row(row) for row in rows])
                self._last_definition = max([self._last_definition, *(row.id for row in rows)])
            case "error_policy":
                self._each("load_policy", [policy_row(row) for row in rows])
                self._last_policy = max([self._last_policy, *(row.id for row in rows)])
            case "current_policy":
                self._each("make_policy_current", [(row.id,) for row in rows])
            case "set_aside":
                self._each(
                    "load_set_aside", [(r.id, r.process_id, r.event, r.error, r.created) for r in rows]
                )
            case "audit":
                self._each("load_audit", [(*audit_row(row), row.id) for row in rows])
            case "queue":
                self._each("insert_queue", [(number, *name) for name, number in rows])
                for name, number in rows:
                    self._queues[name] = number
                    self._new_queues.append(name)
                    self._last_queue = max(self._last_queue, number)
            case _:
                raise ValueError(f"the rows of {table} bring their numbers along in `save`")

    # -- the queue

    def queue(self, name: QueueName) -> int:
        known = self._queues.get(name)
        if known is not None:
            return known
        self._last_queue += 1
        self._writer.execute(STATEMENTS["insert_queue"], (self._last_queue, *name))
        self._queues[name] = self._last_queue
        self._new_queues.append(name)
        return self._last_queue

    def claim(
        self, queue: int, limit: int, claim: int, now: int, lease_ms: int, executor: str, worker: str
    ) -> list[StepContext]:
        ids = [row[0] for row in self._all("ready_ids", queue, limit)]
        fresh = self._fresh
        known = {step.id: step for step in self.steps([id for id in ids if id not in fresh])}
        taken: list[StepContext] = []
        for id in ids:
            step = fresh.pop(id, None) or known[id]
            deadline = now + (step.lease_ms or lease_ms)
            hand_out = step.hand_out.taken(claim, now, deadline, executor, worker)
            taken.append(change(step, hand_out=hand_out))
        if taken:
            self._each("take_step", [take_row(step) for step in taken])
        return taken

    def claim_for_all(
        self, queue: int, takers: Sequence[Taker], now: int, lease_ms: int
    ) -> list[StepContext]:
        taken = [self.claim(queue, t.limit, t.claim, now, lease_ms, t.executor, t.worker) for t in takers]
        return [step for steps in taken for step in steps]

    def filled_queues(self, queues: Sequence[int]) -> set[int]:
        return {queue for queue in queues if self._all("ready_ids", queue, 1)}

    def add_claim(self, claim: Claim) -> None:
        self._last_claim = max(self._last_claim, claim.id)
        self._each("insert_claim", [claim_row(claim)])

    def drop_claims(self, ids: Iterable[int]) -> None:
        self._each("delete_claim", [(id,) for id in ids])

    def claim_of_poll(self, client: str, poll_id: str) -> Claim | None:
        row = self._first("claim_of_poll", client, poll_id)
        return None if row is None else claim_of(row)

    def next_claim_id(self) -> int:
        self._last_claim += 1
        return self._last_claim

    def claims_due(self, now: int, limit: int) -> list[Claim]:
        return [claim_of(row) for row in self._all("claims_due", now, limit)]

    def claims_of(self, client: str) -> list[Claim]:
        return [claim_of(row) for row in self._all("claims_of", client)]

    def postpone_claim(self, claim: int, deadline: int) -> None:
        self._each("postpone_claim", [(deadline, claim)])

    def extend(self, leases: Sequence[tuple[int, int, int]]) -> list[bool]:
        return [self._each("extend_lease", [(deadline, id, token)]) == 1 for id, token, deadline in leases]

    def release(self, leases: Sequence[tuple[int, int, int]]) -> None:
        self._each("release_step", [(rank, id, token) for id, token, rank in leases])

    # -- due rows

    def due(self, now: int, limit: int) -> list[Due]:
        return [due_of(row) for row in self._all("due", now, limit)]

    def take_due(self, rows: Sequence[Due]) -> list[Due]:
        taken: list[Due] = []
        for row in rows:
            key = (row.process_id, row.step_id, int(row.kind), row.at)
            taken += [due_of(stored) for stored in self._all("take_due", *key)]
        return taken

    def going_on(self, process_ids: Sequence[int]) -> list[Due]:
        rows = self._all("going_on", ids_of(process_ids), int(DueKind.GO_ON)) if process_ids else []
        return [due_of(row) for row in rows]

    def next_due_at(self) -> int | None:
        at: int | None = self._all("next_due_at")[0][0]
        return at

    def next_claim_deadline(self) -> int | None:
        deadline: int | None = self._all("next_claim_deadline")[0][0]
        return deadline

    # -- the catalog

    def put_definition(self, definition: StoredDefinition) -> StoredDefinition:
        stored = change(definition, id=self._last_definition + 1)
        self._each("insert_definition", [definition_row(stored)])
        self._last_definition += 1
        return stored

    def hide_definitions(self, namespace: str, name: str, version: int | None) -> int:
        if version is None:
            return self._each("hide_definitions", [(namespace, name)])
        return self._each("hide_definition", [(namespace, name, version)])

    def show_definition(self, id: int) -> None:
        self._each("show_definition", [(id,)])

    def policy_by_id(self, id: int) -> ErrorPolicy | None:
        row = self._first("policy_by_id", id)
        return None if row is None else decode_as(row[0], ErrorPolicy)

    def put_policy(self, policy: ErrorPolicy) -> ErrorPolicy:
        key = (policy.namespace, policy.name)
        latest = self._all("latest_policy_version", *key)[0][0]
        self._last_policy += 1
        stored = change(policy, id=self._last_policy, version=latest + 1)
        self._each("retire_policies", [key])
        self._each("insert_policy", [policy_row(stored)])
        return stored

    def delete_policy(self, namespace: str, name: str) -> bool:
        return self._each("retire_policies", [(namespace, name)]) > 0

    def put_client(self, client: ClientApplication) -> None:
        self._each("put_client", [client_row(client)])

    def namespace(self, name: str) -> Namespace | None:
        row = self._first("namespace", name)
        return None if row is None else Namespace(*row)

    def put_namespace(self, namespace: Namespace) -> None:
        row = (namespace.name, namespace.description, namespace.created, namespace.created_by)
        self._each("put_namespace", [row])
