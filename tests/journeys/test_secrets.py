"""The canaries: secrets of every shape go through every kind of work, well and badly, and are then looked for in
everything that the server says, logs and stores."""

import base64
import html
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import httpx2
import pytest

from stepwell.cli.steps import Steps
from stepwell.model.client import GRANTABLE
from stepwell.runtime.catalog import create_client
from stepwell.runtime.runner import LocalRunner
from stepwell.runtime.runtime import Runtime
from stepwell.runtime.vault import open_vault
from stepwell.server.app import App
from stepwell.settings import Settings, from_environment
from stepwell.store.sqlite.store import SqliteStore
from tests.server.conftest import bearer
from tests.steps.http_site import Asked, response
from tests.steps.http_site import site as http_site

pytestmark = pytest.mark.anyio

PEM = "-----BEGIN KEY-----\nMIICdgIBADANBgkqhkiG9w0B\nAQEFAASCAmAwggJcAgEAAoGB\n-----END KEY-----\n"
SECRETS = {
    "ascii": "canary-ascii-7Hq2xP9w",
    "spaced": "canary with three blanks  Zk41",
    "json": '{"canary": "json-Qm82Lw", "n": [1, null, "x"]}',
    "quotes": "canary\"quo'tes\\back/slash-Wd93",
    "pem": PEM,
    "crlf": "canary-crlf-Tb7\r\nX-Injected: canary-crlf-Yp5",
    "tabs": "canary\ttab\x0bvt\x1besc-Ue61",
    "url": "canary?a=b&c=d#e+f%20/@:;,-Hs52",
    "userinfo": "canary:p@ss/w0rd-Rj30",
    "html": "<canary onload='x'>&amp;-Vn28</canary>",
    "latin": "canäry-ñandú-Gx19",
    "cjk": "金丝雀的秘密口令在这里",
    "emoji": "canary-😀🔑-Kc07",
    "template": "{{ input.x }}canary{{ secrets.ascii }}-Lf66",
    "mask": "***canary***-Bt45",
    "regex": "canary.*[a-z]+(?:x|y){2}$^-Mo84",
    "script": "');throw new Error('canary-Ea73');('",
    "digits": "4929123412347731",
    "long": "canary-long-" + "".join(f"{n * 7919:x}." for n in range(700)),
    "short": "ǂʬ℥",
}
"""The short one goes only to steps that do not repeat it: five letters or less are not looked for in outputs."""


