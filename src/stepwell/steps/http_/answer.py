"""What came back, and the step's output made of it."""

import asyncio
import codecs
import re
from base64 import b64encode
from http import HTTPStatus
from typing import Any

from stepwell.model.codec import CodecError, Record, decode
from stepwell.steps.http_.ask import Ask
from stepwell.steps.http_.selectors import pick
from stepwell.steps.http_.xml import XmlError, xml_to_json

_OWN_THREAD_BYTES = 65_536
"""From this size on, XML is read beside the event loop."""
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_TEXT_CODEC = re.compile(
    r"ascii|utf-(8|16|32)(-[bl]e)?|iso8859-\d+|cp\d+|koi8-[ru]|shift_jis|euc_(jp|kr)|gb(2312|k|18030)|big5"
)
"""Codecs of bytes to text, and none of the others that Python knows."""


class Answer(Record, frozen=True):
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


async def output_of(answer: Answer, ask: Ask) -> dict[str, Any]:
    """The documented output: `response`, `statusCode`, `headers`, the picks, and the full text if it is wanted."""
    media_type = answer.header("content-type").partition(";")[0].strip().lower()
    text = _text(answer)
    output: dict[str, Any] = {}
    if not answer.body:
        output["response"] = None
    elif text is None:
        output |= {"response": b64encode(answer.body).decode(), "responseEncoding": "base64"}
    else:
        output["response"] = await _parsed(text, answer, media_type, ask.xml)
    output |= {"statusCode": answer.status, "headers": headers_of(answer.headers)}
    if ask.full_text:
        output["fullResponseString"] = output["response"] if text is None else text
    return output | {name: pick(output["response"], path) for name, path in ask.selectors.items()}


def headers_of(headers: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Names in small letters; a header that repeats is joined with commas, except `set-cookie`: always a list."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        # Bytes outside UTF-8 come as surrogates, which no JSON text can hold.
        clean = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        found.setdefault(name.lower(), []).append(clean)
    return {name: values if name == "set-cookie" else ", ".join(values) for name, values in found.items()}


def status_text(status: int) -> str:
    """`404 Not Found`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


async def _parsed(text: str, answer: Answer, media_type: str, xml: bool) -> Any:
    """JSON or XML as a value, everything else as the text it is; also what claims to be JSON or XML and is not."""
    if media_type.endswith(("/xml", "+xml")):
        return await _xml(text, answer) if xml else text
    if media_type.endswith(("/json", "+json")) or text.lstrip()[:1] in ("{", "["):
        try:
            return decode(text.encode())
        except CodecError:
            return text
    return text


async def _xml(text: str, answer: Answer) -> Any:
    # The document's own encoding counts unless the transport names one, so the bytes are read, not the text.
    charset = "utf-8" if _charset(answer) else None
    body = text.encode() if charset else answer.body
    try:
        if len(body) < _OWN_THREAD_BYTES:
            return xml_to_json(body, charset)
        return await asyncio.to_thread(xml_to_json, body, charset)
    except XmlError:
        return text


def _charset(answer: Answer) -> str | None:
    """The codec that the response names, if it is one of bytes to text."""
    match = _CHARSET.search(answer.header("content-type"))
    if match is None:
        return None
    try:
        name = codecs.lookup(match[1]).name
    except (LookupError, ValueError):
        return None
    return name if _TEXT_CODEC.fullmatch(name) else None


def _text(answer: Answer) -> str | None:
    """None when the body is no text."""
    try:
        text = answer.body.decode(_charset(answer) or "utf-8").removeprefix("\ufeff")
    except (UnicodeDecodeError, ValueError):
        return None
    return None if "\0" in text else text
