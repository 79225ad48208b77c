"""Secrets in a step's input: what is stored in their stead, and where they belong.

A secret never passes through a stored value. The engine puts `MASK` where a template names one and keeps a list of
places beside the input; whoever hands the step out fills exactly these places, for that one hand-out.
"""

from enum import StrEnum

from stepwell.model.codec import EMPTY, Json, Record, decode_as, encode, members

MASK = "***"


class SecretRoot(StrEnum):
    SECRETS = "secrets"
    """Kept by administrators, in a namespace."""
    SECRET_STATE = "secretState"
    """Kept by the process itself."""


class SecretPlace(Record, frozen=True, array_like=True):
    """One place in a step's input that a secret belongs to."""

    path: tuple[str | int, ...]
    """Member names and indexes, from the input down to a text."""
    at: int | None
    """Where the mask begins in that text, in characters; None = the secret is all of it, and keeps its JSON type."""
    root: SecretRoot
    name: str
    """Of the secret, or the key of the secret state."""
    rest: tuple[str | int, ...] = ()
    """Secret state only: the path below the key."""


class SealedChange(Record, frozen=True):
    """What a report changes in the secret state. Its values are encrypted already."""

    put: dict[str, str] = {}
    remove: tuple[str, ...] = ()


def encode_places(places: tuple[SecretPlace, ...]) -> Json:
    """Empty when there are none: most steps have no secret."""
    return encode(places) if places else b""


def decode_places(text: Json) -> tuple[SecretPlace, ...]:
    return decode_as(text, tuple[SecretPlace, ...]) if text else ()


def masked(secret_state: Json) -> dict[str, str]:
    """A process's secret state for people: its keys."""
    return dict.fromkeys(members(secret_state or EMPTY), MASK)
