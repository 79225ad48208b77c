"""What the input of a control step must hold. Where a template stands, only the run can tell."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stepwell.definition.depends_on import StatementError, parse_statement
from stepwell.definition.fields import kind_of
from stepwell.definition.places import Place
from stepwell.model.definition import StepType
from stepwell.model.errors import Problem

Found = Iterator[Problem]

_STATE_ACTIONS = ("INSERT", "UPDATE", "UPSERT", "READ", "DELETE", "READ_BULK")
_STATE_WRITES = ("INSERT", "UPDATE", "UPSERT")
_UPDATE_ACTIONS = ("COMPLETE", "FAIL", "FEED")
_EXIT = "EXIT"
_IN_ORDER = (StepType.LIST, StepType.WHILE)


def input_problems(place: Place, top: Sequence[str]) -> Found:
    """`top`: refs of the top-level steps when they run in list order; none when edges order them."""
    at = f"{place.at}.input"
    if place.step.type is StepType.FLOW_GATEWAY:
        yield from _gateway(place, top, at)
    elif place.step.type in _CHECKS:
        yield from _CHECKS[place.step.type](place.step.input, at)


def _persisted_state(given: dict[str, Any], at: str) -> Found:
    action = given.get("action")
    yield from _one_of(given, at, "action", _STATE_ACTIONS, required=True)
    if action == "READ_BULK":
        yield from _required(given, at, "names", list)
    elif action in _STATE_ACTIONS:
        yield from _required(given, at, "name", str)
    if action in _STATE_WRITES and "value" not in given:
        yield _missing(at, "value")


def _decision_engine(given: dict[str, Any], at: str) -> Found:
    yield from _required(given, at, "table", str)
    yield from _whole_number(given, at, "version")
    yield from _of_kind(given, at, "input", dict)


def _depends_on(given: dict[str, Any], at: str) -> Found:
    yield from _required(given, at, "dependsOnStatement", str)
    yield from _whole_number(given, at, "intervalSeconds")
    yield from _whole_number(given, at, "windowSeconds")
    text = given.get("dependsOnStatement")
    if isinstance(text, str) and text and not _is_template(text):
        try:
            parse_statement(text)
        except StatementError as error:
            yield Problem(f"{at}.dependsOnStatement", str(error), "STATEMENT")


def _update_step(given: dict[str, Any], at: str) -> Found:
    yield from _required(given, at, "targetRef", str)
    yield from _one_of(given, at, "action", _UPDATE_ACTIONS)
    yield from _whole_number(given, at, "processId")
    yield from _of_kind(given, at, "output", dict)


def _send_response(given: dict[str, Any], at: str) -> Found:
    yield from _whole_number(given, at, "statusCode")
    yield from _of_kind(given, at, "headers", dict)


def _process_tracker(given: dict[str, Any], at: str) -> Found:
    if given.get("processId") is None:
        yield _missing(at, "processId")
    yield from _whole_number(given, at, "processId")
    yield from _whole_number(given, at, "intervalSeconds")


_CHECKS: dict[StepType, Callable[[dict[str, Any], str], Found]] = {
    StepType.PERSISTED_STATE: _persisted_state,
    StepType.DECISION_ENGINE: _decision_engine,
    StepType.DEPENDSON: _depends_on,
    StepType.UPDATE_STEP: _update_step,
    StepType.SEND_RESPONSE: _send_response,
    StepType.PROCESS_TRACKER: _process_tracker,
}


def _gateway(place: Place, top: Sequence[str], at: str) -> Found:
    given = place.step.input
    yield from _of_kind(given, at, "rules", list)
    rules = given.get("rules")
    for index, rule in enumerate(rules if isinstance(rules, list | tuple) else ()):
        here = f"{at}.rules[{index}]"
        if not isinstance(rule, dict):
            yield Problem(here, f"must be an object, is {kind_of(rule)}", "WRONG_KIND")
            continue
        if not isinstance(rule.get("condition"), str | bool) or rule["condition"] == "":
            yield Problem(
                f"{here}.condition", "must be a script, or a template that gives a boolean", "MISSING"
            )
        yield from _required(rule, here, "targetRef", str)
        yield from _target(rule, here, "targetRef", place, top)
    yield from _target(given, at, "defaultTargetRef", place, top)


def _target(given: dict[str, Any], at: str, key: str, place: Place, top: Sequence[str]) -> Found:
    target = given.get(key)
    if not isinstance(target, str) or not target or target == _EXIT or _is_template(target):
        return
    refs = top if not place.around else [step.ref for step in place.around[-1].children]
    if place.around and place.around[-1].type not in _IN_ORDER:
        refs = ()
    if target not in refs or target == place.step.ref:
        message = f"{target!r} is no other step of the same sequence, nor {_EXIT}"
        yield Problem(f"{at}.{key}", message, "UNKNOWN_TARGET")


# -- kinds


_NAMES: dict[type, str] = {str: "text", list: "a list", dict: "an object"}


def _required(given: dict[str, Any], at: str, key: str, kind: type) -> Found:
    if given.get(key) in (None, "", []):
        yield _missing(at, key)
    else:
        yield from _of_kind(given, at, key, kind)


def _of_kind(given: dict[str, Any], at: str, key: str, kind: type) -> Found:
    value = given.get(key)
    wanted = (list, tuple) if kind is list else kind
    if value is not None and not isinstance(value, wanted) and not _is_template(value):
        yield Problem(f"{at}.{key}", f"must be {_NAMES[kind]}, is {kind_of(value)}", "WRONG_KIND")


def _whole_number(given: dict[str, Any], at: str, key: str) -> Found:
    value = given.get(key)
    if value is None or (type(value) is int and value > 0) or _is_template(value):
        return
    yield Problem(f"{at}.{key}", "must be a whole number of 1 or more", "WRONG_KIND")


def _one_of(
    given: dict[str, Any], at: str, key: str, allowed: Sequence[str], *, required: bool = False
) -> Found:
    value = given.get(key)
    if value is None:
        if required:
            yield _missing(at, key)
    elif value not in allowed and not _is_template(value):
        yield Problem(f"{at}.{key}", f"must be one of {', '.join(allowed)}", "UNKNOWN_VALUE")


def _missing(at: str, key: str) -> Problem:
    return Problem(f"{at}.{key}", "is missing", "MISSING")


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value
