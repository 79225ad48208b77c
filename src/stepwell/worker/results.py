"""From what a function returned or raised to what the server is told. Whatever happens becomes a result."""

import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

import msgspec

from stepwell.model.codec import Record, encode
from stepwell.model.work import WorkStatus
from stepwell.worker.wire import StepKey, WorkRequest

MAX_ITEM_BYTES = 32 * 1024 * 1024
"""Past this the result alone could not pass the server's door, and would be sent for ever."""


class KeepRunning(Record, frozen=True):
    """Returned by a function that is not done: the step stays open and is offered again later.

    `output` is shown as the step's output until then. Raises ValueError when `after_seconds` is no time.
    """

    output: Any = None
    after_seconds: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.after_seconds) and self.after_seconds >= 0):
            raise ValueError(f"after_seconds must be a number of seconds, not {self.after_seconds}")


class StepFailed(Exception):
    """Raised by a function to fail its step with an output of its own choosing."""

    def __init__(self, message: str = "", *, output: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.output = dict(output or {})


class Finished(Record, frozen=True, kw_only=True):
    """The result of one hand-out, ready to be sent."""

    process_id: int
    step_id: int
    token: int
    name: str
    item: bytes
    """The JSON object of the exchange call."""
    is_replacement: bool = False
    """It stands for a result that the server would not take."""

    @property
    def key(self) -> StepKey:
        return (self.step_id, self.token)


def returned(request: WorkRequest, value: Any) -> Finished:
    """The function came to its end."""
    try:
        if isinstance(value, KeepRunning):
            after_ms = max(1, round(value.after_seconds * 1000))
            return _finished(request, WorkStatus.RUNNING, shape(value.output), after_ms)
        return _finished(request, WorkStatus.COMPLETED, shape(value))
    except Exception as error:  # the codec may raise whatever a user's own type raises
        return failed(request, f"the result of {request.name} cannot be sent: {error}", type(error).__name__)


def raised(request: WorkRequest, error: BaseException) -> Finished:
    """The function ended with an exception."""
    message = str(error) or type(error).__name__
    if isinstance(error, StepFailed):
        try:
            return _finished(request, WorkStatus.FAILED, {"error": message, **error.output})
        except Exception as fault:
            message = f"{message} (its output cannot be sent: {fault})"
    return failed(request, message, type(error).__name__)


def failed(request: WorkRequest, message: str, error_type: str) -> Finished:
    return _finished(request, WorkStatus.FAILED, failure_output(message, error_type))


def replaced(finished: Finished, reason: str) -> Finished:
    """A FAILED result for one that the server would not take, so that its step does not stay open."""
    item = _Item(
        process_id=finished.process_id,
        step_id=finished.step_id,
        token=finished.token,
        status=WorkStatus.FAILED,
        output=failure_output(f"the server refused the result: {reason}", "ResultRefused"),
    )
    return msgspec.structs.replace(finished, item=encode(item), is_replacement=True)


def failure_output(message: str, error_type: str) -> dict[str, Any]:
    return {"error": _sendable(message), "errorType": error_type}


def shape(value: Any) -> Any:
    """An output is an object: mappings and records as they are, nothing as `{}`, the rest as `result`."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value if isinstance(value, dict) else dict(value)
    if isinstance(value, msgspec.Struct) or (is_dataclass(value) and not isinstance(value, type)):
        return value
    return {"result": value}


class _Item(Record, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    process_id: int
    step_id: int
    token: int = msgspec.field(name="stepExecutionId")
    status: WorkStatus
    output: Any
    reschedule_after_ms: int = 0


def _finished(request: WorkRequest, status: WorkStatus, output: Any, after_ms: int = 0) -> Finished:
    """Raises whatever the codec raises, and ValueError for NaN, infinity and too large an output."""
    item = encode(
        _Item(
            process_id=request.process_id,
            step_id=request.step_id,
            token=request.token,
            status=status,
            output=output,
            reschedule_after_ms=after_ms,
        )
    )
    # The codec writes NaN as null, so only a text with a null in it can hide one.
    if b"null" in item and _holds_nan(msgspec.to_builtins(output)):
        raise ValueError("it holds NaN or infinity, which JSON cannot carry")
    if len(item) > MAX_ITEM_BYTES:
        raise ValueError(f"it has {len(item)} bytes, more than the {MAX_ITEM_BYTES} that can be sent")
    return Finished(
        process_id=request.process_id,
        step_id=request.step_id,
        token=request.token,
        name=request.name,
        item=item,
    )


def _holds_nan(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_holds_nan, value.values()))
    return isinstance(value, (list, tuple, set, frozenset)) and any(map(_holds_nan, value))


def _sendable(text: str) -> str:
    """Text of an exception may hold what JSON or the server's door refuses: lone surrogates and NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\N{REPLACEMENT CHARACTER}")
