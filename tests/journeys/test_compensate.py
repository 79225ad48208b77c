"""A process that fails and undoes what it has done, while the server is killed in the middle of it."""

from pathlib import Path
from typing import Any

from stepwell.client import Client
from stepwell.client.asking import Call
from stepwell.model.codec import encode
from tests.journeys.harness import ServerProcess

POLICY = {"name": "patient", "failure": {"action": "RETRY", "retryCount": 5, "retryInterval": 1}}


def booked(what: str) -> dict[str, Any]:
    return {
        "type": "WORKER",
        "name": "book",
        "ref": what,
        "input": {"what": what},
        "compensate": {
            "type": "WORKER",
            "name": "unbook",
            "input": {"booking": "{{ steps." + what + ".output.booking }}"},
            "configuration": {"errorPolicyName": "patient"},
        },
    }


TRIP = {
    "name": "trip",
    "steps": [
        {"type": "PARALLEL", "name": "both", "ref": "both", "children": [booked("flight"), booked("hotel")]},
        booked("car"),
        {"type": "WORKER", "name": "pay", "ref": "pay"},
    ],
}


def taken(client: Client, name: str) -> dict[str, Any]:
    """One step of that queue, asked for until there is one."""
    queue = {"stepQueueNameData": {"namespace": "default", "stepType": "WORKER", "name": name}, "size": 1}
    while True:
        work = client.send(Call(method="POST", path="/api/clients/poll", body=encode([queue])))
        if work:
            (one,) = work
            return dict(one)


def answered(client: Client, work: dict[str, Any], status: str = "COMPLETED", **output: Any) -> None:
    ids = {key: work[key] for key in ("processId", "stepId", "stepExecutionId")}
    result = ids | {"status": status, "output": output}
    told = client.send(Call(method="POST", path="/api/clients/bulkResults", body=encode([result])))
    assert told[str(work["stepId"])]["errorMessage"] is None


def test_everything_booked_is_undone_once(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        client = server.client()
        client.put_policy(POLICY)
        client.put_definition(TRIP)
        process = client.start("trip")
        id = process["processId"]
        for _ in range(3):
            work = taken(client, "book")
            answered(client, work, booking=work["stepRef"] + "-1")
        answered(client, taken(client, "pay"), "FAILED", error="no money")

        first = taken(client, "unbook")
        assert (first["stepRef"], first["inputParam"]) == ("car~undo", {"booking": "car-1"})
        shown = client.process(id)
        assert (shown["status"], shown["compensating"]) == ("RUNNING", "FAILED")
        server.kill()
        server.start()
        answered(client, first)

        second = taken(client, "unbook")
        answered(client, second, "FAILED", error="try again")
        server.kill()
        server.start()
        again = taken(client, "unbook")
        assert (again["stepId"], again["inputParam"]) == (second["stepId"], second["inputParam"])
        answered(client, again)
        server.kill()
        server.start()
        third = taken(client, "unbook")
        assert {second["stepRef"], third["stepRef"]} == {"flight~undo", "hotel~undo"}
        answered(client, third)

        ended = client.wait(id, timeout=20)
        assert (ended["status"], ended["compensating"]) == ("FAILED", None)
        assert ended["output"] == {
            "error": "no money",
            "failedStepRef": "pay",
            "failedStepId": ended["output"]["failedStepId"],
        }
        steps = client.process(id, steps=True)["stepRecords"]
        undone = {step["ref"]: step["executionCount"] for step in steps if step["ref"].endswith("~undo")}
        assert undone == {"car~undo": 1, second["stepRef"]: 2, third["stepRef"]: 1}
        assert client.resume(id)["details"][0]["error"]
        again_process = client.rerun(id)
        assert again_process["status"] == "RUNNING"
        client.close()
