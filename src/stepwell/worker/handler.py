"""One registered function, and how a request goes through it."""

import inspect
import logging
from collections.abc import Callable
from typing import Any

from stepwell.model.codec import Record
from stepwell.model.definition import StepType
from stepwell.model.work import QueueName
from stepwell.worker.arguments import Bind, InputMismatch, binder
from stepwell.worker.results import Finished, StepFailed, failed, raised, returned
from stepwell.worker.wire import WorkRequest

log = logging.getLogger("stepwell.worker")

Function = Callable[..., Any]


class Handler(Record, frozen=True, kw_only=True):
    queue: QueueName
    function: Function
    bind: Bind
    is_async: bool
    concurrency: int


def handler_for(function: Function, name: str, namespace: str, concurrency: int) -> Handler:
    """Raises TypeError for a function whose arguments cannot be given by name, ValueError for no slots."""
    if concurrency < 1:
        raise ValueError(f"concurrency of {namespace}/{name} must be at least 1, not {concurrency}")
    return Handler(
        queue=QueueName(namespace, StepType.WORKER, name),
        function=function,
        bind=binder(function),
        is_async=_is_async(function),
        concurrency=concurrency,
    )


async def perform_async(handler: Handler, request: WorkRequest) -> Finished:
    """Always ends in a result, except when this task itself is cancelled and lets CancelledError through."""
    try:
        return returned(request, await handler.function(**handler.bind(request)))
    except (Exception, SystemExit) as error:
        return _failure(request, error)


def perform(handler: Handler, request: WorkRequest) -> Finished:
    """Always ends in a result."""
    try:
        return returned(request, handler.function(**handler.bind(request)))
    except BaseException as error:  # in a thread of ours, where nobody else could report it
        return _failure(request, error)


def _failure(request: WorkRequest, error: BaseException) -> Finished:
    if isinstance(error, InputMismatch):
        log.warning("step %s (%s): %s", request.name, request.step_id, error)
        return failed(request, f"the input does not fit {request.name}: {error}", InputMismatch.__name__)
    is_expected = isinstance(error, StepFailed)
    log.warning("step %s (%s) failed: %r", request.name, request.step_id, error, exc_info=not is_expected)
    return raised(request, error)


def _is_async(function: Function) -> bool:
    if inspect.iscoroutinefunction(function):
        return True
    return inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - its kind, not whether
