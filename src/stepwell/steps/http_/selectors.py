"""Picking parts out of a parsed response: a small path language.

`$.order.items[0].price`, `order.items[0].price`, `items[*].id`, `items[-1]`, `['a name.with dots']`. There are no
filters and no search at any depth, so that a path costs at most one walk over the response: it is evaluated in
the server, over data that a stranger has sent.
"""

import re
from typing import Any

from stepwell.model.codec import Record

_STEP = re.compile(
    r"""\.?\[\s*(?: (?P<index>-?[0-9]{1,9}) | (?P<all>\*)
           | '(?P<single>(?:[^'\\]|\\.)*)' | "(?P<double>(?:[^"\\]|\\.)*)" )\s*\]
      | \.?(?P<every>\*)
      | \.?(?P<name>[^.\[\]*'"\s](?:[^.\[\]]*[^.\[\]\s])?)""",
    re.VERBOSE,
)
_MAX_TEXT = 1_000


class Every(Record, frozen=True):
    """All items of a list, all values of an object."""


Path = tuple[str | int | Every, ...]
_NOTHING = object()


def read_path(text: str) -> Path:
    """Raises ValueError with the place where the path cannot be read. `$` alone is the whole response."""
    path = text.strip()
    if not path or len(path) > _MAX_TEXT:
        raise ValueError(f"must be a path of 1 to {_MAX_TEXT:,} characters, such as $.order.items[0].id")
    steps: list[str | int | Every] = []
    at = 1 if path[0] == "$" and path[1:2] in ("", ".", "[") else 0
    if at == 0 and path[0] == ".":
        raise ValueError("a path begins with a name or with $")
    while at < len(path):
        match = _STEP.match(path, at)
        glued = match is not None and at > 0 and path[at] not in ".["
        if match is None or glued:
            raise ValueError(
                f"cannot be read from {path[at : at + 20]!r} on: names, [0], [*] and ['name'] are known"
            )
        steps.append(_step(match))
        at = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> str | int | Every:
    if match["index"]:
        return int(match["index"])
    if match["all"] or match["every"]:
        return Every()
    if match["name"]:
        return match["name"]
    quoted = match["single"] if match["single"] is not None else match["double"]
    return re.sub(r"\\(.)", r"\1", quoted)


def pick(value: Any, path: Path) -> Any:
    """None where there is nothing. After an `[*]` a list of what was found in each, without the gaps."""
    found = _walk(value, path, 0)
    return None if found is _NOTHING else found


def _walk(value: Any, path: Path, at: int) -> Any:
    if at == len(path):
        return value
    match path[at], value:
        case str() as name, dict() if name in value:
            return _walk(value[name], path, at + 1)
        case int() as index, list() if -len(value) <= index < len(value):
            return _walk(value[index], path, at + 1)
        case Every(), list() | dict():
            items = value.values() if isinstance(value, dict) else value
            found = (_walk(item, path, at + 1) for item in items)
            return [item for item in found if item is not _NOTHING]
        case _:
            return _NOTHING
