"""Running the server: uvicorn in our own event loop, one line when it is ready, a quiet end on SIGTERM."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

import stepwell
from stepwell.model.client import GRANTABLE
from stepwell.model.errors import Conflict
from stepwell.runtime.catalog import create_client
from stepwell.runtime.retention import Retention
from stepwell.runtime.runner import LocalRunner
from stepwell.runtime.runtime import Runtime
from stepwell.server.app import App
from stepwell.server.definitions import Checks
from stepwell.settings import BootstrapClient, Settings

DRAIN_S = 5.0
"""How long requests may still take after the order to stop. Held polls end at once."""
_CLOSE_S = 3
_BACKLOG = 2_048


class _Server(uvicorn.Server):
    """Signals are handled below: uvicorn's own handlers would raise them again after the end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    runtime: Runtime,
    settings: Settings,
    *,
    runner: LocalRunner | None = None,
    retention: Retention | None = None,
    work: Checks | None = None,
    say: Callable[[str], object] = print,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`. Starts and stops the runtime; the store stays open. `runner` runs the
    server's own steps, `work` checks their inputs, `retention` drops what is over.

    Raises OSError when the address cannot be had."""
    stop = stop or asyncio.Event()
    app = App(runtime, settings, work=work)
    with contextlib.closing(_listen(settings)) as listener, _signals(stop):
        await runtime.start_up()
        if runner is not None:
            runner.start()
        if retention is not None:
            retention.start()
        runtime.liveness.start()
        denials = app.desk.doorkeeper.denials
        denials.start()
        server = _server(app)
        serving: asyncio.Future[None] | None = None
        try:
            if settings.bootstrap_client is not None:
                await ensure_client(runtime, settings.bootstrap_client)
            serving = asyncio.ensure_future(server.serve(sockets=[listener]))
            if await _started(server, serving):
                say(ready_line(settings, listener))
                await _either(serving, stop)
        finally:
            app.closing = server.should_exit = True
            if runner is not None:
                await runner.stop()
            if retention is not None:
                await retention.stop()
            await runtime.liveness.stop()
            await denials.stop()
            # What is held is answered first, so that no connection is cut in the middle of a poll.
            await runtime.stop(DRAIN_S)
            if serving is not None:
                await serving


def _server(app: App) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            app,
            http="httptools",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_CLOSE_S,
            ws="none",
            lifespan="on",
        )
    )


async def _started(server: uvicorn.Server, serving: asyncio.Future[None]) -> bool:
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    return server.started


async def _either(serving: asyncio.Future[None], stop: asyncio.Event) -> None:
    stopping: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


def ready_line(settings: Settings, listener: socket.socket) -> str:
    host, port = settings.host, listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    return f"stepwell {stepwell.__version__} ready on http://{shown}:{port} ({settings.database_shown})"


async def ensure_client(runtime: Runtime, bootstrap: BootstrapClient) -> None:
    """Create the client application with every permission; one that exists stays as it is."""
    with contextlib.suppress(Conflict):
        await runtime.write(
            lambda turn, now: create_client(turn, now, bootstrap.client_id, bootstrap.token, GRANTABLE)
        )


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Inherited by every connection. An answer leaves in two writes, head and body; without this the body of one
        # that nobody follows up waits 40 ms for the other side's delayed acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    added = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
            added.append(number)
    try:
        yield
    finally:
        for number in added:
            loop.remove_signal_handler(number)
