"""Decision tables over HTTP: versions, files, a test call."""

from typing import Any
from urllib.parse import quote

import pytest

from stepwell.model.client import Permission
from tests.server.conftest import Site, bearer
from tests.server.test_refusals import BODIES

pytestmark = pytest.mark.anyio

PATH = "/api/decisionTables"
RATES = f"{PATH}/default/rates"
YAML = """
name: rates
strategy: ALL_MATCH
inputs: [{name: score, kind: NUMBER}]
outputs: [{name: rate}]
rules:
  - {conditions: {score: "> 7"}, outputs: {rate: 1}}
  - {conditions: {score: "> 5"}, outputs: {rate: 2}, description: middling}
"""


def table(rate: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "name": "rates",
        "inputs": [{"name": "score", "kind": "NUMBER"}],
        "outputs": [{"name": "rate"}],
        "rules": [{"conditions": {"score": "> 7"}, "outputs": {"rate": rate}}],
        **fields,
    }


async def refused(site: Site, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, str]:
    answer = await site.raw(method, path, body, **more)
    return answer.status_code, answer.json()["code"]


async def acts(site: Site) -> list[tuple[str, str, str]]:
    lines = await site.call("GET", "/api/audit")
    return [(line["who"], line["what"], line["target"]) for line in lines if "TABLE" in line["what"]][::-1]


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_versions(site: Site, method: str) -> None:
    assert [(await site.call(method, PATH, table(n)))["version"] for n in (1, 2)] == [1, 2]
    assert (await site.call(method, PATH, table(9, version=9)))["version"] == 9
    assert (await site.call("GET", RATES))["rules"][0]["outputs"] == {"rate": 9}
    assert (await site.call("GET", f"{RATES}?version=1"))["rules"][0]["outputs"] == {"rate": 1}
    assert await site.call("GET", f"{RATES}/versions") == [1, 2, 9]
    assert await refused(site, method, PATH, table(8, version=9)) == (409, "CONFLICT")
    assert await refused(site, method, PATH, table(8, version=3)) == (409, "CONFLICT")
    same = await site.call(method, PATH, table(9, version=9))
    assert same == await site.call("GET", RATES)
    assert await acts(site) == [("admin", "PUT_DECISION_TABLE", "default/rates")] * 3


async def test_the_list_has_the_newest_without_rules(site: Site) -> None:
    await site.call("POST", PATH, table(1))
    await site.call("POST", PATH, table(2, description="newer"))
    await site.call("POST", PATH, table(namespace="shop", name="other"))
    found = await site.call("GET", PATH)
    assert [(t["namespace"], t["name"], t["version"], t["ruleCount"]) for t in found] == [
        ("default", "rates", 2, 1),
        ("shop", "other", 1, 1),
    ]
    assert found[0]["description"] == "newer" and "rules" not in found[0]
    assert [t["name"] for t in await site.call("GET", f"{PATH}?namespace=shop")] == ["other"]


async def test_deletion(site: Site) -> None:
    await site.call("POST", PATH, table())
    assert await refused(site, "DELETE", f"{RATES}?version=2") == (404, "NOT_FOUND")
    assert await refused(site, "DELETE", f"{RATES}?version=two") == (400, "BAD_REQUEST")
    assert await refused(site, "DELETE", f"{RATES}@1") == (404, "NOT_FOUND")
    assert (await site.call("DELETE", RATES))["deleted"] is True
    assert await refused(site, "GET", RATES) == (404, "NOT_FOUND")
    assert await refused(site, "DELETE", RATES) == (404, "NOT_FOUND")
    assert await site.call("GET", PATH) == []
    assert (await site.call("GET", f"{RATES}?version=1"))["createdBy"] == "admin"
    assert await site.call("GET", f"{RATES}/versions") == [1]
    assert (await site.call("POST", PATH, table()))["version"] == 2
    assert (await acts(site))[1] == ("admin", "DELETE_DECISION_TABLE", "default/rates")


async def test_one_version_is_deleted(site: Site) -> None:
    for note in ("first", "second"):
        await site.call("POST", PATH, table(description=note))
    deleted = {"namespace": "default", "name": "rates", "version": 2, "deleted": True}
    assert await site.call("DELETE", f"{RATES}?version=2") == deleted
    assert (await acts(site))[-1] == ("admin", "DELETE_DECISION_TABLE", "default/rates")
    assert (await site.call("GET", RATES))["description"] == "first"
    assert [t["version"] for t in await site.call("GET", PATH)] == [1]
    assert (await site.call("GET", f"{RATES}?version=2"))["description"] == "second"
    assert await refused(site, "DELETE", f"{RATES}?version=2") == (404, "NOT_FOUND")
    assert (await site.call("POST", PATH, table(description="third")))["version"] == 3


