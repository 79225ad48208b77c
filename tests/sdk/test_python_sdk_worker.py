"""The published Python SDK 1.3.3 as the worker: it registers, polls and reports; we look at what became of it."""

from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.journeys.harness import ServerProcess, until
from tests.sdk.published import SdkClient, SdkError, SdkWorker, definition, request, sdk, worker_step

pytestmark = pytest.mark.usefixtures("worker")


def store(client: SdkClient, name: str, *steps: dict[str, Any], **fields: Any) -> None:
    client.create_new_process_definition(definition(name, *steps, **fields))


def ended(client: SdkClient, process_id: int) -> SimpleNamespace:
    """The process with its steps, as soon as it is no longer RUNNING."""
    until(lambda: client.get_process_data(process_id).status != "RUNNING", "the end of the process")
    return client.get_process_data(process_id, include_steps=True)


def test_it_is_the_published_package() -> None:
    assert version("unmeshed-sdk") == "1.3.3"


def test_a_process_runs_from_start_to_result(client: SdkClient) -> None:
    values = {"a": "{{ context.input.a }}", "b": "{{ context.input.b }}"}
    again = {"a": "{{ steps.first.output.sum }}", "b": 100}
    store(
        client, "adds", worker_step("add", "first", input=values), worker_step("add", "second", input=again)
    )
    process = client.run_process_sync(
        request("adds", input={"a": 2, "b": 3}, requestId="r1", correlationId="c1"), process_timeout_seconds=9
    )
    assert process.kind == "ProcessData"
    assert (process.status, process.output, process.input) == ("COMPLETED", {"sum": 105}, {"a": 2, "b": 3})
    assert (process.requestId, process.correlationId, process.createdBy) == ("r1", "c1", "test")
    assert (process.processType, process.triggerType) == ("API_ORCHESTRATION", "API")
    assert process.version == 1 and process.stepIdCount == 2 and process.shardInstanceId == 0


def test_run_async_answers_at_once(client: SdkClient) -> None:
    store(client, "adds_later", worker_step("add", input={"a": 1, "b": 1}))
    process = client.run_process_async(request("adds_later"))
    assert process.status == "RUNNING" and process.stepRecords == [] and process.output == {}
    assert ended(client, process.processId).output == {"sum": 2}


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        ("dict", {"a": {"b": [1, None, "ü"]}}),
        ("list", {"result": [1, {"a": 2}, [3, 4]]}),
        ("number", {"result": 7}),
        ("boolean", {"result": True}),
        ("text", {"result": "plain"}),
        ("nothing", {}),
        ("null", {}),
    ],
)
def test_every_shape_of_result(client: SdkClient, kind: str, output: dict[str, Any]) -> None:
    store(client, f"shape_{kind}", worker_step("shapes", input={"kind": "{{ input.kind }}"}))
    process = client.run_process_sync(request(f"shape_{kind}", input={"kind": kind}))
    assert (process.status, process.output) == ("COMPLETED", output)


def test_an_async_worker(client: SdkClient) -> None:
    store(client, "waits", worker_step("wait_a_little", input={"who": "{{ input.who }}"}))
    process = client.run_process_sync(request("waits", input={"who": "tea"}))
    assert (process.status, process.output) == ("COMPLETED", {"result": "waited for tea"})


def test_a_failure(client: SdkClient) -> None:
    store(client, "fails", worker_step("fail"))
    process = client.run_process_sync(request("fails"))
    assert process.status == "FAILED" and process.output["failedStepRef"] == "fail"
    step = client.get_step_data(process.output["failedStepId"])
    assert (step.status, step.output) == ("FAILED", {"lastError": "deliberate failure"})


def test_an_optional_step_may_fail(client: SdkClient) -> None:
    store(
        client,
        "fails_optional",
        worker_step("fail", optional=True),
        worker_step("add", input={"a": 1, "b": 2}),
    )
    process = client.run_process_sync(request("fails_optional"))
    assert (process.status, process.output) == ("COMPLETED", {"sum": 3})


