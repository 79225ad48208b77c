"""The process itself: its top-level sequence, its end, its output. Spec 0.4."""

from stepwell.engine.climb import Sequel, climb, following, last_output, run_sequence
from stepwell.engine.compensate import UNDO, begin_undoing, outcome, undo_next, undone
from stepwell.engine.draft import Draft
from stepwell.engine.graph import after, run_graph
from stepwell.engine.hooks import on_end, tell_parent
from stepwell.engine.inputs import resolve
from stepwell.engine.limits import look_ahead
from stepwell.engine.steps import cancel, explanation, fails_parent
from stepwell.model.codec import Json, encode, members, raw
from stepwell.model.due import DueKind
from stepwell.model.process import ProcessStatus
from stepwell.model.step import StepContext

CLOSING_SLICE = 256
"""How many open steps one decision cancels when a process ends under them."""
_CLOSING = b'"closing after '


def is_closing(body: Json) -> bool:
    """Is it the body of the GO_ON row of an ended process that still has open steps?"""
    return body.startswith(_CLOSING)


def closed_up_to(body: Json) -> int:
    """The id of the last step that was cancelled: what comes behind it need not be looked for among the closed ones."""
    return int(body[len(_CLOSING) : -1])


def start_clock(draft: Draft) -> None:
    """The process's own time limit, from now."""
    timeout = draft.plan.definition.configuration.completion_timeout
    if timeout:
        draft.set_due(DueKind.PROCESS_TIMEOUT, draft.now + timeout)


def run_top(draft: Draft, position: int) -> None:
    """Open top-level steps from a position on; end the process when none is left or one failed."""
    if draft.plan.edges:
        _end_as(draft, run_graph(draft))
        return
    sequel, failed = run_sequence(draft, draft.plan.top, position, (), None)
    if sequel is Sequel.STOPPED:
        assert failed is not None
        fail(draft, failed)
    elif sequel is Sequel.DONE:
        complete(draft)


def settle(draft: Draft, step: StepContext) -> None:
    """What follows when a step may have closed: its parents hear of it, up to the process."""
    if draft.process.compensating:
        if not step.status.is_open and draft.plan_of(step).undoes is not None:
            undone(draft, step)
            _undo_rest(draft)
        return
    top = climb(draft, step)
    if top is None:
        return
    plan = draft.plan_of(top)
    if draft.plan.edges:
        _end_as(draft, after(draft, top))
    elif fails_parent(plan, top):
        fail(draft, top)
    else:
        run_top(draft, following(plan, top))


def _end_as(draft: Draft, sequel: Sequel) -> None:
    """What a graph has come to. One that failed has said why in the output already."""
    if sequel is Sequel.STOPPED:
        end(draft, ProcessStatus.FAILED, with_defaults(draft, draft.process.output))
    elif sequel is Sequel.DONE:
        complete(draft)


def complete(draft: Draft) -> None:
    end(draft, ProcessStatus.COMPLETED, regular_output(draft))


def fail(draft: Draft, step: StepContext) -> None:
    """The process fails because of a top-level step; the output names the leaf that is the cause."""
    end(draft, ProcessStatus.FAILED, with_defaults(draft, encode(explanation(draft, step))))


def end(draft: Draft, status: ProcessStatus, output: Json, reason: str = "") -> None:
    """The process ends, or begins to undo what it has done and ends then."""
    if not begin_undoing(draft, status, output, reason):
        _end(draft, status, output, reason)


def undo(draft: Draft) -> None:
    """Cancel what is open still, then undo what is completed."""
    if draft.plan.undo and not _undoes_now(draft) and not cancel_open_steps(draft):
        _undo_rest(draft)


def _undoes_now(draft: Draft) -> bool:
    return any(draft.plan_of(step).undoes is not None for step in draft.open_steps(CLOSING_SLICE)[0])


def _undo_rest(draft: Draft) -> None:
    if draft.process.status.is_open and undo_next(draft):
        _end(draft, *outcome(draft))


def _end(draft: Draft, status: ProcessStatus, output: Json, reason: str = "") -> None:
    draft.put_process(status=status, output=output, ended=draft.now, reason=reason or draft.process.reason)
    draft.ended = True
    draft.forget_due()
    on_end(draft)
    tell_parent(draft)


def end_early(draft: Draft, status: ProcessStatus, output: Json, reason: str = "") -> None:
    """End it although steps are open: they are CANCELLED, in slices when they are many."""
    end(draft, status, output, reason)
    cancel_open_steps(draft)


def cancel_open_steps(draft: Draft, after: int = 0) -> bool:
    """One slice of them, those with an id behind `after`. True when there are more."""
    steps, past = draft.open_steps(CLOSING_SLICE, after)
    look_ahead(draft, steps)
    for step in steps:
        cancel(draft, step)
    if past is not None:
        body = UNDO if draft.process.status.is_open else b'%b%d"' % (_CLOSING, past)
        draft.set_due(DueKind.GO_ON, draft.now, body=body)
    return past is not None


def regular_output(draft: Draft) -> Json:
    """`outputMapping` if it is set, else the output of the last top-level step that COMPLETED; defaults fill gaps."""
    if draft.plan.output is not None:
        text, _ = resolve(draft, draft.plan.output, ())
        return with_defaults(draft, text)
    return with_defaults(draft, last_output(draft, draft.plan.top, ()))


def with_defaults(draft: Draft, output: Json) -> Json:
    defaults = draft.plan.definition.default_output
    if not defaults:
        return output
    given = members(output)
    missing = {key: raw(encode(value)) for key, value in defaults.items() if key not in given}
    return encode({**given, **missing}) if missing else output
