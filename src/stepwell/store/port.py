"""The port: what every store promises.

A store is used from two sides. The *turn* is the only writer: one short transaction that loads with locks, saves
what was decided and hands out work. *Reads* serve people and lists: committed rows only, never inside a turn, callable
from any thread.

Lock order inside a turn, everywhere: process rows by ascending id, then step rows by id, then own rows of
`execution`, `due`, `claim`. Claims and releases wait for nothing. Errors of drivers become `Busy` (nothing was
committed, try again) or `StepwellError`; an exception that leaves a turn leaves nothing behind.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from stepwell.model.audit import Audit
from stepwell.model.client import ClientApplication
from stepwell.model.codec import Json, Record
from stepwell.model.definition import StoredDefinition
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.liveness import OpenProcess
from stepwell.model.namespace import Namespace
from stepwell.model.process import ID_BLOCK, Block, ProcessContext
from stepwell.model.retention import Finished
from stepwell.model.search import ProcessSearch
from stepwell.model.step import HandOut, StepContext, StepExecution
from stepwell.model.work import Claim, QueueName

BLOCK = ID_BLOCK
"""Ids are reserved in blocks of this many."""


class SetAside(Record, frozen=True, kw_only=True):
    """An event that made the engine raise, kept beside its process until somebody looks."""

    id: int = 0
    process_id: int
    event: Json
    error: str
    created: int


class Changes(Record, kw_only=True):
    """Everything that one turn writes about processes. Rows are whole records; lists may be empty.

    Each row stands at most once in each list. A step's two halves are written apart. `steps`, `withdrawn` and
    `offered` are disjoint lists, and all three write the engine's half (status, output, execution, timers …). Of the
    hand-out, `steps` touches nothing, `withdrawn` also clears `ready`, `claim` and `deadline`, `offered` also writes it
    whole. All three apply only where the row's token is the record's `hand_out.token`; `input` is written by
    `new_steps`, `new_processes` and `inputs` only, a step's `secrets` with it.
    """

    new_processes: list[ProcessContext] = []
    processes: list[ProcessContext] = []
    """Updates: every column that changes in a process's life (not id, name, type, input, parents, creation)."""
    new_steps: list[StepContext] = []
    steps: list[StepContext] = []
    withdrawn: list[StepContext] = []
    offered: list[StepContext] = []
    inputs: list[StepContext] = []
    """Steps whose input is replaced (an operator edited it, or a new execution resolved it again)."""
    executions: list[StepExecution] = []
    blocks: list[Block] = []
    due: list[Due] = []
    """Inserted, or replacing the row of the same (process, step, kind). Written after `undue` and `ended`."""
    undue: list[tuple[int, int, DueKind]] = []
    ended: list[int] = []
    """Processes that ended: all their due rows go (START_PROCESS rows belong to another id and stay)."""
    set_aside: list[SetAside] = []
    """Inserted; the store gives the id."""
    settled: list[int] = []
    """Set-aside events, by id, that are done with: deleted. Written before `set_aside`."""
    entries: list[Entry] = []
    """Inserted, or replacing the entry of that kind, namespace and name. Written after `dropped_entries`."""
    dropped_entries: list[tuple[EntryKind, str, str]] = []
    audit: list[Audit] = []
    """Appended; the store gives the id."""


class Taker(NamedTuple):
    """Who takes steps of a queue, and how many at most."""

    limit: int
    claim: int
    executor: str
    worker: str


