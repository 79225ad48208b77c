"""A definition made ready for the engine: every step with its place, its children and its compiled input.

Ids without a search. Steps outside of every FOREACH are numbered in reading order; such a step's id is the process's
id plus its number. Steps inside a FOREACH are numbered within one iteration; iteration i of a FOREACH whose ids start
at `base` has its steps at `base + i * iteration_size + number`. So a path leads to an id by arithmetic, a process is
a few ranges of ids, and the results of a FOREACH lie in index order.
"""

from collections.abc import Mapping

from stepwell.definition.template import Template
from stepwell.model.codec import Record
from stepwell.model.definition import ProcessDefinition, StepDefinition, StepType
from stepwell.model.entry import EntryKind
from stepwell.model.work import QueueName

SERVER = "stepwell"
"""The namespace of the queues that the server's own runner polls. No user's namespace may have this name."""
DYNAMIC = "stepwell/dynamic"
"""The namespace under which definitions are stored that came with a run. A slash: nobody else can name one so."""
SCRIPTS = QueueName(SERVER, "SCRIPT", "")
"""Where a step stands while a script of its own is to be evaluated."""


class Preparation(Record, frozen=True, kw_only=True):
    """What may go before a step's work, in this order: a script, the cache, a rate limit, a concurrency limit."""

    script: bool = False
    """A script runs first."""
    makes_input: bool = False
    """What the script returns is the step's input."""
    cache: bool = False
    cache_key: Template | None = None
    """None: the input is the key. Keys are objects with the one member `key`."""
    cache_ms: int = 0
    rate: int = 0
    """Starts in a window; 0 = no limit."""
    window_ms: int = 0
    rate_key: Template | None = None
    concurrency: int = 0
    """Open steps at a time; 0 = no limit."""
    concurrency_key: Template | None = None

    @property
    def keys(self) -> tuple[Template, ...]:
        return tuple(key for key in (self.cache_key, self.rate_key, self.concurrency_key) if key is not None)


class StepPlan(Record, frozen=True, kw_only=True):
    definition: StepDefinition
    ref: str
    type: StepType
    number: int
    """Place in its numbering: from 1 in the process, from 0 in an iteration."""
    position: int
    """Index among its parent's children (or among the top-level steps)."""
    parent: str | None
    """Ref of the container around it; None at the top."""
    loops: tuple[str, ...]
    """Refs of the FOREACH steps around it, outermost first: one index of its path for each."""
    children: tuple[str, ...] = ()
    iteration_size: int = 0
    """FOREACH: how many ids one iteration takes."""
    input: Template
    optional: bool = False
    policy: str | None = None
    queue: QueueName | None = None
    """Where the step stands while it is offered; None for a step that nobody takes."""
    preparation: Preparation | None = None
    """None for most steps: they begin as soon as they are opened."""
    transforms: bool = False
    """A jq program runs over what it reports before that is its output."""
    undoes: str | None = None
    """The step that this one undoes: only a failing process comes to it."""
    removed: bool = False
    """The version that its process follows now does not hold it any more; its records stay."""
    repeats: bool = False
    """May it begin again in the same process without a resume: inside a WHILE, or behind a FLOW_GATEWAY?"""


class Obstacle(Record, frozen=True):
    """Why a process that has begun with a step cannot follow a version."""

    number: int
    """Of a step outside of every FOREACH."""
    message: str
    counted: bool = False
    """Only if that step has gone so far that it counts: iterations, or the position at which its sequence goes on."""


class Plan(Record, frozen=True, kw_only=True):
    id: int
    """Of the stored definition."""
    definition: ProcessDefinition
    steps: Mapping[str, StepPlan]
    top: tuple[str, ...]
    """Refs of the top-level steps in order."""
    size: int
    """Ids that a process takes at its start: its own and one for each step outside of every FOREACH."""
    output: Template | None
    """The compiled `outputMapping`, if there is one."""
    entries: tuple[tuple[EntryKind, str], ...] = ()
    """Variables and secrets that its templates name."""
    policies: tuple[str, ...] = ()
    """Error policies that its steps name."""
    has_loops: bool = False
    """Some of its steps stand inside a FOREACH."""
    edges: Mapping[str, tuple[str, ...]] = {}
    """Top-level step → the ones that it waits for. Empty: the top level runs in list order."""
    dependents: Mapping[str, tuple[str, ...]] = {}
    """Top-level step → the ones that wait for it."""
    undo: Mapping[str, str] = {}
    """Step that can be undone → the step that does it."""
    unless_begun: tuple[Obstacle, ...] = ()
    """For a process that began under another version: what keeps it from following this one (see `renumber`)."""
