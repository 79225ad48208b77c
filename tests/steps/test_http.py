"""The HTTP step against a real server on 127.0.0.1: what it sends, what it makes of answers, how it fails."""

import asyncio
import base64
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from stepwell.model.definition import StepType
from stepwell.steps.http import Http
from stepwell.steps.http_.options import HttpOptions
from stepwell.steps.http_.repeat import ConditionFailed
from stepwell.steps.http_.selectors import pick, read_path
from stepwell.steps.http_.xml import XmlError, xml_to_json
from stepwell.steps.step import Again, StepCall
from tests.steps.http_certificate import CERTIFICATE, KEY_AND_CERTIFICATE
from tests.steps.http_site import (
    Asked,
    Site,
    call_of,
    completed,
    failed,
    http_step,
    knowing,
    never,
    only_loopback,
    output,
    response,
    site,
)

pytestmark = pytest.mark.anyio

HERE = {"127.0.0.1", "shop.example", "pay.example"}
LOOKUP = knowing({name: ["127.0.0.1"] for name in HERE})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def tried(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    with only_loopback(monkeypatch) as addresses:
        yield addresses


@pytest.fixture
async def shop() -> AsyncIterator[Site]:
    async with site() as here:
        yield here


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with http_step("127.0.0.0/8", lookup=LOOKUP, response_limit=100_000) as step:
        yield step


async def send(http: Http, shop: Site, **given: Any) -> dict[str, Any]:
    given = {"method": "GET", "url": shop.url()} | given
    return completed(await http.run(call_of(given)))


async def lose(http: Http, shop: Site, **given: Any) -> dict[str, Any]:
    given = {"method": "GET", "url": shop.url()} | given
    return failed(await http.run(call_of(given)))


# -- what is sent


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "get"])
async def test_methods(http: Http, shop: Site, method: str) -> None:
    shop.answer(b"" if method == "HEAD" else b'{"a": 1}', content_length="8")
    got = await send(http, shop, method=method, body={"b": 2})
    sent = shop.asked[0]
    assert sent.method == method.upper()
    assert got["statusCode"] == 200
    assert got["response"] == (None if method == "HEAD" else {"a": 1})
    assert sent.body == (b"" if method in ("GET", "get", "OPTIONS", "HEAD") else b'{"b":2}')


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [
        ({"a": [1, None]}, "application/json", b'{"a":[1,null]}'),
        ([1, 2], "application/json", b"[1,2]"),
        ({}, "application/json", b"{}"),
        (7, "application/json", b"7"),
        (None, None, b""),
        ('{"a": 1}', "application/json", b'{"a": 1}'),
        ("grüße", "text/plain; charset=utf-8", "grüße".encode()),
        ({"type": "json", "content": {"a": 1}}, "application/json", b'{"a":1}'),
        ({"type": "json", "content": '{"a": 1}'}, "application/json", b'{"a": 1}'),
        ({"type": "json", "content": "plain"}, "application/json", b'"plain"'),
        ({"type": "JSON", "content": None}, None, b""),
        ({"type": "none", "content": {"a": 1}}, None, b""),
        ({"type": "text", "content": '{"a": 1}'}, "text/plain; charset=utf-8", b'{"a": 1}'),
        ({"type": "xml", "content": "<a/>"}, "application/xml; charset=utf-8", b"<a/>"),
        ({"type": "html", "content": "<a>"}, "text/html; charset=utf-8", b"<a>"),
        (
            {"type": "form", "content": {"a b": "c&d", "n": [1, True], "x": None}},
            "application/x-www-form-urlencoded",
            b"a%20b=c%26d&n=1&n=true",
        ),
        ({"type": "form", "content": "a=b"}, "application/x-www-form-urlencoded", b"a=b"),
        ({"type": "base64", "content": "AAH/"}, "application/octet-stream", b"\x00\x01\xff"),
        ({"type": "parcel", "content": 1}, "application/json", b'{"type":"parcel","content":1}'),
        (
            {"type": "json", "content": 1, "more": 2},
            "application/json",
            b'{"type":"json","content":1,"more":2}',
        ),
    ],
)
async def test_bodies(http: Http, shop: Site, body: Any, content_type: str | None, sent: bytes) -> None:
    await send(http, shop, method="POST", body=body)
    assert shop.asked[0].body == sent
    assert shop.asked[0].header("content-type") == content_type


