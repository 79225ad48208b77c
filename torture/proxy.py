"""A TCP proxy between the server and everybody else. It drops, doubles, delays, reorders and cuts.

Our callers use a connection for one request, so a connection is a request and its answer, and bytes are all it needs
to know of them: the head says how long the request is, the answer lasts until the server closes.
"""

import asyncio
import contextlib
import random
import re
import threading
from collections import Counter
from dataclasses import dataclass

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_HEAD_LIMIT = 1 << 20


@dataclass(frozen=True)
class Rates:
    """How often each thing happens to a request, 0…1."""

    lose_request: float = 0.0
    """The server never hears of it."""
    lose_answer: float = 0.0
    """The server does it, nobody hears."""
    double: float = 0.0
    """The server gets it twice, one after the other; the first answer is given."""
    race: float = 0.0
    """The server gets it twice at once."""
    overtake: float = 0.0
    """It is held back, so that later ones arrive before it."""
    late: float = 0.0
    """The answer is held back."""
    cut: float = 0.0
    """Half of the answer arrives."""


QUIET = Rates()
STORMY = Rates(0.04, 0.06, 0.05, 0.03, 0.06, 0.06, 0.03)


class Proxy:
    """Listens on a port of its own, in a thread of its own."""

    def __init__(self, port: int, seed: int) -> None:
        self._to = port
        self._chance = random.Random(f"{seed}/proxy")
        self.rates = QUIET
        self.counts: Counter[str] = Counter()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None] | None] = set()
        """The loop itself holds them weakly: one whose caller hung up would vanish in the middle."""
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        self._up.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._take, "127.0.0.1", 0, limit=_HEAD_LIMIT)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        self._loop.run_forever()
        server.close()
        while rest := asyncio.all_tasks(self._loop):  # a connection may just have been taken
            for task in rest:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        self._loop.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._carry(reader, writer)
            with contextlib.suppress(OSError):
                writer.close()
        finally:
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        request = head + (await reader.readexactly(int(length[1])) if length else b"")
        if self._happens("lose_request"):
            return
        if self._happens("overtake"):
            await asyncio.sleep(self._chance.uniform(0.02, 0.6))
        if self._happens("race"):
            answer, _ = await asyncio.gather(self._ask(request), self._ask(request))
        else:
            answer = await self._ask(request)
            if self._happens("double"):
                await self._ask(request)
        if self._happens("lose_answer"):
            return
        if self._happens("late"):
            await asyncio.sleep(self._chance.uniform(0.02, 1.0))
        writer.write(answer[: len(answer) // 2] if self._happens("cut") else answer)
        await writer.drain()

    def _happens(self, what: str) -> bool:
        if self._chance.random() >= getattr(self.rates, what):
            return False
        self.counts[what] += 1
        return True

    async def _ask(self, request: bytes) -> bytes:
        """What came until the server closed; perhaps nothing."""
        answer = b""
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._to)
            try:
                writer.write(request)
                while part := await reader.read(65_536):
                    answer += part
            finally:
                writer.close()
        return answer
