"""What the input of a WAIT must hold: exactly one of its four forms."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from stepwell.definition.container_inputs import script_problems
from stepwell.definition.input_kinds import Found, is_template, of_kind, one_of, whole_number, without_effect
from stepwell.model.errors import Problem

FORMS = ("script", "durationMs", "until", "forSignal")
ON_TIMEOUT = ("FAIL", "CONTINUE")


def wait_problems(given: dict[str, Any], at: str) -> Found:
    said = [form for form in FORMS if given.get(form) not in (None, "")]
    if not said:
        yield Problem(f"{at}.script", f"is missing: one of {', '.join(FORMS)} says how to wait", "MISSING")
    for form in said[1:]:
        yield Problem(f"{at}.{form}", f"{said[0]} says already how to wait", "AMBIGUOUS")
    yield from script_problems(given, at)
    yield from whole_number(given, at, "durationMs", least=0)
    yield from _until(given, at)
    yield from of_kind(given, at, "forSignal", str)
    yield from whole_number(given, at, "timeoutMs")
    yield from one_of(given, at, "onTimeout", ON_TIMEOUT)
    if "forSignal" not in said:
        yield from without_effect(
            given, at, ["correlation", "timeoutMs", "onTimeout"], "it waits for no signal"
        )
    elif given.get("timeoutMs") is None:
        yield from without_effect(given, at, ["onTimeout"], "there is no timeoutMs")


def _until(given: dict[str, Any], at: str) -> Found:
    yield from of_kind(given, at, "until", str)
    yield from of_kind(given, at, "timeZone", str)
    until, zone = given.get("until"), given.get("timeZone")
    if isinstance(until, str) and until and not is_template(until):
        try:
            datetime.fromisoformat(until)
        except ValueError:
            yield Problem(
                f"{at}.until", f"{until[:40]!r} is no date and time such as 2030-01-31T09:00", "MOMENT"
            )
    if isinstance(zone, str) and zone and not is_template(zone):
        try:
            ZoneInfo(zone)
        except (ValueError, KeyError, OSError):
            yield Problem(
                f"{at}.timeZone", f"{zone[:40]!r} is no time zone such as Europe/Berlin", "TIME_ZONE"
            )
    if until in (None, ""):
        yield from without_effect(given, at, ["timeZone"], "there is no until")
