"""XML to JSON.

    <order id="7"><item>a</item><item>b</item><note/></order>
    {"order": {"@id": "7", "item": ["a", "b"], "note": ""}}

An element with nothing but text becomes that text. Anything else becomes an object: attributes under `@name`,
children under their names, a name that repeats as a list, text beside them under `#text`. Values stay text, names
keep their prefixes. Entity declarations are refused, so nothing can expand and nothing is fetched.
"""

from typing import Any, NoReturn
from xml.parsers import expat

MAX_DEPTH = 60
"""Below the depth that a step's output may have."""


class XmlError(ValueError):
    """The text is not XML, or not XML that we read."""


class _Open:
    """An element that is being read."""

    __slots__ = ("fields", "name", "texts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.fields: dict[str, Any] = {f"@{key}": value for key, value in attributes.items()}
        self.texts: list[str] = []

    def put(self, name: str, value: Any) -> None:
        if name not in self.fields:
            self.fields[name] = value
        elif isinstance(self.fields[name], list):
            self.fields[name].append(value)
        else:
            self.fields[name] = [self.fields[name], value]

    def value(self) -> Any:
        text = "".join(self.texts).strip()
        if not self.fields:
            return text
        if text:
            self.fields["#text"] = text
        return self.fields


class _Reader:
    def __init__(self) -> None:
        self._open = [_Open("", {})]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > MAX_DEPTH:
            raise XmlError(f"elements stand deeper than {MAX_DEPTH} levels")
        self._open.append(_Open(name, attributes))

    def end(self, _name: str) -> None:
        closed = self._open.pop()
        self._open[-1].put(closed.name, closed.value())

    def text(self, data: str) -> None:
        self._open[-1].texts.append(data)

    def root(self) -> dict[str, Any]:
        return self._open[0].fields


def _refuse(*_declaration: object) -> NoReturn:
    raise XmlError("the document declares entities")


def xml_to_json(text: bytes, charset: str | None = None) -> dict[str, Any]:
    """One member: the root element. `charset` of the transport wins over the document's. Raises XmlError."""
    reader = _Reader()
    try:
        parser = expat.ParserCreate(charset)
        parser.buffer_text = True
        parser.StartElementHandler = reader.start
        parser.EndElementHandler = reader.end
        parser.CharacterDataHandler = reader.text
        parser.EntityDeclHandler = _refuse
        parser.ExternalEntityRefHandler = _refuse
        parser.UnparsedEntityDeclHandler = _refuse
        parser.Parse(text, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise XmlError(str(error)) from error
    return reader.root()
