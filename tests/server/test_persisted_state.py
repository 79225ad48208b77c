"""Persisted state over HTTP: what processes keep, looked at and mended by people."""

from typing import Any
from urllib.parse import quote

import pytest

from stepwell.model.client import Permission
from tests.server.conftest import Site, bearer

pytestmark = pytest.mark.anyio

PATH = "/api/persistedState/default"


async def put(site: Site, name: str, value: Any, **more: Any) -> Any:
    return await site.call("PUT", f"{PATH}/{quote(name, safe='')}", {"value": value, **more})


async def names(site: Site, query: str = "") -> list[str]:
    return [found["name"] for found in await site.call("GET", f"{PATH}?{query}")]


@pytest.mark.parametrize("value", ["text", 7, 1.5, True, None, [1, {}], {"a": {"b": [None]}}, ""])
async def test_any_value_there_and_back(site: Site, value: Any) -> None:
    stored = await put(site, "last", value)
    assert (stored["value"], stored["version"], stored["updatedBy"]) == (value, 1, "admin")
    assert (await put(site, "last", value))["version"] == 2
    found = await site.call("GET", f"{PATH}/last")
    assert (found["namespace"], found["name"], found["value"]) == ("default", "last", value)
    assert type(found["value"]) is type(value)


@pytest.mark.parametrize("name", ["a/b", "a/", "a//b", "/a", "a/../b", "å b", "a%2Fb", "a?b#c", "x" * 255])
async def test_names_are_taken_as_they_are(site: Site, name: str) -> None:
    assert (await put(site, name, 1))["name"] == name
    await put(site, "other", 2)
    at = f"{PATH}/{quote(name, safe='')}"
    assert (await site.call("GET", at))["value"] == 1
    assert (await site.call("DELETE", at))["name"] == name
    assert await names(site) == ["other"]


@pytest.mark.parametrize(
    ("name", "code"), [("%20", "MISSING"), ("x" * 256, "BAD_NAME"), ("a%00", "BAD_NAME")]
)
async def test_what_cannot_be_a_name(site: Site, name: str, code: str) -> None:
    bad = await site.raw("PUT", f"{PATH}/{name}", {"value": 1})
    assert (bad.status_code, bad.json()["problems"][0]["code"]) == (422, code)
    assert (await site.raw("GET", f"{PATH}/{name}")).status_code == 404


async def test_what_is_no_value(site: Site) -> None:
    for body, code in [({}, "BAD_REQUEST"), ([], "BAD_REQUEST"), (b'{"value":', "NOT_JSON"), (None, None)]:
        bad = await site.raw("PUT", f"{PATH}/x", body)
        assert bad.status_code == 400 and code in (bad.json()["code"], None)
    assert (await site.raw("PUT", f"{PATH}/x", {"value": "x" * 500_000})).status_code == 413
    bad = await site.raw("PUT", "/api/persistedState/%20/x", {"value": 1})
    assert (bad.status_code, bad.json()["problems"][0]["code"]) == (422, "MISSING")
    assert await names(site) == []


async def test_pages(site: Site) -> None:
    for name in ("d", "b", "a/2", "a/1", "c"):
        await put(site, name, name)
    await site.call("PUT", "/api/persistedState/shop/a", {"value": 1})
    assert await names(site) == ["a/1", "a/2", "b", "c", "d"]
    assert await names(site, "limit=2") == ["a/1", "a/2"]
    assert await names(site, "limit=2&after=a/2") == ["b", "c"]
    assert await names(site, "limit=2&after=c") == ["d"]
    assert await names(site, "prefix=a/&after=a/1") == ["a/2"]
    assert await names(site, "limit=0") == [] and await names(site, "limit=-1") == []
    assert (await site.raw("GET", f"{PATH}?limit=x")).json()["code"] == "BAD_REQUEST"


async def test_what_was_done_is_audited(site: Site) -> None:
    await put(site, "a", 1, why="a new year")
    await site.call("DELETE", f"{PATH}/a?why=over")
    missing = await site.raw("DELETE", f"{PATH}/a")
    assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")
    lines = await site.call("GET", "/api/audit")
    assert [(x["who"], x["what"], x["target"], x["why"]) for x in lines if "STATE" in x["what"]] == [
        ("admin", "DELETE_STATE", "default/a", "over"),
        ("admin", "PUT_STATE", "default/a", "a new year"),
    ]


async def test_who_may_what(site: Site) -> None:
    await put(site, "a", 1)
    await site.create_client("reader", "r", Permission.READ, Permission.DEFINE)
    headers = bearer("reader", "r")
    for method, body in (("PUT", {"value": 2}), ("DELETE", None)):
        assert (await site.raw(method, f"{PATH}/a", body, headers=headers)).status_code == 403
    assert (await site.call("GET", f"{PATH}/a", headers=headers))["value"] == 1
