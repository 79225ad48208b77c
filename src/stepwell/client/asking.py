"""What every call is made of: the request to send, and how its answer reads."""

from collections.abc import Callable, Generator, Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from stepwell.client.shapes import read_any
from stepwell.model.codec import Record, encode

T = TypeVar("T")

ANSWER_TIMEOUT_S = 15.0

JsonObject = dict[str, Any]


class Call(Record, Generic[T], frozen=True, kw_only=True):
    method: str
    path: str
    query: dict[str, str] = {}
    body: bytes | None = None
    headers: dict[str, str] = {}
    timeout_s: float = ANSWER_TIMEOUT_S
    read: Callable[[bytes], T] = read_any


Plan = Generator[Call[Any] | float, Any, T]


def get(path: str, query: dict[str, str] | None = None) -> Call[Any]:
    return Call(method="GET", path=path, query=query or {})


def post(
    path: str,
    body: Any,
    query: dict[str, str] | None = None,
    timeout_s: float = ANSWER_TIMEOUT_S,
    headers: dict[str, str] | None = None,
) -> Call[Any]:
    return Call(
        method="POST",
        path=path,
        query=query or {},
        body=encode(body),
        headers=headers or {},
        timeout_s=timeout_s,
    )


def put(path: str, body: Any) -> Call[Any]:
    return Call(method="PUT", path=path, body=encode(body))


def document(method: str, path: str, document: Mapping[str, Any] | str) -> Call[Any]:
    """A text goes as it is: the server knows where in it a problem stands."""
    if not isinstance(document, str):
        return Call(method=method, path=path, body=encode(document))
    kind = "application/json" if document.lstrip().startswith("{") else "application/yaml"
    return Call(method=method, path=path, body=document.encode(), headers={"Content-Type": kind})


def query(**values: Any) -> dict[str, str]:
    """What is None or an empty list is left out; lists are joined with commas."""
    made = {}
    for name, value in values.items():
        if isinstance(value, bool):
            made[name] = "true" if value else "false"
        elif value is None:
            continue
        elif isinstance(value, str | int):
            made[name] = str(value)
        elif text := ",".join(map(str, value)):
            made[name] = text
    return made


def segment(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")