async def test_the_users_content_type_wins(http: Http, shop: Site) -> None:
    await send(
        http, shop, method="POST", body={"a": 1}, headers={"content-type": "application/vnd.shop+json"}
    )
    types = [value for name, value in shop.asked[0].headers if name.lower() == "content-type"]
    assert types == ["application/vnd.shop+json"]


@pytest.mark.parametrize(
    "body",
    [
        {"type": "xml", "content": {"a": 1}},
        {"type": "base64", "content": "?"},
        {"type": "text", "content": 1},
    ],
)
async def test_bodies_that_cannot_be_sent(http: Http, shop: Site, body: Any) -> None:
    assert "body.content" in (await lose(http, shop, method="POST", body=body))["error"]
    assert shop.asked == []


@pytest.mark.parametrize(
    ("path", "given", "target"),
    [
        ("/a b/ü?q=1 2#f", {}, "/a%20b/%C3%BC?q=1%202"),
        ("/a%2Fb%20c?x=%26&s=a+b", {}, "/a%2Fb%20c?x=%26&s=a+b"),
        ("/100%/{x}", {}, "/100%25/%7Bx%7D"),
        ("", {"params": {"a": 1, "b": True, "c": None, "d": ["x", "y"], "e&": "f=&ü"}},
         "/?a=1&b=true&d=x&d=y&e%26=f%3D%26%C3%BC"),
        ("/p?x=1", {"params": {"y": 2}}, "/p?x=1&y=2"),
        ("/p?", {"params": {"y": 2}}, "/p?y=2"),
        ("/p?x=1#f", {"params": {"y": 2}}, "/p?x=1&y=2"),
        ("/{x}|y", {"params": {"y": "a%20b,c=d+e"}, "noEncode": True}, "/{x}|y?y=a%20b,c=d+e"),
        ("/x y", {"params": {"ü": "a b#c"}, "noEncode": True}, "/x%20y?%C3%BC=a%20b%23c"),
    ],
)  # fmt: skip
async def test_urls(http: Http, shop: Site, path: str, given: dict[str, Any], target: str) -> None:
    await send(http, shop, url=shop.url(path), **given)
    assert shop.asked[0].target == target
    assert shop.asked[0].header("host") == f"127.0.0.1:{shop.port}"


async def test_headers(http: Http, shop: Site) -> None:
    headers = {
        "X-Text": "a",
        "X-Number": 1,
        "X-Flag": False,
        "X-Many": ["a", "b"],
        "X-None": None,
        "Accept": "text/csv",
    }
    await send(http, shop, headers=headers)
    sent = shop.asked[0]
    assert [sent.header(name) for name in headers] == ["a", "1", "false", "a", None, "text/csv"]
    assert [value for name, value in sent.headers if name == "X-Many"] == ["a", "b"]
    assert (sent.header("user-agent") or "").startswith("stepwell/")


@pytest.mark.parametrize(
    "headers", [{"Host": "internal"}, {"content-length": "5"}, {"Transfer-Encoding": "chunked"}, {"a b": "c"},
                {"X": "a\r\nHost: evil"}, {"X\n": "a"}, {"X": {"a": 1}}, {"": "a"}, {"Connection": "upgrade"}],
)  # fmt: skip
async def test_headers_that_are_refused(http: Http, shop: Site, headers: dict[str, Any]) -> None:
    assert "headers" in (await lose(http, shop, headers=headers))["error"]
    assert shop.connections == 0


