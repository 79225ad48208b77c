"""JSON in and out, and the base of every record. The one module that knows the codec library."""

from typing import Any, TypeVar

import msgspec

Record = msgspec.Struct
"""Records that a turn makes by the hundred say `gc=False`: they hold text, numbers and records of the same kind, so no
cycle can go through them, and the collector need not look at them."""
Raw = msgspec.Raw

Json = bytes
"""A JSON text, UTF-8. Payloads stay in this form until somebody needs to look inside."""

EMPTY: Json = b"{}"

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])
_canonical = msgspec.json.Encoder(order="deterministic")

change = msgspec.structs.replace


class CodecError(ValueError):
    """The text is not the JSON that was expected."""


def encode(value: Any) -> Json:
    return _encoder.encode(value)


def canonical(value: Any) -> Json:
    """The same value always gives the same text: keys sorted, no blanks."""
    return _canonical.encode(value)


def decode(raw: Json) -> Any:
    """Raises CodecError when `raw` is not JSON."""
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(str(error)) from error


def decode_as(raw: Json | str, kind: type[T]) -> T:
    """Raises CodecError when `raw` is not JSON or not of that kind."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(str(error)) from error


def members(raw: Json) -> dict[str, msgspec.Raw]:
    """The members of an object, their values left as text."""
    try:
        return _members.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(str(error)) from error


def items(raw: Json) -> list[msgspec.Raw]:
    """The items of an array, left as text."""
    try:
        return _items.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(str(error)) from error


def raw(text: Json) -> msgspec.Raw:
    """Wrap a JSON text so that `encode` copies it as it is."""
    return msgspec.Raw(text)
