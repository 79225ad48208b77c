"""Reading the fields of a step's input: each with its kind, every problem noted at its path.

In a definition the values may still be templates; such a value is passed over, it is judged when the step runs.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from stepwell.model.errors import Problem

T = TypeVar("T")


class Fields:
    def __init__(
        self, value: Mapping[str, Any], at: str, problems: list[Problem], *, templates: bool
    ) -> None:
        self.value = value
        self.at = at
        self.problems = problems
        self.templates = templates
        """Whether `{{ … }}` still means something. In what a template was filled with it is plain text."""

    def note(self, key: str, message: str, code: str = "INVALID", *, warning: bool = False) -> None:
        self.problems.append(Problem(f"{self.at}.{key}" if self.at else key, message, code, warning))

    def is_open(self, value: Any) -> bool:
        """A template whose value is not known yet."""
        return self.templates and isinstance(value, str) and "{{" in value

    def given(self, key: str) -> Any:
        """None when it is absent, null or still a template."""
        value = self.value.get(key)
        return None if self.is_open(value) else value

    def missing(self, key: str) -> bool:
        return self.value.get(key) in (None, "")

    def text(self, key: str, default: str = "") -> str:
        return self._of_kind(key, str, "text", default)

    def flag(self, key: str, default: bool) -> bool:
        return self._of_kind(key, bool, "true or false", default)

    def number(self, key: str, default: float, low: float, high: float) -> float:
        value = self.given(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.note(key, f"must be a number, is {kind_of(value)}", "WRONG_KIND")
        elif not low <= value <= high:
            self.note(key, f"must be from {low:,} to {high:,}", "LIMIT")
        else:
            return value
        return default

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        value = self.number(key, default, low, high)
        if value != int(value):
            self.note(key, "must be a whole number", "WRONG_KIND")
        return int(value)

    def object(self, key: str) -> "Fields":
        """The object under a key, an empty one when there is none."""
        value: dict[str, Any] = self._of_kind(key, dict, "an object", {})
        at = f"{self.at}.{key}" if self.at else key
        return Fields(value, at, self.problems, templates=self.templates)

    def scalars(self, key: str) -> Iterator[tuple[str, str]]:
        """Names and texts of an object: text, numbers and booleans; a list gives its name several times, null none."""
        inner = self.object(key)
        for name, value in inner.value.items():
            for item in value if isinstance(value, list | tuple) else (value,):
                if isinstance(item, Mapping | list | tuple):
                    inner.note(
                        name, f"must be text, a number or a boolean, holds {kind_of(item)}", "WRONG_KIND"
                    )
                elif item is not None:
                    yield name, "" if inner.is_open(item) else plain(item)

    def unknown(self, known: frozenset[str]) -> None:
        for key in self.value:
            if key not in known:
                self.note(key, f"is not known here: it knows {', '.join(sorted(known))}", warning=True)

    def _of_kind(self, key: str, kind: type[T], word: str, default: T) -> T:
        value = self.given(key)
        if value is None:
            return default
        if not isinstance(value, kind):
            self.note(key, f"must be {word}, is {kind_of(value)}", "WRONG_KIND")
            return default
        return value


def plain(value: Any) -> str:
    """A scalar as it stands in a URL or a header."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def kind_of(value: Any) -> str:
    """What a JSON value is, in the words of JSON."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case _:
            return "an object"
