"""Hints between nodes: NOTIFY on a connection beside all others, on a thread of its own.

A hint is sent after the commit it speaks of and outside of any turn, because a commit with a NOTIFY in it locks out all
others. What was to be said while the last NOTIFY was under way goes out as one.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg

from stepwell.store.postgres.link import CONNECT_S, ERRORS

CHANNEL = "stepwell"
SEPARATOR = "\n"
"""Between hints that share a notification."""
LONGEST = 7_900
"""Bytes of a notification. What is longer is said as: look at everything."""
AGAIN_S = 1.0
"""Between two tries to connect; and how often the connection is asked whether it lives is ten times that."""

log = logging.getLogger("stepwell.hints")


class Hints:
    def __init__(self, url: str, heard: Callable[[str], None]) -> None:
        self._url = url
        self._heard = heard
        self._said: list[str] = []
        self._lock = threading.Lock()
        self._stopping = False
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="stepwell-hints", daemon=True)
        self._thread.start()

    def say(self, hint: str) -> None:
        with self._lock:
            self._said.append(hint)
        self._poke()

    def close(self) -> None:
        self._stopping = True
        self._poke()
        self._thread.join(CONNECT_S)

    def _poke(self) -> None:
        if self._loop is not None and self._wake is not None:
            with suppress(RuntimeError):  # it is just ending
                self._loop.call_soon_threadsafe(self._wake.set)

    def _run(self) -> None:
        asyncio.run(self._for_ever())

    async def _for_ever(self) -> None:
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        while not self._stopping:
            try:
                await self._connected()
            except ERRORS as error:
                log.debug("no hints for a moment: %s", error)
            except Exception:
                log.exception("hints stumbled; they come again in a moment")
            if not self._stopping:
                await asyncio.sleep(AGAIN_S)

    async def _connected(self) -> None:
        connection = await asyncpg.connect(
            self._url,
            timeout=CONNECT_S,
            command_timeout=CONNECT_S,
            server_settings={"application_name": "stepwell hints"},
            target_session_attrs="read-write",
        )
        try:
            await connection.add_listener(CHANNEL, self._told)
            self._heard("")
            while not self._stopping:
                await self._say_all(connection)
        finally:
            connection.terminate()

    async def _say_all(self, connection: Any) -> None:
        assert self._wake is not None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), 10 * AGAIN_S)
        self._wake.clear()
        with self._lock:
            said, self._said = self._said, []
        text = SEPARATOR.join(said)
        if len(text.encode()) > LONGEST:
            text = ""
        if said:
            await connection.execute("select pg_notify($1, $2)", CHANNEL, text)
        else:
            await connection.execute("select 1")

    def _told(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        for hint in str(payload).split(SEPARATOR):
            self._heard(hint)
