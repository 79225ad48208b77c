"""Masking: the exact values of secrets, and their usual spellings, taken out of what an in-server step says.

The first defence is that the value is not there at all. This is the second, for a server that echoes what it was
sent, a script that prints it and an error that quotes it: their output is masked before it is recorded.
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

from stepwell.engine.state import SECRET
from stepwell.model.codec import CodecError, Json, decode, encode, members, raw
from stepwell.model.secret import MASK

SHORTEST = 6
"""Shorter values are not looked for: they occur by chance, and masking them would garble what is no secret."""

_CUT = re.compile(r"(?:…|\.\.\.)?['\"]?\s*$")
"""What may follow a text that was cut off in the middle of a secret."""


class Masker:
    """Knows the values that were handed out for one step."""

    def __init__(self, values: Iterable[Any]) -> None:
        texts = {text for value in values for text in _texts(value) if len(text) >= SHORTEST}
        spellings = {form for text in texts for form in _spellings(text) if len(form) >= SHORTEST}
        self._spellings = sorted(spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._spellings))) if spellings else None
        heads = {spelling[:SHORTEST] for spelling in spellings}
        self._heads = re.compile("|".join(map(re.escape, heads)))

    def text(self, text: str) -> str:
        if self._pattern is None:
            return text
        text = self._pattern.sub(MASK, text)
        return self._without_cut_end(text) if self._heads.search(text) else text

    def json(self, output: Json) -> Json:
        """An output, but for what it wants to keep in the secret state: that is encrypted anyway."""
        if self._pattern is None:
            return output
        try:
            fields = members(output)
        except CodecError:
            return encode({"error": "the step's output was no JSON object"})
        return encode(
            {
                self.text(key): value if key in SECRET else raw(encode(self._value(decode(bytes(value)))))
                for key, value in fields.items()
            }
        )

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self._value(item) for key, item in value.items()}
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = encode(value).decode()
            return value if self.text(text) == text else MASK
        return value

    def _without_cut_end(self, text: str) -> str:
        """A message that was cut to a length may end in the beginning of a secret."""
        end = _CUT.search(text)
        body = text[: end.start()] if end else text
        for spelling in self._spellings:
            for length in range(min(len(spelling) - 1, len(body)), SHORTEST - 1, -1):
                if body.endswith(spelling[:length]):
                    return body[:-length] + MASK + text[len(body) :]
        return text


def _texts(value: Any) -> Iterator[str]:
    """A value as text, and every text in it; of one with several lines, each line."""
    if isinstance(value, str):
        yield value
        if "\n" in value:
            yield from (line.strip() for line in value.splitlines())
        return
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    if value is not None and not isinstance(value, bool):
        yield encode(value).decode()


def _spellings(text: str) -> Iterator[str]:
    data = text.encode()
    yield text
    yield encode(text).decode()[1:-1]
    yield "".join(char if char.isascii() else _escaped(char) for char in encode(text).decode()[1:-1])
    yield repr(text)[1:-1]
    yield escape(text)
    for safe in ("", "/", "/:@!$&'()*+,;="):
        yield quote(text, safe=safe)
        yield re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), quote(text, safe=safe))
    yield quote_plus(text)
    yield data.hex()
    yield data.hex().upper()
    for encoded in (b64encode, urlsafe_b64encode):
        yield encoded(data).decode().rstrip("=")
        # Inside of something longer, such as `user:password`, it begins at one of three places in a group of bytes.
        for shift in range(3):
            first, end = -(-8 * shift // 6), 8 * (shift + len(data)) // 6
            yield encoded(b"\0" * shift + data).decode()[first:end]


def _escaped(char: str) -> str:
    """As JSON writers that keep to ASCII spell it."""
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2))