def test_a_policy_retries(client: SdkClient, server: ServerProcess) -> None:
    with server.client() as ours:
        ours.put_policy(
            {
                "name": "once_more",
                "failure": {"action": "RETRY", "retryCount": 1, "retryInterval": 50},
            }
        )
    configuration = sdk("StepConfiguration", errorPolicyName="once_more")
    store(client, "retries", worker_step("fail_once", configuration=configuration, input={"n": 5}))
    process = client.run_process_sync(request("retries"))
    assert (process.status, process.output) == ("COMPLETED", {"ok": 5})
    (record,) = client.get_process_data(process.processId, include_steps=True).stepRecords
    step = client.get_step_data(record["id"])
    assert [each["id"] for each in step.executionList] == [1, 2]
    assert [each["output"] for each in step.executionList] == [{"lastError": "not yet"}, {}]


def test_keeps_running_three_times(client: SdkClient) -> None:
    store(client, "keeps_running", worker_step("keep_running"))
    process = client.run_process_async(request("keeps_running"))

    def first_round() -> Any:
        records = client.get_process_data(process.processId, include_steps=True).stepRecords
        return records[0] if records[0]["output"] else None

    record = until(first_round, "the first report")
    assert record["output"] == {"round": 1} and record["status"] in ("RUNNING", "SCHEDULED")
    process = ended(client, process.processId)
    assert (process.status, process.output) == ("COMPLETED", {"rounds": 4})
    step = client.get_step_data(record["id"])
    (execution,) = step.executionList
    assert execution["runs"] == 4 and execution["start"] == step.start <= execution["polled"]


def test_a_worker_knows_its_step_and_its_queues(client: SdkClient) -> None:
    """One function under two names; the worker's own name is no queue then."""
    store(client, "knows", worker_step("first_name", "one"), worker_step("second_name", "two"))
    process = client.run_process_sync(request("knows"))
    records = client.get_process_data(process.processId, include_steps=True).stepRecords
    assert [record["output"] for record in records] == [
        {
            "processId": process.processId,
            "stepId": record["id"],
            "name": record["name"],
            "namespace": "default",
            "ref": record["ref"],
        }
        for record in records
    ]
    assert [record["name"] for record in records] == ["first_name", "second_name"]


def test_a_worker_of_another_namespace(client: SdkClient, server: ServerProcess) -> None:
    with server.client() as ours:
        ours.put_namespace("shop")
    step = worker_step("decorated", namespace="shop", input={"n": 1})
    store(client, "in_shop", step, namespace="shop")
    process = client.run_process_sync(request("in_shop", namespace="shop"))
    assert (process.status, process.output) == ("COMPLETED", {"from": "shop", "n": 1})


def test_context_and_step_context(client: SdkClient) -> None:
    store(client, "told", worker_step("add", "the_sum", input={"a": 1, "b": 2}))
    process_id = client.run_process_sync(request("told")).processId
    without = client.get_process_data(process_id)
    assert without.stepRecords == [] and without.stepIdCount == 1
    process = client.get_process_data(process_id, include_steps=True)
    (record,) = process.stepRecords
    assert process.steps == [{"id": record["id"], "processId": process_id, "ref": "the_sum"}]
    step = client.get_step_data(record["id"])
    assert step.kind == "StepData"
    assert (step.id, step.processId, step.ref, step.name) == (record["id"], process_id, "the_sum", "add")
    assert (step.type, step.status, step.optional, step.priority) == ("WORKER", "COMPLETED", False, 0)
    assert (step.parentId, step.parentRef, step.namespace) == (None, None, "default")
    assert (step.input, step.output, step.workerId) == ({"a": 1, "b": 2}, {"sum": 3}, "test")
    assert 0 < step.schedule <= step.start <= step.updated
    (execution,) = step.executionList
    assert (execution["id"], execution["runs"], execution["ref"]) == (1, 1, "the_sum")
    assert (execution["executor"], execution["output"]) == ("sdk-host", {})
    assert execution["scheduled"] <= execution["polled"] == execution["start"] <= execution["updated"]


