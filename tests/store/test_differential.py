"""The same random requests to the memory store and to another: equal replies, and equal rows after every turn.

A run is good for nothing when a verb was never asked or never did anything, or when a column had only one value:
that is counted, and fails.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stepwell.model.audit import Audit
from stepwell.model.client import ClientApplication, Permission
from stepwell.model.codec import change
from stepwell.model.definition import ProcessType, TagValue
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.errors import StepwellError
from stepwell.model.namespace import Namespace
from stepwell.model.process import Block, ProcessContext, ProcessStatus, TriggerType
from stepwell.model.search import ProcessSearch
from stepwell.model.step import Children, HandOut, Phase, StepContext, StepExecution, StepStatus
from stepwell.model.work import QueueName
from stepwell.store.dump import TABLES, Dump
from stepwell.store.memory import MemoryStore
from stepwell.store.port import BLOCK, Changes, Reads, SetAside, Store, Taker, Turn
from stepwell.store.postgres.store import PostgresStore
from stepwell.store.sqlite.store import SqliteStore
from tests.postgres import Databases
from tests.store.records import NOW, audit, claim, definition, process

TURNS = {"sqlite": 400, "postgres": 250}
OPERATIONS = 8
"""At most, in one turn."""
QUEUES = [QueueName("default", "WORKER", name) for name in ("a", "b", "ü")]
NUMBERS_OF_PROCESSES = (
    *(
        "version",
        "definition_id",
        "priority",
        "ended",
        "step_count",
        "deadline",
        "depth",
        "resumed",
        "revision",
    ),
)
NUMBERS_OF_STEPS = (
    *("parent_execution_id", "priority", "policy_id", "lease_ms", "schedule", "execution", "scheduled"),
    *("container_runs", "retries", "timers"),
)
VARIED = ("process", "step", "execution", "due", "claim", "entry", "audit")
"""Tables of which every column must have been seen with two values."""
PAYLOADS = [b"{}", b"[1,2]", '"漢"'.encode(), b'"' + b"z" * 60 + b'"']


class Rollback(Exception):
    """The turn is to be undone."""


class Requests:
    """Makes requests that often, but not always, meet something that is there."""

    def __init__(self, seed: int, memory: MemoryStore, other: Store) -> None:
        self.random = Random(seed)
        self.memory, self.other = memory, other
        self.effects: Counter[str] = Counter()
        self.values: dict[str, set[str]] = {}
        """The values that each column was seen with, by `table.column`."""
        self.first_ids = [BLOCK]

    # -- both stores at once

    def both(self, verb: str, on_memory: Any, on_other: Any, *values: Any) -> Any:
        before = self._rows()
        reply = _outcome(getattr(on_memory, verb), values)
        other_reply = _outcome(getattr(on_other, verb), values)
        assert self.comparable(other_reply) == self.comparable(reply), (verb, values)
        if isinstance(reply, type):
            self.effects["error"] += 1
            raise Rollback
        if reply or self._rows() != before:
            self.effects[verb] += 1
            if verb == "save":
                written = [name for name in Changes.__struct_fields__ if getattr(values[0], name)]
                if len(written) == 1:
                    self.effects[f"save {written[0]}"] += 1
        return reply

    def comparable(self, reply: Any) -> Any:
        return reply

    def _rows(self) -> list[dict[Any, Any]]:
        return [dict(table.rows) for table in self.memory.tables]

    def turn(self) -> None:
        try:
            with self.memory.turn() as on_memory, self.other.turn() as on_other:
                for _ in range(self.random.randint(1, OPERATIONS)):
                    verb = self.random.choice(TURN_VERBS)
                    for values in getattr(self, f"ask_{verb}")():
                        reply = self.both(verb, on_memory, on_other, *values)
                        if verb == "reserve":
                            self.first_ids.append(reply)
                if self.random.random() < 0.1:
                    self.effects["rollback"] += 1
                    raise Rollback
        except Rollback:
            pass
        rows = self.memory.reads.dump()
        assert self.comparable(rows) == self.comparable(self.other.reads.dump())
        self._note_values(rows)

    def _note_values(self, rows: Dump) -> None:
        for table in VARIED:
            for row in rows[table][-5:]:
                for column, value in row.items():
                    self.values.setdefault(f"{table}.{column}", set()).add(str(value))

    def read(self) -> None:
        verb = self.random.choice(READ_VERBS)
        for values in getattr(self, f"read_{verb}", getattr(self, f"ask_{verb}", lambda: [()]))():
            self.both(verb, self.memory.reads, self.other.reads, *values)

    def read_steps_by_id(self) -> list[tuple[Any, ...]]:
        return [([*self.some(self.step_id), 10**9],)]

    # -- what to ask with

    def some(self, kind: Callable[[], Any], most: int = 4) -> list[Any]:
        return [kind() for _ in range(self.random.randint(1, most))]

    def rows(self, kind: Callable[[], Any]) -> list[Any]:
        """As one turn writes them: each row at most once."""
        return list({row.id: row for row in self.some(kind)}.values())

    def process_id(self) -> int:
        return self.random.choice(self.first_ids[-6:])

    def step_id(self) -> int:
        return self.process_id() + self.random.randint(1, 6)

    def number(self) -> int:
        return self.random.randint(0, 9)

    def at(self) -> int:
        return NOW + self.random.randint(0, 40)

    def payload(self) -> bytes:
        return self.random.choice(PAYLOADS)

    def known_step(self) -> StepContext:
        """A step as it is, or one that may not exist, with the right token most of the time."""
        known = list(self.memory.step.rows.values())[-30:]
        found = self.random.choice(known) if known and self.random.random() < 0.9 else self.step()
        if self.random.random() < 0.1:
            return change(found, hand_out=change(found.hand_out, token=self.number()))
        return found

    def hand_out(self) -> HandOut:
        ready = self.random.choice([None, self.number(), self.number()])
        return HandOut(ready, 0, None, 0, *(self.number() for _ in range(5)), "h", "w")

    def step(self) -> StepContext:
        id = self.step_id()
        return StepContext(
            id=id,
            process_id=id - id % BLOCK,
            path=("s", *range(self.number() % 3)),
            status=self.random.choice(list(StepStatus)),
            parent_id=self.random.choice([None, self.number()]),
            queue=self.random.randint(0, 3),
            lease_ms=self.random.choice([0, 0, 5]),
            phase=self.random.choice(list(Phase)),
            input=self.payload(),
            secrets=self.random.choice([b"", b"[1]"]),
            hand_out=self.hand_out(),
        )

    def changed_step(self) -> StepContext:
        return change(
            self.known_step(),
            status=self.random.choice(list(StepStatus)),
            updated=self.at(),
            output=self.payload(),
            input=self.payload(),
            secrets=self.random.choice([b"", b"[1]"]),
            warning=self.random.choice(["", "hm"]),
            children=self.random.choice([None, Children(3, 2, 1)]),
            parent_id=self.number(),
            queue=self.random.randint(0, 3),
            phase=self.random.choice(list(Phase)),
            **{name: self.number() for name in NUMBERS_OF_STEPS},
        )

    def offered_step(self) -> StepContext:
        known = self.changed_step()
        return change(known, hand_out=change(self.hand_out(), token=known.hand_out.token))

    def process(self) -> ProcessContext:
        return process(
            self.process_id(),
            type=self.random.choice(list(ProcessType)),
            trigger=self.random.choice(list(TriggerType)),
            status=self.random.choice(list(ProcessStatus)),
            name=self.random.choice(["order", "refund"]),
            input=self.payload(),
            output=self.payload(),
            state=self.payload(),
            created=self.at(),
            updated=self.at(),
            namespace=self.random.choice(["default", "default", "other"]),
            correlation_id=self.random.choice([None, "c"]),
            request_id=self.random.choice([None, "r"]),
            created_by=self.name(),
            reason=self.random.choice(["", "because"]),
            tags=self.random.choice([(), (TagValue("k", "v"),)]),
            rerun_of=self.random.choice([None, self.number()]),
            parent_id=self.random.choice([None, self.process_id()]),
            parent_step_id=self.random.choice([None, self.step_id()]),
            marked=self.random.random() < 0.5,
            paused=self.random.random() < 0.5,
            signals=self.payload(),
            secret_state=self.random.choice([b"", b"\xff" * 9, b"\xfe" * 60]),
            response=self.payload(),
            compensating=self.random.choice([b"", b'{"a":1}', b'"' + b"c" * 60 + b'"']),
            numbering=self.random.choice([(), (), (3,), (1, 2)]),
            **{name: self.number() for name in NUMBERS_OF_PROCESSES},
        )

    def due_row(self) -> Due:
        kind = self.random.choice(list(DueKind))
        return Due(self.process_id(), self.number() % 2, kind, self.at(), self.payload())

    def known_due(self) -> Due:
        known = list(self.memory.due.rows.values())
        return self.random.choice(known) if known and self.random.random() < 0.8 else self.due_row()

    def lease(self) -> tuple[int, int, int]:
        step = self.known_step()
        return (step.id, step.hand_out.token, self.number())

    def execution(self) -> StepExecution:
        id = self.step_id()
        return StepExecution(
            process_id=id - id % BLOCK,
            step_id=id,
            id=self.random.randint(1, 50),
            executor=self.name(),
            output=self.payload(),
            **{name: self.number() for name in ("scheduled", "polled", "start", "updated", "runs")},
        )

    def entry_key(self) -> tuple[EntryKind, str, str]:
        namespace = self.random.choice(["default", "other"])
        return (self.random.choice(list(EntryKind)[:3]), namespace, self.name())

    def entry(self) -> Entry:
        kind, namespace, name = self.entry_key()
        return Entry(
            kind=kind,
            namespace=namespace,
            name=name,
            body=self.payload(),
            version=self.number(),
            created=self.at(),
            updated=self.at(),
            updated_by=self.name(),
            expires=self.random.choice([0, self.at()]),
        )

    def entries(self) -> list[Entry]:
        return list({(row.kind, row.namespace, row.name): row for row in self.some(self.entry)}.values())

    def audit(self) -> Audit:
        return audit(
            at=self.at(),
            who=self.name(),
            what=self.name(),
            process_id=self.random.choice([0, self.process_id()]),
            target=self.name(),
            why=self.name(),
            detail=self.payload(),
        )

    def changes(self) -> Changes:
        kinds: dict[str, Callable[[], list[Any]]] = {
            "new_processes": lambda: [self.process()],
            "processes": lambda: self.rows(self.process),
            "new_steps": lambda: self.rows(self.step),
            "steps": lambda: self.rows(self.changed_step),
            "withdrawn": lambda: self.rows(self.changed_step),
            "offered": lambda: self.rows(self.offered_step),
            "inputs": lambda: self.rows(self.changed_step),
            "executions": lambda: [self.execution()],
            "blocks": lambda: [Block(BLOCK * self.random.randint(1_000, 9_000), BLOCK, self.process_id())],
            "due": lambda: self.some(self.due_row),
            "undue": lambda: [(row.process_id, row.step_id, row.kind) for row in self.some(self.known_due)],
            "ended": lambda: [self.process_id()],
            "set_aside": lambda: [SetAside(process_id=self.process_id(), event=b"{}", error="e", created=1)],
            "settled": self.settled,
            "entries": self.entries,
            "dropped_entries": lambda: list(set(self.some(self.entry_key))),
            "audit": lambda: self.some(self.audit),
        }
        assert set(kinds) == set(Changes.__struct_fields__)
        chosen = self.random.sample(sorted(kinds), self.random.choice([1, 1, 1, 3]))
        made = {name: kinds[name]() for name in chosen}
        seen: set[int] = set()
        for part in ("steps", "withdrawn", "offered"):
            made[part] = [row for row in made.get(part, []) if row.id not in seen]
            seen.update(row.id for row in made[part])
        return Changes(**made)

    def settled(self) -> list[int]:
        return [self.number()]

    # -- the verbs of a turn

    def ask_save(self) -> list[Any]:
        return [(self.changes(),) for _ in range(3)]

    def ask_lock(self) -> list[Any]:
        return [(self.some(self.process_id),)]

    ask_processes = ask_lock

    def ask_steps(self) -> list[Any]:
        return [(self.some(self.step_id),)]

    ask_hand_outs = ask_steps

    def ask_step_range(self) -> list[Any]:
        first = self.process_id()
        return [(first, first + self.number() * 20, self.number(), self.random.random() < 0.5)]

    def ask_blocks(self) -> list[Any]:
        return [(self.process_id(),)]

    def ask_reserve(self) -> list[Any]:
        return [(self.random.randint(1, 3),)] if self.random.random() < 0.3 else []

    def ask_drop_process(self) -> list[Any]:
        id = self.process_id()
        known = self.memory.process.rows.get(id)
        return [(id, known.revision if known and self.random.random() < 0.7 else 99)]

    def ask_drop_steps(self) -> list[Any]:
        first = self.process_id()
        return [(first, first + self.number() * 10, self.number() % 4)]

    def ask_load(self) -> list[Any]:
        """For a database without any of these rows; see test_move.py."""
        return []

    def ask_drop_blobs(self) -> list[Any]:
        """Stores need not agree on what stands apart."""
        return []

    def ask_queue(self) -> list[Any]:
        return [(self.random.choice(QUEUES),)]

    def ask_claim(self) -> list[Any]:
        return [
            (self.random.randint(1, 3), self.number(), self.random.randint(1, 99), self.at(), 10, "h", "w")
        ]

    def ask_claim_for_all(self) -> list[Any]:
        takers = [Taker(self.number() % 3, self.random.randint(1, 99), f"h{at}", "w") for at in range(3)]
        return [(self.random.randint(1, 3), takers, self.at(), 10)]

    def ask_look_around(self) -> list[Any]:
        return [(self.entry_key(), self.some(self.step_id))]

    def ask_filled_queues(self) -> list[Any]:
        return [([1, 2, 3],)]

    def ask_claims_of(self) -> list[Any]:
        return [(self.random.choice(["app", "ops", "nobody"]),)]

    def ask_going_on(self) -> list[Any]:
        known = [row.process_id for row in self.memory.due.rows.values() if row.kind is DueKind.GO_ON]
        return [([self.process_id(), *known],)]

    def ask_add_claim(self) -> list[Any]:
        row = claim(
            self.random.randint(1, 9_999),
            client=self.random.choice(["app", "ops"]),
            host=self.name(),
            poll_id=self.random.choice([None, "p", "q"]),
            created=self.at(),
            deadline=self.at(),
            steps=self.random.choice([(), (1, 2)]),
        )
        return [(row,)]

    def claim_id(self) -> int:
        known = [*self.memory.claim.rows, 77]
        return self.random.choice(known)

    def ask_drop_claims(self) -> list[Any]:
        return [(self.some(self.claim_id, 2),)]

    def ask_claim_of_poll(self) -> list[Any]:
        return [("app", self.random.choice(["p", "q", "r"]))]

    def ask_next_claim_id(self) -> list[Any]:
        return [()]

    ask_next_due_at = ask_next_claim_deadline = ask_next_claim_id

    def ask_claims_due(self) -> list[Any]:
        return [(self.at(), self.number())]

    ask_due = ask_claims_due

    def ask_postpone_claim(self) -> list[Any]:
        return [(self.claim_id(), self.at())]

    def ask_extend(self) -> list[Any]:
        return [(self.some(self.lease),)]

    ask_release = ask_extend

    def ask_take_due(self) -> list[Any]:
        return [(self.some(self.known_due),)]

    def ask_set_aside(self) -> list[Any]:
        return [(self.process_id(),)]

    # -- the catalog

    def name(self) -> str:
        return self.random.choice(["x", "y"])

    def ask_definition(self) -> list[Any]:
        return [(self.random.randint(1, 9),)]

    ask_show_definition = ask_policy_by_id = ask_definition

    def ask_find_definition(self) -> list[Any]:
        version = self.random.choice([None, self.number()])
        return [("default", self.name(), version, self.random.random() < 0.5)]

    def ask_put_definition(self) -> list[Any]:
        return [(definition(self.name(), self.random.randint(1, 99)),)]

    def ask_hide_definitions(self) -> list[Any]:
        return [("default", self.name(), self.random.choice([None, self.number()]))]

    def ask_policy(self) -> list[Any]:
        return [("default", self.name())]

    ask_delete_policy = ask_policy

    def ask_put_policy(self) -> list[Any]:
        return [(ErrorPolicy(name=self.name(), created=self.number()),)]

    def ask_client(self) -> list[Any]:
        return [(self.name(),)]

    ask_namespace = ask_client

    def ask_put_client(self) -> list[Any]:
        allowed = frozenset(self.random.sample(list(Permission), 3))
        return [(ClientApplication(client_id=self.name(), token_hash="t", permissions=allowed, created=1),)]

    def ask_put_namespace(self) -> list[Any]:
        return [(Namespace(self.name(), str(self.number())),)]

    # -- entries and audit

    def ask_newest_process(self) -> list[Any]:
        namespace = self.random.choice(["default", "other"])
        return [(namespace, self.random.choice(["order", "refund"]), self.at())]

    def ask_entry(self) -> list[Any]:
        return [self.entry_key()]

    def ask_entries(self) -> list[Any]:
        return [(*self.entry_key()[:2], self.random.choice(["", "x", "y", "z"]))]

    def ask_drop_expired_entries(self) -> list[Any]:
        return [(self.at(), self.number() % 3)]

    def read_entries(self) -> list[Any]:
        return [(self.entry_key()[0], self.random.choice([None, "default"]), self.random.choice(["", "x"]))]

    def read_audit(self) -> list[Any]:
        process = self.random.choice([None, 0, self.process_id()])
        return [(process, self.number(), self.random.choice([0, self.number()]))]

    def read_told(self) -> list[Any]:
        return [(self.some(self.process_id),)]

    def read_children(self) -> list[Any]:
        return [(self.process_id(), self.number())]

    # -- the verbs of readers that are asked with other values than those of a turn

    def read_set_aside(self) -> list[Any]:
        return [()]

    def read_open_processes(self) -> list[Any]:
        return [(self.process_id() - 1, self.number())]

    def read_at_work(self) -> list[Any]:
        return [({id: self.number() for id in self.some(self.process_id)},)]

    def read_late(self) -> list[Any]:
        return [(self.at(), self.number())]

    def read_finished(self) -> list[Any]:
        return [((self.number(), self.process_id()), self.at(), self.number())]

    def read_process(self) -> list[Any]:
        return [(self.process_id(),)]

    def read_step(self) -> list[Any]:
        return [(self.step_id(),)]

    def read_steps(self) -> list[Any]:
        first = self.process_id()
        return [(process(first), BLOCK, first + self.number(), self.number())]

    read_open_steps = read_steps

    def read_due(self) -> list[Any]:
        return [(self.process_id(),)]

    def read_queue_position(self) -> list[Any]:
        return [(self.random.randint(0, 3), self.number(), self.step_id(), self.random.choice([2, 10_000]))]

    def read_executions(self) -> list[Any]:
        return [(sorted(self.memory.execution.rows)[-1:] and [sorted(self.memory.execution.rows)[-1][0]], 2)]

    def read_find_processes(self) -> list[Any]:
        search = ProcessSearch(
            start_ms=self.at(),
            before_id=self.random.choice([0, 0, self.process_id()]),
            names=tuple(self.random.sample(["order", "refund"], self.random.randint(0, 2))),
            statuses=tuple(self.random.sample(list(ProcessStatus), self.random.choice([0, 3]))),
            correlation_ids=self.random.choice([(), ("c",)]),
            tags=self.random.choice([(), (TagValue("k", "v"),)]),
            text=self.random.choice([None, None, None, "Z", "漢", "re"]),
            limit=self.number(),
            offset=self.number() % 2,
        )
        return [(search, self.random.choice([None, None, [1, 2]]))]

    def read_find_definition(self) -> list[Any]:
        return [("default", self.name(), self.random.choice([None, self.number()]))]

    def read_definitions(self) -> list[Any]:
        return [(self.random.choice([None, "default"]),)]

    read_policies = read_definitions

    def read_table(self) -> list[Any]:
        return [(name,) for name in self.random.sample([name for name in TABLES if name != "queue"], 2)]

    def read_policy_version(self) -> list[Any]:
        return [("default", self.name(), self.random.randint(1, 3))]

    def read_versions(self) -> list[Any]:
        return [("default", self.name())]


def _outcome(ask: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    """The reply, or the kind of error."""
    try:
        reply = ask(*values)
    except StepwellError as error:
        return type(error)
    return list(reply) if isinstance(reply, tuple | Iterator) else reply


def _verbs(protocol: type) -> list[str]:
    return sorted(
        name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")
    )


TURN_VERBS = [*_verbs(Turn), *["save"] * 14, *["claim"] * 4, *["going_on", "newest_process"] * 2]
READ_VERBS = [*(verb for verb in _verbs(Reads) if verb != "snapshot"), *["find_processes"] * 4]
"""A snapshot answers nothing that could be compared: the conformance suite asks what it promises."""


class SharedRequests(Requests):
    """Of stores that several nodes write: what they number by themselves has gaps where a turn was rolled back."""

    def comparable(self, reply: Any) -> Any:
        if isinstance(reply, dict) and "audit" in reply:
            return {table: [_without_number(table, row) for row in rows] for table, rows in reply.items()}
        if isinstance(reply, list):
            return [change(row, id=0) if isinstance(row, Audit | SetAside) else row for row in reply]
        return reply

    def settled(self) -> list[int]:
        """None that is there, for their numbers differ; the conformance suite deletes some."""
        return [10**9 + number for number in super().settled()]

    def read_audit(self) -> list[Any]:
        return [(process, limit, 0) for process, limit, _ in super().read_audit()]


def _without_number(table: str, row: dict[str, object]) -> dict[str, object]:
    return {**row, "id": 0} if table in ("audit", "set_aside") else row


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_stores_answer_alike(kind: str, tmp_path: Path, postgres: Databases) -> None:
    effects: Counter[str] = Counter()
    values: dict[str, set[str]] = {}
    for seed in (1, 2, 3):
        with ExitStack() as stack:
            requests: Requests
            if kind == "sqlite":
                store: Store = SqliteStore.open(tmp_path / f"{seed}.db", blob_threshold=40)
                requests = Requests(seed, MemoryStore(), store)
            else:
                store = PostgresStore.open(stack.enter_context(postgres.database()))
                requests = SharedRequests(seed, MemoryStore(), store)
            stack.callback(store.close)
            store.migrate()
            for _ in range(TURNS[kind]):
                requests.turn()
                for _ in range(3):
                    requests.read()
        effects += requests.effects
        for column, seen in requests.values.items():
            values.setdefault(column, set()).update(seen)
    wanted = {
        *TURN_VERBS,
        *READ_VERBS,
        *(f"save {name}" for name in Changes.__struct_fields__),
        "error",
        "rollback",
    } - {"drop_blobs", "load"}
    idle = wanted - set(effects) - ({"save settled"} if kind == "postgres" else set())
    assert not idle, "these never did anything"
    assert len({column.split(".")[0] for column in values}) == len(VARIED)
    assert not [column for column, seen in values.items() if len(seen) < 2], "these were always the same"


def test_a_difference_is_found(tmp_path: Path) -> None:
    """The comparison itself: rows that only one store has do not get through."""
    memory, sqlite = MemoryStore(), SqliteStore.open(tmp_path / "s.db")
    sqlite.migrate()
    with sqlite.turn() as turn:
        turn.save(Changes(due=[Due(BLOCK, 0, DueKind.READY, NOW)]))
    with pytest.raises(AssertionError):
        Requests(1, memory, sqlite).turn()
    sqlite.close()