async def test_the_idempotency_key_is_the_executions(http: Http, shop: Site) -> None:
    given = {"method": "POST", "url": shop.url()}
    for call in (
        call_of(given),
        call_of(given, run_count=2),
        call_of(given, execution=2),
        call_of(given, step_id=131),
        call_of(given | {"headers": {"idempotency-key": "mine"}}),
        call_of(given | {"headers": {"Idempotency-Key": None}}),
    ):
        completed(await http.run(call))
    first, again, *others = [asked.header("idempotency-key") for asked in shop.asked]
    assert first == again == "stepwell-128-130-1"
    assert others == ["stepwell-128-130-2", "stepwell-128-131-1", "mine", None]


async def test_installations_do_not_share_keys(shop: Site) -> None:
    async with http_step("127.0.0.1", installation="berlin") as http:
        await send(http, shop)
    assert shop.asked[0].header("idempotency-key") == "stepwell-berlin-128-130-1"


# -- what comes back


@pytest.mark.parametrize(
    ("body", "content_type", "parsed"),
    [
        (b'{"a": [1.5, "x"]}', "application/json", {"a": [1.5, "x"]}),
        (b"7", "application/json; charset=utf-8", 7),
        (b"null", "application/json", None),
        (b'\xef\xbb\xbf{"a": 1}', "application/problem+json", {"a": 1}),
        ('{"a": "ü"}'.encode("latin-1"), "application/json; charset=ISO-8859-1", {"a": "ü"}),
        (b' {"a": 1}', "text/plain", {"a": 1}),
        (b"[1]", "", [1]),
        (b"{broken", "application/json", "{broken"),
        (b"[" * 50_000, "application/json", "[" * 50_000),
        (b"7", "text/plain", "7"),
        ("grüße".encode(), "text/plain", "grüße"),
        ("grüße".encode("latin-1"), "text/plain; charset=latin1", "grüße"),
        (b"<html>", "text/html", "<html>"),
        (b"a", "text/plain; charset=rot13", "a"),
        (b"a", "text/plain; charset=nonsense", "a"),
        (b"", "application/json", None),
        (b"<a><b>1</b></a>", "application/xml", {"a": {"b": "1"}}),
        (
            b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xfc</a>',
            "text/xml; charset=iso-8859-1",
            {"a": "ü"},
        ),
        (b"<a/>", "application/soap+xml", {"a": ""}),
        (b"<a><b></a>", "text/xml", "<a><b></a>"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "text/xml", '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'),
    ],
)
async def test_responses(http: Http, shop: Site, body: bytes, content_type: str, parsed: Any) -> None:
    shop.answer(body, content_type=content_type)
    got = await send(http, shop)
    assert got["response"] == parsed
    assert set(got) == {"response", "statusCode", "headers"}


async def test_binary_responses(http: Http, shop: Site) -> None:
    shop.answer(b"\x89PNG\0\xff", content_type="image/png")
    got = await send(http, shop, includeFullResponseString=True)
    assert base64.b64decode(got["response"]) == b"\x89PNG\0\xff"
    assert (got["responseEncoding"], got["fullResponseString"]) == ("base64", got["response"])


async def test_the_full_text(http: Http, shop: Site) -> None:
    shop.answer(b'{ "a" : 1.0 }')
    assert (await send(http, shop, includeFullResponseString=True))["fullResponseString"] == '{ "a" : 1.0 }'


async def test_xml_stays_text_on_demand(http: Http, shop: Site) -> None:
    shop.answer(b"<a>1</a>", content_type="application/xml")
    assert (await send(http, shop, allowXmlToJsonConversion=False))["response"] == "<a>1</a>"


async def test_large_xml(http: Http, shop: Site) -> None:
    shop.answer(b"<a>" + b"<b>1</b>" * 10_000 + b"</a>", content_type="application/xml")
    assert (await send(http, shop))["response"] == {"a": {"b": ["1"] * 10_000}}


async def test_response_headers(http: Http, shop: Site) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\nSet-Cookie: a=1\r\nX-Bad: \xff\r\n\r\n{}"
    shop.answers(head)
    headers = (await send(http, shop))["headers"]
    assert headers == {"content-length": "2", "x-a": "1, 2", "set-cookie": ["a=1"], "x-bad": "\ufffd"}


