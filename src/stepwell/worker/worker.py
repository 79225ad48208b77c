"""The worker as its users see it: register functions, say where the server is, run."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import TypeVar

from stepwell.model.definition import DEFAULT_NAMESPACE
from stepwell.model.work import QueueName
from stepwell.worker.connection import Target
from stepwell.worker.handler import Function, Handler, handler_for
from stepwell.worker.session import Options, Session

DEFAULT_URL = "http://127.0.0.1:8080"

F = TypeVar("F", bound=Function)


class Worker:
    """Does the work of the steps whose names it has functions for.

    What is not given here comes from STEPWELL_URL, STEPWELL_CLIENT_ID and STEPWELL_TOKEN when it starts.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        client_id: str | None = None,
        token: str | None = None,
        batch: int = 100,
        hold_ms: int = 20_000,
        drain_s: float = 30.0,
    ) -> None:
        """`batch` steps at most come in one call; a poll without work is held for `hold_ms`; after a stop,
        running steps have `drain_s` to end."""
        self._url = url
        self._client_id = client_id
        self._token = token
        self._options = Options(batch=batch, hold_ms=hold_ms, drain_s=drain_s)
        self._handlers: dict[QueueName, Handler] = {}
        self._session: Session | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def step(
        self, name: str, *, namespace: str = DEFAULT_NAMESPACE, concurrency: int = 10
    ) -> Callable[[F], F]:
        """Decorate the function that does the steps of this name, `concurrency` of them at a time.

        An `async def` runs in the event loop, any other function in a thread. The function itself stays as it
        is. Raises ValueError for a name that is taken, TypeError for arguments that cannot go by name.
        """

        def register(function: F) -> F:
            handler = handler_for(function, name, namespace, concurrency)
            if handler.queue in self._handlers:
                raise ValueError(f"there is already a function for the steps {namespace}/{name}")
            self._handlers[handler.queue] = handler
            return function

        return register

    @property
    def step_names(self) -> list[str]:
        """`namespace/name` of everything registered."""
        return [f"{queue.namespace}/{queue.name}" for queue in self._handlers]

    def connect(self, url: str | None = None, client_id: str | None = None, token: str | None = None) -> None:
        """Set where the server is, after creation; None leaves a setting as it is."""
        self._url = url or self._url
        self._client_id = client_id or self._client_id
        self._token = token or self._token

    def target(self) -> Target:
        """Where the server is and who we are. Raises ValueError when that is not known."""
        url = self._url or os.environ.get("STEPWELL_URL") or DEFAULT_URL
        client_id = self._client_id or os.environ.get("STEPWELL_CLIENT_ID")
        token = self._token or os.environ.get("STEPWELL_TOKEN")
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"the server's address must begin with http:// or https://, not '{url}'")
        if not client_id or not token:
            raise ValueError("a worker needs a client id and a token: STEPWELL_CLIENT_ID and STEPWELL_TOKEN")
        return Target(url, client_id, token)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; then take no more, finish what runs, send it, and return.

        A second signal ends the program at once.
        """
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._run_until_signal())

    async def serve(self) -> None:
        """The same inside a running event loop: works until `stop`. Signals stay the caller's affair."""
        if not self._handlers:
            raise ValueError("this worker has no functions: decorate some with @worker.step(name)")
        if self._session is not None:
            raise RuntimeError("this worker is already running")
        self._loop = asyncio.get_running_loop()
        self._session = Session(self.target(), list(self._handlers.values()), self._options)
        try:
            await self._session.run()
        finally:
            self._session = self._loop = None

    def stop(self) -> None:
        """Ask a running worker to finish and return. From any thread; without effect when it does not run."""
        session, loop = self._session, self._loop
        if session is not None and loop is not None:
            loop.call_soon_threadsafe(session.stop)

    async def _run_until_signal(self) -> None:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)

        def stop() -> None:
            self.stop()
            for number in signals:
                loop.remove_signal_handler(number)

        with contextlib.suppress(
            NotImplementedError, ValueError, RuntimeError
        ):  # Windows; not the main thread
            for number in signals:
                loop.add_signal_handler(number, stop)
        await self.serve()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
