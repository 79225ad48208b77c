"""A small HTTP server for the tests of the HTTP step: it writes down what it was asked and can answer badly."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from stepwell.model.codec import decode, encode
from stepwell.model.work import WorkRequest
from stepwell.steps.http import Http
from stepwell.steps.http_.options import HttpOptions
from stepwell.steps.step import Completed, Failed, Outcome, StepCall


@dataclass
class Asked:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


Handler = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Site:
    """Answers every request with `handler`; `answer` sets a fixed one."""

    port: int = 0
    connections: int = 0
    asked: list[Asked] = field(default_factory=list)
    handler: Handler | None = None

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def answer(self, body: bytes = b"{}", status: str = "200 OK", **headers: str) -> None:
        async def fixed(_asked: Asked, out: asyncio.StreamWriter) -> None:
            out.write(response(body, status, **headers))

        self.handler = fixed

    def answers(self, *responses: bytes) -> None:
        """One after the other; the last one again and again."""
        left = list(responses)

        async def next_one(_asked: Asked, out: asyncio.StreamWriter) -> None:
            out.write(left.pop(0) if len(left) > 1 else left[0])

        self.handler = next_one

    async def serve(self, incoming: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (asked := await _read(incoming)) is not None:
                self.asked.append(asked)
                assert self.handler is not None
                await self.handler(asked, out)
                await out.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            out.close()


def response(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> bytes:
    """Underscores in the names of headers stand for hyphens; JSON unless another type is named."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    all_of_them = {"content-type": "application/json", "content-length": str(len(body))} | given
    lines = "".join(f"{name}: {value}\r\n" for name, value in all_of_them.items() if value)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body


async def _read(incoming: asyncio.StreamReader) -> Asked | None:
    try:
        head = await incoming.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    asked = Asked(method, target, headers, b"")
    asked.body = await incoming.readexactly(int(asked.header("content-length") or 0))
    return asked


@asynccontextmanager
async def site(tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    """On a free port of 127.0.0.1."""
    here = Site()
    here.answer()
    server = await asyncio.start_server(here.serve, "127.0.0.1", 0, ssl=tls)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()


class NoView:
    """The HTTP step looks at nothing of its process."""

    async def context(self, payloads: Collection[str] = ()) -> dict[str, Any]:
        raise AssertionError("the HTTP step has asked for the context")

    async def step(self, ref: str, attempts: int = 0) -> dict[str, Any] | None:
        raise AssertionError(f"the HTTP step has asked for {ref}")


def call_of(given: Any, *, run_count: int = 1, execution: int = 1, step_id: int = 130) -> StepCall:
    request = WorkRequest(
        process_id=128, step_id=step_id, token=1, run_count=run_count, execution=execution, name="call",
        namespace="default", ref="call", input=encode(given), optional=False, polled=0, scheduled=0, updated=0,
        priority=0, deadline=0,
    )  # fmt: skip
    return StepCall(request=request, view=NoView(), now_ms=0)


async def lookup_of_nothing(host: str, port: int) -> list[str]:
    """No test asks the real resolver."""
    raise OSError(f"nobody knows {host}")


def knowing(names: dict[str, list[str]]) -> Callable[[str, int], Awaitable[list[str]]]:
    async def lookup(host: str, port: int) -> list[str]:
        return names[host] if host in names else await lookup_of_nothing(host, port)

    return lookup


async def never(script: str, call: StepCall, output: dict[str, Any]) -> bool:
    raise AssertionError("no condition is to be evaluated")


@asynccontextmanager
async def http_step(
    *allow: str, lookup: Any = lookup_of_nothing, evaluate: Any = never, **options: Any
) -> AsyncIterator[Http]:
    http = Http(HttpOptions(allow=allow, **options), evaluate, lookup)
    try:
        yield http
    finally:
        await http.close()


def output(outcome: Outcome) -> dict[str, Any]:
    value: dict[str, Any] = decode(outcome.output)
    return value


def completed(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome, Completed), output(outcome)
    return output(outcome)


def failed(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome, Failed), output(outcome)
    assert output(outcome)["error"]
    return output(outcome)


@contextmanager
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The addresses that somebody wants to connect to; whatever is not 127.0.0.1 is refused before it leaves."""
    import socket

    tried: list[str] = []
    connect = socket.socket.connect

    def recording(self: socket.socket, address: Any) -> None:
        tried.append(address[0])
        if address[0] != "127.0.0.1":
            raise ConnectionRefusedError(111, "not in a test")
        connect(self, address)

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "connect", recording)
        yield tried