async def test_unknown_ones(site: Site) -> None:
    await site.call("POST", PATH, table())
    for path in ("other", "other/versions", "rates@1", "rates?version=2", "other/export?format=csv"):
        assert await refused(site, "GET", f"{PATH}/default/{path}") == (404, "NOT_FOUND"), path
    assert await refused(site, "POST", f"{RATES}/test?version=7", {"input": {}}) == (404, "NOT_FOUND")


async def test_a_test_call(site: Site) -> None:
    await site.call("POST", PATH, YAML.encode(), headers={"content-type": "application/yaml"})
    asked = await site.call("POST", f"{RATES}/test", {"input": {"score": 8}})
    assert asked == {
        "matches": [
            {"rule": 0, "outputs": {"rate": 1}, "description": None},
            {"rule": 1, "outputs": {"rate": 2}, "description": "middling"},
        ],
        "result": {"rate": 1},
        "version": 1,
        "warnings": [],
    }
    asked = await site.call("POST", f"{RATES}/test?version=1", {"input": {"score": "8"}})
    assert asked["result"] is None and asked["matches"] == [] and len(asked["warnings"]) == 1
    for body in ({"input": 3}, {"score": 8}, [], {}):
        assert await refused(site, "POST", f"{RATES}/test", body) == (400, "BAD_REQUEST")
    assert await site.call("GET", "/api/stats/process/search") == []


@pytest.mark.parametrize("format", ["csv", "xlsx"])
async def test_files_there_and_back(site: Site, format: str) -> None:
    first = await site.call("POST", PATH, table(4, description="plain rates"))
    file = await site.raw("GET", f"{RATES}/export?format={format}")
    assert file.status_code == 200
    assert f"rates-v1.{format}" in file.headers["content-disposition"]
    assert ("csv" if format == "csv" else "spreadsheetml") in file.headers["content-type"]
    again = await site.call("POST", f"{PATH}/import?format={format}", file.content)
    assert again == first, "the same content is the same version"
    copy = await site.call("POST", f"{PATH}/import?format={format}&name=copy&namespace=shop", file.content)
    assert (copy["namespace"], copy["name"], copy["rules"]) == ("shop", "copy", first["rules"])
    following = await site.call("POST", f"{PATH}/import?format={format}&nextVersion=true", file.content)
    assert (following["version"], following["rules"]) == (2, first["rules"])
    assert [what for _, what, _ in await acts(site)] == ["PUT_DECISION_TABLE"] * 3


async def test_an_edited_file_needs_a_higher_version(site: Site) -> None:
    await site.call("POST", PATH, table())
    file = (await site.raw("GET", f"{RATES}/export?format=csv")).content.replace(b"> 7", b"> 8")
    assert await refused(site, "POST", f"{PATH}/import?format=csv", file) == (409, "CONFLICT")
    stored = await site.call("POST", f"{PATH}/import?format=csv&nextVersion=true", file)
    assert (stored["version"], stored["rules"][0]["conditions"]) == (2, {"score": "> 8"})


async def test_names_beyond_ascii_in_the_name_of_a_file(site: Site) -> None:
    name = 'sätze "2"\u2028x'
    await site.call("POST", PATH, table(name=name))
    file = await site.raw("GET", f"{PATH}/default/{quote(name)}/export?format=csv")
    assert file.headers["content-disposition"].isascii()
    assert (await site.call("POST", f"{PATH}/import?format=csv", file.content))["name"] == name


async def test_a_file_without_a_name_gets_it_from_the_query(site: Site) -> None:
    file = b"in:score,out:rate\n> 7,3\n"
    stored = await site.call("POST", f"{PATH}/import?format=CSV&name=plain", file)
    assert (stored["name"], stored["rules"][0]["outputs"]) == ("plain", {"rate": 3})
    nameless = await site.raw("POST", f"{PATH}/import?format=csv", file)
    assert (nameless.status_code, nameless.json()["problems"][0]["code"]) == (422, "MISSING")


