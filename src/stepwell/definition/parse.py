"""From text to values: JSON or YAML, with bounds. What the values mean is for `read.py`."""

import json
import re
from typing import Any, NoReturn

from stepwell.definition.read import definition_value, fingerprint, read_definition, read_policy
from stepwell.definition.yaml_text import YamlError, load_yaml
from stepwell.model.errors import Invalid, Problem

__all__ = ["definition_value", "fingerprint", "parse", "read_definition", "read_policy"]

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 64

_REFUSED = re.compile("[\x00\ud800-\udfff]")


class _NotAccepted(ValueError):
    """JSON, but not a JSON text that we accept."""


def parse(text: bytes | str, *, at: str = "") -> Any:
    """The value of a JSON or YAML text; `at` is its path in a larger one.

    Raises Invalid for what is neither, is larger than 2 MiB or deeper than 64 levels, has a key twice, NUL or
    half of a surrogate pair in a text, or a number that JSON does not know.
    """
    try:
        raw = text.encode() if isinstance(text, str) else text
        if len(raw) > MAX_BYTES:
            raise _NotAccepted(f"larger than {MAX_BYTES} bytes")
        value = _load(raw, raw.decode("utf-8-sig"))
        _check_value(value)
    except UnicodeError:
        _refuse(at, "not UTF-8 text")
    except (_NotAccepted, YamlError) as error:
        _refuse(at, str(error))
    return value


def _load(raw: bytes, text: str) -> Any:
    stripped = text.lstrip()
    if stripped[:1] in ("{", "["):
        try:
            return json.loads(stripped, object_pairs_hook=_object, parse_constant=_constant)
        except json.JSONDecodeError as error:
            return _load_flow(raw, error)
        except RecursionError:
            raise _NotAccepted(f"nested deeper than {MAX_DEPTH} levels") from None
        except _NotAccepted:
            raise
        except ValueError:
            raise _NotAccepted("a number has too many digits") from None
    return load_yaml(raw, MAX_DEPTH)


def _load_flow(raw: bytes, error: json.JSONDecodeError) -> Any:
    """What begins like JSON may be YAML in one line; if it is neither, JSON's complaint is the better."""
    try:
        return load_yaml(raw, MAX_DEPTH)
    except YamlError:
        message = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise _NotAccepted(message) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _NotAccepted(f"the key {key!r} is there twice")
        found[key] = value
    return found


def _constant(name: str) -> NoReturn:
    raise _NotAccepted(f"{name} is not a number that JSON knows")


def _check_value(value: Any) -> None:
    """Raise for what no later room can store. Aliases are bounded already, so the walk is."""
    pending: list[tuple[Any, int]] = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, str):
            if _REFUSED.search(item):
                raise _NotAccepted("a text contains NUL or half of a surrogate pair")
        elif isinstance(item, float):
            if item - item != 0:
                raise _NotAccepted("a number is too large")
        elif isinstance(item, dict | list):
            if depth >= MAX_DEPTH:
                raise _NotAccepted(f"nested deeper than {MAX_DEPTH} levels")
            if isinstance(item, dict):
                pending.extend((key, depth) for key in item)
                item = list(item.values())
            pending.extend((member, depth + 1) for member in item)


def _refuse(at: str, message: str) -> NoReturn:
    raise Invalid(problems=(Problem(at, message, "SYNTAX"),))
