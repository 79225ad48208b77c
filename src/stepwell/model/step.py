"""A step context: the run-time record of one step in one process, and its executions. Spec 1.8, 1.9, 2.2.

A StepContext has two halves that two hands write. The engine writes the record itself; the claim, release
and expire statements of the stores write the `HandOut`. Neither writes the other's half from memory.
"""

from enum import StrEnum

from stepwell.model.codec import EMPTY, Json, Record, change

StepPath = tuple[str | int, ...]
"""A step's identity in its process: its ref, then the index of every iteration around it, outermost first.

Refs are unique in a definition, so `("charge", 3)` names one step; `charge[3]` is how it is shown."""


class StepStatus(StrEnum):
    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"

    @property
    def is_open(self) -> bool:
        return self in _OPEN

    @property
    def is_failed(self) -> bool:
        return self in _FAILED

    @property
    def is_complete(self) -> bool:
        """Counts as complete for the next step, whatever `optional` says."""
        return self is StepStatus.COMPLETED or self is StepStatus.SKIPPED


_OPEN = frozenset({StepStatus.PENDING, StepStatus.SCHEDULED, StepStatus.RUNNING, StepStatus.PAUSED})
_FAILED = frozenset({StepStatus.FAILED, StepStatus.TIMED_OUT, StepStatus.CANCELLED})


class Phase(StrEnum):
    """What an open step is busy with, beside its ordinary work. Decides which queue it stands in."""

    WORK = ""
    PREPARING = "PREPARING"
    """Its pre-execution script runs; its input is not final yet."""
    EVALUATING = "EVALUATING"
    """A control step's script runs in the server."""
    TRANSFORMING = "TRANSFORMING"
    """Its work is done and its jq program runs over the result; the output holds what that needs meanwhile."""
    DELAYED = "DELAYED"
    """It will begin, with everything that goes before its work, at its time."""
    GATED = "GATED"
    """It has its place under a rate limit, in a window that is still to come."""
    CROWDED = "CROWDED"
    """It stands in line until another step leaves its place under a concurrency limit."""
    HELD = "HELD"
    """An operator holds it; shown as PAUSED."""


class HandOut(Record, frozen=True, gc=False):
    """Where a leaf step stands between the queue and a worker. Written by claims, never from a cache."""

    ready: int | None = None
    """Its rank in the queue (lower first) while it may be claimed, else None."""
    token: int = 0
    """The delivery token, raised at every hand-out; only the last one's result is accepted."""
    claim: int | None = None
    """The hand-out it belongs to while a worker holds it."""
    deadline: int = 0
    """When that worker's lease ends, epoch ms; 0 = nobody holds it."""
    deliveries: int = 0
    """Hand-outs in a row without any report. Of those of earlier executions at most the last is counted: 1 while
    `runs` is 0 says that nothing was reported under this token, and that what still comes is too late."""
    runs: int = 0
    """How often the current execution was handed out."""
    polled: int = 0
    """The latest hand-out of the current execution, epoch ms."""
    start: int = 0
    """The first hand-out of the current execution, epoch ms."""
    first_start: int = 0
    """The first hand-out of the context, epoch ms. Never changes again."""
    executor: str = ""
    """The host that polled, or the node."""
    worker: str = ""
    """The client application that polled, or `stepwell:<node>`."""

    def taken(self, claim: int, now: int, deadline: int, executor: str, worker: str) -> "HandOut":
        """The hand-out that follows when it is claimed now. The stores' claim statements do the same."""
        return HandOut(
            None,
            self.token + 1,
            claim,
            deadline,
            self.deliveries + 1,
            self.runs + 1,
            now,
            self.start or now,
            self.first_start or now,
            executor,
            worker,
        )

    def released(self) -> "HandOut":
        """Nobody may claim it and nobody holds it; what happened stays on record."""
        return change(self, ready=None, claim=None, deadline=0)


NOT_HANDED_OUT = HandOut()
UNREPORTED = -1
"""`deliveries` of a step that was COMPLETED or FAILED by somebody else than the worker that held it."""


class Children(Record, frozen=True, gc=False):
    """The counters of a container, so that no decision has to look at all its children."""

    total: int = 0
    next: int = 0
    """Index of the next child to open."""
    open: int = 0
    failed: int = 0
    """Children that ended badly and are not optional."""
    base: int = 0
    """FOREACH: the first id of its iterations; iteration i starts at base + i x ids per iteration."""
    room: int = 0
    """FOREACH: how many iterations the ids from `base` on are enough for, so that a further pass can use them again."""


class StepContext(Record, frozen=True, kw_only=True, gc=False):
    id: int
    process_id: int
    path: StepPath
    status: StepStatus
    """As the engine left it; `shown_status` adds what the hand-out knows."""
    parent_id: int | None = None
    parent_execution_id: int = 1
    """Which execution of the parent created it; tells the passes of a loop apart."""
    queue: int = 0
    """The queue's number for a step that workers poll, else 0."""
    priority: int = 0
    policy_id: int = 0
    """The error policy that the current execution was scheduled under; 0 = none."""
    lease_ms: int = 0
    """The policy's response timeout, the only clock of a hand-out then; 0 = the server's default lease."""
    schedule: int = 0
    """When it is due, epoch ms."""
    updated: int = 0
    execution: int = 1
    """Id of the current execution: 1, 2, 3 … within the step."""
    scheduled: int = 0
    """When the current execution was scheduled, epoch ms."""
    container_runs: int = 0
    """Runs of the current execution of a step that nobody polls (containers, NOOP …)."""
    retries: int = 0
    """Retries that the error policy has granted, over all its events, since the start or the last resume."""
    phase: Phase = Phase.WORK
    timers: int = 0
    """Which kinds of due rows may exist for it: a set of DueKind bits."""
    input: Json = EMPTY
    output: Json = EMPTY
    secrets: Json = b""
    """Where the input holds masks that a hand-out fills with secrets (see `model.secret`); empty = nowhere."""
    warning: str = ""
    """What went oddly without being an error, for instance a template path that was missing."""
    children: Children | None = None
    hand_out: HandOut = NOT_HANDED_OUT

    @property
    def ref(self) -> str:
        return render_path(self.path)

    @property
    def shown_status(self) -> StepStatus:
        """The documented status: a scheduled step that was handed out and is not back in its queue is RUNNING."""
        if self.status is StepStatus.SCHEDULED and self.hand_out.runs and self.hand_out.ready is None:
            return StepStatus.RUNNING
        return self.status


class StepExecution(Record, frozen=True, kw_only=True, gc=False):
    """One attempt of a step that a further attempt has followed."""

    process_id: int
    step_id: int
    id: int
    scheduled: int = 0
    polled: int = 0
    start: int = 0
    updated: int = 0
    executor: str = ""
    runs: int = 0
    output: Json = EMPTY


def render_path(path: StepPath) -> str:
    """`("child", 2, 0)` as `child[2][0]`."""
    if len(path) == 1:
        return str(path[0])
    return str(path[0]) + "".join(f"[{index}]" for index in path[1:])


def parse_path(text: str) -> StepPath:
    """`child[2][0]` as `("child", 2, 0)`. Raises ValueError when the indexes are no numbers."""
    if not text.endswith("]"):
        return (text,)
    ref, *indexes = text[:-1].split("[")
    return (ref, *(int(index.rstrip("]")) for index in indexes))
