"""The top level as a graph: each step begins when the steps that its edges name are done. Spec 0.4.

A failure lets running siblings end and starts nothing new; only then the process fails. The first failure stands in the
output of the process from the moment it happens: that is also how a decision knows of it without a look at all steps.
"""

from collections.abc import Iterable

from stepwell.engine.climb import Sequel, look_ahead, open_child, opening
from stepwell.engine.draft import HEAVY, Draft
from stepwell.engine.steps import explanation, fails_parent
from stepwell.model.codec import EMPTY, encode
from stepwell.model.due import DueKind
from stepwell.model.step import StepContext


def run_graph(draft: Draft) -> Sequel:
    """Open every top-level step that may begin: at the start, after a resume, and when a decision goes on."""
    draft.want(draft.id_at((ref,)) for ref in draft.plan.top)
    return _open(draft, _ready(draft, draft.plan.top))


def after(draft: Draft, step: StepContext) -> Sequel:
    """A top-level step closed: what waited for it may begin."""
    if fails_parent(draft.plan_of(step), step):
        return _failed(draft, step)
    return _open(draft, _ready(draft, draft.plan.dependents.get(str(step.path[0]), ())))


def downstream(draft: Draft, ref: str) -> list[str]:
    """Every top-level step that waits for this one, directly or not, in list order."""
    found: set[str] = set()
    ahead = [ref]
    while ahead:
        new = set(draft.plan.dependents.get(ahead.pop(), ())) - found
        found |= new
        ahead += new
    return [other for other in draft.plan.top if other in found]


def _open(draft: Draft, ready: list[str]) -> Sequel:
    waits = False
    while ready and not _has_failed(draft):
        if not draft.snapshot.complete:
            # What steps name that become ready by each other cannot all be loaded ahead.
            draft.transitions += HEAVY
        look_ahead(draft, (path for ref in ready for path in opening(draft, ref, ())))
        closed = []
        for ref in ready:
            if draft.exhausted:
                draft.set_due(DueKind.GO_ON, draft.now, body=encode(0))
                return Sequel.WAITING
            child = open_child(draft, ref, (), None)
            if not draft.process.goes_on:
                return Sequel.WAITING
            if fails_parent(draft.plan.steps[ref], child):
                return _failed(draft, child)
            if child.status.is_open:
                waits = True
            else:
                closed.append(ref)
        waiting = (other for ref in closed for other in draft.plan.dependents.get(ref, ()))
        ready = _ready(draft, dict.fromkeys(waiting))
    return Sequel.WAITING if waits else _sequel(draft)


def _ready(draft: Draft, refs: Iterable[str]) -> list[str]:
    """Those that have not begun, or are to be resumed, and need not wait any more."""
    refs = list(refs)
    draft.want(draft.id_at((ref,)) for ref in refs)
    ready: set[str] = set()
    waiting = {ref: draft.plan.edges[ref][::-1] for ref in refs if _is_to_begin(draft, ref)}
    # Backwards and a few at a time: steps mostly end in list order, so the last one mostly tells that it is too early.
    looked, size = 0, 1
    while waiting:
        draft.want(draft.id_at((dep,)) for deps in waiting.values() for dep in deps[looked : looked + size])
        waiting = {
            ref: deps
            for ref, deps in waiting.items()
            if all(_is_done(draft, dep) for dep in deps[looked : looked + size])
        }
        looked, size = looked + size, size * 16
        ready |= {ref for ref, deps in waiting.items() if len(deps) <= looked}
        waiting = {ref: deps for ref, deps in waiting.items() if len(deps) > looked}
    return [ref for ref in refs if ref in ready]


def _is_to_begin(draft: Draft, ref: str) -> bool:
    step = _record(draft, ref)
    if step is None:
        return True
    return bool(draft.process.resumed) and fails_parent(draft.plan.steps[ref], step)


def _is_done(draft: Draft, ref: str) -> bool:
    step = _record(draft, ref)
    return step is not None and not step.status.is_open and not fails_parent(draft.plan.steps[ref], step)


def _record(draft: Draft, ref: str) -> StepContext | None:
    """Its record, unless that belongs to what an operator has had run again."""
    step = draft.find(draft.id_at((ref,)))
    if step is None or (not step.status.is_open and step.parent_execution_id != 1):
        return None
    return step


def _failed(draft: Draft, step: StepContext) -> Sequel:
    if not _has_failed(draft):
        draft.put_process(output=encode(explanation(draft, step)))
    return _sequel(draft)


def _has_failed(draft: Draft) -> bool:
    return draft.process.output != EMPTY


def _sequel(draft: Draft) -> Sequel:
    end, size = len(draft.plan.top), 1
    while end > 0:
        ids = [draft.id_at((ref,)) for ref in draft.plan.top[max(0, end - size) : end]]
        draft.want(ids)
        for id in reversed(ids):
            step = draft.find(id)
            if step is not None and step.status.is_open:
                return Sequel.WAITING
        end, size = end - size, size * 16
    if _has_failed(draft):
        return Sequel.STOPPED
    if any(_record(draft, ref) is None and _may_begin(draft, ref) for ref in draft.plan.top):
        # A decision was full before it came to them; the rest of it has not been taken up yet.
        draft.set_due(DueKind.GO_ON, draft.now, body=encode(0))
        return Sequel.WAITING
    if draft.process.resumed:
        _note_left(draft)
    return Sequel.STOPPED if _has_failed(draft) else Sequel.DONE


def _may_begin(draft: Draft, ref: str) -> bool:
    return all(_is_done(draft, dep) for dep in reversed(draft.plan.edges[ref]))


def _note_left(draft: Draft) -> None:
    """A step that was run again may leave others as they are that ended badly. One that all have gone past that wait
    for it is passed over; any other fails the process, as it would in a PARALLEL."""
    for ref in draft.plan.top:
        step = _record(draft, ref)
        if step is not None and fails_parent(draft.plan.steps[ref], step):
            waiting = draft.plan.dependents.get(ref, ())
            if not waiting or any(_record(draft, other) is None for other in waiting):
                draft.put_process(output=encode(explanation(draft, step)))
                return