async def test_cookies_are_not_kept(http: Http, shop: Site) -> None:
    shop.answer(set_cookie="session=1")
    for _ in range(2):
        await send(http, shop, url=shop.url(host="shop.example"))
    assert shop.asked[1].header("cookie") is None


async def test_selectors(http: Http, shop: Site) -> None:
    shop.answer(b'{"order": {"id": 7, "items": [{"sku": "a"}, {"sku": "b"}, {}]}}')
    selectors = {
        "id": "$.order.id",
        "skus": "order.items[*].sku",
        "last": "order['items'][-1]",
        "none": "$.a.b",
    }
    got = await send(http, shop, responseSelectors=selectors)
    assert {name: got[name] for name in selectors} == {"id": 7, "skus": ["a", "b"], "last": {}, "none": None}


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oh No", "600 Late", "304 Not Modified"])
async def test_other_statuses_fail_with_the_same_output(http: Http, shop: Site, status: str) -> None:
    body = b"" if status.startswith("304") else b'{"why": "gone"}'
    shop.answer(body, status)
    got = await lose(http, shop, responseSelectors={"why": "why"})
    assert got["statusCode"] == int(status[:3])
    assert got["why"] == (None if status.startswith("304") else "gone")
    assert status[:3] in got["error"]


# -- redirects


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (303, "PUT", "GET"), (301, "PUT", "PUT"),
     (307, "POST", "POST"), (308, "PATCH", "PATCH"), (302, "HEAD", "HEAD"), (303, "HEAD", "HEAD")],
)  # fmt: skip
async def test_methods_after_a_redirect(http: Http, shop: Site, status: int, method: str, then: str) -> None:
    shop.answers(response(b"", f"{status} There", location="/there?x=1"), response(b""))
    await send(http, shop, method=method, body={"a": 1})
    first, second = shop.asked
    assert (second.method, second.target) == (then, "/there?x=1")
    kept = then not in ("GET", "HEAD")
    assert second.body == (first.body if kept else b"")
    assert second.header("content-type") == ("application/json" if kept else None)
    assert second.header("idempotency-key") == first.header("idempotency-key")


@pytest.mark.parametrize("other", [True, False])
async def test_credentials_stay_with_their_origin(http: Http, shop: Site, other: bool) -> None:
    secret = {"Authorization": "Bearer x", "Cookie": "a=1", "X-Api-Key": "k", "Proxy-Token": "t"}
    to = shop.url("/there", host="pay.example" if other else "shop.example")
    shop.answers(response(b"", "307 There", location=to), response())
    await send(http, shop, url=shop.url(host="shop.example"), headers=secret | {"Accept-Language": "de"})
    sent = shop.asked[1]
    assert [sent.header(name) for name in secret] == ([None] * 4 if other else list(secret.values()))
    assert sent.header("accept-language") == "de"
    assert (sent.header("host") or "").split(":")[0] == ("pay.example" if other else "shop.example")


async def test_at_most_five_redirects(http: Http, shop: Site) -> None:
    there = response(b"", "302 There", location="/there")
    shop.answers(*[there] * 5, response())
    await send(http, shop)
    assert len(shop.asked) == 6
    shop.answers(there)
    got = await lose(http, shop)
    assert "more than 5 redirects" in got["error"]
    assert (got["statusCode"], len(shop.asked)) == (302, 12)


async def test_redirects_that_are_answers(http: Http, shop: Site) -> None:
    shop.answer(b"", "302 There", location="/there")
    got = await send(http, shop, followRedirects=False)
    assert (got["statusCode"], got["headers"]["location"]) == (302, "/there")
    shop.answer(b"", "302 Nowhere")
    assert (await lose(http, shop))["statusCode"] == 302


# -- repeat until


def judging(log: list[Any], answer: bool | Exception) -> Any:
    async def evaluate(script: str, call: StepCall, output: dict[str, Any]) -> bool:
        log.append((script, call.request.run_count, output["statusCode"], output["response"]))
        if isinstance(answer, Exception):
            raise answer
        return answer

    return evaluate


