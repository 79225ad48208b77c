"""Whatever is sent, the answer is below 500, in one form, and nothing is changed by what is refused."""

from collections.abc import AsyncIterator

import pytest

from tests.server.conftest import ONE_STEP, Site
from tests.server.test_door import ACCEPTED, REFUSED

pytestmark = pytest.mark.anyio

BODIES = (
    {name: text for name, (text, _) in REFUSED.items()}
    | ACCEPTED
    | {
        "null": b"null",
        "number": b"7",
        "text": b'"x"',
        "list of everything": b'[null, 1, "x", {}, [], true, -1, 1e30]',
        "wrong kinds": b'{"name": 7, "namespace": [], "version": {}, "steps": "x", "input": 3, "queues": 1}',
        "yaml": b"a: &a [*a]\n",
    }
)
WITH_BODY = [
    ("PUT", "/api/clients/register"),
    ("POST", "/api/clients/poll"),
    ("POST", "/api/clients/bulkResults"),
    ("POST", "/api/clients/exchange"),
    ("POST", "/api/process/runAsync"),
    ("POST", "/api/process/runSync"),
    ("POST", "/api/process/bulkTerminate"),
    ("POST", "/api/process/bulkResume"),
    ("POST", "/api/process/bulkReviewed"),
    ("POST", "/api/process/bulkCancel"),
    ("POST", "/api/process/{process_id}/rerunFrom"),
    ("POST", "/api/process/{process_id}/state"),
    ("POST", "/api/process/{process_id}/signal/{name}"),
    ("POST", "/api/process/{process_id}/steps/{ref}/complete"),
    ("POST", "/api/process/{process_id}/steps/{ref}/fail"),
    ("PUT", "/api/holds/{namespace}/{process}/{ref}"),
    ("POST", "/api/jobs"),
    ("POST", "/api/processDefinitions"),
    ("PUT", "/api/processDefinitions"),
    ("DELETE", "/api/processDefinitions"),
    ("POST", "/api/processDefinitions/bulk/upsert"),
    ("POST", "/api/errorPolicies"),
    ("PUT", "/api/errorPolicies"),
    ("POST", "/api/namespaces"),
    ("POST", "/api/decisionTables"),
    ("PUT", "/api/decisionTables"),
    ("POST", "/api/decisionTables/{namespace}/{name}/test"),
    ("PUT", "/api/persistedState/{namespace}/{name}"),
    ("PUT", "/api/retention/{namespace}"),
    ("PUT", "/api/retention/{namespace}/{name}"),
    ("PUT", "/api/variables/{namespace}/{name}"),
    ("PUT", "/api/secrets/{namespace}/{name}"),
]


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
async def test_abominations_are_refused_and_change_nothing(site: Site, method: str, path: str) -> None:
    before = site.runtime.store.reads.dump()
    for name, body in BODIES.items():
        for kind in ("application/json", "application/yaml"):
            answer = await site.raw(method, path, body, headers={"content-type": kind})
            assert answer.status_code < 500, (name, answer.text)
            if answer.status_code != 200:
                told = answer.json()
                assert told["errorMessage"] and told["code"].isupper(), name
                assert "Traceback" not in answer.text
    after = site.runtime.store.reads.dump()
    assert after == before


async def test_every_body_route_is_walked_through(site: Site) -> None:
    with_body = {(r.method, r.path) for r in site.app.routes if r.declared.body is not None}
    assert with_body == set(WITH_BODY) | {("POST", "/api/clients")}


@pytest.mark.parametrize("name", REFUSED)
async def test_starts_are_refused_with_a_stable_code(site: Site, name: str) -> None:
    await site.call("POST", "/api/processDefinitions", ONE_STEP)
    text, code = REFUSED[name]
    answer = await site.raw("POST", "/api/process/runAsync", b'{"name":"one","input":{"x":%b}}' % text)
    assert answer.status_code == 400
    assert answer.json()["code"] in (code, "NOT_JSON")
    assert await site.call("GET", "/api/stats/process/search") == []


async def test_unknown_routes_and_wrong_methods(site: Site) -> None:
    for method, path, status, code in [
        ("GET", "/api/nothing", 404, "NO_SUCH_ROUTE"),
        ("GET", "/", 404, "NO_SUCH_ROUTE"),
        ("GET", "/api/clients/poll", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/api/clients/bulkResults", 405, "METHOD_NOT_ALLOWED"),
        ("PATCH", "/api/processDefinitions", 405, "METHOD_NOT_ALLOWED"),
        ("OPTIONS", "/api/processDefinitions", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/process/context/x", 404, "NOT_FOUND"),
        ("GET", "/api/process/context/" + "9" * 5_000, 404, "NOT_FOUND"),
        ("GET", "/api/process/context/-1", 404, "NOT_FOUND"),
        ("GET", "/api/process/context/5?includeSteps=x", 404, "NOT_FOUND"),
        ("GET", "/api/process/stepContext/77", 404, "NOT_FOUND"),
        ("GET", "/api/processDefinitions/default/%00%ff", 404, "NOT_FOUND"),
        ("GET", "/api/processDefinitions/default/x?version=1.5e400", 400, "BAD_REQUEST"),
        ("GET", "/api/stats/process/search?limit=%ff%00", 400, "BAD_REQUEST"),
    ]:
        answer = await site.raw(method, path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (method, path, answer.text)


async def test_unknown_definitions_cannot_be_started(site: Site) -> None:
    for path in ("runAsync", "runSync"):
        answer = await site.raw("POST", f"/api/process/{path}", {"name": "nothing"})
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_bodies_beyond_the_limit(site: Site) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 50_000

    for path in ("/api/process/runAsync", "/api/processDefinitions"):
        declared = await site.raw("POST", path, b" " * 500_001)
        chunked = await site.http.post(path, content=_first(endless(), 100))
        for answer in (declared, chunked):
            assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")


async def _first(chunks: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk
        count -= 1
        if not count:
            return


async def test_compressed_bodies_are_not_unpacked(site: Site) -> None:
    for path in ("/api/process/runAsync", "/api/processDefinitions"):
        answer = await site.raw("POST", path, b"x", headers={"content-encoding": "gzip"})
        assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_ENCODING")


async def test_a_stopping_server_says_so(site: Site) -> None:
    site.app.closing = True
    answer = await site.raw("GET", "/health")
    assert (answer.status_code, answer.json()["code"]) == (503, "BUSY")


async def test_an_unexpected_error_tells_nothing_but_its_id(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.runtime.store.close()
    del site.runtime.store.reads  # type: ignore[attr-defined]
    answer = await site.raw("GET", "/api/namespaces")
    assert answer.status_code == 500 and answer.json()["code"] == "INTERNAL"
    assert "reads" not in answer.text and answer.json()["id"] in caplog.text


async def test_the_description_holds_every_route(site: Site) -> None:
    document = (await site.http.get("/docs/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(route.method, route.path) for route in site.app.routes}
    assert "/api/clients/poll" in document["paths"]
    schemas = document["components"]["schemas"]
    assert "stepExecutionId" in schemas["WorkRequestItem"]["properties"]
    page = await site.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html") and "/api/clients/exchange" in page.text
    assert "http://" not in page.text and "https://" not in page.text and "<script" not in page.text
