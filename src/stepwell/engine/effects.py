"""What a decision consists of, and what it may ask for before it can be made."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum

from stepwell.definition.plan import Plan
from stepwell.engine.texts import Memo
from stepwell.model.codec import EMPTY, Json, Record
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.process import Block, ProcessContext, ProcessStatus
from stepwell.model.step import StepContext, StepExecution, StepStatus
from stepwell.model.work import Acceptance


class Write(IntEnum):
    """How a changed step meets its row. In one turn the larger wins, except that a new row stays new."""

    KEEP = 0
    """The engine's half only; the hand-out columns are not touched."""
    WITHDRAW = 1
    """And nobody may claim it or hold it any more."""
    OFFER = 2
    """And the hand-out is written whole: it may be claimed again."""
    NEW = 3


class Mark(StrEnum):
    """What an operator wants of a step of a definition, in every process that comes to it."""

    HOLD = "HOLD"
    SKIP = "SKIP"


class Refusal(Record, frozen=True):
    """An operation that this process does not allow now."""

    code: str
    message: str


Reply = Acceptance | Refusal | None


class EntryByName(Record, frozen=True):
    """Answered by an `Entry`, or None. A secret's body is encrypted: the engine only sees that it is there."""

    kind: EntryKind
    namespace: str
    name: str


class Decision(Record, frozen=True, kw_only=True):
    """What follows from one event. Everything in it is saved in one transaction, or nothing is."""

    process: ProcessContext | None = None
    """As it is afterwards; None when nothing changed."""
    is_new: bool = False
    steps: Mapping[int, tuple[StepContext, Write]] = {}
    executions: tuple[StepExecution, ...] = ()
    blocks: tuple[Block, ...] = ()
    inputs: tuple[int, ...] = ()
    """Of `steps`, those whose input changes too."""
    entries: Mapping[EntryByName, Entry | None] = {}
    """Entries as they are afterwards, or None to delete one."""
    due: Mapping[tuple[int, int, DueKind], Due | None] = {}
    """(process, step, kind) → the row to write, or None to delete it."""
    ended: bool = False
    reply: Reply = None


# -- keys of what a decision needs before it can be made


class StepsById(Record, frozen=True):
    ids: tuple[int, ...]


class PolicyByName(Record, frozen=True):
    namespace: str
    name: str


class PolicyById(Record, frozen=True):
    id: int


class DefinitionByName(Record, frozen=True):
    """Answered by a `KnownDefinition`, or None."""

    namespace: str
    name: str
    version: int | None


class KnownDefinition(Record, frozen=True):
    """What the engine needs to know of a definition that another process will follow."""

    id: int
    version: int
    size: int
    """Ids that such a process takes at its start."""


class NewestProcess(Record, frozen=True):
    """The newest run of a definition that was created at or after a moment, with its steps of these refs.

    Answered by a `KnownProcess`, or None."""

    namespace: str
    name: str
    since: int
    """Epoch ms."""
    refs: tuple[str, ...] = ()


class ProcessById(Record, frozen=True):
    """Any process, with its steps of these refs. Answered by a `KnownProcess`, or None."""

    id: int
    refs: tuple[str, ...] = ()


class KnownProcess(Record, frozen=True, kw_only=True):
    """What a process may know of another one: as it was when this decision's turn began, or a little later."""

    id: int
    namespace: str
    name: str
    version: int
    status: ProcessStatus
    output: Json = EMPTY
    steps: Mapping[str, StepStatus] = {}
    """By ref, as asked; a step that has not begun is absent."""


class OpenSteps(Record, frozen=True):
    """The first `limit` open steps of the process behind an id, by id."""

    limit: int
    after: int = 0


class WaitsFor(Record, frozen=True):
    """The open WAIT of the process, first by id, that takes this signal. Answered by its id, or None."""

    signal: str
    correlation: str | None


class Ids(Record, frozen=True):
    """A run of `count` new ids, for what `purpose` names (so that asking again gets the same run)."""

    purpose: str
    count: int


Key = (
    StepsById
    | PolicyByName
    | PolicyById
    | DefinitionByName
    | EntryByName
    | NewestProcess
    | ProcessById
    | OpenSteps
    | WaitsFor
    | Ids
)


class Needs(Record, frozen=True):
    keys: tuple[Key, ...]


class Snapshot(Record, kw_only=True):
    """One process as the engine sees it. The engine never changes it; the shell adds what was needed."""

    plan: Plan
    process: ProcessContext | None
    steps: dict[int, StepContext | None]
    """Known rows by id; None = looked for and not there."""
    complete: bool = False
    """Every row outside of iterations is known: an id that is not in `steps` has none."""
    policies: dict[PolicyByName | PolicyById, ErrorPolicy | None] = {}
    marks: Mapping[str, Mark] = {}
    """Operators' marks on steps of this definition, by ref."""
    definitions: dict[DefinitionByName, KnownDefinition | None] = {}
    entries: dict[EntryByName, Entry | None] = {}
    others: dict[NewestProcess | ProcessById, KnownProcess | None] = {}
    open_steps: tuple[int, ...] | None = None
    waiting: dict[WaitsFor, int | None] = {}
    ids: dict[str, int] = {}
    undo: list[tuple[int, int]] | None = None
    """The steps that a failing process undoes, in order. Only a memory: the truth is in their rows."""
    memo: Memo = {}
    """Large texts that were looked into. Only a memory: the truth is in their rows."""
