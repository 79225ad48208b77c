"""The door: JSON texts from outside, judged before anything changes.

Payloads are stored as the text that came, so all that could trip a later reader must be caught here: bytes
that are no UTF-8, NUL and lone surrogates, nesting without end, numbers that do not fit. Cheap searches come
first, the exact look only where they find something.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from stepwell.model.codec import CodecError, Json, decode
from stepwell.model.errors import Invalid

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

_OPENING = (b"{", b"[")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]', re.DOTALL)
_AS_ROUND = bytes.maketrans(b"{}[]", b"()()")
_NO_BRACKET = bytes(byte for byte in range(256) if byte not in b"{}[]")


class TooLarge(Invalid):
    """The body is larger than this server takes."""

    code = "TOO_LARGE"


class Unreadable(Invalid):
    """The body is not JSON that can be stored. `code` says why."""

    code = "NOT_JSON"


class Disconnected(Exception):
    """The client went away while it was still sending."""


async def read_body(scope: Mapping[str, Any], receive: Receive, limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be longer than `limit` bytes."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and (len(value) > 12 or int(value) > limit):
            raise TooLarge(f"the body is larger than {limit:,} bytes")
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts = [body]
        size = len(body)
        while message.get("more_body") and size <= limit:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        raise Disconnected
    if len(body) > limit:
        raise TooLarge(f"the body is larger than {limit:,} bytes")
    return body


def check_text(text: Json, depth_limit: int) -> None:
    """Raises Unreadable when there is something in the text that must never be stored. Not a full parse."""
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise Unreadable(f"not UTF-8: {error.reason} at byte {error.start}", code="NOT_UTF8") from error
    if b"\\u" in text:
        _check_escapes(text)
    if text.count(b"{") + text.count(b"[") > depth_limit and is_deeper(text, depth_limit):
        raise Unreadable(f"nested deeper than {depth_limit} levels", code="TOO_DEEP")


def check_json(text: Json, depth_limit: int) -> Any:
    """The decoded value of a JSON text that may be stored. Raises Unreadable."""
    check_text(text, depth_limit)
    try:
        return decode(text)
    except CodecError as error:
        raise Unreadable(f"not JSON: {error}", code="NOT_JSON") from error


def check_object(text: Json, depth_limit: int) -> None:
    """Raises Unreadable unless the text is a JSON object that may be stored."""
    if not isinstance(check_json(text, depth_limit), dict):
        raise Unreadable("not a JSON object", code="NOT_AN_OBJECT")


def _check_escapes(text: Json) -> None:
    high_ends_at = -1
    for escape in _ESCAPE.finditer(text):
        digits = escape.group(1)
        if digits is None:
            continue
        code = int(digits, 16)
        if code == 0:
            raise Unreadable("holds the character NUL", code="NUL_CHARACTER")
        is_low = 0xDC00 <= code <= 0xDFFF
        if is_low != (high_ends_at == escape.start()):
            raise Unreadable("holds half of a surrogate pair", code="LONE_SURROGATE")
        if high_ends_at >= 0 and not is_low:
            raise Unreadable("holds half of a surrogate pair", code="LONE_SURROGATE")
        high_ends_at = escape.end() if 0xD800 <= code <= 0xDBFF else -1
    if high_ends_at >= 0:
        raise Unreadable("holds half of a surrogate pair", code="LONE_SURROGATE")


def is_deeper(text: Json, limit: int) -> bool:
    """Whether brackets nest deeper than `limit`; linear and without recursion, whatever the text."""
    brackets = _STRING.sub(b"", text).translate(_AS_ROUND, _NO_BRACKET)
    for _ in range(limit):
        if not brackets:
            return False
        brackets = brackets.replace(b"()", b"")
    return bool(brackets)


def split(text: Json) -> list[bytes] | None:
    """The top-level parts of an array, or keys and values of an object in turn; None when it is neither.

    Made for texts that the parser refuses as a whole: it looks at strings and brackets only, so that one bad
    part cannot hide the others."""
    text = text.strip(b" \t\r\n")
    if text[:1] not in _OPENING or text[-1:] != (b"]" if text[:1] == b"[" else b"}"):
        return None
    parts: list[bytes] = []
    depth, begin = 0, 1
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in _OPENING:
            depth += 1
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth == 0 and token.end() != len(text):
                return None
        elif mark in (b",", b":") and depth == 1:
            parts.append(text[begin : token.start()].strip(b" \t\r\n"))
            begin = token.end()
    if depth != 0:
        return None
    last = text[begin:-1].strip(b" \t\r\n")
    return [*parts, last] if parts or last else []


def split_members(text: Json) -> dict[str, bytes] | None:
    """Keys and value texts of an object that the parser refuses; None when it is no object at all."""
    parts = split(text) if text.strip(b" \t\r\n")[:1] == b"{" else None
    if parts is None or len(parts) % 2:
        return None
    keys = (key.strip(b'"').decode("utf-8", "replace") for key in parts[::2])
    return dict(zip(keys, parts[1::2], strict=True))
