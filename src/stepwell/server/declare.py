"""What every route says about itself: who may call it, and what the documentation should know."""

from typing import Any

from stepwell.model.client import Permission
from stepwell.model.codec import Record

QUERY_KINDS = {int: "integer", bool: "boolean", str: "string"}


class Declared(Record, frozen=True, kw_only=True):
    permission: Permission
    summary: str
    body: Any = None
    """A type that msgspec can describe, or None for no body."""
    answer: Any = None
    file_body: bool = False
    """The body is a file: any bytes."""
    file_answer: bool = False
    text_answer: bool = False
    """The answer is plain text."""
    query: dict[str, type] = {}
    tag: str = ""


def declare(permission: Permission, summary: str, **more: Any) -> dict[str, Declared]:
    """The `opt` of a framework route; the start-up check looks for it."""
    return {"declared": Declared(permission=permission, summary=summary, **more)}


class Undeclared(AssertionError):
    """A route does not say which permission it needs. The server must not start with it."""