def test_rerun_is_a_new_process(client: SdkClient) -> None:
    values = {"a": "{{ input.a }}", "b": 1}
    store(client, "reruns", worker_step("add", input=values))
    first = client.run_process_sync(request("reruns", input={"a": 1}, correlationId="same"))
    client.update_process_definition(
        definition("reruns", worker_step("add", input=values | {"b": 10}), version=2)
    )
    second = client.rerun(first.processId)
    third = client.rerun(first.processId, 1)
    assert second.kind == "ProcessData" and len({first.processId, second.processId, third.processId}) == 3
    assert second.input == first.input == {"a": 1}
    assert ended(client, third.processId).output == {"sum": 2}
    assert ended(client, second.processId).output in ({"sum": 2}, {"sum": 11})
    assert client.get_process_data(first.processId).output == {"sum": 2}
    with pytest.raises(SdkError, match="404"):
        client.rerun(999_999_999)


def test_resume_goes_on_with_the_failed_step(client: SdkClient) -> None:
    store(
        client,
        "resumes",
        worker_step("add", input={"a": 1, "b": 1}),
        worker_step("fail_once", input={"n": 2}),
    )
    failed = client.run_process_sync(request("resumes"))
    assert failed.status == "FAILED"
    resumed = client.bulk_resume([failed.processId, 999_999_999])
    assert resumed.kind == "ProcessActionResponseData" and resumed.count == 1
    assert [(each["id"], bool(each["error"])) for each in resumed.details] == [
        (str(failed.processId), False),
        ("999999999", True),
    ]
    process = ended(client, failed.processId)
    assert (process.processId, process.status, process.output) == (failed.processId, "COMPLETED", {"ok": 2})
    assert [len(record["executionList"]) for record in process.stepRecords] == [1, 2]


def test_reviewed_is_final(client: SdkClient) -> None:
    store(client, "reviews", worker_step("fail"))
    failed = client.run_process_sync(request("reviews"))
    assert client.bulk_reviewed([failed.processId], "seen").count == 1
    assert client.get_process_data(failed.processId).status == "REVIEWED"
    refused = client.bulk_resume([failed.processId])
    assert refused.count == 0 and refused.details[0]["error"]
    assert client.get_process_data(failed.processId).status == "REVIEWED"


def test_the_server_is_killed_between_polls(
    client: SdkClient, server: ServerProcess, worker: SdkWorker
) -> None:
    """The worker registered once, when it started; after a restart it only polls."""
    store(client, "survives", worker_step("add", input={"a": "{{ input.a }}", "b": 0}))
    for round in range(3):
        process = client.run_process_sync(request("survives", input={"a": round}))
        assert (process.status, process.output) == ("COMPLETED", {"sum": round})
        server.kill()
        server.start()
    assert client.run_process_sync(request("survives", input={"a": 9})).output == {"sum": 9}
    assert client.get_process_data(process.processId).output == {"sum": 2}
    assert worker.process.poll() is None


def test_a_result_found_while_the_server_is_down_arrives(
    client: SdkClient, server: ServerProcess, tmp_path: Path
) -> None:
    begun, go_on = tmp_path / "begun", tmp_path / "go_on"
    files = {"begun": str(begun), "go_on": str(go_on)}
    store(client, "outlives", worker_step("wait_for_file", input=files))
    process = client.run_process_async(request("outlives"))
    until(begun.exists, "the hand-out")
    server.kill()
    go_on.touch()
    server.start()
    process = ended(client, process.processId)
    assert (process.status, process.output) == ("COMPLETED", {"times": 1})
    assert process.stepRecords[0]["executionList"][0]["runs"] == 1
