"""The two clients. What they ask is in `calls.py`; here is only the sending."""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx2

from stepwell.client import calls, operation_calls, table_calls
from stepwell.client.asking import Call, Plan
from stepwell.client.shapes import ApiError, read_error
from stepwell.model.client import bearer

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=Callable[..., Any])

DEFAULT_URL = "http://127.0.0.1:8080"


def _described(method: M, build: Callable[..., Any]) -> M:
    """The method shows the name, the text and the parameters of what it builds."""
    method.__name__ = build.__name__
    method.__doc__ = build.__doc__
    signature = inspect.signature(build)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    first = [own, *signature.parameters.values()]
    method.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=first, return_annotation=signature.empty
    )
    return method


def _sent(build: Callable[P, Call[T]]) -> "Callable[Concatenate[Client, P], T]":
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(build(*args, **kwargs))

    return _described(method, build)


def _followed(build: Callable[P, Plan[T]]) -> "Callable[Concatenate[Client, P], T]":
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.follow(build(*args, **kwargs))

    return _described(method, build)


def _async_sent(build: Callable[P, Call[T]]) -> "Callable[Concatenate[AsyncClient, P], Awaitable[T]]":
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(build(*args, **kwargs))

    return _described(method, build)


def _async_followed(build: Callable[P, Plan[T]]) -> "Callable[Concatenate[AsyncClient, P], Awaitable[T]]":
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.follow(build(*args, **kwargs))

    return _described(method, build)