class Turn(Protocol):
    """One transaction of the only writer. Used by one thread."""

    # -- processes and steps: what decisions load and save

    def look_around(
        self, mark: tuple[EntryKind, str, str], step_ids: Sequence[int]
    ) -> tuple[int, Mapping[int, int]]:
        """The version of one entry (0 = absent), and the processes of these steps. Nothing is locked."""

    def lock(self, process_ids: Sequence[int], step_ids: Sequence[int] = ()) -> Mapping[int, int]:
        """Lock these processes in id order; answer id → revision. Missing: no such process, or not obtained.

        `step_ids`: steps of theirs of which the hand-outs are going to be asked for."""

    def processes(self, ids: Sequence[int]) -> list[ProcessContext]:
        """In id order; unknown ids are left out. The same holds for all loads by id."""

    def steps(self, ids: Sequence[int]) -> list[StepContext]: ...

    def step_range(self, first: int, last: int, limit: int, open_only: bool = False) -> list[StepContext]:
        """Steps with first <= id <= last in id order, at most `limit`."""

    def hand_outs(self, step_ids: Sequence[int]) -> Mapping[int, tuple[int, HandOut]]:
        """The hand-out columns as they are now: step id → (process id, hand-out). Locks the steps it finds."""

    def blocks(self, process_id: int) -> list[Block]:
        """Runs of ids beyond the first, by first id."""

    def reserve(self, blocks: int) -> int:
        """Take that many blocks off the sequence; the first id. Never handed out again, even after a rollback
        they may only be lost, not repeated once used by a committed turn."""

    def save(self, changes: Changes) -> Sequence[int]:
        """Write it all. Answers the processes of which a step's token did not match: nothing of them may be
        committed. (With one writer, whose decisions read the tokens in the same turn, that never happens.)"""

    def set_aside(self, process_id: int) -> list[SetAside]:
        """What was set aside of a process, in that order."""

    def newest_process(self, namespace: str, name: str, since_ms: int) -> ProcessContext | None:
        """The one with the highest id of that name that was created at or after a moment."""

    def entry(self, kind: EntryKind, namespace: str, name: str) -> Entry | None:
        """As it stands, expired or not."""

    def entries(self, kind: EntryKind, namespace: str, prefix: str) -> list[Entry]:
        """Those of a namespace whose names begin so, by name."""

    def drop_expired_entries(self, now: int, limit: int) -> int:
        """Delete entries with 0 < expires <= now; how many went."""

    # -- retention

    def drop_process(self, id: int, revision: int) -> bool:
        """Delete a process's row if that is still its revision, with its blocks. Its steps are left to
        `drop_steps`, its large payloads to `drop_blobs`."""

    def drop_steps(self, first: int, last: int, limit: int) -> int:
        """Delete the first `limit` steps with first <= id <= last, with their executions; how many went."""

    def drop_blobs(self, process_id: int, limit: int) -> int:
        """Delete large payloads that are kept apart from the rows of a process; how many went."""

    # -- moving

    def load(self, table: str, rows: Sequence[Any]) -> None:
        """Insert rows that the store would number itself with the numbers that they have, into a database without
        any: `definition`, `error_policy` (none of them found by name yet), `current_policy` (found by name from now
        on), `set_aside`, `audit`, and `queue`, whose rows are (name, number)."""

    # -- the queue

    def queue(self, name: QueueName) -> int:
        """The queue's number, made at first sight. Numbers start at 1 and are never reused."""

    def claim(
        self, queue: int, limit: int, claim: int, now: int, lease_ms: int, executor: str, worker: str
    ) -> list[StepContext]:
        """Take up to `limit` ready steps of a queue, lowest rank (then id) first, in that order.

        Each row's hand-out becomes `HandOut.taken(...)` with `deadline = now + (step.lease_ms or lease_ms)`. Steps
        of processes in `closing` are left out."""

    def claim_for_all(
        self, queue: int, takers: Sequence[Taker], now: int, lease_ms: int
    ) -> list[StepContext]:
        """As `claim`, for several at once: the first ones of the queue go to the first taker, and so on."""

    def filled_queues(self, queues: Sequence[int]) -> set[int]:
        """Those of these queues that hold anything ready."""

    def add_claim(self, claim: Claim) -> None: ...

    def drop_claims(self, ids: Iterable[int]) -> None: ...

    def claim_of_poll(self, client: str, poll_id: str) -> Claim | None:
        """The newest claim that answered this poll of this client."""

    def next_claim_id(self) -> int:
        """A number for the next claim, larger than every claim that exists."""

    def claims_due(self, now: int, limit: int) -> list[Claim]:
        """Claims with deadline <= now, earliest first."""

    def claims_of(self, client: str) -> list[Claim]:
        """All of one client's, by id."""

    def postpone_claim(self, claim: int, deadline: int) -> None: ...

    def extend(self, leases: Sequence[tuple[int, int, int]]) -> list[bool]:
        """(step, token, new deadline): move the lease if that token still holds the step. True where it did."""

    def release(self, leases: Sequence[tuple[int, int, int]]) -> None:
        """(step, token, rank): put back what could not be delivered; ready again with the token kept and
        `runs` and `deliveries` as they were before the hand-out."""

    # -- due rows

    def due(self, now: int, limit: int) -> list[Due]:
        """Rows with at <= now, earliest first (then process, step, kind). Only a look: nothing is taken."""

    def take_due(self, rows: Sequence[Due]) -> list[Due]:
        """Delete those of these rows that still stand as they are (same `at`), and answer them."""

    def going_on(self, process_ids: Sequence[int]) -> list[Due]:
        """The rows by which these processes go on with a decision that was cut in two."""

    def next_due_at(self) -> int | None: ...

    def next_claim_deadline(self) -> int | None: ...

    # -- the catalog: definitions, policies, clients, namespaces

    def definition(self, id: int) -> StoredDefinition | None: ...

    def find_definition(
        self, namespace: str, name: str, version: int | None = None, hidden: bool = False
    ) -> StoredDefinition | None:
        """That version, or the newest that is not hidden. Hidden ones only when asked for."""

    def put_definition(self, definition: StoredDefinition) -> StoredDefinition:
        """Insert; the store gives the id. (namespace, name, version) is unique for ever."""

    def hide_definitions(self, namespace: str, name: str, version: int | None) -> int:
        """Hide one version, or all when None; how many were visible before."""

    def show_definition(self, id: int) -> None:
        """Make a hidden version visible again (the same content was put again)."""

    def policy(self, namespace: str, name: str) -> ErrorPolicy | None: ...

    def policy_by_id(self, id: int) -> ErrorPolicy | None:
        """Any version, also of a deleted policy."""

    def put_policy(self, policy: ErrorPolicy) -> ErrorPolicy:
        """Insert a further version; the store gives `id` and `version` (latest + 1). Older versions stay."""

    def delete_policy(self, namespace: str, name: str) -> bool:
        """No version is found by name any more; they stay readable by id."""

    def client(self, client_id: str) -> ClientApplication | None: ...

    def put_client(self, client: ClientApplication) -> None: ...

    def namespace(self, name: str) -> Namespace | None: ...

    def put_namespace(self, namespace: Namespace) -> None:
        """Insert, or leave the one that exists as it is."""


