"""What an HTTP step asks for: its input, read and checked."""

import re
from collections.abc import Mapping
from typing import Any

from stepwell.model.codec import Record
from stepwell.model.errors import Problem
from stepwell.steps.http_.fields import Fields, kind_of
from stepwell.steps.http_.options import HttpOptions, Timeouts
from stepwell.steps.http_.selectors import Path, read_path

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD")
WITHOUT_BODY = ("GET", "OPTIONS", "HEAD")
OUTPUT_NAMES = frozenset(
    {"response", "responseEncoding", "statusCode", "headers", "fullResponseString", "error"}
)
"""What the step itself puts into its output; a selector cannot take such a name."""

KNOWN = frozenset(
    {
        "method", "url", "headers", "body", "params", "includeFullResponseString", "responseSelectors",
        "repeatUntilEnabled", "repeatUntilCondition", "repeatIntervalSeconds", "maxRepeatCount",
        "allowXmlToJsonConversion", "noEncode", "extraLongTimeouts", "timeouts", "tls", "followRedirects",
    }
)  # fmt: skip
FRAMING = frozenset(
    {
        "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "expect", "te",
        "trailer", "proxy-authorization", "proxy-connection", "http2-settings",
    }
)  # fmt: skip
"""Headers that say how the message is sent and to whom. They follow from the URL and the body."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Repeat(Record, frozen=True, kw_only=True):
    condition: str
    """A JavaScript text."""
    interval_ms: int
    max_count: int


class Ask(Record, frozen=True, kw_only=True):
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    unsent: frozenset[str]
    """Names of headers, in small letters, that the user has set to null: not even a default goes out."""
    params: tuple[tuple[str, str], ...]
    body: Any
    """None: no body."""
    no_encode: bool
    full_text: bool
    xml: bool
    selectors: Mapping[str, Path]
    repeat: Repeat | None
    timeouts: Timeouts
    verify: bool
    ca: str
    """PEM texts of the authorities to trust instead of the system's; empty: the system's."""
    follow: bool


def read_ask(
    given: Mapping[str, Any], at: str, options: HttpOptions, *, templates: bool
) -> tuple[Ask, list[Problem]]:
    """The input with defaults filled in, and everything wrong with it. With problems the ask is not to be used."""
    problems: list[Problem] = []
    fields = Fields(given, at, problems, templates=templates)
    fields.unknown(KNOWN)
    if given.get("method") in WITHOUT_BODY and given.get("body"):
        fields.note("body", f"is not sent with {given['method']}", warning=True)
    tls = fields.object("tls")
    tls.unknown(frozenset({"verify", "ca"}))
    ask = Ask(
        method=_method(fields),
        url=_url(fields),
        headers=_headers(fields),
        unsent=frozenset(k.lower() for k, v in fields.object("headers").value.items() if v is None),
        params=tuple(fields.scalars("params")),
        body=given.get("body"),
        no_encode=fields.flag("noEncode", False),
        full_text=fields.flag("includeFullResponseString", False),
        xml=fields.flag("allowXmlToJsonConversion", True),
        selectors=_selectors(fields),
        repeat=_repeat(fields),
        timeouts=_timeouts(fields, options),
        verify=tls.flag("verify", True),
        ca=tls.text("ca"),
        follow=fields.flag("followRedirects", True),
    )
    return ask, problems


def _method(fields: Fields) -> str:
    if fields.missing("method"):
        fields.note("method", f"is missing: one of {', '.join(METHODS)}", "MISSING")
    method = fields.text("method").upper()
    if method and method not in METHODS:
        fields.note(
            "method", f"{method[:32]!r} is unknown: must be one of {', '.join(METHODS)}", "UNKNOWN_VALUE"
        )
    return method


def _url(fields: Fields) -> str:
    if fields.missing("url"):
        fields.note("url", "is missing: the full address to call", "MISSING")
    url = fields.text("url").strip(" ")
    if url and not re.match(r"https?://", url, re.IGNORECASE):
        fields.note("url", "must begin with http:// or https://")
    return url


def _headers(fields: Fields) -> tuple[tuple[str, str], ...]:
    headers = fields.object("headers")
    for name in headers.value:
        if not _TOKEN.fullmatch(name):
            headers.note(name[:64], "is no name of a header")
        elif name.lower() in FRAMING:
            headers.note(name, "is set by the step itself: it follows from the URL and the body")
    read = tuple(fields.scalars("headers"))
    for name, value in read:
        if _UNSENDABLE.search(value):
            headers.note(name, "holds control characters")
    return read


def _selectors(fields: Fields) -> dict[str, Path]:
    inner = fields.object("responseSelectors")
    paths: dict[str, Path] = {}
    for name, path in inner.value.items():
        if name in OUTPUT_NAMES:
            inner.note(name, "is a name that the step's output has already: choose another")
        elif not isinstance(path, str):
            inner.note(name, f"must be text, is {kind_of(path)}", "WRONG_KIND")
        elif not inner.is_open(path):
            try:
                paths[name] = read_path(path)
            except ValueError as error:
                inner.note(name, str(error))
    return paths


def _repeat(fields: Fields) -> Repeat | None:
    seconds = fields.number("repeatIntervalSeconds", 10, 0, 2_592_000)
    count = fields.whole("maxRepeatCount", 100, 1, 1_000_000)
    condition = _condition(fields)
    if not fields.flag("repeatUntilEnabled", False):
        return None
    return Repeat(condition=condition, interval_ms=int(seconds * 1_000), max_count=count)


def _condition(fields: Fields) -> str:
    """Plain text or `{script}`. The published client writes the object even when nothing is repeated."""
    key = "repeatUntilCondition"
    value = fields.given(key)
    if isinstance(value, Mapping):
        inner = fields.object(key)
        if inner.missing("script") and fields.value.get("repeatUntilEnabled") is True:
            inner.note("script", "is missing: when to stop repeating", "MISSING")
        return inner.text("script")
    if fields.missing(key) and fields.value.get("repeatUntilEnabled") is True:
        fields.note(key, "is missing: when to stop repeating", "MISSING")
    return fields.text(key)


def _timeouts(fields: Fields, options: HttpOptions) -> Timeouts:
    long = options.long_timeouts
    base = long if fields.flag("extraLongTimeouts", False) else options.timeouts
    inner = fields.object("timeouts")
    inner.unknown(frozenset({"connectMs", "readMs", "totalMs"}))
    return Timeouts(
        connect_ms=inner.whole("connectMs", base.connect_ms, 1, long.connect_ms),
        read_ms=inner.whole("readMs", base.read_ms, 1, long.read_ms),
        total_ms=inner.whole("totalMs", base.total_ms, 1, long.total_ms),
    )