REPEAT = {
    "repeatUntilEnabled": True,
    "repeatUntilCondition": "done()",
    "repeatIntervalSeconds": 2.5,
    "maxRepeatCount": 3,
}


@pytest.mark.parametrize("condition", ["done()", {"script": "done()"}])
async def test_repeat_gives_the_step_back(shop: Site, condition: Any) -> None:
    log: list[Any] = []
    shop.answer(b'{"n": 1}', "404 Not Yet")
    given = {"method": "GET", "url": shop.url()} | REPEAT | {"repeatUntilCondition": condition}
    async with http_step("127.0.0.1", evaluate=judging(log, False)) as http:
        for run_count in (1, 2):
            again = await http.run(call_of(given, run_count=run_count))
            assert isinstance(again, Again)
            assert again.after_ms == 2_500
            assert output(again)["response"] == {"n": 1}
        got = failed(await http.run(call_of(given, run_count=3)))
    assert got["error"] == "the condition did not hold after 3 tries"
    assert got["response"] == {"n": 1}
    assert log == [("done()", run_count, 404, {"n": 1}) for run_count in (1, 2, 3)]


@pytest.mark.parametrize("status", ["200 OK", "404 Gone At Last"])
async def test_repeat_ends_when_the_condition_holds(shop: Site, status: str) -> None:
    shop.answer(b"{}", status)
    async with http_step("127.0.0.1", evaluate=judging([], True)) as http:
        assert "error" not in await send(http, shop, **REPEAT)


async def test_repeat_with_a_broken_condition(shop: Site) -> None:
    async with http_step("127.0.0.1", evaluate=judging([], ConditionFailed("x is not defined"))) as http:
        assert (await lose(http, shop, **REPEAT))["error"] == "repeatUntilCondition: x is not defined"


async def test_no_repeat_unless_enabled(http: Http, shop: Site) -> None:
    await send(http, shop, **(REPEAT | {"repeatUntilEnabled": False, "repeatUntilCondition": {"script": ""}}))
    assert len(shop.asked) == 1


# -- bad servers


def writing(*pieces: bytes, then_wait: bool = False, forever: bytes = b"") -> Any:
    """Writes the pieces, then more for ever, or nothing more, or closes."""

    async def handler(_asked: Asked, out: asyncio.StreamWriter) -> None:
        for piece in pieces:
            out.write(piece)
            await out.drain()
        while forever:
            out.write(forever)
            await out.drain()
        if then_wait:
            await asyncio.Event().wait()
        out.close()

    return handler


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
ENDLESS = f"{65_536:x}\r\n".encode() + b"x" * 65_536 + b"\r\n"


async def test_a_body_without_an_end(http: Http, shop: Site) -> None:
    shop.handler = writing(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", forever=ENDLESS)
    got = await lose(http, shop)
    assert "larger than 100,000 bytes" in got["error"]
    assert (got["statusCode"], got["headers"]["content-type"]) == (200, "text/plain")


async def test_a_gigabyte_is_not_even_begun(http: Http, shop: Site) -> None:
    shop.handler = writing(HEAD + b"Content-Length: 1073741824\r\n\r\n", forever=b"x" * 65_536)
    assert "larger than" in (await lose(http, shop))["error"]


async def test_the_limit_itself_is_possible(http: Http, shop: Site) -> None:
    for body in (b"x" * 100_000, gzip.compress(b"x" * 100_000)):
        packed = body[:1] != b"x"
        shop.answer(body, content_type="text/plain", content_encoding="gzip" if packed else "")
        assert len((await send(http, shop))["response"]) == 100_000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED = [
    ("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate),
    ("gzip", lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:])), ("identity", bytes),
]  # fmt: skip


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
async def test_compressed_bodies(http: Http, shop: Site, encoding: str, pack: Any) -> None:
    shop.answer(pack(b'{"a": "bcd"}'), content_encoding=encoding)
    assert (await send(http, shop))["response"] == {"a": "bcd"}


