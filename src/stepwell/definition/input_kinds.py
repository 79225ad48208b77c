"""What a step's input may hold under one key. Where a template stands, only the run can tell."""

from collections.abc import Iterator, Sequence
from typing import Any

from stepwell.definition.fields import MAX_NUMBER, kind_of
from stepwell.definition.template import Reference, compile_template
from stepwell.model.errors import Problem

Found = Iterator[Problem]

_NAMES: dict[type, str] = {str: "text", list: "a list", dict: "an object", bool: "true or false"}


def required(given: dict[str, Any], at: str, key: str, kind: type) -> Found:
    if given.get(key) in (None, "", []):
        yield missing(at, key)
    else:
        yield from of_kind(given, at, key, kind)


def of_kind(given: dict[str, Any], at: str, key: str, kind: type) -> Found:
    value = given.get(key)
    wanted = (list, tuple) if kind is list else kind
    if value is not None and not isinstance(value, wanted) and not is_template(value):
        yield Problem(f"{at}.{key}", f"must be {_NAMES[kind]}, is {kind_of(value)}", "WRONG_KIND")


def whole_number(given: dict[str, Any], at: str, key: str, least: int = 1) -> Found:
    value = given.get(key)
    if value is None or (type(value) is int and least <= value < MAX_NUMBER) or is_template(value):
        return
    yield Problem(f"{at}.{key}", f"must be a whole number of {least} or more", "WRONG_KIND")


def one_of(
    given: dict[str, Any], at: str, key: str, allowed: Sequence[str], *, required: bool = False
) -> Found:
    value = given.get(key)
    if value is None:
        if required:
            yield missing(at, key)
    elif value not in allowed and not is_template(value):
        yield Problem(f"{at}.{key}", f"must be one of {', '.join(allowed)}", "UNKNOWN_VALUE")


def missing(at: str, key: str) -> Problem:
    return Problem(f"{at}.{key}", "is missing", "MISSING")


def without_effect(given: dict[str, Any], at: str, keys: Sequence[str], why: str) -> Found:
    for key in keys:
        if given.get(key) is not None:
            yield Problem(f"{at}.{key}", f"{why}: it has no effect", "NO_EFFECT", warning=True)


def is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


def is_one_template(value: Any) -> bool:
    """Exactly one template, so that it keeps the kind of what it names."""
    if not isinstance(value, str):
        return False
    return any(isinstance(part, Reference) for part in compile_template({"value": value}).parts)
