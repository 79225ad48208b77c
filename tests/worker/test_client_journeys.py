"""Our client, in both forms, against a real server process."""

import asyncio
import inspect
from collections.abc import Iterator

import pytest

from stepwell.client import ApiError, AsyncClient, Client
from tests.journeys.harness import CLIENT_ID, TOKEN, ServerProcess

NOOP = {"name": "nothing", "steps": [{"type": "NOOP", "name": "n", "ref": "n", "input": {}}]}
WAITING = {"name": "waiting", "steps": [{"type": "WORKER", "name": "nobody", "ref": "w"}]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    with server.client() as client:
        yield client


def test_run_and_read(client: Client) -> None:
    client.put_definition(NOOP)
    ended = client.run("nothing", {"a": 1}, request_id="r-1", correlation_id="c-1")
    assert (ended["status"], ended["input"], ended["requestId"]) == ("COMPLETED", {"a": 1}, "r-1")
    read = client.process(ended["processId"], steps=True)
    (step,) = read["stepRecords"]
    assert client.step(step["id"])["ref"] == "n"
    assert client.process(ended["processId"])["stepRecords"] == []


def test_run_with_a_definition_of_its_own(client: Client) -> None:
    ended = client.run(definition=NOOP | {"name": "adhoc"}, input={"a": 1})
    assert (ended["status"], ended["name"], ended["processType"]) == ("COMPLETED", "adhoc", "DYNAMIC")
    again = client.run("adhoc", definition={"steps": NOOP["steps"]}, namespace="elsewhere")
    assert (again["namespace"], again["name"]) == ("elsewhere", "adhoc")
    with pytest.raises(ApiError) as refused:
        client.start(definition={"name": "adhoc", "steps": [{"type": "WORKER"}]})
    assert refused.value.status == 422 and refused.value.problems


def test_start_wait_terminate_rerun(client: Client) -> None:
    client.put_definition(WAITING)
    started = client.start("waiting", {"a": 1})
    assert client.wait(started["processId"], timeout=0)["status"] == "RUNNING"
    assert client.run("waiting", wait=False)["status"] == "RUNNING"
    assert client.run("waiting", timeout=0.1)["status"] == "RUNNING"
    told = client.terminate([started["processId"], 999_999_999], "not needed")
    errors = {detail["id"]: detail["error"] for detail in told["details"]}
    assert errors[str(started["processId"])] is None
    assert errors["999999999"]
    assert client.wait(started["processId"], timeout=5)["status"] == "TERMINATED"
    again = client.rerun(started["processId"])
    assert again["processId"] != started["processId"]
    assert again["input"] == {"a": 1}
    assert client.terminate(again["processId"])["details"][0]["error"] is None
    assert client.resume(again["processId"])["details"][0]["error"] is None
    assert client.terminate(again["processId"])["details"][0]["error"] is None
    assert client.review(again["processId"], "seen")["details"][0]["error"] is None
    assert client.process(again["processId"])["status"] == "REVIEWED"


def test_search(client: Client) -> None:
    client.put_definition(NOOP | {"name": "sought"})
    ids = [client.run("sought", correlation_id=f"s-{n}")["processId"] for n in range(3)]
    assert [p["processId"] for p in client.search(names=["sought"])] == ids[::-1]
    assert [p["processId"] for p in client.search(correlation_ids=["s-1", "s-2"], limit=1)] == ids[2:]
    assert client.search(names=["sought"], statuses=["FAILED"]) == []


def test_definitions(client: Client) -> None:
    text = "name: kept\nsteps:\n  - {type: NOOP, name: n, ref: n}\n"
    assert client.put_definition(text)["version"] == 1
    assert client.put_definition(NOOP | {"name": "kept", "version": 2})["version"] == 2
    assert client.definition("kept")["version"] == 2
    assert client.definition("kept", version=1)["version"] == 1
    assert client.versions("kept") == [1, 2]
    assert "kept" in {definition["name"] for definition in client.definitions()}
    client.delete_definition("kept", version=2)
    assert client.versions("kept") == [1]
    client.delete_definition("kept")
    for gone in (lambda: client.definition("kept"), lambda: client.delete_definition("kept")):
        with pytest.raises(ApiError) as error:
            gone()
        assert error.value.code == "NOT_FOUND"


def test_every_problem_of_a_definition_is_told(client: Client) -> None:
    with pytest.raises(ApiError) as refused:
        client.put_definition({"name": "bad", "steps": [{"type": "NOTHING", "name": "a"}, {"type": "NOOP"}]})
    assert refused.value.status == 422
    assert {problem.path for problem in refused.value.problems} >= {"steps[0].type", "steps[1].ref"}
    assert "steps[0].type" in str(refused.value)


def test_policies_and_namespaces(client: Client) -> None:
    client.put_policy({"name": "twice", "failure": {"action": "RETRY", "retryCount": 1}})
    assert client.policy("twice")["failure"]["retryCount"] == 1
    assert "twice" in {policy["name"] for policy in client.policies()}
    client.delete_policy("twice")
    with pytest.raises(ApiError):
        client.policy("twice")
    client.put_namespace("billing", "money")
    assert "billing" in {namespace["name"] for namespace in client.namespaces()}


def test_clients_come_and_go(server: ServerProcess, client: Client) -> None:
    made = client.create_client("reader", permissions=["read"])
    with Client(server.url, "reader", made["token"]) as reader:
        assert reader.search(limit=1) is not None
        with pytest.raises(ApiError) as denied:
            reader.put_definition(NOOP)
        assert denied.value.status == 403
        assert "reader" in {known["clientId"] for known in client.clients()}
        client.revoke_client("reader")
        with pytest.raises(ApiError) as unknown:
            reader.search(limit=1)
        assert unknown.value.status == 401


def test_what_is_not_there(client: Client) -> None:
    for missing in (lambda: client.process(999_999_999), lambda: client.run("no such definition")):
        with pytest.raises(ApiError) as error:
            missing()
        assert (error.value.status, error.value.code) == (404, "NOT_FOUND")


def test_no_server_no_answer() -> None:
    with Client("http://127.0.0.1:9", CLIENT_ID, TOKEN) as client, pytest.raises(ApiError) as error:
        client.health()
    assert (error.value.status, error.value.code) == (0, "UNREACHABLE")


def test_a_client_needs_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEPWELL_TOKEN", raising=False)
    with pytest.raises(ValueError, match="STEPWELL_TOKEN"):
        Client("http://127.0.0.1:9", CLIENT_ID)


def test_the_async_client_does_the_same(server: ServerProcess, client: Client) -> None:
    client.put_definition(NOOP)

    async def journey() -> None:
        async with AsyncClient(server.url, CLIENT_ID, TOKEN) as other:
            ended = await other.run("nothing", {"a": 2})
            assert ended["status"] == "COMPLETED"
            assert await other.process(ended["processId"]) == client.process(ended["processId"])
            with pytest.raises(ApiError):
                await other.process(999_999_999)
            several = await asyncio.gather(*(other.start("nothing", {"n": n}) for n in range(10)))
            ends = await asyncio.gather(*(other.wait(p["processId"], timeout=20) for p in several))
            assert {end["status"] for end in ends} == {"COMPLETED"}

    asyncio.run(journey())


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, inspect.Signature]:
        return {
            name: inspect.signature(value)
            for name, value in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") and name not in ("send", "follow", "close")
        }

    assert methods(Client) == methods(AsyncClient)
    assert len(methods(Client)) >= 25