def spellings(value: str) -> set[bytes]:
    data = value.encode()
    found = {
        value,
        value[::-1],
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(value))[1:-1],
        repr(value)[1:-1],
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        html.escape(value),
        data.hex(),
        data.hex().upper(),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
        data.decode("latin-1"),
    }
    for shift in range(3):  # wherever it stands in something that was encoded as a whole
        whole = base64.b64encode(b"\0" * shift + data).decode()
        found.add(whole[-(-8 * shift // 6) : 8 * (shift + len(data)) // 6])
    found |= {line for line in value.splitlines() if "canary" in line or len(line) == 24}
    if len(value) > 24:  # cut off somewhere
        found |= {value[:12], value[-12:], value[10:22]}
    return {text.encode() for text in found if text.strip()}


def hits(name: str, where: str, data: bytes) -> list[str]:
    return [
        f"{name} in {where}: {form!r} at {data[max(0, data.index(form) - 40) :][: 80 + len(form)]!r}"
        for form in spellings(SECRETS[name])
        if form in data
    ]


class World:
    """A server with its own runner over a database file; keeps every answer that it gives."""

    def __init__(self, runtime: Runtime) -> None:
        self.said: list[str] = []
        self.handed_out: dict[int, Any] = {}
        app = App(runtime, Settings(poll_hold_ms=0))
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False),
            base_url="http://stepwell",
            headers=bearer("admin", "token"),
        )

    async def call(
        self, method: str, path: str, body: Any = None, *, keep: bool = True, ok: bool = True
    ) -> Any:
        content = None if body is None else json.dumps(body).encode()
        answer = await self.http.request(method, path, content=content, timeout=60)
        if keep:
            self.said.append(answer.text)
        assert not ok or answer.status_code == 200, (path, answer.text)
        return answer.json()

    async def run(self, name: str, **input: Any) -> Any:
        return await self.call("POST", "/api/process/runSync?timeout=60", {"name": name, "input": input})

    async def work(self, status: str, **output: Any) -> Any:
        """Take one step and answer it. What is handed out is the one answer that may hold a secret."""
        queue = {"namespace": "default", "stepType": "WORKER", "name": "work"}
        (item,) = await self.call(
            "POST", "/api/clients/poll", [{"stepQueueNameData": queue, "size": 1}], keep=False
        )
        ids = {key: item[key] for key in ("stepId", "stepExecutionId")}
        await self.call("POST", "/api/clients/bulkResults", [{**ids, "status": status, "output": output}])
        return item["inputParam"]


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    store = SqliteStore.open(folder / "stepwell.db")
    store.migrate()
    runtime = Runtime(store, vault=open_vault(str(folder / "stepwell.db.key"), may_make=True))
    steps = Steps(from_environment({"STEPWELL_HTTP_ALLOW": "127.0.0.1"}), "test")
    await steps.start()
    await runtime.start_up()
    runner = LocalRunner(runtime, steps.table)
    runner.start()
    await runtime.write(lambda turn, now: create_client(turn, now, "admin", "token", GRANTABLE))
    here = World(runtime)
    try:
        async with here.http:
            yield here
    finally:
        await runner.stop()
        await runtime.stop()
        await steps.stop()
        # Only now: what is in the log of the database is part of what is looked through.
        here.stored = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        store.close()


def script(ref: str, kind: str, text: str, **input: Any) -> dict[str, Any]:
    return {"type": kind, "ref": ref, "optional": True, "input": {"script": text, **input}}


def http(ref: str, **input: Any) -> dict[str, Any]:
    return {"type": "HTTP", "ref": ref, "optional": True, "input": {"method": "POST", **input}}


def steps_with(secret: str, port: int) -> list[dict[str, Any]]:
    """Every kind of work, so that the value comes back, in an output or in an error."""
    url = f"http://127.0.0.1:{port}"
    return [
        http("all", url=f"{url}/echo", headers={"X-A": "a"}, body={"s": secret, "in": f"<{secret}>"}),
        http("param", url=f"{url}/echo", params={"s": secret}, body=f"plain {secret}"),
        http("in_url", url=f"{url}/echo?s={secret}"),
        http("path", url=f"{url}/{secret}/echo"),
        http("header", url=f"{url}/echo", headers={"Authorization": f"Bearer {secret}"}),
        http("wrong", url=f"{url}/500", body={"s": secret}),
        http("refused", url=f"http://127.0.0.1:1/{secret}"),
        http("no_url", url=secret),
        http("no_method", url=f"{url}/echo", method=secret),
        script("js", "JAVASCRIPT", f"(steps, context) => {{ console.log('{secret}'); return '{secret}' }}"),
        script("js_throws", "JAVASCRIPT", f"(steps, context) => {{ throw new Error('{secret}') }}"),
        script("js_self", "JAVASCRIPT", "(steps, context) => steps.__self.input", note=secret),
        script(
            "py",
            "PYTHON",
            f"def main(steps, context):\n    print('''{secret}''')\n    return '''{secret}'''\n",
        ),
        script("py_raises", "PYTHON", f"def main(steps, context):\n    raise ValueError('''{secret}''')\n"),
        script("jq", "JQ", "[., (.|tojson)]", input={"s": secret}),
        script("jq_fails", "JQ", "error(.s)", input={"s": secret}),
        script("jq_base64", "JQ", "[.s | @base64, @uri, @html, @json]", input={"s": secret}),
    ]


async def echo(asked: Asked, out: Any) -> None:
    """A server with no manners: it repeats all that it got, in its headers too."""
    seen.append(asked)
    status = "500 Oh no" if asked.target.startswith("/500") else "200 OK"
    told = {"target": asked.target, "headers": asked.headers, "body": asked.body.decode("utf-8", "replace")}
    authorization = asked.header("authorization") or ""
    out.write(response(json.dumps(told).encode(), status, X_Echo=authorization, X_Target=asked.target))


seen: list[Asked] = []


async def through_workers(here: World, name: str) -> None:
    value, place = SECRETS[name], f"{{{{ secrets.{name} }}}}"
    await here.call(
        "POST",
        "/api/processDefinitions",
        {
            "name": f"worker-{name}",
            "type": "STANDARD",
            "steps": [
                {"type": "WORKER", "ref": "a", "name": "work", "input": {"s": place, "t": f"<{place}>"}},
                {"type": "WORKER", "ref": "b", "name": "work", "input": {"k": "{{ secretState.k }}"}},
                script("c", "JAVASCRIPT", "() => '{{ secretState.k }}'")
                if len(value) > 5
                else script("c", "JQ", "1"),
                {"type": "WORKER", "ref": "d", "name": "work", "input": {"k": "{{ secretState.k }}"}},
            ],
        },
    )
    process = await here.call("POST", "/api/process/runAsync", {"name": f"worker-{name}"})
    given = await here.work("COMPLETED", x=1, __secretStatePut={"k": value})
    assert given == {"s": value, "t": f"<{value}>"}
    assert await here.work("COMPLETED") == {"k": value}
    for _ in range(500):
        found = await here.call("GET", f"/api/process/context/{process['processId']}?includeSteps=true")
        if any(step["ref"] == "d" for step in found["stepRecords"]):
            break
    assert await here.work("FAILED", error="no") == {"k": value}
    assert found["secretState"] == {"k": "***"}


async def through_the_server(here: World, name: str, port: int) -> None:
    steps = steps_with(f"{{{{ secrets.{name} }}}}", port)
    await here.call(
        "POST", "/api/processDefinitions", {"name": f"server-{name}", "type": "STANDARD", "steps": steps}
    )
    process = await here.run(f"server-{name}")
    assert process["status"] != "RUNNING"
    told = await here.call(
        "GET", f"/api/process/context/{process['processId']}?includeSteps=true&includeSnapshots=true"
    )
    assert {step["ref"] for step in told["stepRecords"]} == {step["ref"] for step in steps}
    for step in told["stepRecords"]:
        await here.call("GET", f"/api/process/stepContext/{step['id']}")


async def ask_everything(here: World) -> None:
    for path in ("/api/secrets", "/api/secrets/default/ascii", "/api/variables", "/api/audit?limit=1000"):
        await here.call("GET", path)
    await here.call("GET", "/api/stats/process/search?limit=500")
    await here.call("GET", "/api/processDefinitions")
    await here.call("GET", "/docs/openapi.json")
    for body in ({"value": ["canary"]}, {"value": 7}, [], {"value": ""}):
        await here.call("PUT", "/api/secrets/default/bad", body, ok=False)


async def test_no_canary_is_found_anywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen.clear()
    async with http_site() as site, world(tmp_path) as here:
        site.handler = echo
        for name, value in SECRETS.items():
            await here.call("PUT", f"/api/secrets/default/{name}", {"value": value, "why": "a canary"})
        for name, value in SECRETS.items():
            await through_workers(here, name)
            if len(value) > 5:
                await through_the_server(here, name, site.port)
        await ask_everything(here)
    bodies = b"".join(asked.body for asked in seen)
    for name, value in SECRETS.items():
        if len(value) > 5:
            assert json.dumps(value, ensure_ascii=False).encode()[1:-1] in bodies, (
                f"{name} has not been used at all"
            )
    places = {"answers": "\n".join(here.said).encode(), "log": caplog.text.encode(), **here.stored}
    assert {"stepwell.db", "stepwell.db-wal", "stepwell.db.key"} <= set(places)
    found = [hit for name in SECRETS for where, data in places.items() for hit in hits(name, where, data)]
    assert not found, "\n".join(found)


async def test_the_search_finds_what_is_there() -> None:
    """A search that finds nothing anywhere proves nothing."""
    for name, value in SECRETS.items():
        for text in (
            value,
            json.dumps({"x": value}),
            base64.b64encode(f"u:{value}".encode()).decode(),
            quote(value),
        ):
            assert hits(name, "a text", text.encode()), (name, text)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
