"""The outbound guard, from outside: whatever URL is written, no socket opens to where it must not."""

import ipaddress
from collections.abc import AsyncIterator, Iterator

import pytest

from stepwell.steps.http_.address import _V4, _V6, read_address, refusal
from stepwell.steps.http_.allowed import read_allowed
from stepwell.steps.http_.guard import METADATA_NAMES, Guard, Refused, read_url
from tests.steps.http_site import (
    Site,
    call_of,
    completed,
    failed,
    http_step,
    knowing,
    only_loopback,
    response,
    site,
)

pytestmark = pytest.mark.anyio

PUBLIC = "93.184.216.34"
INTERNAL = ("127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.5.4", "100.64.0.1")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    with only_loopback(monkeypatch) as addresses:
        yield addresses


@pytest.fixture
async def canary(tried: list[str]) -> AsyncIterator[Site]:
    async with site() as here:
        yield here


# -- families of targets that must never be reached. `PORT` becomes the canary's.


def around(text: str) -> list[str]:
    """The first, the last and one address in between of a network."""
    network = ipaddress.ip_network(text)
    last = network.num_addresses - 1
    return sorted({str(network[0]), str(network[last // 2]), str(network[last])})


def networks() -> list[str]:
    v4 = [f"http://{address}:PORT/" for text, _ in _V4 for address in around(text)]
    v6 = [f"http://[{address}]:PORT/" for text, _ in _V6 for address in around(text)]
    return v4 + v6


def odd_spellings() -> list[str]:
    return [f"http://{host}:PORT/" for address in INTERNAL for host in spellings(address)]


def spellings(address: str) -> list[str]:
    number = int(ipaddress.IPv4Address(address))
    a, b, c, d = (int(part) for part in address.split("."))
    full_width = address.translate({ord("0") + n: 0xFF10 + n for n in range(10)})
    circled = address.replace("1", "①").replace("2", "②").replace("0", "⓪")
    return [
        str(number), f"0{number:o}", hex(number), f"0x{number:X}", f"00{number:o}", str(number + 2**32),
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"{a:#x}.0{b:o}.{c}.{d}",
        f"{a}.{b * 65_536 + c * 256 + d}", f"{a}.{b}.{c * 256 + d}", f"{a}.{b}.{c:#x}.0{d:o}",
        f"{a:03}.{b:03}.{c:03}.{d:03}", f"{a + 256}.{b}.{c}.{d}", f"{address}.", f"{address}..", f"{address}.0x",
        full_width, circled, address.replace(".", "。"), address.replace(".", "．"), address.replace(".", "｡"),
        address.replace(".", "%2e"), "".join(f"%{ord(char):02x}" for char in address), f"[{address}]",
    ]  # fmt: skip


def wrapped_in_v6() -> list[str]:
    hosts = []
    for address in INTERNAL:
        a, b, c, d = (int(part) for part in address.split("."))
        high, low = f"{a * 256 + b:x}", f"{c * 256 + d:x}"
        inverted = f"{(a * 256 + b) ^ 0xFFFF:x}:{(c * 256 + d) ^ 0xFFFF:x}"
        hosts += [
            f"::ffff:{address}", f"::ffff:{high}:{low}", f"0:0:0:0:0:ffff:{high}:{low}", f"::{address}",
            f"::{high}:{low}", f"64:ff9b::{address}", f"64:ff9b::{high}:{low}", f"64:ff9b:1::{high}:{low}",
            f"2002:{high}:{low}::1", f"2001:0:4136:e378:8000:63bf:{inverted}", f"::ffff:0:{high}:{low}",
        ]  # fmt: skip
    zones = ["fe80::1%25eth0", "fe80::1%eth0", "::1%25lo", "::1%lo", "fe80::1%251"]
    return [f"http://[{host}]:PORT/" for host in hosts + zones]


def tricks() -> list[str]:
    bad = "127.0.0.1:PORT"
    texts = [
        f"http://public.example@{bad}/", f"http://public.example:80@{bad}/", f"http://a:b@{bad}/",
        f"http://public.example%40{bad}/", f"http://{bad}\\@public.example/", f"http://public.example\\@{bad}/",
        f"http://public.example\\.{bad}/", f"http:\\\\{bad}\\", f"http:/\\{bad}/", f"http:///{bad}/", f"http:{bad}",
        f"http:/{bad}", f"//{bad}/", f"{bad}", f" \thttp://{bad}/", f"http://{bad} .public.example/",
        f"http://public.example {bad}/", f"http://{bad}@", f"http://@{bad}/", f"http://:@{bad}/",
        f"http://public.example:80:{bad}/", f"http://[::1]:PORT@{bad}/", f"http://[public.example]@{bad}/",
        f"http://[::1]{bad}/", "http://[[::1]]:PORT/", "http://[::1:PORT/", "http://::1:PORT/", "http://[]:PORT/",
        f"http://{bad}@public.example\\/", f"http://*.{bad}/", f"http://{{{bad}}}/", f"http://<{bad}>/",
        "http://127.0.0.1:PORT0000/", "http://127.0.0.1:-PORT/", "http://127.0.0.1:+PORT/", "http://127.0.0.1:０/",
        "http://127.0.0.1:0/", "http://127.0.0.1:65536/", "http://127.0.0.1:0xPORT/", "http://.:PORT/",
        "http://..:PORT/", "http://-:PORT/", f"http://{'a' * 64}.example:PORT/", f"http://{'a.' * 200}example:PORT/",
        f"http://public.example{chr(0x2028)}:PORT/", "http://127.0.0.1:PORT\\@public.example", f"url:http://{bad}",
        f"http://http://{bad}/", "http://1:PORT/", "http://0:PORT/", "http://0x:PORT/", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
        "http://localhost:PORT/", "http://LOCALHOST.:PORT/", "http://LocalHost:PORT/", "http://a.localhost:PORT/",
        "http://local\u00adhost:PORT/", "http://xn--:PORT/", "http://127.0.0.1\u200b:PORT/",
    ]  # fmt: skip
    schemes = [
        "file:///etc/passwd", f"file://{bad}/etc/passwd", f"gopher://{bad}/_GET", f"ftp://{bad}/", f"dict://{bad}/",
        f"ldap://{bad}/", f"ws://{bad}/", f"wss://{bad}/", f"tcp://{bad}/", f"jar:http://{bad}!/", "data:text/plain,a",
        "javascript:1", f"http+unix://{bad}/", "unix:///var/run/docker.sock", f"httpx://{bad}/", f"ht tp://{bad}/",
        f"hTtPs+x://{bad}/", f"view-source:http://{bad}", f"sftp://{bad}/", f"tftp://{bad}/", f"blob:http://{bad}/",
    ]  # fmt: skip
    return texts + schemes


def control_characters() -> list[str]:
    places = (
        "http://127.0.0.1{}:PORT/",
        "http://public.example{}@127.0.0.1:PORT/",
        "http://127.0.0.1:PORT/{}x",
    )
    return [place.format(chr(code)) for place in places for code in (*range(0x20), 0x7F, 0x85, 0x2028)]


NAMES = {
    f"internal-{number}.example": [address]
    for number, address in enumerate(around(text)[0] for text, _ in (*_V4, *_V6))
}
MIXED = {
    f"mixed-{number}.example": addresses
    for number, bad in enumerate((*INTERNAL, "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1"))
    for addresses in ([PUBLIC, bad],)
} | {f"mixed-first-{bad.replace('.', '-')}.example": [bad, PUBLIC] for bad in INTERNAL}
ODD_ANSWERS = {"zone.example": ["fe80::1%eth0"], "text.example": ["localhost"], "short.example": ["127.1"]}
LOCAL = {name: ["127.0.0.1"] for name in ("localhost", "a.localhost", "public.example")}


def resolving_inwards() -> list[str]:
    return [
        f"{scheme}://{name}:PORT/" for scheme in ("http", "https") for name in (*NAMES, *MIXED, *ODD_ANSWERS)
    ]


def metadata() -> list[str]:
    names = [spelt for name in sorted(METADATA_NAMES) for spelt in (name, name.upper(), f"{name}.")]
    return [f"http://{name}/latest/meta-data/" for name in names]


FAMILIES = {
    family.__name__: family()
    for family in (
        networks,
        odd_spellings,
        wrapped_in_v6,
        tricks,
        control_characters,
        resolving_inwards,
        metadata,
    )
}
RESOLVER = knowing(NAMES | MIXED | ODD_ANSWERS | LOCAL | {name: [PUBLIC] for name in METADATA_NAMES})


def test_there_are_enough_of_them() -> None:
    every = [url for urls in FAMILIES.values() for url in urls]
    assert len(set(every)) >= 400


@pytest.mark.parametrize("family", FAMILIES)
async def test_nothing_inside_is_reached(family: str, canary: Site, tried: list[str]) -> None:
    async with http_step(lookup=RESOLVER) as http:
        for url in FAMILIES[family]:
            outcome = await http.run(call_of({"method": "GET", "url": url.replace("PORT", str(canary.port))}))
            assert set(failed(outcome)) == {"error"}, url
            assert tried == [], url
    assert canary.connections == 0


async def test_the_canary_sings_when_it_is_allowed(canary: Site, tried: list[str]) -> None:
    async with http_step("127.0.0.0/8", lookup=RESOLVER) as http:
        for url in ("http://127.0.0.1:PORT/", "http://localhost:PORT/", "http://127.0.0.1.:PORT/"):
            completed(
                await http.run(call_of({"method": "GET", "url": url.replace("PORT", str(canary.port))}))
            )
    assert len(canary.asked) == 3
    assert set(tried) == {"127.0.0.1"}


# -- the resolver


async def test_the_address_that_was_checked_is_the_one_connected_to(canary: Site, tried: list[str]) -> None:
    """A resolver that shows a public address first and the loopback ever after."""
    answers = [[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]]
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    given = {"method": "GET", "url": f"http://rebind.example:{canary.port}/"}
    async with http_step(lookup=rebinding) as http:
        failed(await http.run(call_of(given)))
        assert (tried, len(asked)) == ([PUBLIC], 1)
        assert "loopback" in failed(await http.run(call_of(given)))["error"]
        assert (tried, len(asked)) == ([PUBLIC], 2)
    assert canary.connections == 0


async def test_all_public_addresses_may_be_tried(tried: list[str]) -> None:
    public = [PUBLIC, "8.8.8.8"]
    async with http_step(lookup=knowing({"two.example": public})) as http:
        error = failed(
            await http.run(call_of({"method": "GET", "url": "http://two.example/secret?token=1"}))
        )["error"]
    assert set(tried) == set(public)
    assert error.startswith("GET http://two.example: cannot connect")
    assert "token" not in error


async def test_a_name_without_addresses(tried: list[str]) -> None:
    async with http_step(lookup=knowing({"empty.example": []})) as http:
        for host in ("unknown.example", "empty.example"):
            outcome = await http.run(call_of({"method": "GET", "url": f"http://{host}/"}))
            assert "cannot be resolved" in failed(outcome)["error"]
    assert tried == []


async def test_proxies_of_the_environment_are_not_used(
    canary: Site, tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, canary.url())
    async with http_step("127.0.0.1", lookup=knowing({"out.example": [PUBLIC]})) as http:
        failed(await http.run(call_of({"method": "GET", "url": "http://out.example/"})))
    assert tried == [PUBLIC]
    assert canary.connections == 0


# -- redirects


def redirect_targets(port: int) -> list[str]:
    texts = [
        "file:///etc/passwd", "gopher://127.0.0.1:PORT/_x", "ftp://127.0.0.1:PORT/", "data:text/plain,a",
        "http://169.254.169.254/latest/meta-data/", "http://metadata.google.internal/", "http://localhost:PORT/",
        "http://127.0.0.1:PORT/", "//127.0.0.1:PORT/", "http://[::1]:PORT/", "http://[::ffff:127.0.0.1]:PORT/",
        "http://2130706433:PORT/", "http://0x7f.1:PORT/", "http://127.1:PORT/", "http://10.0.0.1:PORT/",
        "http://public.example@127.0.0.1:PORT/", "http:\\\\127.0.0.1:PORT/", "\\\\127.0.0.1:PORT/",
        "/\\127.0.0.1:PORT/",
        "http://127.0.0.1:PORT\\@public.example/", "ht\ttp://127.0.0.1:PORT/", "http://inside.example:PORT/",
        "https://127.0.0.1:PORT/", "http://127。0。0。1:PORT/", "///127.0.0.1:PORT/", "http:/127.0.0.1:PORT/x y",
    ]  # fmt: skip
    return [text.replace("PORT", str(port)) for text in texts]


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
async def test_every_hop_is_checked_again(status: str, canary: Site) -> None:
    names = LOCAL | {"inside.example": ["127.0.0.1"]}
    async with site() as door, http_step(f"127.0.0.1:{door.port}", lookup=knowing(names)) as http:
        for target in redirect_targets(canary.port):
            there = target.encode().decode("latin-1")
            door.answers(response(status=status, location="/again"), response(status=status, location=there))
            given = {"method": "POST", "url": door.url(), "body": {"secret": 1}}
            # A path that nobody meant as a host goes back to the same door, and round in circles there.
            error = failed(await http.run(call_of(given)))["error"]
            assert "refused" in error or "more than 5 redirects" in error, target
    assert canary.connections == 0
    assert len(door.asked) >= 2 * len(redirect_targets(0))


# -- what the guard says, piece by piece


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8", "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255",
        "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.17", "2606:4700::1111",
        "2a00:1450:4001:81b::200e", "2001:4860:4860::8888", "2400:cb00::1",
    ],
)  # fmt: skip
def test_public_addresses_pass(text: str) -> None:
    address = read_address(text)
    assert address is not None
    assert refusal(address) is None


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("HTTP://EXAMPLE.com.:080/a?b#c", "http://example.com/a?b"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com?x=1", "https://example.com/?x=1"),
        ("http://example.com#@127.0.0.1/", "http://example.com/"),
        ("http://example.com/%2F%2e%2E/a%20b?c=%26", "http://example.com/%2F%2e%2E/a%20b?c=%26"),
        ("http://münchen.example/", "http://xn--mnchen-3ya.example/"),
        ("http://example。com/", "http://example.com/"),
        ("http://[2606:4700:0:0::1111]:8443/", "http://[2606:4700::1111]:8443/"),
        ("http://my_service.example:1/", "http://my_service.example:1/"),
    ],
)
def test_what_is_sent_is_what_was_checked(written: str, sent: str) -> None:
    assert str(read_url(written)) == sent


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://example.com/a\r\nHost: evil", "control characters"),
        ("http://example.com/?a\tb", "control characters"),
        ("http://example.com/a\x00", "control characters"),
        ("http://example.com/a\\b", "backslash"),
        ("http://example.com/a b", "must be encoded"),
        ("http://example.com/ü", "must be encoded"),
        ("http://me:secret@example.com/", "user name"),
        ("http://ex%61mple.com/", "percent sign"),
        ("http://[2606:4700::1%25eth0]/", "percent sign"),
        ("http://exam ple.com/", "blank"),
        ("http://example.com:443:443/", "no port"),
        ("http://example.5/", "four decimal numbers"),
        ("http://" + "a" * 70_000, "longer than"),
    ],
)
def test_spellings_are_refused_on_public_hosts_too(text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        read_url(text)


@pytest.mark.parametrize(
    ("entry", "passes", "refused"),
    [
        ("127.0.0.1", ["http://127.0.0.1/", "http://127.0.0.1:81/"], ["http://127.0.0.2/", "http://[::1]/"]),
        ("10.0.0.0/8", ["http://10.1.2.3/"], ["http://11.0.0.1:1/", "http://192.168.0.1/"]),
        ("127.0.0.1:81", ["http://127.0.0.1:81/"], ["http://127.0.0.1/"]),
        ("[::1]:81", ["http://[::1]:81/"], ["http://[::1]/", "http://127.0.0.1:81/"]),
        ("fd00::/8", ["http://[fd12::1]/"], ["http://[fc00::1]/"]),
        ("metadata:81", ["http://METADATA:81/"], ["http://metadata/"]),
        ("*.goog", ["http://metadata.goog/"], ["http://goog:1/", "http://metadata.google.internal/"]),
    ],
)
def test_the_allow_list(entry: str, passes: list[str], refused: list[str]) -> None:
    guard = Guard(read_allowed((entry,)), ports=(80,))
    for url in passes:
        guard.admit(url)
    for url in refused:
        with pytest.raises(Refused):
            guard.admit(url)


async def test_a_name_in_the_allow_list_may_resolve_to_anything() -> None:
    names = {"db.internal": ["10.0.0.9"], "evil.example": ["10.0.0.9"]}
    guard = Guard(read_allowed(("DB.internal:8080",)), lookup=knowing(names))
    assert await guard.addresses("db.internal", 8080) == [read_address("10.0.0.9")]
    for host, port in (("db.internal", 8081), ("evil.example", 8080)):
        with pytest.raises(Refused):
            await guard.addresses(host, port)


@pytest.mark.parametrize(
    "entry", ["", "10.0.0.1/8", "a b", "host:0", "host:99999", "1.2.3", "http://host", "*", "a..b"]
)
def test_an_allow_list_that_cannot_be_read(entry: str) -> None:
    with pytest.raises(ValueError, match=r"neither|port"):
        read_allowed((entry,))


def test_a_list_of_ports() -> None:
    guard = Guard(read_allowed(()), ports=(443,))
    guard.admit("https://example.com/")
    with pytest.raises(Refused, match="port 25"):
        guard.admit("http://example.com:25/")
