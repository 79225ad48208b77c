"""Reading the fields of one JSON object: tolerant of what is absent or null, exact about everything else."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from stepwell.model.errors import Problem

MAX_NUMBER = 2**53
"""Integers beyond it do not survive every JSON reader."""

E = TypeVar("E", bound=StrEnum)

_EMPTY: Mapping[str, Any] = {}


def kind_of(value: Any) -> str:
    """What a JSON value is, in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list | tuple) else "an object"


class Fields:
    """The fields of the object at a path. Every wrong kind is noted, and the field's default answered."""

    def __init__(self, value: Mapping[str, Any], at: str, problems: list[Problem]) -> None:
        self.value = value
        self.at = at
        self.problems = problems

    def path(self, key: str) -> str:
        return f"{self.at}.{key}" if self.at else key

    def note(self, key: str, message: str, code: str = "INVALID") -> None:
        self.problems.append(Problem(self.path(key), message, code))

    def wrong(self, key: str, wanted: str) -> None:
        self.note(key, f"must be {wanted}, is {kind_of(self.value[key])}", "WRONG_KIND")

    def has(self, key: str) -> bool:
        return self.value.get(key) is not None

    def text(self, key: str) -> str | None:
        value = self.value.get(key)
        if value is None or isinstance(value, str):
            return value
        self.wrong(key, "text")
        return None

    def flag(self, key: str) -> bool:
        value = self.value.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.wrong(key, "true or false")
        return False

    def number(self, key: str) -> int | None:
        """A whole number."""
        value = self.value.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            self.wrong(key, "a whole number")
            return None
        if abs(value) >= MAX_NUMBER:
            self.note(key, "is too large: must be between -2^53 and 2^53", "WRONG_KIND")
            return None
        return value

    def choice(self, key: str, kind: type[E], default: E, aliases: Mapping[str, str] = _EMPTY) -> E:
        text = self.text(key)
        if text is None:
            return default
        try:
            return kind(aliases.get(text, text))
        except ValueError:
            self.note(key, f"{text!r} is unknown: must be one of {', '.join(kind)}", "UNKNOWN_VALUE")
            return default

    def mapping(self, key: str) -> dict[str, Any]:
        value = self.value.get(key)
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return dict(value)
        self.wrong(key, "an object")
        return {}

    def object(self, key: str) -> "Fields | None":
        value = self.value.get(key)
        if value is None:
            return None
        if isinstance(value, Mapping):
            return Fields(value, self.path(key), self.problems)
        self.wrong(key, "an object")
        return None

    def objects(self, key: str) -> Iterator["Fields"]:
        """The objects of a list."""
        value = self.value.get(key)
        if value is None:
            return
        if not isinstance(value, list | tuple):
            self.wrong(key, "a list")
            return
        for index, item in enumerate(value):
            at = f"{self.path(key)}[{index}]"
            if isinstance(item, Mapping):
                yield Fields(item, at, self.problems)
            else:
                self.problems.append(Problem(at, f"must be an object, is {kind_of(item)}", "WRONG_KIND"))
