"""The writer's side of the PostgreSQL store: one transaction at a time, on one connection."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stepwell.model.client import ClientApplication
from stepwell.model.codec import change, decode_as
from stepwell.model.definition import StoredDefinition
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.errors import Conflict, Overtaken, StepwellError
from stepwell.model.namespace import Namespace
from stepwell.model.process import Block, ProcessContext
from stepwell.model.step import HandOut, StepContext
from stepwell.model.work import Claim, QueueName
from stepwell.store.port import Changes, SetAside, Taker
from stepwell.store.postgres.catalog import Catalog
from stepwell.store.postgres.link import BadText, Link, Row
from stepwell.store.postgres.numbers import Numbers
from stepwell.store.postgres.queries import STATEMENTS, combined
from stepwell.store.postgres.save import Key, Saving, set_aside_row
from stepwell.store.sqlite.rows import (
    audit_row,
    claim_of,
    claim_row,
    client_row,
    definition_row,
    due_of,
    entry_of,
    policy_row,
    process_of,
    set_aside_of,
    step_of,
)

PAGE = 50
"""Processes of a name that are looked at in one go for the newest one."""
LATE_MS = 86_400_000
"""How much later than one with a higher id a process may be created. What is older than that by as much ends the
look-up of the newest."""
NUL, SHOWN_NUL = "\0", "\u2400"
"""PostgreSQL keeps no NUL in a text: it is kept as the character that shows one."""


class PostgresTurn(Catalog, Saving):
    """One transaction. `scrub`: the last one failed for a NUL in a text, so they are looked for in this one;
    `contended`: it failed because others wrote these entries between its reading and its writing."""

    def __init__(
        self,
        link: Link,
        numbers: Numbers,
        queues: Mapping[QueueName, int],
        scrub: bool,
        contended: Sequence[Key],
    ) -> None:
        self._link = link
        self._numbers = numbers
        self._queues = queues
        self._scrub = scrub
        self.new_queues: dict[QueueName, int] = {}
        self.failure: StepwellError | None = None
        """A statement failed, so nothing of this turn can be committed, whoever has swallowed the error."""
        self.bad_text = False
        self.wrote = False
        self._locked: dict[int, int | None] = {}
        """Processes by their revision; None = there is no such process."""
        self._held: dict[int, tuple[int, HandOut]] = {}
        """Hand-outs of steps that were locked with their processes, until something is written."""
        self._new_claims: list[Row] = []
        self._dropped_claims: list[int] = []
        self._contended = list(contended)
        self.seen: dict[Key, Entry | None] = {}
        """Entries as this turn has read or written them; None = absent."""
        self.overtaken: list[Key] = []
        """Entries that somebody else has written since this turn read them."""

    def _all(self, name: str, *values: Any) -> list[Row]:
        return self._run(STATEMENTS[name], values)

    def _run(self, statement: str, values: Sequence[Any]) -> list[Row]:
        if self._scrub:
            values = [_scrubbed(value) for value in values]
        if self.failure is not None:
            raise self.failure
        try:
            return self._link.fetch(statement, *values)
        except BadText as error:
            self.bad_text = not self._scrub
            self.failure = Overtaken(error.message) if self.bad_text else error
            raise self.failure from error
        except StepwellError as error:
            self.failure = error
            raise

    def _together(self, parts: Sequence[tuple[str, Sequence[Row]]]) -> list[Row]:
        """The statements of all parts as one; what the last one answers."""
        if len(parts) == 1:
            return self._each(*parts[0])
        self.wrote = True
        self._held.clear()
        values = [list(column) for _, rows in parts for column in zip(*rows, strict=True)]
        return self._run(combined(tuple(name for name, _ in parts)), values)

    def _each(self, name: str, rows: Sequence[Row]) -> list[Row]:
        """One statement for all rows, given as a list for each column."""
        self.wrote = True
        self._held.clear()
        return self._all(name, *map(list, zip(*rows, strict=True)))

    def _write(self, name: str, *values: Any) -> list[Row]:
        self.wrote = True
        self._held.clear()
        return self._all(name, *values)

    # -- processes and steps

    def look_around(
        self, mark: tuple[EntryKind, str, str], step_ids: Sequence[int]
    ) -> tuple[int, Mapping[int, int]]:
        found = {row[0]: row[1] for row in self._all("look_around", *mark, step_ids)}
        return found.pop(0, 0), found

    def lock(self, process_ids: Sequence[int], step_ids: Sequence[int] = ()) -> Mapping[int, int]:
        """What this turn has locked before it need not ask for again."""
        missing = [id for id in process_ids if id not in self._locked]
        if missing:
            self._locked.update(dict.fromkeys(missing))
            for is_process, id, number, *hand_out in self._all("lock_with_steps", missing, step_ids):
                if is_process:
                    self._locked[id] = number
                else:
                    self._held[id] = (number, HandOut(*hand_out))
        wanted = ((id, self._locked[id]) for id in sorted(set(process_ids)))
        return {id: revision for id, revision in wanted if revision is not None}

    def processes(self, ids: Sequence[int]) -> list[ProcessContext]:
        return [process_of(row, self._fetch) for row in self._all("processes", ids)] if ids else []

    def steps(self, ids: Sequence[int]) -> list[StepContext]:
        return [step_of(row, self._fetch) for row in self._all("steps", ids)] if ids else []

    def step_range(self, first: int, last: int, limit: int, open_only: bool = False) -> list[StepContext]:
        rows = self._all("open_step_range" if open_only else "step_range", first, last, limit)
        return [step_of(row, self._fetch) for row in rows]

    def hand_outs(self, step_ids: Sequence[int]) -> Mapping[int, tuple[int, HandOut]]:
        held = {id: self._held[id] for id in step_ids if id in self._held}
        missing = [id for id in step_ids if id not in held] if len(held) < len(step_ids) else ()
        if missing:
            rows = self._all("hand_outs", missing)
            held |= {row[0]: (row[1], HandOut(*row[2:])) for row in rows}
        return held

    def blocks(self, process_id: int) -> list[Block]:
        return [Block(*row) for row in self._all("blocks", process_id)]

    def reserve(self, blocks: int) -> int:
        return self._numbers.ids(blocks)

    def save(self, changes: Changes) -> Sequence[int]:
        for process in (*changes.new_processes, *changes.processes):
            self._locked.pop(process.id, None)
        missed = self._save(changes)
        self._save_entries(changes)
        return missed

    def set_aside(self, process_id: int) -> list[SetAside]:
        return [set_aside_of(row) for row in self._all("set_aside_of_process", process_id)]

    def newest_process(self, namespace: str, name: str, since_ms: int) -> ProcessContext | None:
        before = 1 << 62
        while rows := self._all("processes_of_name", name, before, PAGE):
            for id, its_namespace, created in rows:
                if its_namespace == namespace and created >= since_ms:
                    return self.processes([id])[0]
                if created < since_ms - LATE_MS:
                    return None
            before = rows[-1][0]
        return None

    # -- entries

    def entry(self, kind: EntryKind, namespace: str, name: str) -> Entry | None:
        if (kind, namespace, name) in self._contended:
            # The last turn read them too, and somebody else wrote them first. This time they are held.
            self._all("lock_entries", *map(list, zip(*sorted(self._contended), strict=True)))
            self._contended.clear()
        key = (kind, namespace, name)
        found = super().entry(kind, namespace, name)
        if self.seen.setdefault(key, found) != found:
            self.overtaken.append(key)
            raise Overtaken("another node has written what this turn has read")
        return found

    def entries(self, kind: EntryKind, namespace: str, prefix: str) -> list[Entry]:
        return [entry_of(row) for row in self._all("entries_with_prefix", kind, namespace, prefix)]

    def drop_expired_entries(self, now: int, limit: int) -> int:
        dropped = self._write("drop_expired_entries", now, limit)
        self.seen.update(((row[0], row[1], row[2]), None) for row in dropped)
        return len(dropped)

    # -- retention

    def drop_process(self, id: int, revision: int) -> bool:
        if not self._write("drop_process", id, revision):
            return False
        self._locked.pop(id, None)
        self._write("drop_blocks", id)
        return True

    def drop_steps(self, first: int, last: int, limit: int) -> int:
        ids = [row[0] for row in self._all("step_ids", first, last, limit)]
        if ids:
            self._write("drop_executions", ids[0], ids[-1])
            self._write("drop_steps", ids)
        return len(ids)

    def drop_blobs(self, process_id: int, limit: int) -> int:
        """Large payloads stand in their rows: PostgreSQL moves them away, and drops them, by itself."""
        return 0

    # -- moving

    def load(self, table: str, rows: Sequence[Any]) -> None:
        if not rows:
            return
        match table:
            case "definition":
                for row in rows:
                    self._write("insert_definition", *definition_row(row))
                self._raise_number("definition", (row.id for row in rows))
            case "error_policy":
                self._each("load_policies", [policy_row(row) for row in rows])
                self._raise_number("policy", (row.id for row in rows))
            case "current_policy":
                self._write("make_policies_current", [row.id for row in rows])
            case "set_aside":
                self._each("insert_set_aside", [set_aside_row(row.id, row) for row in rows])
                self._raise_number(table, (row.id for row in rows))
            case "audit":
                self._each("insert_audit", [(row.id, *audit_row(row)) for row in rows])
                self._raise_number(table, (row.id for row in rows))
            case "queue":
                for name, number in rows:
                    self._write("insert_queue", number, *name)
                self._raise_number(table, (number for _, number in rows))
            case _:
                raise ValueError(f"the rows of {table} bring their numbers along in `save`")

    def _raise_number(self, kind: str, ids: Iterable[int]) -> None:
        self._write("raise_number", kind, max(ids))

    # -- the queue

    def queue(self, name: QueueName) -> int:
        known = self._queues.get(name) or self.new_queues.get(name)
        if known is None:
            row = self._first("queue", *name)
            known = self._new_queue(name) if row is None else row[0]
            self.new_queues[name] = known
        return known

    def _new_queue(self, name: QueueName) -> int:
        number = self._numbers.one("queue")
        if self._write("insert_queue", number, *name):
            return number
        return int(self._all("queue", *name)[0][0])

    def claim(
        self, queue: int, limit: int, claim: int, now: int, lease_ms: int, executor: str, worker: str
    ) -> list[StepContext]:
        return self.claim_for_all(queue, [Taker(limit, claim, executor, worker)], now, lease_ms)

    def claim_for_all(
        self, queue: int, takers: Sequence[Taker], now: int, lease_ms: int
    ) -> list[StepContext]:
        places = [at for at, taker in enumerate(takers, 1) for _ in range(taker.limit)]
        if not places:
            return []
        columns = ([t.claim for t in takers], [t.executor for t in takers], [t.worker for t in takers])
        rows = self._write("claim", queue, places, *columns, now, lease_ms)
        in_order = sorted(rows, key=lambda row: (row[0], row[1]))
        return [step_of(row[1:], self._fetch) for row in in_order]

    def filled_queues(self, queues: Sequence[int]) -> set[int]:
        return {row[0] for row in self._all("filled_queues", queues)} if queues else set()

    def add_claim(self, claim: Claim) -> None:
        self._numbers.saw_claim(claim.id)
        self._new_claims.append(claim_row(claim))

    def drop_claims(self, ids: Iterable[int]) -> None:
        dropped = list(ids)
        if any(row[0] in dropped for row in self._new_claims):
            self.finish()
        self._dropped_claims += dropped

    def finish(self) -> None:
        """Write what was kept back: rows of claims, which nothing else in a turn depends on."""
        if self._new_claims or self._dropped_claims:
            columns = [list(column) for column in zip(*self._new_claims, strict=True)] or [
                [] for _ in range(7)
            ]
            dropped, self._new_claims, self._dropped_claims = self._dropped_claims, [], []
            self._write("save_claims", *columns, dropped)

    def claim_of_poll(self, client: str, poll_id: str) -> Claim | None:
        self.finish()
        row = self._first("claim_of_poll", client, poll_id)
        return None if row is None else claim_of(row)

    def next_claim_id(self) -> int:
        return self._numbers.claim()

    def claims_due(self, now: int, limit: int) -> list[Claim]:
        self.finish()
        return [claim_of(row) for row in self._all("claims_due", now, limit)]

    def claims_of(self, client: str) -> list[Claim]:
        self.finish()
        return [claim_of(row) for row in self._all("claims_of", client)]

    def postpone_claim(self, claim: int, deadline: int) -> None:
        self.finish()
        self._write("postpone_claim", deadline, claim)

    def extend(self, leases: Sequence[tuple[int, int, int]]) -> list[bool]:
        if not leases:
            return []
        rows = sorted({id: (deadline, id, token) for id, token, deadline in leases}.values())
        held = {row[0] for row in self._each("extend_leases", rows)}
        return [id in held for id, _, _ in leases]

    def release(self, leases: Sequence[tuple[int, int, int]]) -> None:
        if leases:
            self._each("release_steps", [(rank, id, token) for id, token, rank in leases])

    # -- due rows

    def due(self, now: int, limit: int) -> list[Due]:
        return [due_of(row) for row in self._all("due", now, limit)]

    def take_due(self, rows: Sequence[Due]) -> list[Due]:
        if not rows:
            return []
        wanted = {(row.process_id, row.step_id, int(row.kind), row.at): row for row in rows}
        found = {row[:4]: due_of(row) for row in map(tuple, self._each("take_due", list(wanted)))}
        return [found[key] for key in wanted if key in found]

    def going_on(self, process_ids: Sequence[int]) -> list[Due]:
        rows = self._all("going_on", process_ids, int(DueKind.GO_ON)) if process_ids else []
        return [due_of(row) for row in rows]

    def next_due_at(self) -> int | None:
        at: int | None = self._all("next_due_at")[0][0]
        return at

    def next_claim_deadline(self) -> int | None:
        self.finish()
        deadline: int | None = self._all("next_claim_deadline")[0][0]
        return deadline

    # -- the catalog

    def put_definition(self, definition: StoredDefinition) -> StoredDefinition:
        key = (definition.namespace, definition.name, definition.version)
        if self._all("definition_version", *key):
            raise Conflict(f"{definition.namespace}/{definition.name} {definition.version} exists already")
        stored = change(definition, id=self._numbers.one("definition"))
        if not self._write("insert_definition", *definition_row(stored)):
            raise Overtaken(f"another node has put {definition.namespace}/{definition.name} just now")
        return stored

    def hide_definitions(self, namespace: str, name: str, version: int | None) -> int:
        if version is None:
            return len(self._write("hide_definitions", namespace, name))
        return len(self._write("hide_definition", namespace, name, version))

    def show_definition(self, id: int) -> None:
        self._write("show_definition", id)

    def policy_by_id(self, id: int) -> ErrorPolicy | None:
        row = self._first("policy_by_id", id)
        return None if row is None else decode_as(row[0], ErrorPolicy)

    def put_policy(self, policy: ErrorPolicy) -> ErrorPolicy:
        key = (policy.namespace, policy.name)
        latest = self._first("latest_policy_version", *key)
        version = 1 if latest is None else latest[0] + 1
        stored = change(policy, id=self._numbers.one("policy"), version=version)
        self._write("retire_policies", *key)
        if not self._write("insert_policy", *policy_row(stored)):
            raise Overtaken(f"another node has put the policy {policy.namespace}/{policy.name} just now")
        return stored

    def delete_policy(self, namespace: str, name: str) -> bool:
        return bool(self._write("retire_policies", namespace, name))

    def put_client(self, client: ClientApplication) -> None:
        self._write("put_client", *client_row(client))

    def namespace(self, name: str) -> Namespace | None:
        row = self._first("namespace", name)
        return None if row is None else Namespace(*row)

    def put_namespace(self, namespace: Namespace) -> None:
        row = (namespace.name, namespace.description, namespace.created, namespace.created_by)
        self._write("put_namespace", *row)


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(NUL, SHOWN_NUL)
    if isinstance(value, list):
        return [_scrubbed(each) for each in value]
    return value
