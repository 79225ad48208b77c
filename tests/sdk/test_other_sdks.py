"""The bytes that the Go, C# and Python 1.1.2 SDKs send, and the keys under which they read the answers.

Written down from what those SDKs send; here they go over a bare socket, so that nothing tidies them up on the way.
"""

import hashlib
import json
import re
import socket
from typing import Any
from urllib.parse import quote

import pytest

from tests.journeys.harness import CLIENT_ID, TOKEN, ServerProcess, until

HASH = hashlib.sha256(TOKEN.encode()).hexdigest()
BEARER = f"Authorization: Bearer client.sdk.{CLIENT_ID}.{HASH}"
GO = ("User-Agent: Go-http-client/1.1", BEARER, "Content-Type: application/json", "Accept-Encoding: gzip")
CSHARP = (BEARER, "Accept: application/json", "Content-Type: application/json; charset=utf-8")
PYTHON = ("User-Agent: python-requests/2.31.0", BEARER, "Content-Type: application/json", "Accept: */*")


class Caller:
    """Sends exactly what it is given. `chunked` as the C# SDK does, else with a length."""

    def __init__(self, server: ServerProcess, headers: tuple[str, ...], chunked: bool = False) -> None:
        self._server = server
        self._headers = headers
        self._chunked = chunked

    def raw(self, line: str, body: str | None = None, *more: str) -> tuple[int, str]:
        """The status and the text that answer `line`, such as `GET /health`."""
        headers = [f"{line} HTTP/1.1", f"Host: 127.0.0.1:{self._server.port}", *self._headers, *more]
        data = (body or "").encode()
        if self._chunked and body is not None:
            headers.append("Transfer-Encoding: chunked")
            halves = (data[: len(data) // 2], data[len(data) // 2 :])
            data = b"".join(b"%x\r\n%b\r\n" % (len(half), half) for half in halves if half) + b"0\r\n\r\n"
        elif not line.startswith("GET"):
            headers.append(f"Content-Length: {len(data)}")
        head = "\r\n".join([*headers, "Connection: close", "", ""]).encode()
        with socket.create_connection(("127.0.0.1", self._server.port), 30) as connection:
            connection.sendall(head + data)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        top, _, text = answer.partition(b"\r\n\r\n")
        assert b"chunked" not in top.lower()
        return int(top.split()[1]), text.decode()

    def __call__(self, line: str, body: str | None = None, *more: str) -> Any:
        """What a call answers that must succeed, and with 200: no other status counts as success.

        Numbers must be whole: the Go SDK fails on any other.
        """
        status, text = self.raw(line, body, *more)
        assert status == 200, (status, text)
        return json.loads(text, parse_float=_no_float)


def _no_float(text: str) -> None:
    raise AssertionError(f"{text} is no whole number")


@pytest.fixture
def go(server: ServerProcess) -> Caller:
    return Caller(server, GO)


@pytest.fixture
def csharp(server: ServerProcess) -> Caller:
    return Caller(server, CSHARP, chunked=True)


@pytest.fixture
def python(server: ServerProcess) -> Caller:
    """Python 1.1.2."""
    return Caller(server, PYTHON)


def stored(go: Caller, name: str, *queues: str) -> None:
    """A definition as short as the Go SDK writes it: one step for each queue."""
    steps = ",".join(
        f'{{"name":"{queue}","type":"WORKER","ref":"{queue}_{n}","optional":false,"created":0,"updated":0,'
        f'"input":{{"n":"{{{{ context.input.n }}}}"}}}}'
        for n, queue in enumerate(queues)
    )
    answer = go(
        "POST /api/processDefinitions",
        f'{{"namespace":"default","name":"{name}","version":1,"type":"API_ORCHESTRATION","created":0,"updated":0,'
        f'"steps":[{steps}]}}',
    )
    assert answer["name"] == name and len(answer["steps"]) == len(queues)


def started(go: Caller, name: str, n: int = 1) -> int:
    body = f'{{"namespace":"default","name":"{name}","requestId":"r{n}","input":{{"n":{n}}}}}'
    process_id: int = go(f"POST /api/process/runAsync?clientId={CLIENT_ID}", body)["processId"]
    return process_id


def go_poll(queue: str, size: int = 100) -> tuple[str, str, str]:
    queues = f'[{{"stepQueueNameData":{{"namespace":"default","stepType":"WORKER","name":"{queue}"}},"size":{size}}}]'
    return "POST /api/clients/poll?size=100", queues, "Unmeshed_host_name: go-host"


def csharp_poll(queue: str, size: int = 10) -> tuple[str, str]:
    data = f'{{"orgId":1,"namespace":"default","stepType":"WORKER","name":"{queue}"}}'
    return "POST /api/clients/poll", f'[{{"stepQueueNameData":{data},"size":{size}}}]'


def go_result(work: dict[str, Any], status: str, **more: Any) -> str:
    """The Go SDK leaves `output` out when it is empty, and always sends `rescheduleAfterSeconds`."""
    ids = {key: work[key] for key in ("processId", "stepId", "stepExecutionId")}
    return json.dumps(
        ids | {"status": status, "rescheduleAfterSeconds": 0, "startedAt": 1795361155040} | more
    )


def csharp_result(work: dict[str, Any], status: str, **more: Any) -> str:
    ids = {key: work[key] for key in ("processId", "stepId", "stepExecutionId", "runCount")}
    output = {"__workCompletedAt": 1795361155040, **more.pop("output", {})}
    return json.dumps(
        ids
        | {"output": output, "status": status, "rescheduleAfterSeconds": None, "startedAt": 1795361155040}
        | more
    )


def reported(caller: Caller, *items: str) -> dict[str, Any]:
    """Every item must be answered under its step id, with what the SDKs read."""
    answer: dict[str, Any] = caller("POST /api/clients/bulkResults", f"[{','.join(items)}]")
    assert set(answer) == {str(json.loads(item)["stepId"]) for item in items}
    for step_id, entry in answer.items():
        assert entry["stepId"] == int(step_id) and "httpStatusCode" in entry and "error_message" not in entry
        assert entry["errorMessage"] is None or isinstance(entry["errorMessage"], str)
    return answer


@pytest.mark.parametrize(
    ("caller", "body"),
    [
        ("go", '[{"name":"any","namespace":"default","orgId":0,"stepType":"WORKER"}]'),
        ("csharp", '[{"processId":0,"namespace":"default","stepType":"WORKER","name":"any"}]'),
        ("python", '[{"orgId": 1, "namespace": "never_seen", "stepType": "WORKER", "name": "any"}]'),
    ],
)
def test_every_way_to_register(request: pytest.FixtureRequest, caller: str, body: str) -> None:
    send: Caller = request.getfixturevalue(caller)
    for _ in range(2):
        send("PUT /api/clients/register", body)


def test_every_way_to_poll_finds_nothing(go: Caller, csharp: Caller, python: Caller) -> None:
    """Empty is 200 and `[]`, nothing else: the Go SDK fails on an empty body."""
    assert go.raw(*go_poll("nothing")) == (200, "[]")
    assert csharp.raw(*csharp_poll("nothing")) == (200, "[]")
    queue = '{"orgId": 1, "namespace": "default", "name": "nothing", "stepType": "WORKER"}'
    assert python.raw(
        "POST /api/clients/poll?size=100", f'[{{"stepQueueNameData": {queue}, "size": 1}}]'
    ) == (200, "[]")
    assert go.raw("POST /api/clients/poll?size=100", "[]") == (200, "[]")


def test_a_work_request_has_what_every_sdk_reads(go: Caller) -> None:
    stored(go, "go_reads", "go_reads")
    process_id = started(go, "go_reads", 7)
    (work,) = go(*go_poll("go_reads"))
    texts = {"stepName": "go_reads", "stepNamespace": "default", "stepRef": "go_reads_0"}
    assert work | texts == work and work["processId"] == process_id
    assert work["inputParam"] == {"n": 7} and work["isOptional"] is False
    numbers = [
        "stepId",
        "stepExecutionId",
        "runCount",
        "polled",
        "polling",
        "scheduled",
        "started",
        "updated",
        "priority",
    ]
    assert all(type(work[key]) is int for key in numbers)
    assert None not in work.values() and work["runCount"] == 1 and work["polling"] == work["polled"] > 0
    reported(go, go_result(work, "COMPLETED"))
    step = go(f"GET /api/process/stepContext/{work['stepId']}")
    assert step["executionList"][0]["executor"] == "go-host" and step["output"] == {}


def test_go_reports(go: Caller) -> None:
    """An empty output is left out; an error may be text or an object; one item's trouble is its own."""
    stored(go, "go_reports", "go_reports")
    processes = [started(go, "go_reports", n) for n in range(4)]
    works = {work["processId"]: work for work in go(*go_poll("go_reports"))}
    empty, both, text, object_ = (works[process] for process in processes)
    answer = reported(
        go,
        go_result(empty, "COMPLETED"),
        go_result(both, "COMPLETED", output={"result": ["a", 1]}),
        go_result(text, "FAILED", output={"error": "deliberate failure"}),
        go_result(object_, "FAILED", output={"error": {"code": 5}}),
        go_result(empty | {"stepId": 999_999_999}, "COMPLETED"),
    )
    for work in (empty, both, text, object_):
        assert answer[str(work["stepId"])]["errorMessage"] is None
    assert "step is not in RUNNING state" in answer["999999999"]["errorMessage"]
    ends = [go(f"GET /api/process/context/{process}") for process in processes]
    assert [end["status"] for end in ends] == ["COMPLETED", "COMPLETED", "FAILED", "FAILED"]
    assert [end["output"] for end in ends[:2]] == [{}, {"result": ["a", 1]}]
    step = go(f"GET /api/process/stepContext/{object_['stepId']}")
    assert (step["status"], step["output"]) == ("FAILED", {"error": {"code": 5}})


def test_a_repeated_or_late_result_changes_nothing(go: Caller) -> None:
    stored(go, "go_repeats", "go_repeats")
    process_id = started(go, "go_repeats")
    (work,) = go(*go_poll("go_repeats"))
    step_id = str(work["stepId"])
    late = work | {"stepExecutionId": work["stepExecutionId"] + 1}
    assert (
        "please poll the latest and update"
        in reported(go, go_result(late, "COMPLETED"))[step_id]["errorMessage"]
    )
    assert go(f"GET /api/process/context/{process_id}")["status"] == "RUNNING"
    for output in ({"first": 1}, {"second": 2}):
        assert reported(go, go_result(work, "COMPLETED", output=output))[step_id]["errorMessage"] is None
    assert go(f"GET /api/process/context/{process_id}")["output"] == {"first": 1}


def test_csharp_works(go: Caller, csharp: Caller) -> None:
    """Chunked bodies, no `size` in the query, RUNNING without a delay, an own key in every output."""
    stored(go, "csharp_works", "csharp_works")
    process_id = csharp(
        "POST /api/process/runAsync", '{"namespace":"default","name":"csharp_works","input":{"n":1}}'
    )["processId"]
    (work,) = csharp(*csharp_poll("csharp_works"))
    kept = reported(csharp, csharp_result(work, "RUNNING", output={"part": 1}))
    assert kept[str(work["stepId"])]["errorMessage"] is None
    step = csharp(f"GET /api/process/stepContext/{work['stepId']}")
    assert step["output"]["part"] == 1 and step["status"] in ("RUNNING", "SCHEDULED")
    (again,) = until(lambda: csharp(*csharp_poll("csharp_works")), "the same step again")
    assert (again["stepId"], again["runCount"]) == (work["stepId"], 2)
    reported(csharp, csharp_result(again, "COMPLETED", output={"result": 5}))
    process = csharp(f"GET /api/process/context/{process_id}?includeSteps=True")
    assert process["status"] == "COMPLETED"
    assert process["output"] == {"result": 5, "__workCompletedAt": 1795361155040}
    assert all(type(process[key]) is int for key in ("createdAt", "updatedAt", "completedAt"))
    (record,) = process["stepRecords"]
    assert (record["stepId"], record["processId"]) == (work["stepId"], process_id)
    assert (record["namespace"], record["name"], record["type"]) == ("default", "csharp_works", "WORKER")
    assert record["completedAt"] >= record["updatedAt"] >= record["createdAt"] > 0


def test_go_reads_steps_under_its_own_names(go: Caller) -> None:
    stored(go, "go_steps", "go_steps")
    process_id = started(go, "go_steps", 3)
    process = go(f"GET /api/process/context/{process_id}?hideLargeValues=true&includeSteps=true")
    (record,) = process["stepRecords"]
    assert [step["id"] for step in process["steps"]] == [record["stepId"]]
    texts = {"stepRef": "go_steps_0", "stepNamespace": "default", "stepName": "go_steps"}
    assert record | texts == record
    assert record["inputParam"] == {"n": 3} and record["isOptional"] is False
    assert record["scheduled"] > 0 and record["polling"] == 0
    assert go(f"GET /api/process/context/{process_id}?includeSteps=false")["stepRecords"] == []
    large = f'{{"name":"go_steps","input":{{"n":"{"x" * 70_000}"}}}}'
    large_id = go("POST /api/process/runAsync", large)["processId"]
    shown = go(f"GET /api/process/context/{large_id}?hideLargeValues=true&includeSteps=true")
    assert len(json.dumps(shown)) < 10_000
    whole = go(f"GET /api/process/context/{large_id}?hideLargeValues=false&includeSteps=true")
    assert len(whole["input"]["n"]) == len(whole["stepRecords"][0]["input"]["n"]) == 70_000


def test_python_1_1_2_works(go: Caller, python: Caller) -> None:
    stored(go, "old_python", "old_python")
    body = (
        '{"namespace": "default", "name": "old_python", "version": null, "requestId": null, '
        '"correlationId": null, "input": null}'
    )
    process_id = python(f"POST /api/process/runAsync?clientId={CLIENT_ID}", body)["processId"]
    queue = '{"orgId": 1, "namespace": "default", "name": "old_python", "stepType": "WORKER"}'
    (work,) = python("POST /api/clients/poll?size=100", f'[{{"stepQueueNameData": {queue}, "size": 1}}]')
    ids = {key: work[key] for key in ("processId", "stepId", "stepExecutionId")}
    reported(
        python,
        json.dumps(
            ids | {"startedAt": 1, "output": None, "status": "COMPLETED", "rescheduleAfterSeconds": 0}
        ),
    )
    process = python(f"GET /api/process/context/{process_id}?includeSteps=True")
    assert process["status"] == "COMPLETED" and process["stepRecords"][0]["status"] == "COMPLETED"


@pytest.mark.parametrize("query", ["?clientId=x&timeout=1", ""])
def test_run_sync_of_each_sdk(go: Caller, csharp: Caller, query: str) -> None:
    caller = go if query else csharp
    go(
        "POST /api/processDefinitions",
        '{"name":"at_once","version":1,"steps":[{"name":"n","type":"NOOP","ref":"n"}]}',
    )
    process = caller(
        f"POST /api/process/runSync{query}", '{"namespace":"default","name":"at_once","input":{}}'
    )
    assert process["status"] == "COMPLETED" and type(process["completedAt"]) is int


def test_searches_as_go_and_javascript_write_them(go: Caller) -> None:
    stored(go, "go_finds", "go_finds")
    ids = [started(go, "go_finds", n) for n in range(3)]

    def found(query: str) -> list[int]:
        return [process["processId"] for process in go(f"GET /api/stats/process/search?{query}")]

    floats = quote(",".join(f"{float(id):e}" for id in ids[:2]), safe="")
    assert re.fullmatch(r"[\d.]+e%2B\d\d%2C[\d.]+e%2B\d\d", floats)
    assert found(f"limit=10&names=go_finds&namespace=default&offset=0&processIds={floats}") == ids[1::-1]
    assert found("names=go_finds%2Cother&statuses=RUNNING") == ids[::-1]
    assert found("names[]=go_finds&names[]=other&endTimeEpoch=0") == ids[::-1]
    assert found("names=other&names=go_finds&limit=1") == ids[:1:-1]
    assert found("names=go_finds&tags=map%5Bname%3Ak+value%3Av%5D") == []
    assert found("names=go_finds&requestIds=r1&nobodyKnows=this") == ids[1:2]
    for junk in ("%7B%27name%27%3A", "map%5B", "%00", "%FF"):
        assert isinstance(found(f"names=go_finds&tags={junk}"), list)


def test_bulk_answers_serve_every_sdk(go: Caller, csharp: Caller) -> None:
    """Go wants ids as text in `details`, C# reads counters and lists."""
    stored(go, "go_ends", "go_ends")
    process_id = started(go, "go_ends")
    unknown = 999_999_991
    answer = csharp("POST /api/process/bulkTerminate?reason=why+not", f"[{process_id},{unknown}]")
    assert answer["count"] == answer["successCount"] == answer["failureCount"] == 1
    assert [detail["id"] for detail in answer["details"]] == [str(process_id), str(unknown)]
    assert answer["successfulProcessIds"] == [process_id] and answer["failedProcessIds"] == [unknown]
    assert answer["errors"][str(unknown)] == answer["details"][1]["error"]
    for action in ("bulkResume", "bulkReviewed", "bulkTerminate"):
        answer = go(f"POST /api/process/{action}?clientId={CLIENT_ID}", f"[{unknown}]")
        assert answer["count"] == 0 and answer["details"][0]["error"]


def test_rerun_without_a_body(go: Caller) -> None:
    stored(go, "go_reruns", "go_reruns")
    process_id = started(go, "go_reruns")
    again = go(f"POST /api/process/rerun?clientId={CLIENT_ID}&processId={process_id}&version=1")
    assert again["processId"] != process_id and again["input"] == {"n": 1}


def test_csharp_definitions(csharp: Caller) -> None:
    """Few keys, an unknown one, a step without namespace, a DELETE with a chunked body and no `versionOnly`."""
    body = (
        '{"namespace":"default","name":"from c sharp","version":1,"type":"STANDARD","description":null,'
        '"steps":[{"name":"n","ref":"n_1","type":"NOOP","input":{},"metadata":{"x":1}}],"metadata":{"y":"z"}}'
    )
    created = csharp("POST /api/processDefinitions", body)
    assert created["steps"][0]["ref"] == "n_1" and created["metadata"] == {"y": "z"}
    path = "/api/processDefinitions/default/from%20c%20sharp"
    assert csharp(f"GET {path}?version=1")["version"] == 1
    csharp("PUT /api/processDefinitions", body.replace('"version":1', '"version":2'))
    assert csharp(f"GET {path}/versions") == [1, 2]
    csharp("DELETE /api/processDefinitions", f"[{body}]")
    status, text = csharp.raw(f"GET {path}")
    assert status == 404 and json.loads(text)["errorMessage"]


@pytest.mark.parametrize(
    "credentials",
    [
        "Accept: */*",
        f"Authorization: Bearer client.sdk.{CLIENT_ID}.{HASH[::-1]}",
        f"Authorization: Bearer client.sdk.nobody.{HASH}",
        f"Authorization: Bearer {HASH}",
        f"Authorization: Basic {HASH}",
    ],
)
def test_wrong_credentials(server: ServerProcess, credentials: str) -> None:
    caller = Caller(server, (credentials, "Content-Type: application/json"))
    for line, body in [
        ("PUT /api/clients/register", "[]"),
        ("POST /api/clients/poll?size=100", "[]"),
        ("POST /api/process/runSync", '{"name":"at_once"}'),
        ("GET /api/processDefinitions", None),
    ]:
        status, text = caller.raw(line, body)
        assert status == 401 and json.loads(text)["errorMessage"]
