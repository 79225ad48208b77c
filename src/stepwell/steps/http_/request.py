"""Building what is sent: the URL with its parameters, the headers, the body."""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from stepwell.model.codec import CodecError, Record, decode, encode
from stepwell.model.work import WorkRequest
from stepwell.steps.http_.ask import WITHOUT_BODY, Ask
from stepwell.steps.http_.fields import kind_of, plain
from stepwell.steps.http_.options import HttpOptions

IDEMPOTENCY_KEY = "Idempotency-Key"

_BEFORE_PATH = re.compile(r"[^:/?#]*://[^/?#]*")
_NOT_IN_URL = re.compile(r"""%(?![0-9A-Fa-f]{2})|[ "<>^`{}]|[^\x00-\x7f]""")
"""Escapes that stand in a URL already are left alone. Backslashes and control characters are the guard's business."""
_NOT_ON_THE_WIRE = re.compile(r"[ ]|[^\x00-\x7f]")
"""What would break the request line; all that `noEncode` still encodes."""


class Outgoing(Record, frozen=True):
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


class Unsendable(ValueError):
    """The input cannot be made into a request. The message says what is wrong with it."""


def build(ask: Ask, work: WorkRequest, options: HttpOptions) -> Outgoing:
    """Raises Unsendable."""
    content_type, body = _body(ask.body) if ask.method not in WITHOUT_BODY else (None, None)
    headers = list(ask.headers)
    named = {name.lower() for name, _ in headers} | ask.unsent
    defaults = (
        ("Accept", "application/json, */*;q=0.8"),
        ("Accept-Encoding", "gzip, deflate"),
        ("User-Agent", options.user_agent),
        (IDEMPOTENCY_KEY, idempotency_key(work, options.installation)),
        ("Content-Type", content_type),
    )
    headers += [(name, value) for name, value in defaults if value is not None and name.lower() not in named]
    return Outgoing(ask.method, _url(ask), tuple(headers), body)


def idempotency_key(work: WorkRequest, installation: str) -> str:
    """The same for every try of one step execution, crashes included; another one for the next execution."""
    parts = ("stepwell", installation, str(work.process_id), str(work.step_id), str(work.execution))
    return "-".join(part for part in parts if part)


def _url(ask: Ask) -> str:
    url = escaped(ask.url.partition("#")[0], only_what_must=ask.no_encode)
    if not ask.params:
        return url
    query = "&".join(f"{_param(ask, name)}={_param(ask, value)}" for name, value in ask.params)
    glue = "?" if "?" not in url else "" if url.endswith(("?", "&")) else "&"
    return f"{url}{glue}{query}"


def escaped(url: str, *, only_what_must: bool) -> str:
    """The URL with everything behind its host fit for a request line. The host is the guard's business."""
    before = _BEFORE_PATH.match(url)
    at = before.end() if before else 0
    return url[:at] + (_NOT_ON_THE_WIRE if only_what_must else _NOT_IN_URL).sub(_escape, url[at:])


def _param(ask: Ask, text: str) -> str:
    if not ask.no_encode:
        return quote(text, safe="")
    return _NOT_ON_THE_WIRE.sub(_escape, text).replace("#", "%23")


def _escape(match: re.Match[str]) -> str:
    return quote(match[0], safe="")


def _body(body: Any) -> tuple[str | None, bytes | None]:
    """Content type and bytes. `{type, content}` with a type that we know is a wrapping, all else is the body itself."""
    if body is None:
        return None, None
    if isinstance(body, Mapping) and body.keys() == {"type", "content"}:
        kind = str(body["type"]).lower()
        if kind in _WRAPPED:
            return _wrapped(kind, body["content"])
    if isinstance(body, str):
        return ("application/json" if _is_json(body) else "text/plain; charset=utf-8"), body.encode()
    return "application/json", encode(body)


_WRAPPED: dict[str, str | None] = {
    "none": None,
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
    "xml": "application/xml; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "form": "application/x-www-form-urlencoded",
    "base64": "application/octet-stream",
}


def _wrapped(kind: str, content: Any) -> tuple[str | None, bytes | None]:
    match kind, content:
        case ("none", _) | (_, None):
            return None, None
        case "json", _:
            data = content.encode() if isinstance(content, str) and _is_json(content) else encode(content)
        case "form", Mapping():
            data = _form(content).encode()
        case "base64", str():
            data = _from_base64(content)
        case _, str():
            data = content.encode()
        case _:
            raise Unsendable(f"body.content must be text for the type {kind}, is {kind_of(content)}")
    return _WRAPPED[kind], data


def _form(content: Mapping[str, Any]) -> str:
    pairs = []
    for name, value in content.items():
        for item in value if isinstance(value, list | tuple) else (value,):
            if item is not None:
                text = encode(item).decode() if isinstance(item, Mapping | list | tuple) else plain(item)
                pairs.append(f"{quote(name, safe='')}={quote(text, safe='')}")
    return "&".join(pairs)


def _from_base64(content: str) -> bytes:
    try:
        return b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unsendable("body.content is not base64") from error


def _is_json(text: str) -> bool:
    try:
        decode(text.encode())
    except CodecError:
        return False
    return True
