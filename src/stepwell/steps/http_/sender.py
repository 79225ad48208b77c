"""Sending: one request, its redirects, its time limits, its errors in words."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from functools import lru_cache

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from stepwell.steps.http_ import redirect
from stepwell.steps.http_.answer import Answer
from stepwell.steps.http_.ask import Ask
from stepwell.steps.http_.body import BodyError, read_body
from stepwell.steps.http_.guard import Guard, Refused
from stepwell.steps.http_.options import HttpOptions, Timeouts
from stepwell.steps.http_.request import Outgoing

KEEP_ALIVE_S = 2.0
"""Short: a request on a connection that the other side is just closing fails, and a POST cannot be sent again."""
_CHUNK = 65_536


class SendFailed(Exception):
    """There is no whole answer. The message names the target and what failed."""

    def __init__(self, message: str, status: int = 0, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        """0: not even the head of an answer came."""
        self.headers = headers


class _GuardedResolver(AbstractResolver):
    """The guard's addresses are the ones that are connected to; there is no cache and no second lookup."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            {
                "hostname": host,
                "host": str(address),
                "port": port,
                "family": socket.AF_INET if address.version == 4 else socket.AF_INET6,
                "proto": 0,
                "flags": flags,
            }
            for address in await self._guard.addresses(host, port)
        ]

    async def close(self) -> None:
        """Nothing is held."""


class Sender:
    """One per event loop; made inside it."""

    def __init__(self, guard: Guard, options: HttpOptions) -> None:
        self._guard = guard
        self._options = options
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_GuardedResolver(guard), use_dns_cache=False, limit=0, keepalive_timeout=KEEP_ALIVE_S
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )

    async def close(self) -> None:
        await self._http.close()

    async def send(self, request: Outgoing, ask: Ask) -> Answer:
        """Raises SendFailed."""
        try:
            url = self._guard.admit(request.url)
        except Refused as error:
            raise SendFailed(f"{request.method} refused: {error}") from error
        try:
            async with asyncio.timeout(ask.timeouts.total_ms / 1_000):
                return await self._follow(request, url, ask)
        except TimeoutError as error:
            limit = f"{ask.timeouts.total_ms:,} ms"
            raise SendFailed(f"{_name(request, url)}: no complete answer within {limit}") from error

    async def _follow(self, request: Outgoing, url: URL, ask: Ask) -> Answer:
        for left in range(self._options.redirects, -1, -1):
            answer = await self._once(request, url, ask)
            location = answer.header("location")
            if answer.status not in redirect.STATUSES or not location or not ask.follow:
                return answer
            if left == 0:
                break
            request, url = self._next(request, url, answer, location)
        text = f"{_name(request, url)}: more than {self._options.redirects} redirects"
        raise SendFailed(text, answer.status, answer.headers)

    def _next(self, request: Outgoing, url: URL, answer: Answer, location: str) -> tuple[Outgoing, URL]:
        try:
            to = self._guard.admit(redirect.target(url, location))
        except (Refused, ValueError) as error:
            message = f"{_name(request, url)}: redirect refused: {error}"
            raise SendFailed(message, answer.status, answer.headers) from error
        return redirect.redirected(request, answer.status, url, to), to

    async def _once(self, request: Outgoing, url: URL, ask: Ask) -> Answer:
        name = _name(request, url)
        status, headers = 0, _NO_HEADERS
        try:
            async with self._http.request(
                request.method,
                url,
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
                timeout=_timeout(ask.timeouts),
                ssl=_tls(ask.verify, ask.ca),
            ) as response:
                status, headers = response.status, tuple(response.headers.items())
                return Answer(status, headers, await self._body(response, request.method))
        except BodyError as error:
            raise SendFailed(f"{name}: the response {error}", status, headers) from error
        except _FAILURES as error:
            raise SendFailed(f"{name}: {_words(error, ask.timeouts)}", status, headers) from error

    async def _body(self, response: aiohttp.ClientResponse, method: str) -> bytes:
        if method == "HEAD":
            return b""
        encoding = response.headers.get("Content-Encoding", "")
        try:
            declared = response.content_length
            return await read_body(_chunks(response), declared, encoding, self._options.response_limit)
        except BodyError:
            # The rest is of no use to anybody: do not read it to keep the connection.
            response.close()
            raise


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for chunk in response.content.iter_chunked(_CHUNK):
        yield chunk


_NO_HEADERS: tuple[tuple[str, str], ...] = ()
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError, Refused, ValueError)


def _name(request: Outgoing, url: URL) -> str:
    """Without path and query: they may hold secrets, and errors are shown."""
    return f"{request.method} {url.origin()}"


def _timeout(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    connect, read = timeouts.connect_ms / 1_000, timeouts.read_ms / 1_000
    # The total is counted over all redirects, outside.
    return aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect, sock_read=read)


def _tls(verify: bool, ca: str) -> ssl.SSLContext | bool:
    if not verify:
        return False
    return _trusting(ca) if ca else True


@lru_cache(maxsize=64)
def _trusting(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=ca)
    except ssl.SSLError as error:
        raise ValueError("tls.ca holds no certificates in PEM form") from error


def _words(error: BaseException, timeouts: Timeouts) -> str:
    """What failed. The order matters: the narrower kinds come first."""
    match error:
        case Refused():
            return f"refused: {error}"
        case aiohttp.ClientConnectorDNSError():
            return f"the host name cannot be resolved ({_reason(error.os_error)})"
        case aiohttp.ClientConnectorCertificateError():
            return f"the server's certificate is not accepted ({error.certificate_error})"
        case aiohttp.ClientSSLError():
            return f"the TLS handshake failed ({_reason(error.os_error)})"
        case aiohttp.ClientConnectorError():
            return f"cannot connect ({_reason(error.os_error)})"
        case aiohttp.ConnectionTimeoutError():
            return f"no connection within {timeouts.connect_ms:,} ms"
        case aiohttp.SocketTimeoutError():
            return f"the server was silent for {timeouts.read_ms:,} ms"
        case TimeoutError():
            return "timed out"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection without an answer"
        case aiohttp.ClientPayloadError():
            return "the response broke off before its end"
        case aiohttp.ClientResponseError():
            return f"the server did not answer in HTTP ({' '.join(error.message.split())[:200]})"
        case OSError():
            return f"the connection broke ({_reason(error)})"
        case ValueError():
            return str(error)
        case _:
            return f"the request failed ({error})"


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
