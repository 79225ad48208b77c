"""A process that an operator pauses: nothing new begins, what waits in a queue is taken out of it, until it goes on.

What workers hold goes on, and so do timers; what follows from them is held as it begins. A wide process is held,
and let go, in slices: behind each a PAUSE row says where the next one begins.
"""

from stepwell.engine.draft import HEAVY, Draft
from stepwell.engine.effects import Reply
from stepwell.engine.events import PauseRequested, UnpauseRequested
from stepwell.engine.operate import conflict
from stepwell.engine.process import settle
from stepwell.engine.steps import hold, is_held, let_go
from stepwell.model.codec import encode
from stepwell.model.due import DueKind
from stepwell.model.step import Phase, StepContext

SLICE = 256
"""Open steps that one decision holds or lets go at the most."""


def pause_requested(draft: Draft, event: PauseRequested) -> Reply:
    if not draft.process.status.is_open or draft.process.paused:
        return conflict(draft, "only a RUNNING one that is not paused can be paused")
    draft.put_process(paused=True)
    pause_steps(draft, 0)
    return None


def unpause_requested(draft: Draft, event: UnpauseRequested) -> Reply:
    if not draft.process.status.is_open or not draft.process.paused:
        return conflict(draft, "only a paused one can go on")
    draft.put_process(paused=False)
    pause_steps(draft, 0)
    return None


def pause_steps(draft: Draft, after: int) -> None:
    """Hold what is ready, or let go what was held, as the process now is: a slice of its open steps behind an id."""
    steps, past = draft.open_steps(SLICE, after)
    draft.drop_due(DueKind.PAUSE)
    last = after
    for step in steps:
        if draft.exhausted:
            past = last
            break
        last = step.id
        if draft.process.paused:
            if step.hand_out.ready is not None and step.phase is Phase.WORK:
                hold(draft, step)
        else:
            _let_go(draft, draft.step(step.id))
        if not draft.process.status.is_open:
            return
    if past is not None:
        draft.set_due(DueKind.PAUSE, draft.now, body=encode(past))


def _let_go(draft: Draft, step: StepContext) -> None:
    if step.phase is not Phase.HELD or not step.status.is_open:
        return
    if draft.process.compensating and draft.plan_of(step).undoes is None:
        # Its process undoes its steps by now: this one is about to be cancelled.
        return
    if is_held(draft, str(step.path[0])):
        # By a mark, too: from now on it looks for itself whether that is gone.
        hold(draft, step)
        return
    if not draft.snapshot.complete:
        # What it needs to begin, and what follows when it ends at once, may cost a load of its own.
        draft.transitions += HEAVY
    settle(draft, let_go(draft, step))
