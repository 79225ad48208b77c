"""The management calls of the published Python SDK 1.3.3, without any worker."""

import time
from typing import Any

import pytest

from tests.sdk.published import SdkClient, SdkError, definition, request, sdk, worker_step


def noop(ref: str = "nothing") -> dict[str, Any]:
    return worker_step("nothing", ref, type=sdk("StepType.NOOP"))


def test_create_and_get_a_definition(client: SdkClient) -> None:
    step = worker_step(
        "nobody_works",
        input={"x": "{{ input.x }}"},
        label="A label",
        configuration=sdk("StepConfiguration"),
    )
    whole = definition(
        "created",
        step,
        description="all of it",
        configuration=sdk("ProcessConfiguration", completionTimeout=60_000),
        defaultInput={"x": 1},
        tags=[sdk("TagValue", name="team", value="one")],
    )
    created = client.create_new_process_definition(whole)
    assert created.kind == "ProcessDefinition"
    assert (created.name, created.version, created.description) == ("created", 1, "all of it")
    assert created.type == "API_ORCHESTRATION" and created.createdBy == "test" and created.created > 0
    got = client.get_process_definition_latest_or_version("default", "created", None)
    assert got == created
    assert got == client.get_process_definition_latest_or_version("default", "created", 1)
    assert got.configuration["completionTimeout"] == 60_000 and got.defaultInput == {"x": 1}
    assert got.tags == [{"name": "team", "value": "one"}]
    (kept,) = got.steps
    assert (kept["ref"], kept["type"], kept["label"]) == ("nobody_works", "WORKER", "A label")
    assert kept["input"] == {"x": "{{ input.x }}"} and kept["configuration"]["useCache"] is False


def test_versions_are_immutable(client: SdkClient) -> None:
    first = definition("grows", noop("a"))
    created = client.create_new_process_definition(first)
    assert client.create_new_process_definition(first) == created
    with pytest.raises(SdkError, match="other content"):
        client.update_process_definition(definition("grows", noop("other")))
    second = client.update_process_definition(definition("grows", noop("b"), version=2))
    third = client.update_process_definition(definition("grows", noop("c"), version=None))
    assert (second.version, third.version) == (2, 3)
    with pytest.raises(SdkError, match="version"):
        client.update_process_definition(definition("grows", noop("d"), version=1))
    assert client.get_process_definition_versions("default", "grows") == [1, 2, 3]
    refs = {
        version: client.get_process_definition_latest_or_version("default", "grows", version).steps[0]["ref"]
        for version in (1, 2, None)
    }
    assert refs == {1: "a", 2: "b", None: "c"}
    listed = [each.version for each in client.get_all_process_definitions() if each.name == "grows"]
    assert listed == [3]


def test_a_version_runs(client: SdkClient) -> None:
    for version in (1, 2):
        mapping = {"version": version}
        client.create_new_process_definition(
            definition("versioned", noop(), version=version, outputMapping=mapping)
        )
    assert client.run_process_sync(request("versioned")).output == {"version": 2}
    old = client.run_process_sync(request("versioned", version=1))
    assert (old.version, old.output) == (1, {"version": 1})


def test_delete_one_version_or_all(client: SdkClient) -> None:
    for version in (1, 2, 3):
        client.create_new_process_definition(
            definition("goes", noop(), version=version, description=str(version))
        )
    client.delete_process_definitions([definition("goes", version=3)], version_only=True)
    assert client.get_process_definition_versions("default", "goes") == [1, 2]
    assert client.get_process_definition_latest_or_version("default", "goes", None).version == 2
    client.delete_process_definitions([definition("goes", version=1)], version_only=False)
    with pytest.raises(SdkError, match="no definition 'goes'"):
        client.get_process_definition_versions("default", "goes")
    with pytest.raises(SdkError, match="no definition 'goes'"):
        client.get_process_definition_latest_or_version("default", "goes", None)
    assert "goes" not in [each.name for each in client.get_all_process_definitions()]


def test_what_is_wrong_is_said(client: SdkClient) -> None:
    with pytest.raises(SdkError, match=r"(?s)steps\[1\]\.ref.*nowhere"):
        client.create_new_process_definition(
            definition(
                "wrong",
                noop("same"),
                noop("same"),
                worker_step("w", input={"x": "{{ steps.nowhere.output }}"}),
            )
        )
    with pytest.raises(SdkError, match="MANAGED comes with a later version"):
        client.create_new_process_definition(
            definition("managed", worker_step("m", type=sdk("StepType.MANAGED")))
        )
    with pytest.raises(SdkError, match=r"404.*no_such_process"):
        client.run_process_async(request("no_such_process"))
    with pytest.raises(SdkError, match="404"):
        client.get_process_data(999_999_999)
    with pytest.raises(SdkError, match="404"):
        client.get_step_data(999_999_999)