@pytest.mark.parametrize(("encoding", "pack"), PACKED[:4])
async def test_bombs(http: Http, shop: Site, encoding: str, pack: Any) -> None:
    bomb = pack(b"x" * 20_000_000)
    assert len(bomb) < 100_000
    shop.answer(bomb, content_encoding=encoding)
    assert "larger than 100,000 bytes" in (await lose(http, shop))["error"]


@pytest.mark.parametrize(
    ("body", "encoding", "says"),
    [
        (b"plain text", "gzip", "is not gzip"),
        (gzip.compress(b"x" * 100)[:-9], "gzip", "ends in the middle"),
        (b"x", "br", "content encoding 'br'"),
        (b"x", "gzip, gzip", "content encoding"),
    ],
)
async def test_bodies_that_cannot_be_unpacked(
    http: Http, shop: Site, body: bytes, encoding: str, says: str
) -> None:
    shop.answer(body, content_encoding=encoding)
    assert says in (await lose(http, shop))["error"]


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (writing(HEAD + b"Content-Length: 10\r\n\r\n12345"), "broke off before its end"),
        (writing(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n123"), "broke off before its end"),
        (writing(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "broke off|not answer in HTTP"),
        (writing(HEAD + b"Content-Length: 3\r\n\r\n12345"), "did not answer in HTTP"),
        (writing(b""), "closed the connection without an answer"),
        (writing(HEAD), "closed the connection without an answer"),
        (writing(b"220 mail.example ESMTP\r\n\r\n"), "did not answer in HTTP"),
        (writing(HEAD + b"X-Long: " + b"x" * 100_000 + b"\r\n\r\n"), "did not answer in HTTP"),
        (writing(b"HTTP/1.1 200 OK\r\n", forever=b"X-A: 1\r\n" * 100), "did not answer in HTTP"),
    ],
)
async def test_broken_answers(http: Http, shop: Site, handler: Any, says: str) -> None:
    shop.handler = handler
    error = (await lose(http, shop))["error"]
    assert error.startswith(f"GET http://127.0.0.1:{shop.port}: ")
    assert any(part in error for part in says.split("|")), error


async def test_a_reset_connection(http: Http, shop: Site) -> None:
    async def reset(_asked: Asked, out: asyncio.StreamWriter) -> None:
        out.transport.abort()

    shop.handler = reset
    assert (await lose(http, shop, method="POST"))["error"].startswith(f"POST http://127.0.0.1:{shop.port}: ")


async def test_nobody_listens(http: Http, shop: Site) -> None:
    async with site() as gone:
        url = gone.url()
    assert "cannot connect" in (await lose(http, shop, url=url))["error"]


@pytest.mark.parametrize("handler", [writing(then_wait=True), writing(HEAD, then_wait=True),
                                     writing(HEAD + b"Content-Length: 9\r\n\r\n1", then_wait=True)])  # fmt: skip
async def test_silence(http: Http, shop: Site, handler: Any) -> None:
    shop.handler = handler
    assert "silent for 40 ms" in (await lose(http, shop, timeouts={"readMs": 40}))["error"]
    assert "no complete answer within 40 ms" in (await lose(http, shop, timeouts={"totalMs": 40}))["error"]


async def test_the_total_time_covers_redirects(http: Http, shop: Site) -> None:
    async def slow(_asked: Asked, out: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.03)
        out.write(response(b"", "302 There", location="/there"))

    shop.handler = slow
    assert "no complete answer within 80 ms" in (await lose(http, shop, timeouts={"totalMs": 80}))["error"]


# -- TLS


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[Site]:
    file = tmp_path / "server.pem"
    file.write_text(KEY_AND_CERTIFICATE)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    async with site(tls) as here:
        yield here


async def test_certificates(http: Http, secure: Site) -> None:
    url = secure.url(scheme="https", host="shop.example")
    assert "certificate is not accepted" in (await lose(http, secure, url=url))["error"]
    assert (await send(http, secure, url=url, tls={"ca": CERTIFICATE}))["statusCode"] == 200
    assert (await send(http, secure, url=url, tls={"verify": False}))["statusCode"] == 200
    # The connections that were opened without looking must not serve the one that looks.
    assert "certificate is not accepted" in (await lose(http, secure, url=url))["error"]
    other = secure.url(scheme="https", host="pay.example")
    assert (
        "certificate is not accepted"
        in (await lose(http, secure, url=other, tls={"ca": CERTIFICATE}))["error"]
    )
    assert len(secure.asked) == 2


async def test_tls_that_is_none(http: Http, shop: Site) -> None:
    async def plain(_incoming: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        out.write(response())
        out.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert "TLS handshake failed" in (await lose(http, shop, url=f"https://127.0.0.1:{port}/"))["error"]
    server.close()


async def test_authorities_that_are_none(http: Http, shop: Site) -> None:
    assert "PEM" in (await lose(http, shop, url=shop.url(scheme="https"), tls={"ca": "nonsense"}))["error"]


# -- the static check


def checked(given: dict[str, Any]) -> list[tuple[str, str]]:
    problems = Http(HttpOptions(), never).check(given, "steps[0].input")
    return [(problem.path.removeprefix("steps[0].input."), problem.code) for problem in problems]


GOOD = {"method": "GET", "url": "https://shop.example/"}


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ({}, [("method", "MISSING"), ("url", "MISSING")]),
        ({"method": "", "url": None}, [("method", "MISSING"), ("url", "MISSING")]),
        (GOOD | {"method": "FETCH"}, [("method", "UNKNOWN_VALUE")]),
        (GOOD | {"method": 1}, [("method", "WRONG_KIND")]),
        (GOOD | {"url": "ftp://x"}, [("url", "INVALID")]),
        (GOOD | {"headers": []}, [("headers", "WRONG_KIND")] * 2),
        (GOOD | {"headers": {"Host": "x"}}, [("headers.Host", "INVALID")]),
        (GOOD | {"params": {"a": {"b": 1}}}, [("params.a", "WRONG_KIND")]),
        (GOOD | {"noEncode": "yes"}, [("noEncode", "WRONG_KIND")]),
        (GOOD | {"responseSelectors": {"a": "a..b", "b": 1, "response": "a"}},
         [("responseSelectors.a", "INVALID"), ("responseSelectors.b", "WRONG_KIND"),
          ("responseSelectors.response", "INVALID")]),
        (GOOD | {"repeatUntilEnabled": True}, [("repeatUntilCondition", "MISSING")]),
        (GOOD | {"repeatUntilEnabled": True, "repeatUntilCondition": {}}, [("repeatUntilCondition.script", "MISSING")]),
        (GOOD | {"repeatIntervalSeconds": -1, "maxRepeatCount": 0},
         [("repeatIntervalSeconds", "LIMIT"), ("maxRepeatCount", "LIMIT")]),
        (GOOD | {"maxRepeatCount": 1.5}, [("maxRepeatCount", "WRONG_KIND")]),
        (GOOD | {"timeouts": {"readMs": "1", "totalMs": 10**9}},
         [("timeouts.readMs", "WRONG_KIND"), ("timeouts.totalMs", "LIMIT")]),
        (GOOD | {"tls": {"verify": 1, "ca": 2}}, [("tls.verify", "WRONG_KIND"), ("tls.ca", "WRONG_KIND")]),
        (GOOD | {"header": {}, "body": {"a": 1}}, [("header", "INVALID"), ("body", "INVALID")]),
    ],
)  # fmt: skip
def test_check(given: dict[str, Any], problems: list[tuple[str, str]]) -> None:
    assert sorted(set(checked(given))) == sorted(set(problems))


