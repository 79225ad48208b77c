"""Masking: the values of secrets, however they are spelled, taken out of what an in-server step says.

The first defence is that the value is not there at all. This is the second, for a server that echoes what it was
sent, a script that prints it and an error that quotes it: their output is masked before it is recorded. Spellings
are followed letter by letter, because escapes come mixed: a URL quotes some letters and leaves others as they are.
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html.entities import codepoint2name
from typing import Any

from stepwell.engine.state import SECRET
from stepwell.model.codec import CodecError, Json, decode, encode, members, raw
from stepwell.model.secret import MASK

SHORTEST = 6
"""Shorter values are not looked for: they occur by chance, and masking them would garble what is no secret."""
HEAD = 16
"""So many letters of a longer value are enough to know it by; as much of it as follows is masked as well."""
MOST_LINES = 64

_CUT = r"(?=(?:…|\.\.\.)?['\"]?\s*\Z)"
"""What may follow a text that was cut off in the middle of a secret."""
_NAMED = {"\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r"}


class Masker:
    """Knows the values that were handed out for one step."""

    def __init__(self, values: Iterable[Any]) -> None:
        texts = {text for value in values for text in _texts(value) if len(text) >= SHORTEST}
        self._texts = sorted(texts, key=len, reverse=True)
        self._encoded = sorted({form for text in texts for form in _encoded(text)}, key=len, reverse=True)
        heads = "|".join(f"({_pattern(text[:HEAD])})" for text in self._texts)
        self._heads = re.compile(heads) if texts else None
        self._ends = re.compile("|".join(map(_cut_end, self._texts)))

    def text(self, text: str) -> str:
        if self._heads is None or len(text) < SHORTEST:
            return text
        for form in self._encoded:
            if form in text:
                text = text.replace(form, MASK)
        return self._ends.sub(MASK, self._spelled(text))

    def json(self, output: Json) -> Json:
        """An output, but for what it wants to keep in the secret state: that is encrypted anyway."""
        if self._heads is None:
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

    def _spelled(self, text: str) -> str:
        assert self._heads is not None
        parts: list[str] = []
        done = 0
        while found := self._heads.search(text, done):
            assert found.lastindex is not None
            parts += (text[done : found.start()], MASK)
            done = _end_of(self._texts[found.lastindex - 1], text, found.end())
        return text if not parts else "".join((*parts, text[done:]))


def _end_of(value: str, text: str, at: int) -> int:
    """How far the value goes on in a text in which its head ends at a place."""
    for letter in value[HEAD:]:
        found = re.compile(_letter(letter)).match(text, at)
        if found is None:
            break
        at = found.end()
    return at


def _texts(value: Any) -> Iterator[str]:
    """A value as text, and every text in it; of one with several lines, each line."""
    if isinstance(value, str):
        yield value
        if "\\" in value:
            yield _unescaped(value)
        if "\n" in value:
            yield from (line.strip() for line in value.splitlines()[:MOST_LINES])
        return
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    if value is not None and not isinstance(value, bool):
        yield encode(value).decode()


def _unescaped(text: str) -> str:
    """What a script makes of it that has it between quotes."""
    return re.sub(r"\\([btnvfr])", lambda found: _BY_NAME[found[1]], text).replace("\\\\", "\\")


_BY_NAME = {name: letter for letter, name in _NAMED.items()}


def _pattern(text: str) -> str:
    return "".join(map(_letter, text))


def _cut_end(text: str) -> str:
    """The beginning of a value, at least the shortest, at the end of a text."""
    rest = ""
    for letter in reversed(text[SHORTEST:HEAD]):
        rest = f"(?:{_letter(letter)}{rest})?"
    return _pattern(text[:SHORTEST]) + rest + _CUT


@lru_cache(10_000)
def _letter(letter: str) -> str:
    """A pattern for every usual spelling of a letter: JSON and source code, URL, HTML, and UTF-8 taken for Latin-1."""
    if letter.isascii() and letter.isalnum():
        return letter
    code, data = ord(letter), letter.encode("utf-8", "replace")
    utf16 = letter.encode("utf-16-be", "surrogatepass")
    units = [utf16[at : at + 2].hex() for at in range(0, len(utf16), 2)]
    forms = [
        rf"\\{{0,8}}{re.escape(letter)}",
        "".join(rf"(?i:\\{{1,8}}u{unit})" for unit in units),
        rf"(?i:\\{{1,8}}U0{{0,7}}{code:x})",
        "".join(f"(?i:%(?:25){{0,3}}{byte:02x})" for byte in data),
        rf"(?i:&(?:amp;){{0,3}}#(?:0{{0,6}}{code}|x0{{0,6}}{code:x});)",
    ]
    if code < 256:
        forms += [rf"(?i:\\{{1,8}}x{code:02x})", f"(?i:%(?:25){{0,3}}{code:02x})"]
    if letter in _NAMED:
        forms.append(rf"\\{{1,8}}{_NAMED[letter]}")
    if letter == " ":
        forms.append(r"\+")
    if letter == "'":
        forms.append("&(?:amp;){0,3}apos;")
    if code in codepoint2name:
        forms.append(f"&(?:amp;){{0,3}}{codepoint2name[code]};")
    if code > 127:
        forms.append(re.escape(data.decode("latin-1")))
    return f"(?:{'|'.join(forms)})"


def _encoded(text: str) -> Iterator[str]:
    """The value in encodings that leave no letter as it was."""
    data = text.encode("utf-8", "replace")
    yield data.hex()
    yield data.hex().upper()
    for encoded in (b64encode, urlsafe_b64encode):
        # Inside of something longer, such as `user:password`, it begins at one of three places in a group of bytes.
        for shift in range(3):
            first, end = -(-8 * shift // 6), 8 * (shift + len(data)) // 6
            yield encoded(b"\0" * shift + data).decode()[first:end]
