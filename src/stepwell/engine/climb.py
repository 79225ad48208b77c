"""How children are opened, and how a step that closed is heard of further up."""

from enum import Enum

from stepwell.engine.draft import Draft
from stepwell.engine.steps import create, fails_parent
from stepwell.model.codec import encode
from stepwell.model.due import DueKind
from stepwell.model.step import StepContext, StepPath


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
    if draft.process.resumed:
        before = draft.find(draft.id_at(path))
        if before is not None:
            draft.transitions += 1
            if before.status.is_open or not fails_parent(plan, before):
                return before
            return draft.controls[plan.type].resume(draft, plan, before)
    return draft.controls[plan.type].open(draft, plan, create(draft, plan, path, parent))


def run_sequence(
    draft: Draft, refs: tuple[str, ...], position: int, indices: StepPath, parent: StepContext | None
) -> tuple[Sequel, StepContext | None]:
    """Open children one after the other, from a position on, until one waits or stops the rest.

    Answers the sequel and, when it STOPPED, the child that failed."""
    if draft.process.resumed:
        draft.want(draft.id_at((ref, *indices)) for ref in refs[position:])
    for at in range(position, len(refs)):
        if draft.exhausted:
            draft.set_due(DueKind.GO_ON, draft.now, step_id=parent.id if parent else 0, body=encode(at))
            return Sequel.WAITING, None
        child = open_child(draft, refs[at], indices, parent)
        if child.status.is_open or not draft.process.status.is_open:
            return Sequel.WAITING, None
        if fails_parent(draft.plan.steps[refs[at]], child):
            return Sequel.STOPPED, child
    return Sequel.DONE, None


def climb(draft: Draft, step: StepContext) -> StepContext | None:
    """A step closed: its parent hears of it and may close too, and so on up.

    Answers the top-level step that closed last, or None when somebody on the way still waits."""
    while not step.status.is_open and draft.process.status.is_open:
        parent = draft.parent_of(step)
        if parent is None:
            return step
        if not parent.status.is_open:
            return None
        plan = draft.plan_of(parent)
        child_closed = draft.controls[plan.type].child_closed
        assert child_closed is not None, f"{plan.type} {parent.ref} has a child"
        step = child_closed(draft, plan, parent, step)
    return None
