"""Signals: outside input for a process. One that comes before its step waits is kept until the step does."""

from typing import Any

from stepwell.definition.plan import Plan
from stepwell.engine.draft import Draft
from stepwell.model.codec import Json, decode, encode
from stepwell.model.definition import StepType
from stepwell.model.step import Phase, StepContext

MOST_KEPT = 100


def matches(waits_for: dict[str, Any], name: str, correlation: str | None) -> bool:
    """Does a WAIT with this input want that signal? Without a correlation of its own it takes any."""
    wanted = waits_for.get("correlation")
    return waits_for.get("forSignal") == name and (wanted is None or as_text(wanted) == correlation)


def takes(plan: Plan, step: StepContext, name: str, correlation: str | None) -> bool:
    """Is this step an open WAIT that has begun and wants that signal?"""
    if not step.status.is_open or step.phase is not Phase.WORK:
        return False
    waits = plan.steps[str(step.path[0])].type is StepType.WAIT
    return waits and matches(decode(step.input), name, correlation)


def as_text(value: Any) -> str:
    """A template may give a number where a text is meant."""
    return value if isinstance(value, str) else encode(value).decode()


def take_early(draft: Draft, name: str, correlation: Any) -> Json | None:
    """The payload of the oldest kept signal that fits, taken off the process; None when there is none."""
    kept = decode(draft.process.signals)
    wish = {"forSignal": name, "correlation": correlation}
    for signal in kept:
        if matches(wish, signal["name"], signal.get("correlation")):
            kept.remove(signal)
            draft.put_process(signals=encode(kept))
            return encode(signal["payload"])
    return None


def keep(draft: Draft, name: str, correlation: str | None, payload: Json) -> bool:
    """Keep a signal that nobody waits for yet. False when the process keeps too many already."""
    kept = decode(draft.process.signals)
    if len(kept) >= MOST_KEPT:
        return False
    kept.append({"name": name, "correlation": correlation, "payload": decode(payload)})
    draft.put_process(signals=encode(kept))
    return True
