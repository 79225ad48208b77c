"""The writer's side of the memory store."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stepwell.model.codec import change
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.process import Block, ProcessContext
from stepwell.model.step import HandOut, StepContext
from stepwell.model.work import Claim, QueueName
from stepwell.store.memory_catalog import MemoryCatalog
from stepwell.store.memory_save import save
from stepwell.store.memory_tables import insert
from stepwell.store.port import BLOCK, Changes, SetAside, Taker
from stepwell.store.tables import due_key


class MemoryTurn(MemoryCatalog):
    # -- processes and steps

    def look_around(
        self, mark: tuple[EntryKind, str, str], step_ids: Sequence[int]
    ) -> tuple[int, Mapping[int, int]]:
        entry = self.entry(*mark)
        owners = {id: process_id for id, (process_id, _) in self.hand_outs(step_ids).items()}
        return 0 if entry is None else entry.version, owners

    def lock(self, process_ids: Sequence[int], step_ids: Sequence[int] = ()) -> Mapping[int, int]:
        return {process.id: process.revision for process in self.processes(process_ids)}

    def processes(self, ids: Sequence[int]) -> list[ProcessContext]:
        rows = self._tables.process.rows
        return [rows[id] for id in sorted(set(ids)) if id in rows]

    def steps(self, ids: Sequence[int]) -> list[StepContext]:
        rows = self._tables.step.rows
        return [rows[id] for id in sorted(set(ids)) if id in rows]

    def step_range(self, first: int, last: int, limit: int, open_only: bool = False) -> list[StepContext]:
        found: list[StepContext] = []
        for id in self._tables.step.ids.between(first, last):
            if len(found) >= limit:
                break
            step = self._tables.step.rows[id]
            if step.status.is_open or not open_only:
                found.append(step)
        return found

    def hand_outs(self, step_ids: Sequence[int]) -> Mapping[int, tuple[int, HandOut]]:
        return {step.id: (step.process_id, step.hand_out) for step in self.steps(step_ids)}

    def blocks(self, process_id: int) -> list[Block]:
        return sorted(
            (block for block in self._tables.block.rows.values() if block.process_id == process_id),
            key=lambda block: block.first,
        )

    def reserve(self, blocks: int) -> int:
        first = self._tables.next_id
        self._tables.next_id += blocks * BLOCK
        return first

    def save(self, changes: Changes) -> Sequence[int]:
        return save(self._tables, changes)

    def set_aside(self, process_id: int) -> list[SetAside]:
        rows = self._tables.set_aside.rows
        return [rows[id] for id in sorted(rows) if rows[id].process_id == process_id]

    def newest_process(self, namespace: str, name: str, since_ms: int) -> ProcessContext | None:
        found = [
            row
            for row in self._tables.process.rows.values()
            if (row.namespace, row.name) == (namespace, name) and row.created >= since_ms
        ]
        return max(found, key=lambda row: row.id, default=None)

    # -- entries

    def entry(self, kind: EntryKind, namespace: str, name: str) -> Entry | None:
        return self._tables.entry.rows.get((kind, namespace, name))

    def drop_expired_entries(self, now: int, limit: int) -> int:
        table = self._tables.entry
        expired = sorted((row.expires, key) for key, row in table.rows.items() if 0 < row.expires <= now)
        for _, key in expired[:limit]:
            table.delete(key)
        return len(expired[:limit])

    # -- retention

    def drop_process(self, id: int, revision: int) -> bool:
        process = self._tables.process.rows.get(id)
        if process is None or process.revision != revision:
            return False
        self._tables.process.delete(id)
        for block in self.blocks(id):
            self._tables.block.delete((id, block.first))
        return True

    def drop_steps(self, first: int, last: int, limit: int) -> int:
        steps = self.step_range(first, last, limit)
        if steps:
            executions = self._tables.execution
            for key in [key for key in executions.rows if steps[0].id <= key[0] <= steps[-1].id]:
                executions.delete(key)
        for step in steps:
            self._tables.step.delete(step.id)
        return len(steps)

    def drop_blobs(self, process_id: int, limit: int) -> int:
        """Payloads stand in their records here."""
        return 0

    # -- moving

    def load(self, table: str, rows: Sequence[Any]) -> None:
        tables = self._tables
        match table:
            case "definition":
                for row in rows:
                    self._insert_definition(row)
                tables.last_definition = max([tables.last_definition, *(row.id for row in rows)])
            case "error_policy":
                for row in rows:
                    insert(tables.policy, row.id, row, "error_policy")
                tables.last_policy = max([tables.last_policy, *(row.id for row in rows)])
            case "current_policy":
                for row in rows:
                    tables.current_policy.put((row.namespace, row.name), row)
            case "set_aside" | "audit":
                for row in rows:
                    insert(getattr(tables, table), row.id, row, table)
            case "queue":
                for name, number in rows:
                    tables.queue.put(name, number)
                    tables.last_queue = max(tables.last_queue, number)
            case _:
                raise ValueError(f"the rows of {table} bring their numbers along in `save`")

    # -- the queue

    def queue(self, name: QueueName) -> int:
        known = self._tables.queue.rows.get(name)
        if known is not None:
            return known
        self._tables.last_queue += 1
        self._tables.queue.put(name, self._tables.last_queue)
        return self._tables.last_queue

    def claim(
        self, queue: int, limit: int, claim: int, now: int, lease_ms: int, executor: str, worker: str
    ) -> list[StepContext]:
        taken: list[StepContext] = []
        while len(taken) < limit:
            step = self._tables.step.take_first(queue)
            if step is None:
                break
            deadline = now + (step.lease_ms or lease_ms)
            step = change(step, hand_out=step.hand_out.taken(claim, now, deadline, executor, worker))
            self._tables.step.put(step.id, step)
            taken.append(step)
        return taken

    def claim_for_all(
        self, queue: int, takers: Sequence[Taker], now: int, lease_ms: int
    ) -> list[StepContext]:
        taken = [self.claim(queue, t.limit, t.claim, now, lease_ms, t.executor, t.worker) for t in takers]
        return [step for steps in taken for step in steps]

    def filled_queues(self, queues: Sequence[int]) -> set[int]:
        rows = self._tables.step.rows.values()
        return {row.queue for row in rows if row.hand_out.ready is not None} & set(queues)

    def add_claim(self, claim: Claim) -> None:
        self._tables.last_claim = max(self._tables.last_claim, claim.id)
        insert(self._tables.claim, claim.id, claim, "claim")

    def drop_claims(self, ids: Iterable[int]) -> None:
        for id in ids:
            self._tables.claim.delete(id)

    def claim_of_poll(self, client: str, poll_id: str) -> Claim | None:
        ids = self._tables.claim.of_poll.get((client, poll_id))
        return self._tables.claim.rows[max(ids)] if ids else None

    def next_claim_id(self) -> int:
        self._tables.last_claim += 1
        return self._tables.last_claim

    def claims_due(self, now: int, limit: int) -> list[Claim]:
        found: list[Claim] = []
        for deadline, id in self._tables.claim.order.keys[:limit]:
            if deadline > now:
                break
            found.append(self._tables.claim.rows[id])
        return found

    def claims_of(self, client: str) -> list[Claim]:
        rows = self._tables.claim.rows
        return [rows[id] for id in sorted(rows) if rows[id].client == client]

    def postpone_claim(self, claim: int, deadline: int) -> None:
        row = self._tables.claim.rows.get(claim)
        if row is not None:
            self._tables.claim.put(claim, change(row, deadline=deadline))

    def extend(self, leases: Sequence[tuple[int, int, int]]) -> list[bool]:
        return [self._hold(id, token, deadline=deadline) for id, token, deadline in leases]

    def release(self, leases: Sequence[tuple[int, int, int]]) -> None:
        for id, token, rank in leases:
            step = self._tables.step.rows.get(id)
            if step is not None:
                back = {"runs": step.hand_out.runs - 1, "deliveries": step.hand_out.deliveries - 1}
                self._hold(id, token, ready=rank, claim=None, deadline=0, **back)

    def _hold(self, id: int, token: int, **columns: int | None) -> bool:
        """Change a hand-out while that token holds the step; whether it did."""
        step = self._tables.step.rows.get(id)
        if step is None or step.hand_out.token != token or step.hand_out.claim is None:
            return False
        self._tables.step.put(id, change(step, hand_out=change(step.hand_out, **columns)))
        return True

    # -- due rows

    def due(self, now: int, limit: int) -> list[Due]:
        found: list[Due] = []
        for at, *key in self._tables.due.order.keys[:limit]:
            if at > now:
                break
            found.append(self._tables.due.rows[key[0], key[1], key[2]])
        return found

    def take_due(self, rows: Sequence[Due]) -> list[Due]:
        taken: list[Due] = []
        for row in rows:
            stored = self._tables.due.rows.get(due_key(row))
            if stored is not None and stored.at == row.at:
                self._tables.due.delete(due_key(row))
                taken.append(stored)
        return taken

    def going_on(self, process_ids: Sequence[int]) -> list[Due]:
        rows = self._tables.due.rows
        keys = [(id, 0, int(DueKind.GO_ON)) for id in sorted(set(process_ids))]
        return [rows[key] for key in keys if key in rows]

    def next_due_at(self) -> int | None:
        keys = self._tables.due.order.keys
        return keys[0][0] if keys else None

    def next_claim_deadline(self) -> int | None:
        keys = self._tables.claim.order.keys
        return keys[0][0] if keys else None
