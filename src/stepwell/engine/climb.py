"""How children are opened, and how a step that closed is heard of further up."""

from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import islice

from stepwell.definition.compile import WORK
from stepwell.definition.plan import StepPlan
from stepwell.engine.draft import MAX_TRANSITIONS, Draft
from stepwell.engine.effects import Mark
from stepwell.engine.inputs import want_inputs
from stepwell.engine.prepare import prepare
from stepwell.engine.steps import (
    begin_anew,
    create,
    fails_parent,
    hold,
    is_held,
    renew_input,
    skip,
    skip_anew,
)
from stepwell.model.codec import EMPTY, Json, change, encode
from stepwell.model.definition import StepType
from stepwell.model.due import DueKind
from stepwell.model.step import StepContext, StepPath, StepStatus

KEEPS_INPUT = frozenset({StepType.FOREACH, StepType.SUB_PROCESS})
"""Steps that a resume takes up with what they have begun: their items, their process."""

WAITS = WORK | {StepType.WAIT, StepType.SUB_PROCESS, StepType.WHILE}
"""Steps that mostly do not close in the decision that opens them."""
LITTLE = 16
"""How many steps a sequence looks at when the first ones did not wait."""


class Sequel(Enum):
    """Where a sequence stands after a pass."""

    WAITING = "WAITING"
    """A child is open, or the rest follows by a GO_ON row."""
    STOPPED = "STOPPED"
    """A child failed that is not optional."""
    DONE = "DONE"


def open_child(draft: Draft, ref: str, indices: StepPath, parent: StepContext | None) -> StepContext:
    """Open the child at (ref, *indices). In a resumed process: leave what went well, resume what did not."""
    plan = draft.plan.steps[ref]
    path = (ref, *indices)
    resumed = draft.may_have_children(parent)
    if resumed or plan.repeats:
        before = draft.find(draft.id_at(path))
        if before is not None:
            if _is_of_another_pass(before, parent):
                if is_skipped(draft, ref):
                    return skip_anew(draft, before, parent)
                return enter(draft, plan, begin_anew(draft, plan, before, parent))
            if resumed:
                return _pick_up(draft, plan, before, parent)
    if is_skipped(draft, ref):
        return skip(draft, plan, path, parent)
    return enter(draft, plan, create(draft, plan, path, parent))


def _pick_up(draft: Draft, plan: StepPlan, before: StepContext, parent: StepContext | None) -> StepContext:
    draft.transitions += 1
    if before.status.is_open or not fails_parent(plan, before):
        return before
    if is_skipped(draft, plan.ref):
        return skip_anew(draft, before, parent)
    if draft.process.numbering and not (plan.type in KEEPS_INPUT and before.children is not None):
        before = renew_input(draft, plan, before)
    return draft.controls[plan.type].resume(draft, plan, before)


def _is_of_another_pass(before: StepContext, parent: StepContext | None) -> bool:
    """Does its record belong to an earlier execution of its parent, or to what an operator has had run again?"""
    return not before.status.is_open and before.parent_execution_id != (
        1 if parent is None else parent.execution
    )


def is_skipped(draft: Draft, ref: str) -> bool:
    """Does an operator want this step of the definition left out?"""
    return draft.snapshot.marks.get(ref) is Mark.SKIP


