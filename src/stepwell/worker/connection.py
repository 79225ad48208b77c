"""The worker's line to the server: one POST at a time, and what each kind of failure means."""

import os
import socket

import aiohttp

from stepwell.model.client import bearer
from stepwell.model.codec import CodecError, Record, decode
from stepwell.worker.wire import EXCHANGE_PATH, HOST_HEADER, Answer, read_answer

ANSWER_TIMEOUT_S = 15.0
"""How long an answer may take beyond the time the server was asked to hold the call."""
CONNECT_TIMEOUT_S = 5.0
KEEP_ALIVE_S = 4.0
"""Below what common servers and proxies grant an idle connection, so that we close it, not they."""
FIRST_DELAY_S = 0.1
MOST_DELAY_S = 10.0


class Lost(Exception):
    """No answer, or a passing fault: the same call must be sent again."""


class Stale(Lost):
    """An idle connection had been closed by the other side: send again at once, on a new one."""


class Refused(Exception):
    """The server will not talk to us as we are: credentials, permission or address are wrong."""


class Unacceptable(Exception):
    """The server will never take this body."""


class Target(Record, frozen=True):
    """Where the server is, and as whom to speak to it."""

    url: str
    client_id: str
    token: str

    @property
    def authorization(self) -> str:
        return bearer(self.client_id, self.token)


class Connection:
    """Must be made inside a running event loop."""

    def __init__(self, target: Target) -> None:
        self._url = target.url.rstrip("/") + EXCHANGE_PATH
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S),
            headers={
                "Authorization": target.authorization,
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
                HOST_HEADER: host_name(),
            },
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def exchange(self, body: bytes, wait_ms: int) -> Answer:
        """Raises Lost, Refused or Unacceptable."""
        timeout = aiohttp.ClientTimeout(
            total=wait_ms / 1000 + ANSWER_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S
        )
        try:
            async with self._http.post(
                self._url, data=body, timeout=timeout, allow_redirects=False
            ) as response:
                status, text = response.status, await response.read()
        except aiohttp.ServerDisconnectedError as error:
            raise Stale("the server closed the connection") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Lost(str(error) or type(error).__name__) from error
        if status != 200:
            raise _failure(status, text)
        try:
            return read_answer(text)
        except CodecError as error:
            raise Lost(f"the answer cannot be read: {error}") from error

    async def close(self) -> None:
        await self._http.close()


def delay_s(attempt: int, chance: float) -> float:
    """How long to wait before try number `attempt` (from 1), doubling; `chance` in 0…1 spreads the crowd."""
    most: float = min(MOST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempt - 1, 30))
    return most * (0.5 + chance / 2)


def host_name() -> str:
    """Names this process, not only this machine: another worker here says nothing about whether we live."""
    return f"{socket.gethostname() or '-'}:{os.getpid()}"


def _failure(status: int, text: bytes) -> Exception:
    message = f"HTTP {status}: {_message(text)}"
    if status >= 500 or status in (408, 425, 429):
        return Lost(message)
    if status in (400, 411, 413, 415, 422):
        return Unacceptable(message)
    return Refused(message)


def _message(text: bytes) -> str:
    try:
        found = decode(text)
    except CodecError:
        found = None
    if isinstance(found, dict) and isinstance(found.get("errorMessage"), str):
        return str(found["errorMessage"])
    return text[:200].decode("utf-8", "replace")
