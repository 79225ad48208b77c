"""The user's own variables: reserved keys in a step's output change the process's state. Spec section 5."""

from typing import Any

from stepwell.model.codec import EMPTY, Json, Record, canonical, decode, encode, members
from stepwell.model.secret import SealedChange

PUT = "__statePut"
REMOVE = ("__stateRemove", "__statePutRemove")
SECRET_PUT = "__secretStatePut"
SECRET_REMOVE = "__secretStateRemove"
SECRET = (SECRET_PUT, SECRET_REMOVE)
"""Taken off an output by the runtime, which has the key, before the engine sees it."""


class StateChange(Record, frozen=True):
    put: dict[str, Any] = {}
    remove: tuple[str, ...] = ()


class BadState(ValueError):
    """A reserved key holds what it must not hold. The attempt fails with this text."""


def split(output: Json) -> tuple[Json, StateChange | None]:
    """Take the reserved keys off an output: what is left, and what they ask for. Raises BadState."""
    if b"__s" not in output:
        return output, None
    fields = members(output)
    if not any(key in fields for key in (PUT, *REMOVE, *SECRET)):
        return output, None
    for key in SECRET:
        if key in fields:
            raise BadState(f"{key} has its effect in the output of a step that does work, and nowhere else")
    put = decode(bytes(fields.pop(PUT))) if PUT in fields else {}
    if not isinstance(put, dict):
        raise BadState(f"{PUT} must be an object")
    remove: list[str] = []
    for key in REMOVE:
        names = decode(bytes(fields.pop(key))) if key in fields else []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BadState(f"{key} must be a list of keys")
        remove += names
    return encode(fields), StateChange(put, tuple(remove))


def stripped(output: Json) -> Json:
    """The output without the reserved keys, whatever they hold."""
    if b"__s" not in output:
        return output
    reserved = {PUT, *REMOVE, *SECRET}
    fields = members(output)
    if reserved.isdisjoint(fields):
        return output
    return encode({key: value for key, value in fields.items() if key not in reserved})


def apply_sealed(secret_state: Json, asked: SealedChange) -> Json:
    """Put, then remove, in what holds encrypted values by key; empty when none is left."""
    value = decode(secret_state or EMPTY)
    value.update(asked.put)
    for name in asked.remove:
        value.pop(name, None)
    return canonical(value) if value else b""


def apply(state: Json, asked: StateChange) -> Json:
    """Put, then remove. The last writer wins, key by key."""
    value = decode(state)
    value.update(asked.put)
    for name in asked.remove:
        value.pop(name, None)
    return canonical(value)
