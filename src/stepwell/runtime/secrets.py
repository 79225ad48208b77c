"""Secrets between rows and hand-outs: filled in for one hand-out, split off a report before it becomes an event."""

from collections.abc import Callable, Sequence
from typing import Any

from stepwell.definition.template import MISSING, as_text
from stepwell.engine.state import SECRET, SECRET_PUT, SECRET_REMOVE
from stepwell.engine.texts import walk
from stepwell.model.codec import (
    EMPTY,
    CodecError,
    Json,
    Record,
    decode,
    decode_as,
    encode,
    items,
    members,
    raw,
)
from stepwell.model.definition import DEFAULT_NAMESPACE
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import NotFound
from stepwell.model.process import ProcessContext
from stepwell.model.secret import MASK, SealedChange, SecretPlace, SecretRoot, decode_places
from stepwell.model.step import StepContext
from stepwell.runtime.vault import Vault
from stepwell.store.port import Turn


class BadSecretState(ValueError):
    """A reserved key holds what it must not hold. The text says which, and nothing of what it holds."""


class Filled(Record, frozen=True):
    """An input as one hand-out carries it."""

    input: Json
    used: tuple[Any, ...]
    """The values of the secrets in it."""


# -- a secret's own row


def seal_secret(vault: Vault, namespace: str, name: str, version: int, value: str) -> Json:
    return encode(vault.seal(encode(value), "secret", namespace, name, str(version)))


def open_secret(vault: Vault, entry: Entry) -> str:
    """Raises CannotOpen."""
    about = ("secret", entry.namespace, entry.name, str(entry.version))
    return decode_as(vault.open(decode_as(entry.body, str), *about), str)


# -- handing out


def fill(vault: Vault, turn: Turn, process: ProcessContext, step: StepContext, now: int) -> Filled:
    """The step's input with its secrets. Raises NotFound for one that is gone, CannotOpen."""
    used: list[Any] = []

    def value_of(place: SecretPlace) -> Any:
        value = _value_of(vault, turn, process, place, now)
        if value is not None:
            used.append(value)
        return value

    return Filled(bytes(_fill(step.input, decode_places(step.secrets), value_of)), tuple(used))


def _value_of(vault: Vault, turn: Turn, process: ProcessContext, place: SecretPlace, now: int) -> Any:
    if place.root is SecretRoot.SECRET_STATE:
        return _of_state(vault, process, place)
    for namespace in dict.fromkeys((process.namespace, DEFAULT_NAMESPACE)):
        entry = turn.entry(EntryKind.SECRET, namespace, place.name)
        if entry is not None and not 0 < entry.expires <= now:
            return open_secret(vault, entry)
    raise NotFound(f"there is no secret {place.name!r}")


def _of_state(vault: Vault, process: ProcessContext, place: SecretPlace) -> Any:
    """As with all state, what is not there is null."""
    sealed = decode_as(process.secret_state or EMPTY, dict[str, str]).get(place.name)
    if sealed is None:
        return None
    value = walk(decode(vault.open(sealed, "secretState", str(process.id), place.name)), place.rest)
    return None if value is MISSING else value


def _fill(text: Json, places: Sequence[SecretPlace], value_of: Callable[[SecretPlace], Any]) -> Json:
    """Fill the places, whose paths start here. One that holds no mask any more, because somebody replaced the input,
    stays as it is."""
    here = [place for place in places if not place.path]
    if here:
        return _fill_text(text, here, value_of)
    try:
        inner: Any = items(text) if text.lstrip()[:1] == b"[" else members(text)
    except CodecError:
        return text
    by_key: dict[str | int, list[SecretPlace]] = {}
    for place in places:
        by_key.setdefault(place.path[0], []).append(place)
    for key, below in by_key.items():
        known = isinstance(key, int) and key < len(inner) if isinstance(inner, list) else key in inner
        if known:
            shorter = [_below(place) for place in below]
            inner[key] = raw(_fill(bytes(inner[key]), shorter, value_of))
    return encode(inner)


def _below(place: SecretPlace) -> SecretPlace:
    return SecretPlace(place.path[1:], place.at, place.root, place.name, place.rest)


def _fill_text(text: Json, places: Sequence[SecretPlace], value_of: Callable[[SecretPlace], Any]) -> Json:
    held = decode(text)
    if not isinstance(held, str):
        return text
    if places[0].at is None:
        return encode(value_of(places[0])) if held == MASK else text
    # From the end on: what is filled in later in the text moves nothing before it.
    for place in sorted(places, key=lambda place: place.at or 0, reverse=True):
        at = place.at or 0
        if held[at : at + len(MASK)] == MASK:
            held = held[:at] + as_text(value_of(place)) + held[at + len(MASK) :]
    return encode(held)


# -- reports


def split_off(vault: Vault, process_id: int, output: Json) -> tuple[Json, SealedChange | None]:
    """Take the reserved keys of the secret state off an output, their values encrypted. Raises BadSecretState."""
    # A key may be spelled with escapes; any other output is not even looked into.
    if b"__secretState" not in output and b"\\u" not in output:
        return output, None
    fields = members(output)
    if not any(key in fields for key in SECRET):
        return output, None
    put, remove = fields.pop(SECRET_PUT, None), fields.pop(SECRET_REMOVE, None)
    sealed = {
        key: vault.seal(bytes(value), "secretState", str(process_id), key)
        for key, value in _put(b"{}" if put is None else bytes(put)).items()
    }
    return encode(fields), SealedChange(sealed, _remove(b"[]" if remove is None else bytes(remove)))


def without(output: Json) -> Json:
    """The output without those keys, whatever they hold."""
    return encode({key: value for key, value in members(output).items() if key not in SECRET})


def _put(text: Json) -> dict[str, Any]:
    try:
        return dict(members(text))
    except CodecError:
        raise BadSecretState(f"{SECRET_PUT} must be an object") from None


def _remove(text: Json) -> tuple[str, ...]:
    try:
        return decode_as(text, tuple[str, ...])
    except CodecError:
        raise BadSecretState(f"{SECRET_REMOVE} must be a list of keys") from None