@pytest.mark.parametrize("key", ["method", "url", "headers", "params", "responseSelectors", "repeatUntilEnabled",
                                 "repeatIntervalSeconds", "maxRepeatCount", "noEncode", "tls", "timeouts"])  # fmt: skip
def test_templates_are_judged_later(key: str) -> None:
    assert checked(GOOD | {"repeatUntilCondition": "true"} | {key: "{{ input.x }}"}) == []


def test_templates_inside() -> None:
    inside = {"headers": {"Authorization": "Bearer {{ secrets.x }}"}, "params": {"a": "{{ input.a }}"},
              "responseSelectors": {"a": "{{ input.path }}"}, "url": "{{ variables.base }}/orders"}  # fmt: skip
    assert checked(GOOD | inside) == []


async def test_braces_in_values_are_text(http: Http, shop: Site) -> None:
    await send(http, shop, headers={"X-Braces": "{{ secrets.x }}"})
    assert shop.asked[0].header("x-braces") == "{{ secrets.x }}"
    assert "url" in (await lose(http, shop, url="{{ input.url }}"))["error"]


def test_a_warning_does_not_refuse_a_definition() -> None:
    problems = Http(HttpOptions(), never).check(GOOD | {"retries": 1}, "")
    assert [(problem.path, problem.warning) for problem in problems] == [("retries", True)]


