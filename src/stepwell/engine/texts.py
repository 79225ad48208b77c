"""Looking into JSON texts without reading more of them than is asked for.

A loop over 100,000 items asks for one item, and perhaps for a customer beside the items, 100,000 times. Read whole
each time, that is quadratic. So a large text is taken apart level by level, and what was taken apart stays with the
snapshot.
"""

import re
from typing import Any

from stepwell.definition.template import MISSING
from stepwell.model.codec import CodecError, Json, Raw, decode, items, members, raw

SMALL = 2_048
"""Bytes. A text up to this size is read whole: that is as quick."""
MOST_TEXTS, MOST_BYTES = 64, 8 * 1024 * 1024
"""What one snapshot keeps open; what was not looked at for longest goes first."""

Level = dict[str, Raw] | list[Raw]
_NULL = raw(b"null")
_INDEX = re.compile(r"[0-9]{1,9}")


class Opened:
    """One text, and the levels of it that were taken apart."""

    __slots__ = ("_levels", "text", "weight")

    def __init__(self, text: Json) -> None:
        self.text = text
        self.weight = 0
        """Bytes, roughly, of what was taken apart, the text itself not counted."""
        self._levels: dict[tuple[str | int, ...], Level | None] = {}

    def pick(self, names: tuple[str | int, ...]) -> Any:
        """The value under a path, MISSING when there is none."""
        level = self._level((), self.text)
        for depth, name in enumerate(names, start=1):
            found = _step(level, name)
            if found is None:
                return MISSING
            if depth == len(names) or memoryview(found).nbytes <= SMALL:
                return walk(decode(bytes(found)), names[depth:])
            level = self._level(names[:depth], found)
        return decode(self.text)

    def items(self, name: str) -> list[Raw]:
        """The items of the array that an object has under a name. Raises CodecError when there is none."""
        level = self._level((name,), self._member(name))
        if not isinstance(level, list):
            raise CodecError(f"{name} is not an array")
        return level

    def value(self, name: str) -> Any:
        """What an object has under a name, None when it has nothing."""
        return decode(bytes(self._member(name)))

    def _member(self, name: str) -> Raw:
        return _step(self._level((), self.text), name) or _NULL

    def _level(self, path: tuple[str | int, ...], text: Json | Raw) -> Level | None:
        """What stands in the object or array at a path, whose text that is; None when it is neither."""
        if path not in self._levels:
            level = self._levels[path] = _apart(bytes(text))
            self.weight += ITEM_BYTES * len(level or ())
        return self._levels[path]


ITEM_BYTES = 100
"""What an item of an opened object or array weighs beside the text, roughly."""

Memo = dict[int, Opened]
"""By the identity of the text, which the entry holds on to."""


def weight(memo: Memo) -> int:
    """Bytes, roughly, that a snapshot holds only because texts were looked into."""
    return sum(found.weight for found in memo.values())


def opened(memo: Memo, text: Json) -> Opened:
    """The text with what is known of it already."""
    found = memo.pop(id(text), None)
    if found is None:
        found = Opened(text)
        free = MOST_BYTES - len(text) - sum(len(other.text) for other in memo.values())
        while memo and (len(memo) >= MOST_TEXTS or free < 0):
            free += len(memo.pop(next(iter(memo))).text)
    memo[id(text)] = found
    return found


def pick(memo: Memo, text: Json, names: tuple[str | int, ...]) -> Any:
    """The value under a path of a text, MISSING when there is none."""
    return walk(decode(text), names) if len(text) <= SMALL else opened(memo, text).pick(names)


def walk(value: Any, names: tuple[str | int, ...]) -> Any:
    """Follow member names and indexes; a number may also name a member of an object, a numeric text an index."""
    for name in names:
        if isinstance(value, dict):
            value = value.get(str(name), MISSING)
        elif isinstance(value, list):
            index = _index(name, len(value))
            value = value[index] if index < len(value) else MISSING
        else:
            return MISSING
        if value is MISSING:
            return MISSING
    return value


def _step(level: Level | None, name: str | int) -> Raw | None:
    if isinstance(level, dict):
        return level.get(str(name))
    if isinstance(level, list):
        index = _index(name, len(level))
        return level[index] if index < len(level) else None
    return None


def _index(name: str | int, none: int) -> int:
    """The index that a name is; one that is `none` is past the end."""
    return name if isinstance(name, int) else int(name) if _INDEX.fullmatch(name) else none


def _apart(text: Json) -> Level | None:
    match text.lstrip()[:1]:
        case b"{":
            return members(text)
        case b"[":
            return items(text)
    return None
