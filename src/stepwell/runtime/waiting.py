"""Why is it waiting? What every open step of a process waits for: one machine-readable reason, and a sentence.

`explain` is pure: the rows and what this node remembers of polls come in, one `Wait` for each step comes out. `look`
gathers the rows.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from stepwell.definition.plan import Plan, StepPlan
from stepwell.model.codec import Record, decode
from stepwell.model.definition import StepType
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.process import ProcessContext
from stepwell.model.step import Phase, StepContext
from stepwell.runtime.lines import Lines
from stepwell.store.port import Reads

MOST_COUNTED = 10_000
"""A place in a queue is counted so far at the most."""
SERVERS_OWN = "stepwell:"
"""How the worker id of a step that the server runs itself begins."""


class Reason(StrEnum):
    RUNNING = "RUNNING"
    """Somebody works on it."""
    IN_QUEUE = "IN_QUEUE"
    """It is ready; nobody has taken it yet."""
    DELAYED = "DELAYED"
    """A retry, or a worker that asked to be offered it again, at a moment."""
    RATE_LIMITED = "RATE_LIMITED"
    """Its window has not begun."""
    CONCURRENCY_LIMITED = "CONCURRENCY_LIMITED"
    """Others are open under the same key; it stands in line."""
    EVALUATING = "EVALUATING"
    """A script of its own runs in the server, or is about to."""
    WAITING_FOR_SIGNAL = "WAITING_FOR_SIGNAL"
    WAITING_UNTIL = "WAITING_UNTIL"
    WAITING_FOR_CHILD = "WAITING_FOR_CHILD"
    """For the end of the process it has started."""
    HELD = "HELD"
    """By an operator: a mark on the step of the definition, or its process is paused."""
    CONTAINER = "CONTAINER"
    """For the steps in it."""
    GOING_ON = "GOING_ON"
    """A long decision was cut in two: the rest follows at once."""
    UNKNOWN = "UNKNOWN"
    """None of these: a bug, or it has moved on while this was read."""


class Polls(Record, frozen=True):
    """What this node remembers of a queue since it was started."""

    last: int = 0
    """The latest poll, epoch ms; 0 = none since the start."""
    waiting: int = 0
    """Polls that wait for a step of it now."""


class Facts(Record, frozen=True, kw_only=True):
    """What stands beside a step's row."""

    due: Mapping[DueKind, Due] = {}
    position: int = 0
    """Ready steps that go before it."""
    polls: Polls = Polls()
    child: ProcessContext | None = None
    """What its SUB_PROCESS waits for."""
    mark: Entry | None = None
    """An operator's mark on the step of the definition."""
    line: tuple[str, int] | None = None
    """The key of a concurrency limit, and its place in the line for it, from 1."""


