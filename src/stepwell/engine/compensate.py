"""Undoing: when a process fails, what it completed is taken back, the last completed step first.

A step's `compensate` is a hidden step of the plan. The process stays RUNNING while it undoes and takes its final status
afterwards. What is durable is the place in the order (`Undoing`); the order itself is made from the rows, and only
remembered in the snapshot: the records of completed steps do not change any more.
"""

from bisect import bisect_left
from collections.abc import Iterator

from stepwell.engine.climb import enter
from stepwell.engine.draft import Draft
from stepwell.engine.steps import create, error_text
from stepwell.model.codec import Json, Record, change, decode_as, encode, members, raw
from stepwell.model.due import DueKind
from stepwell.model.process import ProcessStatus
from stepwell.model.step import StepContext, StepPath, StepStatus

UNDO = b'"undo"'
"""Body of the GO_ON row of a process that is about to undo its steps."""
UNDOES = frozenset({ProcessStatus.FAILED, ProcessStatus.TIMED_OUT, ProcessStatus.CANCELLED})
MOST_ERRORS = 100


class Error(Record, frozen=True):
    ref: str
    error: str


class Undoing(Record, frozen=True, kw_only=True):
    """How far the undoing is."""

    status: ProcessStatus
    """What the process ends as."""
    completed: int = 2**53
    """Steps that completed before this moment, and in the same one those with a smaller id, are still to be undone."""
    id: int = 2**53
    errors: tuple[Error, ...] = ()


def undoing(draft: Draft) -> Undoing:
    return decode_as(draft.process.compensating, Undoing)


def begin_undoing(draft: Draft, status: ProcessStatus, output: Json, reason: str) -> bool:
    """The process is to end so. True when it undoes its steps before."""
    if status not in UNDOES or draft.process.compensating or not draft.plan.undo:
        return False
    if not _order(draft):
        return False
    draft.put_process(
        compensating=encode(Undoing(status=status)),
        output=output,
        reason=reason or draft.process.reason,
        deadline=0,
    )
    draft.drop_due(DueKind.PROCESS_TIMEOUT)
    draft.set_due(DueKind.GO_ON, draft.now, body=UNDO)
    return True


def undone(draft: Draft, step: StepContext) -> None:
    """A compensating step has closed."""
    if not step.status.is_failed:
        return
    state = undoing(draft)
    if len(state.errors) < MOST_ERRORS:
        error = Error(step.ref, error_text(step, draft))
        draft.put_process(compensating=encode(change(state, errors=(*state.errors, error))))


def undo_next(draft: Draft) -> bool:
    """Open compensating steps, one after the other, until one waits. True when nothing is left."""
    while not draft.exhausted:
        state = undoing(draft)
        order = _order(draft)
        at = bisect_left(order, (state.completed, state.id))
        if not at:
            return True
        completed, id = order[at - 1]
        draft.put_process(compensating=encode(change(state, completed=completed, id=id)))
        step = _open(draft, draft.step(id))
        if step.status.is_open:
            return False
        undone(draft, step)
    draft.set_due(DueKind.GO_ON, draft.now, body=UNDO)
    return False


def outcome(draft: Draft) -> tuple[ProcessStatus, Json]:
    """What the process ends as, and its output."""
    state = undoing(draft)
    if not state.errors:
        return state.status, draft.process.output
    output = {**members(draft.process.output), "compensationErrors": raw(encode(state.errors))}
    return ProcessStatus.FAILED, encode(output)


def _open(draft: Draft, step: StepContext) -> StepContext:
    plan = draft.plan.steps[draft.plan.undo[str(step.path[0])]]
    return enter(draft, plan, create(draft, plan, (plan.ref, *step.path[1:]), None))


def _order(draft: Draft) -> list[tuple[int, int]]:
    """(when it completed, its id) of each step to be undone, the first completed first."""
    known = draft.snapshot.undo
    if known is None:
        paths = list(_paths(draft))
        draft.want(draft.id_at(path) for path in paths)
        steps = (draft.find(draft.id_at(path)) for path in paths)
        known = sorted((s.updated, s.id) for s in steps if s is not None and s.status is StepStatus.COMPLETED)
        if draft.process.compensating:
            draft.snapshot.undo = known
    return known


def _paths(draft: Draft) -> Iterator[StepPath]:
    for ref in draft.plan.undo:
        for indices in _iterations(draft, draft.plan.steps[ref].loops, ()):
            yield (ref, *indices)


def _iterations(draft: Draft, loops: tuple[str, ...], around: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The indices of every iteration that there may be."""
    if not loops:
        yield around
        return
    foreach = draft.find(draft.id_at((loops[0], *around)))
    if foreach is not None and foreach.children is not None:
        # A rerun with fewer items leaves records of iterations that its present execution does not have.
        for index in range(max(foreach.children.total, foreach.children.room)):
            yield from _iterations(draft, loops[1:], (*around, index))
