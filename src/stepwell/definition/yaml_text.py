"""YAML as people mean it: the JSON kinds only; `on`, `yes`, `no`, dates and `007` stay text.

Values are built from the parser's events, one by one, so that the bounds hold while a text is read: neither
depth nor an alias that is repeated a million times can cost more than the text itself.
"""

import math
import re
from typing import Any

import yaml

MAX_NODES = 200_000
"""Values in one text, those that aliases repeat counted each time."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,39})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})

Scalar = str | int | float | bool | None


class YamlError(ValueError):
    """The text is not YAML that we accept; the message says where and why."""


class _Open:
    """A list or mapping that has begun."""

    def __init__(self, anchor: str | None, value: dict[str, Any] | list[Any]) -> None:
        self.anchor = anchor
        self.value = value
        self.key: str | None = None
        self.nodes = 1

    @property
    def wants_key(self) -> bool:
        return self.key is None and isinstance(self.value, dict)


class _Builder:
    def __init__(self, max_depth: int) -> None:
        self.max_depth = max_depth
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.nodes = 0
        self.documents = 0
        self.root: Any = None

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._count(1)
            if self.stack and self.stack[-1].wants_key:
                self._key(event)
            else:
                self._add(_resolve(event), 1, event.anchor)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._count(1)
            self._open(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = self.stack.pop()
            self._add(done.value, done.nodes, done.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise YamlError("only one document in a text")

    def _count(self, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise YamlError(f"more than {MAX_NODES} values")

    def _key(self, event: Any) -> None:
        parent = self.stack[-1]
        key: str = event.value
        if key == "<<" and event.implicit[0]:
            raise YamlError("merge keys (<<) are not supported")
        if key in parent.value:
            raise YamlError(f"the key {key!r} is there twice")
        parent.key = key
        if event.anchor is not None:
            self.anchors[event.anchor] = (key, 1)

    def _open(self, event: Any) -> None:
        if event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise YamlError(f"the tag {event.tag} is not supported")
        if len(self.stack) >= self.max_depth:
            raise YamlError(f"nested deeper than {self.max_depth} levels")
        if self.stack and self.stack[-1].wants_key:
            raise YamlError("a key must be text")
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        self.stack.append(_Open(event.anchor, {} if is_mapping else []))

    def _alias(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            raise YamlError(f"the alias *{event.anchor} has no complete anchor before it")
        if self.stack and self.stack[-1].wants_key:
            raise YamlError("a key must be text")
        value, nodes = self.anchors[event.anchor]
        self._count(nodes)
        self._add(value, nodes, None)

    def _add(self, value: Any, nodes: int, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, nodes)
        if not self.stack:
            self.root = value
            return
        parent = self.stack[-1]
        parent.nodes += nodes
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is not None:
            parent.value[parent.key] = value
            parent.key = None


def load_yaml(text: bytes, max_depth: int) -> Any:
    """The value of one YAML document. Raises YamlError."""
    builder = _Builder(max_depth)
    where = ""
    try:
        loader = yaml.CSafeLoader(text)
        while loader.check_event():
            event: Any = loader.get_event()
            where = _where(event.start_mark)
            builder.take(event)
    except YamlError as error:
        raise YamlError(f"{where}: {error}") from None
    except yaml.MarkedYAMLError as error:
        raise YamlError(f"{_where(error.problem_mark or error.context_mark)}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())) from None
    return builder.root


def _resolve(event: Any) -> Scalar:
    text: str = event.value
    if event.tag in _TEXT_TAGS or (event.tag is None and not event.implicit[0]):
        return text
    if event.tag is not None and not event.tag.startswith("tag:yaml.org,2002:"):
        raise YamlError(f"the tag {event.tag} is not supported")
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isfinite(number):
            return number
    elif not _NOT_FINITE.fullmatch(text):
        return text
    raise YamlError(f"{text} is not a number that JSON knows; quote it if it is text")


def _where(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the text"