class Wait(Record, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Why one step is open. Members that say nothing are left out; times are epoch milliseconds."""

    step_id: int
    ref: str
    name: str
    type: StepType
    status: str
    reason: Reason
    sentence: str
    since: int = 0
    until: int = 0
    """When the reason ends by itself: a delay, a lease, a timeout of the wait."""
    worker: str = ""
    host: str = ""
    runs: int = 0
    retry: int = 0
    """Which retry of the error policy this is."""
    queue: str = ""
    """namespace/type/name"""
    position: int | None = None
    """Ready steps of the queue that go before it; in a line, its place from 1."""
    last_poll: int | None = None
    """The latest poll for the queue that this server knows of; 0 = none since it was started."""
    pollers: int | None = None
    """Polls that wait for this queue now."""
    key: str = ""
    signal: str = ""
    correlation: str | None = None
    child_process_id: int | None = None
    child_status: str | None = None
    open_children: int | None = None
    total_children: int | None = None
    held_by: str = ""
    """PROCESS: it is paused. MARK: the step of the definition is held."""
    by: str = ""
    """Who set the mark."""
    why: str = ""


def look(
    reads: Reads, process: ProcessContext, plan: Plan, polls: Callable[[int], Polls], after: int, limit: int
) -> list[tuple[StepContext, Facts]]:
    """The open steps behind an id, each with what explains it."""
    if not process.status.is_open:
        return []
    due: dict[int, dict[DueKind, Due]] = {}
    for row in reads.due(process.id):
        due.setdefault(row.step_id, {})[row.kind] = row
    marks = _marks(reads, process)
    lines = Lines(reads, process.namespace)
    found = []
    for step in reads.open_steps(process, plan.size, after, limit):
        ready = step.hand_out.ready
        is_sub_process = plan.steps[str(step.path[0])].type is StepType.SUB_PROCESS
        child_id = step.children.base if is_sub_process and step.children else 0
        facts = Facts(
            due=due.get(step.id, {}),
            position=0 if ready is None else reads.queue_position(step.queue, ready, step.id, MOST_COUNTED),
            polls=polls(step.queue),
            child=reads.process(child_id) if child_id else None,
            mark=marks.get(str(step.path[0])),
            line=lines.place(step) if step.phase is Phase.CROWDED else None,
        )
        found.append((step, facts))
    return found


def _marks(reads: Reads, process: ProcessContext) -> dict[str, Entry]:
    prefix = f"{process.name}/"
    rows = reads.entries(EntryKind.HOLD, process.namespace, prefix)
    return {row.name.removeprefix(prefix): row for row in rows}


# -- the reasons


def explain(process: ProcessContext, plan: Plan, step: StepContext, facts: Facts, now: int) -> Wait:
    planned = plan.steps[str(step.path[0])]
    reason, sentence, details = _reason(process, planned, step, facts, now)
    return Wait(
        step_id=step.id,
        ref=step.ref,
        name=planned.definition.name,
        type=planned.type,
        status=step.shown_status.value,
        reason=reason,
        sentence=sentence,
        **details,
    )


Explanation = tuple[Reason, str, dict[str, Any]]


def _reason(
    process: ProcessContext, planned: StepPlan, step: StepContext, facts: Facts, now: int
) -> Explanation:
    if step.phase is Phase.HELD:
        return _held(process, facts)
    if step.hand_out.claim is not None:
        return _running(step, now)
    if step.hand_out.ready is not None:
        return _in_queue(planned, step, facts, now)
    if step.phase is Phase.GATED:
        said = f"its rate limit lets it begin in {span(step.schedule - now)}"
        return Reason.RATE_LIMITED, said, {"until": step.schedule}
    if step.phase is Phase.CROWDED:
        return _crowded(step, facts)
    if DueKind.GO_ON in facts.due:
        return Reason.GOING_ON, "a long decision was cut in two; the rest follows at once", {}
    if planned.type is StepType.SUB_PROCESS:
        return _child(step, facts)
    if planned.children:
        return _container(step)
    if planned.type is StepType.WAIT and _signal(step):
        return _for_signal(step, facts, now)
    for kind, explained in ((DueKind.READY, _delayed), (DueKind.WAKE, _until)):
        if kind in facts.due:
            return explained(step, facts.due[kind].at, now)
    return Reason.UNKNOWN, "nothing is known to be on its way; look again, then ask `stepwell doctor`", {}


def _held(process: ProcessContext, facts: Facts) -> Explanation:
    if process.paused:
        return Reason.HELD, "its process is paused; it goes on when that does", {"held_by": "PROCESS"}
    if facts.mark is None:
        return Reason.HELD, "it was held; the mark is gone, it begins within 15 s", {"held_by": "MARK"}
    said = decode(facts.mark.body)
    by, why = facts.mark.updated_by, said.get("why") or ""
    sentence = f"held by {by or 'an operator'}" + (f": {why}" if why else "")
    return Reason.HELD, sentence, {"held_by": "MARK", "by": by, "why": why, "since": facts.mark.updated}


def _running(step: StepContext, now: int) -> Explanation:
    hand_out = step.hand_out
    details = {"worker": hand_out.worker, "host": hand_out.executor, "since": hand_out.polled}
    details |= {"until": hand_out.deadline, "runs": hand_out.runs, "retry": step.retries}
    if step.phase is not Phase.WORK:
        return (
            Reason.EVALUATING,
            f"the server evaluates its script since {span(now - hand_out.polled)}",
            details,
        )
    if hand_out.worker.startswith(SERVERS_OWN):
        return Reason.RUNNING, f"the server runs it since {span(now - hand_out.polled)}", details
    left = hand_out.deadline - now
    lease = f"its lease ends in {span(left)}" if left > 0 else "its lease is over"
    sentence = f"{hand_out.worker} at {hand_out.executor or 'an unnamed host'} works on it since "
    return Reason.RUNNING, f"{sentence}{span(now - hand_out.polled)}; {lease}", details


def _in_queue(planned: StepPlan, step: StepContext, facts: Facts, now: int) -> Explanation:
    polls = facts.polls
    details: dict[str, Any] = {"position": facts.position, "since": step.schedule, "retry": step.retries}
    if step.phase is not Phase.WORK:
        return Reason.EVALUATING, f"its script is about to run; {_before(facts.position)}", details
    if planned.queue is not None:
        details["queue"] = "/".join(planned.queue)
    details |= {"last_poll": polls.last, "pollers": polls.waiting}
    if polls.waiting:
        seen = (
            f"{polls.waiting} polls wait for this queue"
            if polls.waiting > 1
            else "a poll waits for this queue"
        )
    elif polls.last:
        seen = f"no worker has polled this queue for {span(now - polls.last)}"
    else:
        seen = "no worker has polled this queue since this server was started"
    return (
        Reason.IN_QUEUE,
        f"ready since {span(now - step.schedule)}; {seen}; {_before(facts.position)}",
        details,
    )


def _before(position: int) -> str:
    if position >= MOST_COUNTED:
        return f"{MOST_COUNTED:,} steps or more go before it"
    return (
        "it is the next"
        if not position
        else f"{position} go before it"
        if position > 1
        else "one goes before it"
    )


def _crowded(step: StepContext, facts: Facts) -> Explanation:
    if facts.line is None:
        return (
            Reason.CONCURRENCY_LIMITED,
            "its turn under a concurrency limit has come",
            {"since": step.schedule},
        )
    key, place = facts.line
    sentence = f"limit {key}: others are open, it is number {place} in line"
    return Reason.CONCURRENCY_LIMITED, sentence, {"key": key, "position": place, "since": step.schedule}


def _child(step: StepContext, facts: Facts) -> Explanation:
    child_id = step.children.base if step.children else 0
    if not child_id:
        return Reason.UNKNOWN, "its process has not been started", {}
    if facts.child is None:
        sentence, status = f"process {child_id} is about to start", None
    else:
        sentence, status = (
            f"process {child_id} ({facts.child.name}) is {facts.child.status}",
            facts.child.status,
        )
    return Reason.WAITING_FOR_CHILD, sentence, {"child_process_id": child_id, "child_status": status}


def _container(step: StepContext) -> Explanation:
    counters = step.children
    if counters is None or not counters.open:
        return Reason.CONTAINER, "waits for the step in it that is open", {}
    of = f" of {counters.total}" if counters.total else ""
    details = {"open_children": counters.open, "total_children": counters.total}
    return Reason.CONTAINER, f"waits for {counters.open}{of} steps in it", details


def _signal(step: StepContext) -> str:
    return str(decode(step.input).get("forSignal") or "")


def _for_signal(step: StepContext, facts: Facts, now: int) -> Explanation:
    signal, wake = _signal(step), facts.due.get(DueKind.WAKE)
    correlation = decode(step.input).get("correlation")
    sentence = f"waits for the signal {signal}"
    if correlation is not None:
        sentence += f" with the correlation {correlation}"
    details: dict[str, Any] = {"signal": signal, "since": step.scheduled}
    if correlation is not None:
        details["correlation"] = str(correlation)
    if wake is not None:
        details["until"] = wake.at
        sentence += f", for {span(wake.at - now)} more"
    return Reason.WAITING_FOR_SIGNAL, sentence, details


def _delayed(step: StepContext, at: int, now: int) -> Explanation:
    what = f"retry {step.retries}" if step.retries and not step.hand_out.runs else "offered again"
    return Reason.DELAYED, f"{what} in {span(at - now)}", {"until": at, "retry": step.retries}


def _until(step: StepContext, at: int, now: int) -> Explanation:
    return Reason.WAITING_UNTIL, f"waits for {span(at - now)} more", {"until": at, "since": step.scheduled}


def span(ms: int) -> str:
    """A duration for people: 0.4 s, 40 s, 12 min, 3 h, 2 d."""
    for size, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
        if ms >= 2 * size:
            return f"{ms // size} {unit}"
    return f"{ms / 1000:.1f} s" if ms < 10_000 else f"{ms // 1000} s"


def explain_all(
    process: ProcessContext, plan: Plan, found: Sequence[tuple[StepContext, Facts]], now: int
) -> list[Wait]:
    return [explain(process, plan, step, facts, now) for step, facts in found]
