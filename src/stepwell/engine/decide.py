"""The only entrance."""

from collections.abc import Callable
from typing import Any

from stepwell.engine import operate, pause, reactions, rerun
from stepwell.engine.control.table import CONTROLS
from stepwell.engine.draft import Draft, Missing
from stepwell.engine.effects import Decision, Needs, Reply, Snapshot
from stepwell.engine.events import (
    AnyEvent,
    CancelRequested,
    DeliveryExpired,
    Event,
    PauseRequested,
    ProcessStarted,
    RerunFromRequested,
    ResumeRequested,
    ReviewRequested,
    SignalReceived,
    StateEdited,
    StepOrdered,
    StepRemoved,
    StepReported,
    TerminateRequested,
    TimerFired,
    UnpauseRequested,
)

Reaction = Callable[[Draft, Any], Reply]

REACTIONS: dict[type[Event], Reaction] = {
    ProcessStarted: reactions.process_started,
    StepReported: reactions.step_reported,
    DeliveryExpired: reactions.delivery_expired,
    TimerFired: reactions.timer_fired,
    SignalReceived: reactions.signal_received,
    TerminateRequested: operate.terminate_requested,
    CancelRequested: operate.cancel_requested,
    ResumeRequested: operate.resume_requested,
    ReviewRequested: operate.review_requested,
    RerunFromRequested: rerun.rerun_from_requested,
    PauseRequested: pause.pause_requested,
    UnpauseRequested: pause.unpause_requested,
    StateEdited: operate.state_edited,
    StepOrdered: operate.step_ordered,
    StepRemoved: operate.step_removed,
}


def decide(snapshot: Snapshot, event: AnyEvent, now: int) -> Decision | Needs:
    """Say what follows from one event. Same arguments, same answer, always.

    `Needs` means: load these keys into the snapshot and ask again."""
    draft = Draft(snapshot, now, CONTROLS)
    try:
        reply = REACTIONS[type(event)](draft, event)
    except Missing as missing:
        return Needs(missing.keys)
    return draft.decision(reply)