def test_the_plugin() -> None:
    plugin = Http(HttpOptions(), never).built_in()
    assert plugin.type is StepType.HTTP


# -- paths and XML by themselves


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", {"a": {"b c": [1, {"d.e": 2}]}, "x": [[1], [2, 3]]}),
        ("a.b c[1]['d.e']", 2),
        ("$['a']['b c'][0]", 1),
        ('a["b c"][-2]', 1),
        ("x[*][*]", [[1], [2, 3]]),
        ("x[*][1]", [3]),
        ("*", [{"b c": [1, {"d.e": 2}]}, [[1], [2, 3]]]),
        ("x[9]", None),
        ("x.a", None),
        ("a[0]", None),
        ("a.*.d", []),
    ],
)
def test_paths(path: str, found: Any) -> None:
    assert pick({"a": {"b c": [1, {"d.e": 2}]}, "x": [[1], [2, 3]]}, read_path(path)) == found


@pytest.mark.parametrize(
    "path", ["", " ", "$..a", "a..b", ".a", "a[", "a]b", "a[?(@.b)]", "a[0:1]", "a[b]", "x" * 1_001]
)
def test_paths_that_cannot_be_read(path: str) -> None:
    with pytest.raises(ValueError, match=r"path|cannot be read"):
        read_path(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('<order id="7"><item>a</item><item>b</item><note/></order>',
         {"order": {"@id": "7", "item": ["a", "b"], "note": ""}}),
        ('<a x="1">t</a>', {"a": {"@x": "1", "#text": "t"}}),
        ("<a>one<b/>two</a>", {"a": {"b": "", "#text": "onetwo"}}),
        ("<a> \n <b> x </b> </a>", {"a": {"b": "x"}}),
        ("<a><![CDATA[<&>]]>&lt;&#65;</a>", {"a": "<&><A"}),
        ('<s:a xmlns:s="urn:x"><s:b/></s:a>', {"s:a": {"@xmlns:s": "urn:x", "s:b": ""}}),
        ("<a><b>1</b><b><c/></b><b>3</b></a>", {"a": {"b": ["1", {"c": ""}, "3"]}}),
        ("<!DOCTYPE a><a/>", {"a": ""}),
    ],
)  # fmt: skip
def test_xml(text: str, value: Any) -> None:
    assert xml_to_json(text.encode()) == value


LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><a>&b;</a>'


@pytest.mark.parametrize(
    "text",
    [
        "", "<a>", "<a></b>", "text", "<a/><b/>", "<a>&undefined;</a>", "<a " + "x='1' " * 2 + "/>", LAUGHS,
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "<a>\x01</a>",
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/">%p;]><a/>', "<a>" * 61 + "</a>" * 61,
    ],
)  # fmt: skip
def test_xml_that_is_refused(text: str) -> None:
    with pytest.raises(XmlError):
        xml_to_json(text.encode())
