"""The only entrance."""

from collections.abc import Callable
from typing import Any

from stepwell.engine import reactions
from stepwell.engine.control.table import CONTROLS
from stepwell.engine.draft import Draft, Missing
from stepwell.engine.effects import Decision, Needs, Reply, Snapshot
from stepwell.engine.events import (
    AnyEvent,
    DeliveryExpired,
    Event,
    ProcessStarted,
    ResumeRequested,
    ReviewRequested,
    SignalReceived,
    StepReported,
    TerminateRequested,
    TimerFired,
)

Reaction = Callable[[Draft, Any], Reply]

REACTIONS: dict[type[Event], Reaction] = {
    ProcessStarted: reactions.process_started,
    StepReported: reactions.step_reported,
    DeliveryExpired: reactions.delivery_expired,
    TimerFired: reactions.timer_fired,
    SignalReceived: reactions.signal_received,
    TerminateRequested: reactions.terminate_requested,
    ResumeRequested: reactions.resume_requested,
    ReviewRequested: reactions.review_requested,
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
