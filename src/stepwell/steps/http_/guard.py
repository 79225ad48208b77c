"""Where an HTTP step may go: the outbound guard.

The URL is taken apart here and put together again from its checked parts, so that what was checked is what is
sent. Host names are resolved here as well, every address is checked, and the connection goes to one of exactly
these addresses; nobody asks the resolver a second time in between.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address

from yarl import URL

from stepwell.steps.http_.address import Address, read_address, refusal
from stepwell.steps.http_.allowed import Allowed

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → the texts of its addresses. Raises OSError when there are none."""

METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.com",
        "metadata.azure.internal",
        "metadata.oraclecloud.com",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "metadata.tencentyun.com",
        "metadata.alibabacloud.com",
        "instance-data",
        "instance-data.ec2.internal",
        "rancher-metadata",
    }
)
_SCHEMES = {"http": 80, "https": 443}
_MAX_URL = 65_536

_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label of this kind makes resolvers read the whole host as a number: `127.1`, `0x7f000001`, `017700000001`."""


class Refused(Exception):
    """The target may not be called. The message names it and says why."""


class Guard:
    def __init__(self, allowed: Allowed, ports: tuple[int, ...] = (), lookup: Lookup | None = None) -> None:
        self._allowed = allowed
        self._ports = ports
        self._lookup = lookup or system_lookup

    def admit(self, text: str) -> URL:
        """The URL to send, if its spelling, scheme, port and host may pass. Raises Refused.

        A host that is an address is decided here, a name when it is resolved."""
        url = read_url(text)
        host, port = url.raw_host or "", url.port or 0
        if self._allowed.host(host, port):
            return url
        address = read_address(host)
        if address is not None:
            self._check(address, host, port)
        elif host in METADATA_NAMES:
            raise Refused(f"{host} is a cloud metadata name. {_HINT}")
        self._check_port(host, port, address)
        return url

    async def addresses(self, host: str, port: int) -> list[Address]:
        """What a host name resolves to, each address checked. Raises Refused, and OSError from the resolver."""
        found = [_resolved(text, host) for text in await self._lookup(host, port)]
        if not found:
            raise OSError(f"{host} has no address")
        if not self._allowed.host(host, port):
            for address in found:
                self._check(address, host, port)
        return found

    def _check(self, address: Address, host: str, port: int) -> None:
        why = refusal(address)
        if why is not None and not self._allowed.address(address, port):
            name = host if host == str(address) else f"{host} ({address})"
            raise Refused(f"{name} is {why}. {_HINT}")

    def _check_port(self, host: str, port: int, address: Address | None) -> None:
        if not self._ports or port in self._ports:
            return
        if address is None or not self._allowed.address(address, port):
            raise Refused(f"port {port} of {host} is not among the ports that may be called")


_HINT = "Only public addresses may be called, and internal ones that the operator has allowed"


def read_url(text: str) -> URL:
    """Take a URL apart strictly and build it again from what was read. Raises Refused.

    The host comes out in small letters, ASCII, without a trailing dot; the fragment is dropped."""
    if len(text) > _MAX_URL:
        raise Refused(f"the URL is longer than {_MAX_URL:,} characters")
    if _CONTROL.search(text):
        raise Refused("the URL holds control characters")
    match = _PARTS.fullmatch(text)
    scheme = match[1].lower() if match else ""
    if match is None or scheme not in _SCHEMES:
        raise Refused(f"the URL must begin with http:// or https://, not with {text[:16]!r}")
    if not match[2] or not match[3]:
        raise Refused("the URL names no host")
    if "\\" in match[3] + match[4]:
        raise Refused("the URL holds a backslash")
    rest = match[4] + (match[5] or "")
    if " " in rest or not rest.isascii():
        raise Refused("the URL holds characters that must be encoded")
    host, port = _authority(match[3])
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != _SCHEMES[scheme]:
        netloc += f":{port}"
    url = URL(f"{scheme}://{netloc}{match[4] or '/'}{match[5] or ''}", encoded=True)
    if url.raw_host != host or url.port != (port or _SCHEMES[scheme]) or url.scheme != scheme:
        raise Refused("the URL can be read in two ways")
    return url


def _authority(text: str) -> tuple[str, int | None]:
    if "@" in text:
        raise Refused("the URL holds a user name or password: send an Authorization header instead")
    if "%" in text:
        raise Refused("the host holds a percent sign: neither escapes nor IPv6 zones are possible there")
    if re.search(r"\s", text):
        raise Refused("the host holds a blank")
    bracketed = re.fullmatch(r"\[([^\[\]]*)\](?::([0-9]*))?", text)
    if bracketed:
        return _v6(bracketed[1]), _port(bracketed[2])
    host, _, port = text.partition(":")
    return _host(host), _port(port)


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65_535:
        raise Refused(f"{text[:16]!r} is no port")
    return int(text)


def _v6(text: str) -> str:
    address = read_address(text)
    if address is None or isinstance(address, IPv4Address):
        raise Refused(f"[{text[:64]}] is no IPv6 address")
    return str(address)


def _host(text: str) -> str:
    name = (text if text.isascii() else _ascii(text)).lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Refused(f"{text[:64]!r} is no host name")
    if _NUMERIC.fullmatch(labels[-1]) and read_address(name) is None:
        raise Refused(f"{text[:64]!r} is no host name; an address is written as four decimal numbers")
    return name


def _ascii(text: str) -> str:
    """The ASCII form of an international name. Full-width digits and dots become plain ones here."""
    try:
        return URL.build(scheme="http", host=text).raw_host or ""
    except ValueError as error:
        raise Refused(f"{text[:64]!r} is no host name") from error


def _resolved(text: str, host: str) -> Address:
    address = read_address(text)
    if address is None:
        raise Refused(f"{host} resolves to {text!r}, which is no address")
    return address


async def system_lookup(host: str, port: int) -> list[str]:
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(_with_zone(info[4]) for info in infos))


def _with_zone(sockaddr: tuple[object, ...]) -> str:
    """An IPv6 socket address carries its zone as a number of its own."""
    zone = sockaddr[3] if len(sockaddr) > 3 else 0
    return f"{sockaddr[0]}%{zone}" if zone and "%" not in str(sockaddr[0]) else str(sockaddr[0])