class Client:
    """Talks to one server; safe to share between threads. Every method raises ApiError."""

    def __init__(
        self, url: str | None = None, client_id: str | None = None, token: str | None = None
    ) -> None:
        """What is not given comes from STEPWELL_URL, STEPWELL_CLIENT_ID and STEPWELL_TOKEN."""
        self._http = httpx2.Client(base_url=_url(url), headers=_headers(client_id, token))

    start = _sent(calls.start)
    run = _followed(calls.run)
    wait = _followed(calls.wait_for_end)
    process = _sent(calls.process)
    step = _sent(calls.step)
    search = _sent(calls.search)
    terminate = _sent(calls.terminate)
    resume = _sent(calls.resume)
    resume_with_version = _sent(calls.resume_with_version)
    review = _sent(calls.review)
    rerun = _sent(calls.rerun)
    cancel = _sent(operation_calls.cancel)
    pause = _sent(operation_calls.pause)
    go_on = _sent(operation_calls.go_on)
    rerun_from = _sent(operation_calls.rerun_from)
    edit_state = _sent(operation_calls.edit_state)
    set_aside = _sent(operation_calls.set_aside)
    retry_set_aside = _sent(operation_calls.retry_set_aside)
    signal = _sent(operation_calls.signal)
    waiting = _sent(operation_calls.waiting)
    results = _sent(operation_calls.results)
    all_results = _followed(operation_calls.all_results)
    complete_step = _sent(operation_calls.complete_step)
    fail_step = _sent(operation_calls.fail_step)
    retry_step_now = _sent(operation_calls.retry_step_now)
    remove_step = _sent(operation_calls.remove_step)
    hold = _sent(operation_calls.hold)
    clear_hold = _sent(operation_calls.clear_hold)
    holds = _sent(operation_calls.holds)
    start_job = _sent(operation_calls.start_job)
    job = _sent(operation_calls.job)
    jobs = _sent(operation_calls.jobs)
    put_definition = _sent(calls.put_definition)
    definition = _sent(calls.definition)
    definitions = _sent(calls.definitions)
    versions = _sent(calls.versions)
    delete_definition = _sent(calls.delete_definition)
    put_policy = _sent(calls.put_policy)
    policy = _sent(calls.policy)
    policies = _sent(calls.policies)
    policy_versions = _sent(calls.policy_versions)
    delete_policy = _sent(calls.delete_policy)
    put_retention = _sent(calls.put_retention)
    retention = _sent(calls.retention)
    delete_retention = _sent(calls.delete_retention)
    put_variable = _sent(calls.put_variable)
    variable = _sent(calls.variable)
    variables = _sent(calls.variables)
    delete_variable = _sent(calls.delete_variable)
    put_secret = _sent(calls.put_secret)
    secrets = _sent(calls.secrets)
    delete_secret = _sent(calls.delete_secret)
    put_table = _sent(table_calls.put_table)
    table = _sent(table_calls.table)
    tables = _sent(table_calls.tables)
    table_versions = _sent(table_calls.table_versions)
    delete_table = _sent(table_calls.delete_table)
    test_table = _sent(table_calls.test_table)
    export_table = _sent(table_calls.export_table)
    import_table = _sent(table_calls.import_table)
    put_state = _sent(table_calls.put_state)
    state = _sent(table_calls.state)
    states = _sent(table_calls.states)
    delete_state = _sent(table_calls.delete_state)
    audit = _sent(calls.audit)
    namespaces = _sent(calls.namespaces)
    put_namespace = _sent(calls.put_namespace)
    create_client = _sent(calls.create_client)
    clients = _sent(calls.clients)
    revoke_client = _sent(calls.revoke_client)
    health = _sent(calls.health)

    def send(self, call: Call[T]) -> T:
        try:
            response = self._http.request(**_request(call))
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        return _read(call, response)

    def follow(self, plan: Plan[T]) -> T:
        """Do what the plan asks for until it has its answer."""
        answer: Any = None
        while True:
            try:
                wanted = plan.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(wanted, Call):
                answer = self.send(wanted)
            else:
                time.sleep(wanted)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """The same methods as `Client`, to be awaited."""

    def __init__(
        self, url: str | None = None, client_id: str | None = None, token: str | None = None
    ) -> None:
        """What is not given comes from STEPWELL_URL, STEPWELL_CLIENT_ID and STEPWELL_TOKEN."""
        self._http = httpx2.AsyncClient(base_url=_url(url), headers=_headers(client_id, token))

    start = _async_sent(calls.start)
    run = _async_followed(calls.run)
    wait = _async_followed(calls.wait_for_end)
    process = _async_sent(calls.process)
    step = _async_sent(calls.step)
    search = _async_sent(calls.search)
    terminate = _async_sent(calls.terminate)
    resume = _async_sent(calls.resume)
    resume_with_version = _async_sent(calls.resume_with_version)
    review = _async_sent(calls.review)
    rerun = _async_sent(calls.rerun)
    cancel = _async_sent(operation_calls.cancel)
    pause = _async_sent(operation_calls.pause)
    go_on = _async_sent(operation_calls.go_on)
    rerun_from = _async_sent(operation_calls.rerun_from)
    edit_state = _async_sent(operation_calls.edit_state)
    set_aside = _async_sent(operation_calls.set_aside)
    retry_set_aside = _async_sent(operation_calls.retry_set_aside)
    signal = _async_sent(operation_calls.signal)
    waiting = _async_sent(operation_calls.waiting)
    results = _async_sent(operation_calls.results)
    all_results = _async_followed(operation_calls.all_results)
    complete_step = _async_sent(operation_calls.complete_step)
    fail_step = _async_sent(operation_calls.fail_step)
    retry_step_now = _async_sent(operation_calls.retry_step_now)
    remove_step = _async_sent(operation_calls.remove_step)
    hold = _async_sent(operation_calls.hold)
    clear_hold = _async_sent(operation_calls.clear_hold)
    holds = _async_sent(operation_calls.holds)
    start_job = _async_sent(operation_calls.start_job)
    job = _async_sent(operation_calls.job)
    jobs = _async_sent(operation_calls.jobs)
    put_definition = _async_sent(calls.put_definition)
    definition = _async_sent(calls.definition)
    definitions = _async_sent(calls.definitions)
    versions = _async_sent(calls.versions)
    delete_definition = _async_sent(calls.delete_definition)
    put_policy = _async_sent(calls.put_policy)
    policy = _async_sent(calls.policy)
    policies = _async_sent(calls.policies)
    policy_versions = _async_sent(calls.policy_versions)
    delete_policy = _async_sent(calls.delete_policy)
    put_retention = _async_sent(calls.put_retention)
    retention = _async_sent(calls.retention)
    delete_retention = _async_sent(calls.delete_retention)
    put_variable = _async_sent(calls.put_variable)
    variable = _async_sent(calls.variable)
    variables = _async_sent(calls.variables)
    delete_variable = _async_sent(calls.delete_variable)
    put_secret = _async_sent(calls.put_secret)
    secrets = _async_sent(calls.secrets)
    delete_secret = _async_sent(calls.delete_secret)
    put_table = _async_sent(table_calls.put_table)
    table = _async_sent(table_calls.table)
    tables = _async_sent(table_calls.tables)
    table_versions = _async_sent(table_calls.table_versions)
    delete_table = _async_sent(table_calls.delete_table)
    test_table = _async_sent(table_calls.test_table)
    export_table = _async_sent(table_calls.export_table)
    import_table = _async_sent(table_calls.import_table)
    put_state = _async_sent(table_calls.put_state)
    state = _async_sent(table_calls.state)
    states = _async_sent(table_calls.states)
    delete_state = _async_sent(table_calls.delete_state)
    audit = _async_sent(calls.audit)
    namespaces = _async_sent(calls.namespaces)
    put_namespace = _async_sent(calls.put_namespace)
    create_client = _async_sent(calls.create_client)
    clients = _async_sent(calls.clients)
    revoke_client = _async_sent(calls.revoke_client)
    health = _async_sent(calls.health)

    async def send(self, call: Call[T]) -> T:
        try:
            response = await self._http.request(**_request(call))
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        return _read(call, response)

    async def follow(self, plan: Plan[T]) -> T:
        """Do what the plan asks for until it has its answer."""
        answer: Any = None
        while True:
            try:
                wanted = plan.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(wanted, Call):
                answer = await self.send(wanted)
            else:
                await asyncio.sleep(wanted)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _url(url: str | None) -> str:
    return (url or os.environ.get("STEPWELL_URL") or DEFAULT_URL).rstrip("/")


def _headers(client_id: str | None, token: str | None) -> dict[str, str]:
    """Raises ValueError without credentials."""
    client_id = client_id or os.environ.get("STEPWELL_CLIENT_ID")
    token = token or os.environ.get("STEPWELL_TOKEN")
    if not client_id or not token:
        raise ValueError("a client needs a client id and a token: STEPWELL_CLIENT_ID and STEPWELL_TOKEN")
    return {
        "Authorization": bearer(client_id, token),
        "Content-Type": "application/json",
    }


def _request(call: Call[Any]) -> dict[str, Any]:
    return {
        "method": call.method,
        "url": call.path,
        "params": call.query,
        "content": call.body,
        "headers": call.headers,
        "timeout": call.timeout_s,
    }


def _read(call: Call[T], response: httpx2.Response) -> T:
    if response.status_code != 200:
        raise read_error(response.status_code, response.content)
    return call.read(response.content)


def _unreachable(error: httpx2.HTTPError) -> ApiError:
    return ApiError(0, "UNREACHABLE", str(error) or type(error).__name__)