def enter(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """Let a step begin, unless an operator holds it or its process."""
    if is_held(draft, plan.ref):
        return hold(draft, step)
    if plan.preparation is not None:
        return prepare(draft, plan, step)
    return draft.controls[plan.type].open(draft, plan, step)


def open_anew(draft: Draft, ref: str, indices: StepPath, parent: StepContext | None) -> StepContext:
    """Open a child whatever became of it before: a record from earlier gets a further execution."""
    plan = draft.plan.steps[ref]
    path = (ref, *indices)
    before = draft.find(draft.id_at(path))
    if before is None:
        return (
            skip(draft, plan, path, parent)
            if is_skipped(draft, ref)
            else enter(draft, plan, create(draft, plan, path, parent))
        )
    if before.status is StepStatus.SKIPPED and not _is_of_another_pass(before, parent):
        # An operator has removed it.
        return before
    if is_skipped(draft, ref):
        return skip_anew(draft, before, parent)
    return enter(draft, plan, begin_anew(draft, plan, before, parent))


def run_sequence(
    draft: Draft, refs: tuple[str, ...], position: int, indices: StepPath, parent: StepContext | None
) -> tuple[Sequel, StepContext | None]:
    """Open children one after the other, from a position on, until one waits or stops the rest.

    Answers the sequel and, when it STOPPED, the child that failed."""
    at = looked = position
    ahead = 0
    while at < len(refs):
        if draft.exhausted:
            draft.set_due(DueKind.GO_ON, draft.now, step_id=parent.id if parent else 0, body=encode(at))
            return Sequel.WAITING, None
        if at >= looked:
            looked = _look_behind(draft, refs, at, ahead, indices, parent)
            ahead = min(MAX_TRANSITIONS, 4 * ahead or LITTLE)
        child = open_child(draft, refs[at], indices, parent)
        if child.status.is_open or not draft.process.goes_on:
            return Sequel.WAITING, None
        plan = draft.plan.steps[refs[at]]
        if fails_parent(plan, child):
            return Sequel.STOPPED, child
        at = following(plan, child)
    return Sequel.DONE, None


def _look_behind(
    draft: Draft, refs: tuple[str, ...], at: int, ahead: int, indices: StepPath, parent: StepContext | None
) -> int:
    """Ask at once for what the next steps of a sequence need. At first up to the one that will probably wait; each time
    that it did not, four times as many: so few rounds carry a decision far, and one that goes one step costs one step.

    Answers the position up to which everything is known."""
    if draft.snapshot.complete and not indices:
        # A narrow process has all of it in its snapshot.
        return len(refs)
    end = min(at + ahead, len(refs)) if ahead else _first_that_waits(draft, refs, at) + 1
    paths = [path for each in refs[at:end] for path in opening(draft, each, indices)]
    if draft.may_have_children(parent):
        draft.want(draft.id_at((each, *indices)) for each in refs[at:end])
    elif draft.plan.steps[refs[at]].repeats:
        # Each may have a record from an earlier pass.
        draft.want(draft.id_at(path) for path in paths[:MAX_TRANSITIONS])
    look_ahead(draft, paths)
    return end


def _first_that_waits(draft: Draft, refs: tuple[str, ...], at: int) -> int:
    last = min(at + MAX_TRANSITIONS, len(refs)) - 1
    return next((n for n in range(at, last) if draft.plan.steps[refs[n]].type in WAITS), last)


def following(plan: StepPlan, child: StepContext) -> int:
    """Where a sequence goes on behind a child that closed: with the next, unless a gateway has chosen another."""
    if plan.type is StepType.FLOW_GATEWAY and child.children is not None:
        return child.children.next
    return plan.position + 1


def look_ahead(draft: Draft, paths: Iterable[StepPath]) -> None:
    """Ask at once for what the inputs of steps that are about to open name, or each of them costs a round."""
    first = list(islice(paths, MAX_TRANSITIONS))
    if len(first) > 1:
        want_inputs(draft, first)


def opening(draft: Draft, ref: str, indices: StepPath) -> Iterator[StepPath]:
    """The paths of steps that may open in the same decision as this one. FOREACH looks ahead for itself."""
    plan = draft.plan.steps[ref]
    if draft.snapshot.complete and not plan.loops:
        return
    yield (ref, *indices)
    if plan.type is StepType.LIST:
        yield from _until_waiting(draft, plan.children, 0, indices)
    elif plan.type is not StepType.FOREACH:
        for child in plan.children:
            yield from opening(draft, child, indices)


def _until_waiting(
    draft: Draft, refs: tuple[str, ...], position: int, indices: StepPath
) -> Iterator[StepPath]:
    for at in range(position, len(refs)):
        yield from opening(draft, refs[at], indices)
        if draft.plan.steps[refs[at]].type in WAITS:
            return


def last_output(draft: Draft, refs: tuple[str, ...], indices: StepPath) -> Json:
    """The output of the last of these steps that COMPLETED: mostly the very last one, so not all are asked for."""
    end, size = len(refs), 1
    while end > 0:
        start = max(0, end - size)
        ids = [draft.id_at((ref, *indices)) for ref in refs[start:end]]
        draft.want(ids)
        for id in reversed(ids):
            step = draft.find(id)
            if step is not None and step.status is StepStatus.COMPLETED:
                return step.output
        end, size = start, size * 64
    return EMPTY


def climb(draft: Draft, step: StepContext) -> StepContext | None:
    """A step closed: its parent hears of it and may close too, and so on up.

    Answers the top-level step that closed last, or None when somebody on the way still waits."""
    if not step.status.is_open:
        draft.want_around(step.path)
    while not step.status.is_open and draft.process.goes_on:
        parent = draft.parent_of(step)
        if parent is None:
            return step
        if not parent.status.is_open:
            return None
        plan = draft.plan_of(parent)
        child_closed = draft.controls[plan.type].child_closed
        assert child_closed is not None, f"{plan.type} {parent.ref} has a child"
        step = child_closed(draft, plan, parent, step)
    if not draft.process.goes_on:
        _count_last(draft, draft.step(step.id))
    return None


def _count_last(draft: Draft, step: StepContext) -> None:
    """A step that ended its process is counted by what it stands in all the same: whoever runs it again, or a step
    beside it, goes by these counters."""
    parent = draft.parent_of(step)
    if parent is None or parent.children is None or not parent.children.open or step.status.is_open:
        return
    counters = parent.children
    bad = counters.failed + fails_parent(draft.plan_of(step), step)
    draft.put(change(parent, children=change(counters, open=counters.open - 1, failed=bad)))
