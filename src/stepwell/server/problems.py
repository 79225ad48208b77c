"""Errors → HTTP, in one table. Every answer that is not 200 is `{"errorMessage", "code", "problems"?}`."""

import logging
import secrets
from typing import Any, NamedTuple

from litestar.exceptions import HTTPException

from stepwell.model.codec import CodecError, encode
from stepwell.model.errors import Busy, Conflict, Denied, Invalid, NotFound, StepwellError
from stepwell.server.door import TooLarge, Unreadable

log = logging.getLogger("stepwell.server")

UNAUTHENTICATED = "UNAUTHENTICATED"

STATUS: tuple[tuple[type[Exception], int], ...] = (
    (TooLarge, 413),
    (Unreadable, 400),
    (CodecError, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Invalid, 422),
    (Denied, 403),
    (Busy, 503),
)
"""The first row that fits decides. Denied without valid credentials is 401; what is in no row is 500."""

_FRAMEWORK_CODES = {
    400: "BAD_REQUEST",
    404: "NO_SUCH_ROUTE",
    405: "METHOD_NOT_ALLOWED",
    413: "TOO_LARGE",
}


_HEADERS: dict[int, tuple[tuple[bytes, bytes], ...]] = {
    401: ((b"www-authenticate", b"Bearer"),),
    503: ((b"retry-after", b"1"),),
}


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class BadRequest(Unreadable):
    """A parameter is missing or has the wrong form."""

    code = "BAD_REQUEST"


def problem(status: int, message: str, code: str, **more: Any) -> Answer:
    headers = _HEADERS.get(status, ())
    return Answer(status, encode({"errorMessage": message, "code": code, **more}), headers)


def answer_to(error: Exception) -> Answer:
    """What a caller is told. An unexpected error says nothing of our insides: the log has it."""
    if isinstance(error, HTTPException):
        return _framework(error)
    if isinstance(error, CodecError):
        return problem(400, f"not JSON: {error}", "NOT_JSON")
    if not isinstance(error, StepwellError):
        incident = secrets.token_hex(6)
        log.error("internal error %s", incident, exc_info=error)
        return problem(500, "internal error", "INTERNAL", id=incident)
    if isinstance(error, Denied) and error.code == UNAUTHENTICATED:
        return problem(401, error.message, error.code)
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    if isinstance(error, Invalid) and error.problems:
        return problem(status, error.message, error.code, problems=error.problems)
    return problem(status, error.message, error.code)


def _framework(error: HTTPException) -> Answer:
    status = error.status_code
    if status == 413:
        return problem(413, "the body is too large", "TOO_LARGE")
    if status >= 500:
        return problem(status, "internal error", "INTERNAL")
    return problem(status, error.detail, _FRAMEWORK_CODES.get(status, "BAD_REQUEST"))
