"""What the input of a control step must hold. Where a template stands, only the run can tell."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stepwell.definition.compile import IN_SERVER
from stepwell.definition.container_inputs import (
    foreach_problems,
    parallel_problems,
    switch_problems,
    while_problems,
)
from stepwell.definition.depends_on import StatementError, parse_statement
from stepwell.definition.fields import kind_of
from stepwell.definition.input_kinds import (
    Found,
    is_one_template,
    is_template,
    missing,
    of_kind,
    one_of,
    required,
    whole_number,
)
from stepwell.definition.places import Place
from stepwell.definition.wait_inputs import wait_problems
from stepwell.model.definition import StepDefinition, StepType
from stepwell.model.errors import Problem

Check = Callable[[dict[str, Any], str], list[Problem]]
"""What is wrong with an input (templates still in it), with paths under the given one."""

_STATE_ACTIONS = ("INSERT", "UPDATE", "UPSERT", "READ", "DELETE", "READ_BULK")
_STATE_WRITES = ("INSERT", "UPDATE", "UPSERT")
_UPDATE_ACTIONS = ("COMPLETE", "FAIL", "FEED")
_EXIT_STATUSES = ("COMPLETED", "FAILED", "TERMINATED")
_EXIT = "EXIT"
_IN_ORDER = (StepType.LIST, StepType.WHILE)


def input_problems(
    place: Place, top: Sequence[str], work: Mapping[tuple[StepType, str], Check] | None = None
) -> Found:
    """`top`: refs of the top-level steps when they run in list order; none when edges order them.

    `work`: checks of the steps that the server runs itself, by type and name; None: they are not looked at."""
    at = f"{place.at}.input"
    if place.step.type in _CONTAINERS:
        yield from _CONTAINERS[place.step.type](place.step, at)
    elif work is not None and place.step.type in IN_SERVER:
        yield from _work(place, at, work)
    elif place.step.type is StepType.FLOW_GATEWAY:
        yield from _gateway(place, top, at)
    elif place.step.type in _CHECKS:
        yield from _CHECKS[place.step.type](place.step.input, at)


def _work(place: Place, at: str, work: Mapping[tuple[StepType, str], Check]) -> Found:
    step = place.step
    check = work.get((step.type, step.name if step.type is StepType.BUILTIN else ""))
    if check is not None:
        yield from check(step.input, at)
    elif step.type is StepType.BUILTIN:
        yield Problem(
            f"{place.at}.name", f"no package offers a BUILTIN step {step.name!r}", "UNKNOWN_BUILTIN"
        )


def _exit(given: dict[str, Any], at: str) -> Found:
    status = given.get("status")
    if status is not None and status not in _EXIT_STATUSES and not is_one_template(status):
        message = f"must be one of {', '.join(_EXIT_STATUSES)}, or one template"
        yield Problem(f"{at}.status", message, "UNKNOWN_VALUE")


def _sub_process(given: dict[str, Any], at: str) -> Found:
    yield from required(given, at, "processName", str)
    yield from whole_number(given, at, "processVersion")
    yield from of_kind(given, at, "namespace", str)
    yield from of_kind(given, at, "waitForCompletion", bool)
    yield from of_kind(given, at, "input", dict)


def _persisted_state(given: dict[str, Any], at: str) -> Found:
    action = given.get("action")
    yield from one_of(given, at, "action", _STATE_ACTIONS, required=True)
    if action == "READ_BULK":
        yield from required(given, at, "names", list)
    elif action in _STATE_ACTIONS:
        yield from required(given, at, "name", str)
    if action in _STATE_WRITES and "value" not in given:
        yield missing(at, "value")


def _decision_engine(given: dict[str, Any], at: str) -> Found:
    yield from required(given, at, "table", str)
    yield from whole_number(given, at, "version")
    yield from of_kind(given, at, "input", dict)


def _depends_on(given: dict[str, Any], at: str) -> Found:
    yield from required(given, at, "dependsOnStatement", str)
    yield from whole_number(given, at, "intervalSeconds")
    yield from whole_number(given, at, "windowSeconds")
    text = given.get("dependsOnStatement")
    if isinstance(text, str) and text and not is_template(text):
        try:
            parse_statement(text)
        except StatementError as error:
            yield Problem(f"{at}.dependsOnStatement", str(error), "STATEMENT")


def _update_step(given: dict[str, Any], at: str) -> Found:
    yield from required(given, at, "targetRef", str)
    yield from one_of(given, at, "action", _UPDATE_ACTIONS)
    yield from whole_number(given, at, "processId")
    yield from of_kind(given, at, "output", dict)


def _send_response(given: dict[str, Any], at: str) -> Found:
    yield from whole_number(given, at, "statusCode")
    yield from of_kind(given, at, "headers", dict)


def _process_tracker(given: dict[str, Any], at: str) -> Found:
    if given.get("processId") is None:
        yield missing(at, "processId")
    yield from whole_number(given, at, "processId")
    yield from whole_number(given, at, "intervalSeconds")


_CONTAINERS: dict[StepType, Callable[[StepDefinition, str], Found]] = {
    StepType.FOREACH: foreach_problems,
    StepType.PARALLEL: parallel_problems,
    StepType.SWITCH: switch_problems,
    StepType.WHILE: while_problems,
}

_CHECKS: dict[StepType, Callable[[dict[str, Any], str], Found]] = {
    StepType.EXIT: _exit,
    StepType.WAIT: wait_problems,
    StepType.SUB_PROCESS: _sub_process,
    StepType.PERSISTED_STATE: _persisted_state,
    StepType.DECISION_ENGINE: _decision_engine,
    StepType.DEPENDSON: _depends_on,
    StepType.UPDATE_STEP: _update_step,
    StepType.SEND_RESPONSE: _send_response,
    StepType.PROCESS_TRACKER: _process_tracker,
}


def _gateway(place: Place, top: Sequence[str], at: str) -> Found:
    given = place.step.input
    yield from of_kind(given, at, "rules", list)
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
        yield from required(rule, here, "targetRef", str)
        yield from _target(rule, here, "targetRef", place, top)
    yield from _target(given, at, "defaultTargetRef", place, top)


def _target(given: dict[str, Any], at: str, key: str, place: Place, top: Sequence[str]) -> Found:
    target = given.get(key)
    if not isinstance(target, str) or not target or target == _EXIT or is_template(target):
        return
    refs = top if not place.around else [step.ref for step in place.around[-1].children]
    if place.around and place.around[-1].type not in _IN_ORDER:
        refs = ()
    if target not in refs or target == place.step.ref:
        message = f"{target!r} is no other step of the same sequence, nor {_EXIT}"
        yield Problem(f"{at}.{key}", message, "UNKNOWN_TARGET")
