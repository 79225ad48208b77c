"""Templates: `{{ path }}` inside the values that a definition writes. Spec section 4.1.

A value is compiled once, into a flat list of JSON text and holes, so that rendering only fills the holes.
Whatever is put into a hole is data: it is never looked at for further templates.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any, Final

from stepwell.model.codec import CodecError, Json, Raw, Record, decode, encode
from stepwell.model.errors import Problem
from stepwell.model.secret import MASK, SecretPlace, SecretRoot


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""What a lookup answers when there is nothing under a path."""

ROOTS: Final = ("context", "steps", "input", "state", "foreach", "secrets", "variables", "secretState")
_ALONE: Final = ("context", "input", "state")
"""Roots that mean something without a path after them."""

_SECRET_ROOTS = {root.value: root for root in SecretRoot}

_HOLE = re.compile(r"\{\{([^{}]*)\}\}")
_BROKEN = re.compile(r"\{\{")
_ROOT = re.compile(r"[^.\[\]]*")
_PART = re.compile(r"\.([^\s.\[\]](?:[^.\[\]]*[^\s.\[\]])?)|\[([0-9]{1,9})\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Reference(Record, frozen=True):
    """Where a hole gets its value."""

    root: str
    path: tuple[str | int, ...]
    """After the root. For `steps` the first item is the step's ref as text, indexes included: `child[3]`."""
    text: str
    """As written, without braces, quotes and the blanks around it."""

    @property
    def secret(self) -> SecretRoot | None:
        """Which kind of secret it names, if any. No lookup is ever asked for one."""
        if self.root == "context" and self.path[:1] == ("secretState",):
            return SecretRoot.SECRET_STATE
        return _SECRET_ROOTS.get(self.root)

    @property
    def secret_path(self) -> tuple[str | int, ...]:
        """The secret's name, or the key of the secret state and what stands below it."""
        return self.path[1:] if self.root == "context" else self.path


class Text(Record, frozen=True):
    """A JSON string with holes in it."""

    parts: tuple[str | Reference, ...]


Lookup = Callable[[Reference], object]
"""Answers a Python value, a `Raw` (JSON text, embedded as it is) or `MISSING`."""


class Template(Record, frozen=True):
    constant: Json | None
    """The rendered text when there is no reference at all."""
    references: tuple[Reference, ...]
    """In the order of their places, repeated ones included."""
    parts: tuple[bytes | Reference | Text, ...]
    secret_paths: Mapping[int, tuple[str | int, ...]] = {}
    """Index of each part that names a secret → the path of its value."""

    def render(self, lookup: Lookup) -> tuple[Json, tuple[str, ...]]:
        """The JSON text, secrets masked in it, and the texts of the references that were missing."""
        if self.constant is not None:
            return self.constant, ()
        missing: list[str] = []
        chunks: list[bytes] = []
        for part in self.parts:
            if type(part) is bytes:
                chunks.append(part)
            elif type(part) is Reference:
                chunks.append(_value(part, lookup, missing))
            elif type(part) is Text:
                chunks.append(encode("".join(_words(part, lookup, missing))))
        return b"".join(chunks), tuple(missing)

    def places(self, lookup: Lookup) -> tuple[SecretPlace, ...]:
        """Where `render` has put masks for secrets. A mask that comes out of a value is no such place."""
        found: list[SecretPlace] = []
        for index, path in self.secret_paths.items():
            part = self.parts[index]
            if isinstance(part, Reference):
                found.append(_place(part, path, None))
            elif isinstance(part, Text):
                words = _words(part, lookup, [])
                offsets = accumulate((len(word) for word in words), initial=0)
                found += [
                    _place(item, path, offset)
                    for item, offset in zip(part.parts, offsets, strict=False)
                    if isinstance(item, Reference) and item.secret is not None
                ]
        return tuple(found)


def compile_template(value: Mapping[str, Any]) -> Template:
    """Compile a JSON object. Never raises for JSON values: a malformed `{{ … }}` stays text."""
    parts: list[bytes | Reference | Text] = []
    references: list[Reference] = []
    secret_paths: dict[int, tuple[str | int, ...]] = {}
    pending = bytearray()

    def hole(item: Reference | Text, path: tuple[str | int, ...]) -> None:
        if pending:
            parts.append(bytes(pending))
            pending.clear()
        texts = (item,) if isinstance(item, Reference) else item.parts
        found = [part for part in texts if isinstance(part, Reference)]
        references.extend(found)
        if any(reference.secret for reference in found):
            secret_paths[len(parts)] = path
        parts.append(item)

    def add(item: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(item, str) and "{{" in item:
            compiled = _compile_text(item)
            if isinstance(compiled, str):
                pending.extend(encode(compiled))
            else:
                hole(compiled, path)
        elif isinstance(item, Mapping):
            separator = b"{"
            for key, member in item.items():
                pending.extend(separator + encode(key) + b":")
                add(member, (*path, key))
                separator = b","
            pending.extend(b"}" if item else b"{}")
        elif isinstance(item, list | tuple):
            separator = b"["
            for index, member in enumerate(item):
                pending.extend(separator)
                add(member, (*path, index))
                separator = b","
            pending.extend(b"]" if item else b"[]")
        else:
            pending.extend(encode(item))

    add(value, ())
    if pending:
        parts.append(bytes(pending))
    constant = None if references else b"".join(part for part in parts if isinstance(part, bytes))
    return Template(constant, tuple(references), tuple(parts), secret_paths)


def scan(value: Any, at: str) -> Iterator[tuple[str, Reference | Problem]]:
    """Every template in a value with the path of the text that holds it; a Problem for each malformed one."""
    if isinstance(value, str):
        if "{{" in value:
            for found in _scan_text(value, at):
                yield at, found
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from scan(member, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            yield from scan(member, f"{at}[{index}]")


def find_problems(value: Any, at: str) -> list[Problem]:
    """What is malformed among the templates of a value."""
    return [found for _, found in scan(value, at) if isinstance(found, Problem)]


def parse_reference(text: str) -> Reference:
    """Parse what stands between the braces. Raises ValueError with a sentence for the user."""
    path = _unquote(text)
    if not path:
        raise ValueError("is empty: name a path such as input.orderId")
    if _CONTROL.search(path):
        raise ValueError("contains a control character")
    root = _ROOT.match(path)
    name = root.group() if root else ""
    if name not in ROOTS:
        raise ValueError(f"starts with {name!r}: must start with one of {', '.join(ROOTS)}")
    items = _items(path, len(name))
    if name == "steps":
        items = _with_indexed_ref(items)
    elif name == "secrets" and len(items) != 1:
        raise ValueError("names no secret: write secrets.<name>, a secret has no members")
    elif name == "context" and items[:1] == ["secretState"] and len(items) == 1:
        raise ValueError("names nothing in secretState: write secretState.<name>")
    elif not items and name not in _ALONE:
        raise ValueError(f"names nothing in {name}: write {name}.<name>")
    return Reference(name, tuple(items), path)


def _unquote(text: str) -> str:
    path = text.strip()
    if len(path) >= 2 and path[0] == path[-1] and path[0] in "\"'":
        return path[1:-1].strip()
    return path


def _items(path: str, position: int) -> list[str | int]:
    items: list[str | int] = []
    while position < len(path):
        part = _PART.match(path, position)
        if part is None:
            raise ValueError(f"is not a path from {path[position:]!r} on")
        name, index = part.groups()
        items.append(int(index) if name is None else name)
        position = part.end()
    return items


def _with_indexed_ref(items: list[str | int]) -> list[str | int]:
    """`child`, 3, `output` becomes `child[3]`, `output`."""
    if not items or not isinstance(items[0], str):
        raise ValueError("names no step: write steps.<ref>.output.<name>")
    count = next((n for n, item in enumerate(items[1:]) if isinstance(item, str)), len(items) - 1)
    ref = items[0] + "".join(f"[{index}]" for index in items[1 : count + 1])
    return [ref, *items[count + 1 :]]


def _compile_text(text: str) -> str | Reference | Text:
    parts: list[str | Reference] = []
    end = 0
    for hole in _HOLE.finditer(text):
        try:
            reference = parse_reference(hole.group(1))
        except ValueError:
            continue
        if hole.start() > end:
            parts.append(text[end : hole.start()])
        parts.append(reference)
        end = hole.end()
    if not parts:
        return text
    if end < len(text):
        parts.append(text[end:])
    if len(parts) == 1 and isinstance(parts[0], Reference):
        return parts[0]
    return Text(tuple(parts))


def _scan_text(text: str, at: str) -> Iterator[Reference | Problem]:
    rest: list[str] = []
    end = 0
    for hole in _HOLE.finditer(text):
        rest.append(text[end : hole.start()])
        end = hole.end()
        try:
            yield parse_reference(hole.group(1))
        except ValueError as error:
            yield Problem(at, f"the template {hole.group()} {error}", "TEMPLATE")
    rest.append(text[end:])
    if any(_BROKEN.search(part) for part in rest):
        yield Problem(at, "a {{ is not followed by a path and }}: it stays text", "TEMPLATE", warning=True)


def _place(reference: Reference, path: tuple[str | int, ...], at: int | None) -> SecretPlace:
    root, names = reference.secret, reference.secret_path
    assert root is not None
    return SecretPlace(path, at, root, str(names[0]), names[1:])


def _value(reference: Reference, lookup: Lookup, missing: list[str]) -> bytes:
    if reference.secret is not None:
        return encode(MASK)
    value = lookup(reference)
    if value is MISSING:
        missing.append(reference.text)
        return b"null"
    return bytes(value) if type(value) is Raw else encode(value)


def _words(text: Text, lookup: Lookup, missing: list[str]) -> list[str]:
    """What becomes of each part of a text."""
    words: list[str] = []
    for part in text.parts:
        if type(part) is str:
            words.append(part)
        elif type(part) is Reference:
            words.append(_word(part, lookup, missing))
    return words


def _word(reference: Reference, lookup: Lookup, missing: list[str]) -> str:
    if reference.secret is not None:
        return MASK
    value = lookup(reference)
    if value is MISSING:
        missing.append(reference.text)
        return ""
    return as_text(value)


def as_text(value: object) -> str:
    """A value embedded in a text: text as it is, null as nothing, everything else as JSON."""
    if type(value) is Raw:
        raw = bytes(value).strip()
        if not raw.startswith(b'"'):
            return "" if raw == b"null" else raw.decode()
        try:
            value = decode(raw)
        except CodecError:
            return raw.decode(errors="replace")
    if value is None:
        return ""
    return value if isinstance(value, str) else encode(value).decode()