class Reads(Protocol):
    """Committed rows, for people and lists. Safe from any thread."""

    def process(self, id: int, large: bool = True) -> ProcessContext | None:
        """Without `large`, values that the store keeps apart for their size may be empty: they are not read."""

    def step(self, id: int) -> StepContext | None: ...

    def steps_by_id(self, ids: Sequence[int]) -> list[StepContext]:
        """In id order; unknown ids are left out."""

    def steps(
        self, process: ProcessContext, size: int, after: int = 0, limit: int = 1_000
    ) -> list[StepContext]:
        """A process's step contexts by id. `size` is how many ids its first run has (from its definition)."""

    def open_steps(
        self, process: ProcessContext, size: int, after: int = 0, limit: int = 1_000
    ) -> list[StepContext]:
        """Those of its step contexts that are open, by id; `size` as in `steps`."""

    def due(self, process_id: int) -> list[Due]:
        """What the process asks of itself later, by step and kind."""

    def queue_position(self, queue: int, ready: int, step_id: int, limit: int = 10_000) -> int:
        """How many ready steps of a queue go before the one of that rank and id; counted up to `limit`."""

    def executions(self, step_ids: Sequence[int], limit: int = 1_000) -> Mapping[int, list[StepExecution]]:
        """Finished executions of each step, oldest first, the newest `limit` of each."""

    def find_processes(
        self, search: ProcessSearch, definition_ids: Sequence[int] | None = None
    ) -> list[ProcessContext]:
        """Newest first. `definition_ids`, when given, is one more condition (step names are resolved before)."""

    def finished(self, after: tuple[int, int], before: int, limit: int) -> list[Finished]:
        """Processes that ended before a moment, by (ended, id), behind that place in this order."""

    def open_processes(self, after: int, limit: int) -> list[OpenProcess]:
        """RUNNING processes behind an id, by id. Costs what it answers, however many there are beside them."""

    def at_work(self, sizes: Mapping[int, int]) -> set[int]:
        """Of these processes, those with a step that is ready, or that is held under a claim which has a row.
        `sizes`: process → how many ids its first run has (from its definition); further runs are its blocks."""

    def late(self, before: int, limit: int) -> int:
        """How many due rows have at < before; counted up to `limit`."""

    def definition(self, id: int) -> StoredDefinition | None: ...

    def find_definition(
        self, namespace: str, name: str, version: int | None = None
    ) -> StoredDefinition | None: ...

    def definitions(self, namespace: str | None = None) -> list[StoredDefinition]:
        """The newest visible version of each, by namespace and name."""

    def all_definitions(self) -> list[StoredDefinition]:
        """Every version, hidden ones too, by id."""

    def versions(self, namespace: str, name: str) -> list[int]:
        """Visible versions, ascending."""

    def policy(self, namespace: str, name: str) -> ErrorPolicy | None: ...

    def policy_version(self, namespace: str, name: str, version: int) -> ErrorPolicy | None:
        """Any version, also of a deleted policy."""

    def policies(self, namespace: str | None = None) -> list[ErrorPolicy]: ...

    def client(self, client_id: str) -> ClientApplication | None: ...

    def clients(self) -> list[ClientApplication]: ...

    def namespaces(self) -> list[Namespace]: ...

    def set_aside(self) -> list[SetAside]: ...

    def entry(self, kind: EntryKind, namespace: str, name: str) -> Entry | None: ...

    def entries(self, kind: EntryKind, namespace: str | None = None, prefix: str = "") -> list[Entry]:
        """By namespace and name; a prefix, of their names, goes with a namespace only."""

    def audit(self, process_id: int | None = None, limit: int = 100, before: int = 0) -> list[Audit]:
        """Newest first; with `before`, those with a smaller id."""

    def told(self, process_ids: Sequence[int]) -> list[int]:
        """Those of these processes that have ended or have answered their caller, by id."""

    def children(self, process_id: int, limit: int = 1_000) -> list[ProcessContext]:
        """Processes that a step of this one started, by id."""

    def snapshot(self) -> AbstractContextManager[None]:
        """What this thread reads inside the block is of one moment: no commit falls in between. Short, not nested."""

    def table(self, name: str) -> Iterator[Record]:
        """Every row of one of the tables of `store.dump`, but `queue`, in key order; a few in memory at a time.

        Of a database at rest, it is all of one moment."""

    def queues(self) -> dict[QueueName, int]:
        """Every queue with its number."""

    def dump(self) -> dict[str, list[dict[str, object]]]:
        """Every table as plain rows in key order, the same on every backend: what the differential test compares."""


class Store(Protocol):
    reads: Reads

    @property
    def shared(self) -> bool:
        """May other nodes write the same database? Then nothing that a node remembers of it is the truth."""

    def migrate(self) -> list[str]:
        """Bring the schema up to date; the names of the migrations that ran. Safe when several start at once."""

    def turn(self) -> AbstractContextManager[Turn]:
        """One transaction: commits at the end of the block, rolls back when it raises."""

    def checks(self) -> list[tuple[str, bool, str]]:
        """What `doctor` asks: (what, is it well, what was found)."""

    def size(self) -> int:
        """Bytes that the database takes up; 0 when it is in memory. From any thread."""

    def listen(self, heard: Callable[[str], None]) -> bool:
        """From now on `heard` is called, on any thread, with what other nodes `tell`, and with "" when something may
        have been missed. Whether hints can be had at all; they may be lost at any time."""

    def tell(self, hint: str) -> None:
        """Tell all other nodes, soon. Costs the caller nothing, and may be lost."""

    def durability(self) -> list[tuple[str, bool, str]]:
        """What a server asks before it starts, like `checks`: does a commit outlive the machine's power?"""

    def close(self) -> None: ...