def test_the_gateway_that_this_client_misspells(client: SdkClient) -> None:
    """It writes GLOW_GATEWAY for FLOW_GATEWAY; what is stored has the documented name."""
    client.create_new_process_definition(
        definition("gateway", worker_step("g", type=sdk("StepType.FLOW_GATEWAY")))
    )
    stored = client.get_process_definition_latest_or_version("default", "gateway", None)
    assert "FLOW_GATEWAY" in str(stored.steps[0])


def test_run_sync_gives_up_waiting_not_the_process(client: SdkClient) -> None:
    client.create_new_process_definition(definition("lonely", worker_step("nobody_works")))
    process = client.run_process_sync(request("lonely"), process_timeout_seconds=1)
    assert process.status == "RUNNING" and process.output == {}
    assert client.get_process_data(process.processId).status == "RUNNING"


def test_terminate_with_an_unknown_id(client: SdkClient) -> None:
    client.create_new_process_definition(definition("terminated", worker_step("nobody_works")))
    process_id = client.run_process_async(request("terminated")).processId
    unknown = 123_456_789
    answer = client.bulk_terminate([process_id, unknown], "why not")
    assert answer.kind == "ProcessActionResponseData" and answer.count == 1
    known, other = answer.details
    assert (known["id"], known["error"]) == (str(process_id), None)
    assert other["id"] == str(unknown) and other["error"]
    process = client.get_process_data(process_id, include_steps=True)
    assert process.status == "TERMINATED" and process.stepRecords[0]["status"] == "CANCELLED"
    again = client.bulk_terminate([process_id])
    assert again.count == 0 and again.details[0]["error"]
    assert client.bulk_resume([process_id]).count == 1
    assert client.get_process_data(process_id).status == "RUNNING"


def test_the_same_request_id_runs_twice(client: SdkClient) -> None:
    client.create_new_process_definition(definition("twice", noop()))
    runs = [client.run_process_sync(request("twice", requestId="same")) for _ in range(2)]
    assert len({run.processId for run in runs}) == 2


def test_search(client: SdkClient) -> None:
    tags = [sdk("TagValue", name="k", value="v")]
    client.create_new_process_definition(definition("found", noop(), worker_step("nobody_works"), tags=tags))
    client.create_new_process_definition(definition("found_too", noop("other")))
    running = [
        client.run_process_async(request("found", correlationId=f"c{n}", requestId=f"r{n}")).processId
        for n in range(3)
    ]
    done = client.run_process_sync(request("found_too")).processId

    def search(**wishes: Any) -> list[int]:
        wishes = {"names": ["found", "found_too"]} | wishes
        found = client.search_process_executions(sdk("ProcessSearchRequest", **wishes))
        assert all(process.kind == "ProcessData" for process in found)
        return [process.processId for process in found]

    newest_first = [done, *reversed(running)]
    assert search() == search(namespace="default") == newest_first
    assert search(statuses=[sdk("ProcessStatus.COMPLETED")]) == [done]
    both = [sdk("ProcessStatus.COMPLETED"), sdk("ProcessStatus.RUNNING")]
    assert search(statuses=both) == search(statuses=["COMPLETED", "RUNNING"]) == newest_first
    assert search(statuses=[sdk("ProcessStatus.FAILED")]) == []
    assert search(processTypes=[sdk("ProcessType.API_ORCHESTRATION")]) == newest_first
    assert search(processTypes=[sdk("ProcessType.DYNAMIC")]) == []
    assert search(triggerTypes=[sdk("ProcessTriggerType.API")]) == newest_first
    assert search(triggerTypes=[sdk("ProcessTriggerType.WEBHOOK")]) == []
    assert search(tags=tags) == running[::-1]
    assert search(tags=[sdk("TagValue", name="k", value="other")]) == []
    assert search(correlationIds=["c0", "c2"]) == [running[2], running[0]]
    assert search(requestIds=["r1"]) == [running[1]]
    assert search(processIds=[running[0], done]) == [done, running[0]]
    assert search(stepNames=["nobody_works"]) == search(stepRefs=["nobody_works"]) == running[::-1]
    assert search(stepRefs=["other"]) == [done]
    assert search(limit=2) == newest_first[:2] and search(limit=2, offset=2) == newest_first[2:]
    assert search(namespace="elsewhere") == [] and search(names=["nothing like it"]) == []
    hour_ms = 3_600_000
    now_ms = int(time.time() * 1_000)
    assert search(startTimeEpoch=now_ms + hour_ms) == []
    assert search(endTimeEpoch=now_ms - hour_ms) == [] and search(endTimeEpoch=0) == newest_first
    (process,) = client.search_process_executions(sdk("ProcessSearchRequest", processIds=[done]))
    assert (process.status, process.name, process.stepRecords) == ("COMPLETED", "found_too", [])
