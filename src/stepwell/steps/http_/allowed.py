"""The operator's list of internal targets that HTTP steps may call."""

import re
from ipaddress import ip_network

from stepwell.model.codec import Record
from stepwell.steps.http_.address import Address, Network

_HOST = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_NAME = re.compile(rf"(?:\*\.)?{_HOST}(?:\.{_HOST})*")
_PORT = re.compile(r"(.*):([0-9]{1,5})")


class _Hosts(Record, frozen=True):
    name: str
    """In small letters; `*.` in front means everything below."""
    port: int | None

    def match(self, host: str, port: int) -> bool:
        if self.port not in (None, port):
            return False
        return host.endswith(self.name[1:]) if self.name.startswith("*.") else host == self.name


class _Addresses(Record, frozen=True):
    network: Network
    port: int | None

    def match(self, address: Address, port: int) -> bool:
        return self.port in (None, port) and address in self.network


class Allowed(Record, frozen=True):
    hosts: tuple[_Hosts, ...]
    addresses: tuple[_Addresses, ...]

    def host(self, host: str, port: int) -> bool:
        """The name itself stands in the list, so whatever it resolves to is wanted."""
        return any(entry.match(host, port) for entry in self.hosts)

    def address(self, address: Address, port: int) -> bool:
        return any(entry.match(address, port) for entry in self.addresses)


def read_allowed(entries: tuple[str, ...]) -> Allowed:
    """Raises ValueError with the entry that is neither a host name nor an address nor a CIDR."""
    read = [_entry(entry.strip().lower()) for entry in entries]
    return Allowed(
        tuple(entry for entry in read if isinstance(entry, _Hosts)),
        tuple(entry for entry in read if isinstance(entry, _Addresses)),
    )


def _entry(text: str) -> _Hosts | _Addresses:
    network = _network(text)
    if network is not None:
        return _Addresses(network, None)
    host, port = _split(text)
    network = _network(host.removeprefix("[").removesuffix("]"))
    if network is not None:
        return _Addresses(network, port)
    name = host.removesuffix(".")
    if not _NAME.fullmatch(name) or name.rpartition(".")[2].isdigit():
        raise ValueError(f"{text!r} is neither a host, an address nor a CIDR, with or without a port")
    return _Hosts(name, port)


def _split(text: str) -> tuple[str, int | None]:
    match = _PORT.fullmatch(text)
    if match is None:
        return text, None
    port = int(match[2])
    if not 1 <= port <= 65_535:
        raise ValueError(f"{text!r}: the port must be 1 to 65535")
    return match[1], port


def _network(text: str) -> Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None