async def test_what_is_wrong_is_told_whole(site: Site) -> None:
    wrong = table(rules=[{"conditions": {"score": "between(3", "x": "1"}}], strategy="SOME", name="a/b")
    bad = await site.raw("POST", PATH, wrong)
    assert (bad.status_code, bad.json()["code"]) == (422, "INVALID")
    assert {problem["path"] for problem in bad.json()["problems"]} == {
        "strategy",
        "name",
        "rules[0].conditions.score",
        "rules[0].conditions.x",
    }
    assert await refused(site, "POST", PATH, table(name="a@1")) == (422, "INVALID")
    assert await refused(site, "POST", PATH, b"name: [", headers={"content-type": "text/yaml"}) == (
        422,
        "INVALID",
    )
    assert await site.call("GET", PATH) == [] and await acts(site) == []


async def test_what_is_wrong_with_a_file_is_told_by_cell(site: Site) -> None:
    bad = await site.raw("POST", f"{PATH}/import?format=csv&name=x", b"in:a,out:b\nbetween(3,2\n> y,\n")
    assert (bad.status_code, [p["path"] for p in bad.json()["problems"]]) == (422, ["A2", "A3"])
    named = await site.raw("POST", f"{PATH}/import?format=csv&name=a%2Fb&namespace=%20", b"in:a,out:b\n")
    assert [p["path"] for p in named.json()["problems"]] == ["namespace", "name"]
    for query, body, expected in [
        ("format=pdf", b"", (400, "BAD_REQUEST")),
        ("", b"", (400, "BAD_REQUEST")),
        ("format=csv", b"", (422, "INVALID")),
        ("format=csv", b"\xff\x00", (422, "INVALID")),
        ("format=xlsx", b"no such archive", (422, "INVALID")),
        ("format=xlsx", b"PK\x05\x06" + bytes(18), (422, "INVALID")),
        ("format=csv", b" " * 500_001, (413, "TOO_LARGE")),
    ]:
        assert await refused(site, "POST", f"{PATH}/import?{query}", body) == expected, (query, body[:20])
    await site.call("POST", PATH, table())
    assert await refused(site, "GET", f"{RATES}/export") == (400, "BAD_REQUEST")
    assert await refused(site, "GET", f"{RATES}/export?format=csvxlsx") == (400, "BAD_REQUEST")


@pytest.mark.parametrize("format", ["csv", "xlsx"])
async def test_abominations_are_refused_as_files_too(site: Site, format: str) -> None:
    before = site.runtime.store.reads.dump()
    for name, body in BODIES.items():
        status, code = await refused(site, "POST", f"{PATH}/import?format={format}&name=x", body)
        assert (status, code) == (422, "INVALID"), name
    assert site.runtime.store.reads.dump() == before


async def test_the_description_tells_files_from_json(site: Site) -> None:
    paths = (await site.call("GET", "/docs/openapi.json"))["paths"]
    body = paths[f"{PATH}/import"]["post"]["requestBody"]
    file = paths[PATH + "/{namespace}/{name}/export"]["get"]["responses"]["200"]
    assert list(body["content"]) == list(file["content"]) == ["application/octet-stream"]


async def test_at_most_100_problems_are_told(site: Site) -> None:
    rules = [{"conditions": {"score": "between(3"}}] * 5_000
    for method, path, body in [
        ("POST", PATH, table(rules=rules)),
        ("POST", f"{PATH}/import?format=csv&name=x", b"in:a,out:b\n" + b"between(3,2\n" * 5_000),
    ]:
        told = (await site.raw(method, path, body)).json()
        assert len(told["problems"]) == 100 and "5000 problems" in told["errorMessage"]
        assert len(told["errorMessage"]) < 200


async def test_who_may_what(site: Site) -> None:
    await site.call("POST", PATH, table())
    await site.create_client("reader", "r", Permission.READ, Permission.RUN)
    headers = bearer("reader", "r")
    for method, path, body in [
        ("POST", PATH, table(2)),
        ("PUT", PATH, table(2)),
        ("DELETE", RATES, None),
        ("POST", f"{PATH}/import?format=csv&name=x", b"in:a,out:b\n"),
    ]:
        assert await refused(site, method, path, body, headers=headers) == (403, "FORBIDDEN")
    await site.call("POST", f"{RATES}/test", {"input": {}}, headers=headers)
    assert (await site.raw("GET", f"{RATES}/export?format=csv", headers=headers)).status_code == 200
    assert await site.call("GET", f"{RATES}/versions") == [1]
