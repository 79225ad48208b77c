"""What the input and the children of a container must be: FOREACH, PARALLEL, SWITCH, WHILE."""

from typing import Any

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
    without_effect,
)
from stepwell.model.definition import StepDefinition, StepType
from stepwell.model.errors import Problem

JOIN_POLICIES = ("ALL", "ANY", "N")
LANGUAGES = ("JAVASCRIPT", "PYTHON")


def children_problems(step: StepDefinition, at: str) -> Found:
    """`at`: the step's own place. Who its children may be; holds whatever its input is made of."""
    count = len(step.children)
    if step.type is StepType.FOREACH and count != 1:
        message = f"a FOREACH has exactly one child, not {count}; put several steps into a LIST"
        yield Problem(f"{at}.children", message, "CHILDREN")
    if step.type in (StepType.SWITCH, StepType.WHILE) and not count:
        yield Problem(f"{at}.children", f"a {step.type} without children has nothing to run", "CHILDREN")


def foreach_problems(step: StepDefinition, at: str) -> Found:
    array = step.input.get("inputArray")
    if array is None:
        yield Problem(f"{at}.inputArray", "is missing: the list to go through", "MISSING")
    elif not isinstance(array, list | tuple) and not is_one_template(array):
        yield Problem(f"{at}.inputArray", "must be a list or one template", "WRONG_KIND")
    concurrency = step.input.get("concurrency")
    if concurrency is None or is_one_template(concurrency):
        return
    if not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1:
        yield Problem(
            f"{at}.concurrency", "must be a whole number of 1 or more, or one template", "WRONG_KIND"
        )


def parallel_problems(step: StepDefinition, at: str) -> Found:
    given, most = step.input, len(step.children)
    yield from one_of(given, at, "joinPolicy", JOIN_POLICIES)
    if given.get("joinPolicy") == "N":
        if given.get("joinCount") is None:
            yield missing(at, "joinCount")
        yield from whole_number(given, at, "joinCount")
        count = given.get("joinCount")
        if type(count) is int and count > most:
            yield Problem(f"{at}.joinCount", f"there are only {most} children", "WRONG_KIND")
    elif not is_template(given.get("joinPolicy")):
        yield from without_effect(given, at, ["joinCount"], "joinPolicy is not N")


def script_problems(given: dict[str, Any], at: str) -> Found:
    """A script that a control step asks the server to run, and its language."""
    yield from of_kind(given, at, "script", str)
    language = given.get("scriptLanguage")
    if isinstance(language, str):
        yield from one_of({"scriptLanguage": language.upper()}, at, "scriptLanguage", LANGUAGES)
    else:
        yield from of_kind(given, at, "scriptLanguage", str)


def while_problems(step: StepDefinition, at: str) -> Found:
    if step.input.get("script") in (None, ""):
        yield missing(at, "script")
    yield from script_problems(step.input, at)
    yield from whole_number(step.input, at, "maxIterations")


def switch_problems(step: StepDefinition, at: str) -> Found:
    given = step.input
    if given.get("script") in (None, ""):
        if "value" not in given:
            yield Problem(f"{at}.script", "is missing: a script or a value that says the case", "MISSING")
    else:
        yield from without_effect(given, at, ["value"], "the script says the case")
    yield from script_problems(given, at)
    yield from required(given, at, "responseMapping", list)
    mapping = given.get("responseMapping")
    if isinstance(mapping, list | tuple):
        yield from _mapping_problems(mapping, [child.ref for child in step.children], f"{at}.responseMapping")


def _mapping_problems(mapping: list[Any] | tuple[Any, ...], children: list[str], at: str) -> Found:
    default, targets, is_open = None, set(), False
    for index, entry in enumerate(mapping):
        here = f"{at}[{index}]"
        if not isinstance(entry, dict):
            yield Problem(here, f"must be an object, is {kind_of(entry)}", "WRONG_KIND")
            continue
        yield from _entry_problems(entry, children, here)
        if entry.get("defaultBranch") is True:
            if default is not None:
                yield Problem(
                    f"{here}.defaultBranch", f"{default} is the default branch already", "AMBIGUOUS"
                )
            default = default or here
        target = entry.get("targetRef")
        is_open = is_open or is_template(target)
        targets.add(str(target))
    for ref in children if not is_open else ():
        if ref not in targets:
            yield Problem(
                at, f"no case leads to the child {ref!r}: it never runs", "NEVER_RUNS", warning=True
            )


def _entry_problems(entry: dict[str, Any], children: list[str], at: str) -> Found:
    yield from required(entry, at, "targetRef", str)
    yield from of_kind(entry, at, "defaultBranch", bool)
    target = entry.get("targetRef")
    if isinstance(target, str) and target and not is_template(target) and target not in children:
        yield Problem(f"{at}.targetRef", f"{target!r} is no child of this step", "UNKNOWN_TARGET")
    if entry.get("defaultBranch") is True:
        yield from without_effect(entry, at, ["value"], "the default branch is taken when nothing else fits")
    elif entry.get("value") is None:
        yield missing(at, "value")
    elif isinstance(entry["value"], dict | list | tuple):
        yield Problem(
            f"{at}.value", f"must be text, a number or a boolean, is {kind_of(entry['value'])}", "WRONG_KIND"
        )
