"""The routes used thousands of times a second: bare ASGI handlers, below any framework."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

from stepwell.model.client import ClientApplication, Permission
from stepwell.model.codec import change, encode
from stepwell.model.work import Acceptance
from stepwell.runtime.asks import Gone
from stepwell.runtime.requests import Exchange, Exchanged, Extension, Poll, StartRequest
from stepwell.runtime.runtime import Runtime
from stepwell.server import wire
from stepwell.server.auth import Doorkeeper
from stepwell.server.declare import Declared
from stepwell.server.definitions import Checks, with_definition
from stepwell.server.door import Receive, Unreadable, read_body
from stepwell.server.query import LARGEST_ID, Query
from stepwell.settings import Settings

Scope = MutableMapping[str, Any]

LONGEST_WAIT_MS = 30_000
"""How long an exchange may wait; its bearer is looked at again with the next one."""
_PATIENCE_S = 0.02
"""A poll that is answered sooner is not watched for a disconnect."""
_HOST_HEADER = b"unmeshed_host_name"
_IDEMPOTENCY_HEADER = b"idempotency-key"
_KEY = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")


class Desk(NamedTuple):
    """What every handler needs."""

    runtime: Runtime
    settings: Settings
    doorkeeper: Doorkeeper
    work: Checks | None = None
    """What checks the inputs of steps that the server runs itself; None: nothing does."""

    @property
    def limits(self) -> wire.Limits:
        return wire.Limits(self.settings.item_limit, self.settings.depth_limit)


class Request(NamedTuple):
    client: ClientApplication
    body: bytes
    scope: Scope
    receive: Receive

    def header(self, name: bytes) -> bytes | None:
        return header(self.scope, name)

    @property
    def host(self) -> str:
        """The host that a worker names, else its address."""
        named = (self.header(_HOST_HEADER) or b"").decode("latin-1").strip()[:255]
        if named and named.isprintable():
            return named
        peer = self.scope.get("client")
        return str(peer[0]) if peer else "-"


Handler = Callable[[Desk, Request], Awaitable[bytes]]


class HotRoute(NamedTuple):
    handler: Handler
    declared: Declared
    body_limit: str
    """Which of the settings bounds its body."""


class Watch:
    """Notices that the client of a held poll has hung up: work sent there is lost for a lease."""

    __slots__ = ("_receive", "_runtime", "_timer", "_watch", "gone")

    def __init__(self, runtime: Runtime, receive: Receive) -> None:
        self.gone = Gone()
        self._runtime = runtime
        self._receive = receive
        self._watch: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_S, self._begin)

    def _begin(self) -> None:
        self._watch = asyncio.ensure_future(self._watch_it())

    async def _watch_it(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone.gone = True
        self._runtime.hung_up()

    def close(self) -> None:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()


def header(scope: Mapping[str, Any], name: bytes) -> bytes | None:
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


async def _held(desk: Desk, request: Request, exchange: Exchange) -> Exchanged:
    if exchange.poll is None or not exchange.poll.wait_ms:
        return await desk.runtime.exchange(exchange)
    watch = Watch(desk.runtime, request.receive)
    try:
        return await desk.runtime.exchange(exchange, watch.gone)
    finally:
        watch.close()


async def register(desk: Desk, request: Request) -> bytes:
    """A poll registers as well: nothing has to be remembered, any queue is welcome."""
    wire.read_registration(request.body)
    return b'{"ok":true}'


async def poll(desk: Desk, request: Request) -> bytes:
    queues = wire.read_poll(request.body)
    wanted = sum(size for _, size in queues)
    if not wanted:
        return b"[]"
    asked = Query(request.scope["query_string"]).loose_number("size")
    exchanged = await _held(
        desk,
        request,
        Exchange(
            poll=Poll(
                queues=queues,
                limit=min(asked, wanted) if asked else wanted,
                client=request.client.client_id,
                host=request.host,
                wait_ms=desk.settings.poll_hold_ms,
            )
        ),
    )
    return encode([wire.work_item(work) for work in exchanged.work])


async def bulk_results(desk: Desk, request: Request) -> bytes:
    read = wire.read_results(request.body, desk.limits)
    results = tuple(item.result for item in read if item.result is not None)
    outcomes: list[Acceptance] = []
    if results:
        outcomes = (await desk.runtime.exchange(Exchange(results=results))).outcomes
    return wire.results_answer(read, outcomes)


async def exchange(desk: Desk, request: Request) -> bytes:
    asked, read = wire.read_exchange(request.body, desk.limits)
    extend = asked.extend or []
    exchanged = await _held(
        desk,
        request,
        Exchange(
            results=tuple(item.result for item in read if item.result is not None),
            extensions=tuple(_extension(item, desk.settings) for item in extend),
            poll=_poll_of(asked, request),
        ),
    )
    return wire.exchange_answer(read, exchanged.outcomes, exchanged.extended, exchanged.work)


def _extension(item: wire.ExtendItem, settings: Settings) -> Extension:
    if not (0 <= item.step_id <= LARGEST_ID and 0 <= item.step_execution_id <= LARGEST_ID):
        raise Unreadable("extend names no step", code="BAD_REQUEST")
    lease_ms = min(max(item.lease_ms or 0, 0), settings.lease_max_ms)
    return Extension(item.step_id, item.step_execution_id, lease_ms)


def _poll_of(asked: wire.ExchangeRequest, request: Request) -> Poll | None:
    queues = wire.merge_queues(
        (wire.queue_name(wish.namespace, wish.step_type, wish.name), wish.size) for wish in asked.queues or ()
    )
    wanted = sum(size for _, size in queues)
    limit = min(asked.size, wanted) if asked.size is not None else wanted
    if limit <= 0:
        return None
    return Poll(
        queues=queues,
        limit=limit,
        client=request.client.client_id,
        host=request.host,
        poll_id=asked.poll_id[:200] if asked.poll_id else None,
        wait_ms=min(max(asked.wait_ms or 0, 0), LONGEST_WAIT_MS),
    )


async def _start_of(desk: Desk, request: Request) -> StartRequest:
    start, definition = wire.read_start(request.body, request.client.client_id, desk.settings.depth_limit)
    if definition is not None:
        act = f"{request.scope['method']} {request.scope['path']} with a definition"
        await desk.doorkeeper.admit(request.header(b"authorization"), Permission.DEFINE, act)
        start = await with_definition(desk.runtime, start, definition, desk.work)
    key = request.header(_IDEMPOTENCY_HEADER)
    if key is None:
        return start
    text = key.decode("latin-1").strip()
    if not _KEY.fullmatch(text):
        raise Unreadable("Idempotency-Key must be 1 to 255 printable ASCII characters", code="BAD_REQUEST")
    return change(start, idempotency_key=text)


async def run_async(desk: Desk, request: Request) -> bytes:
    start = await _start_of(desk, request)
    return encode(wire.process_data(await desk.runtime.start(start)))


async def run_sync(desk: Desk, request: Request) -> bytes:
    start = await _start_of(desk, request)
    settings = desk.settings
    asked_s = Query(request.scope["query_string"]).number("timeout")
    wait_ms = settings.sync_wait_ms if asked_s is None or asked_s <= 0 else asked_s * 1_000
    process = await desk.runtime.run(start, min(wait_ms, settings.sync_wait_max_ms))
    return encode(wire.process_data(process))


_WORK_LIMIT, _BODY_LIMIT = "work_limit", "body_limit"

HOT_ROUTES: dict[tuple[str, str], HotRoute] = {
    ("PUT", "/api/clients/register"): HotRoute(
        register,
        Declared(
            permission=Permission.WORK,
            summary="Name the queues that a worker will poll. A poll does the same by itself.",
            body=list[wire.QueueData],
            answer=dict[str, bool],
            tag="workers",
        ),
        _BODY_LIMIT,
    ),
    ("POST", "/api/clients/poll"): HotRoute(
        poll,
        Declared(
            permission=Permission.WORK,
            summary="Take work: at most `size` steps of each queue and `size` of the query in all.",
            body=list[wire.PollItem],
            answer=list[wire.WorkRequestItem],
            query={"size": int},
            tag="workers",
        ),
        _WORK_LIMIT,
    ),
    ("POST", "/api/clients/bulkResults"): HotRoute(
        bulk_results,
        Declared(
            permission=Permission.WORK,
            summary="Report results; every item is answered under its step id.",
            body=list[wire.WorkResponseItem],
            answer=dict[str, wire.ResultAnswer],
            tag="workers",
        ),
        _WORK_LIMIT,
    ),
    ("POST", "/api/clients/exchange"): HotRoute(
        exchange,
        Declared(
            permission=Permission.WORK,
            summary="Results, lease extensions and the next poll in one call and one commit.",
            body=wire.ExchangeRequest,
            answer=wire.ExchangeAnswer,
            tag="workers",
        ),
        _WORK_LIMIT,
    ),
    ("POST", "/api/process/runAsync"): HotRoute(
        run_async,
        Declared(
            permission=Permission.RUN,
            summary="Start a process; answered as soon as the start is durable.",
            body=wire.ProcessRequestData,
            answer=wire.ProcessData,
            query={"clientId": str},
            tag="processes",
        ),
        _BODY_LIMIT,
    ),
    ("POST", "/api/process/runSync"): HotRoute(
        run_sync,
        Declared(
            permission=Permission.RUN,
            summary="Start a process and wait for its end; still RUNNING when `timeout` (seconds) is over.",
            body=wire.ProcessRequestData,
            answer=wire.ProcessData,
            query={"clientId": str, "timeout": int},
            tag="processes",
        ),
        _BODY_LIMIT,
    ),
}


async def serve_hot(desk: Desk, route: HotRoute, scope: Scope, receive: Receive) -> bytes:
    """The answer's body. Raises what `problems` knows."""
    act = f"{scope['method']} {scope['path']}"
    client = await desk.doorkeeper.admit(header(scope, b"authorization"), route.declared.permission, act)
    body = await read_body(scope, receive, getattr(desk.settings, route.body_limit))
    return await route.handler(desk, Request(client, body, scope, receive))
