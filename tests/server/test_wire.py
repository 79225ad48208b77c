"""The wire: every alias, every oddity of the published clients."""

import json
from typing import Any

import msgspec
import pytest

from stepwell.definition.plan import Plan, StepPlan
from stepwell.definition.template import compile_template
from stepwell.model.codec import CodecError, decode, encode
from stepwell.model.definition import ProcessDefinition, ProcessType, StepDefinition, StepType, TagValue
from stepwell.model.process import ProcessContext, ProcessStatus, TriggerType
from stepwell.model.step import Children, HandOut, StepContext, StepExecution, StepStatus
from stepwell.model.work import Acceptance, QueueName, WorkRequest, WorkStatus
from stepwell.runtime.requests import Operated
from stepwell.server import wire
from stepwell.server.door import Unreadable
from stepwell.server.query import Query

LIMITS = wire.Limits(1_000, 64)


def shown(value: Any) -> Any:
    return decode(encode(value))


# -- polls


@pytest.mark.parametrize(
    ("body", "queues"),
    [
        (
            b'[{"stepQueueNameData": {"orgId": 0, "namespace": "default", "name": "a", "stepType": "WORKER"},'
            b' "size": 10}]',
            ((QueueName("default", "WORKER", "a"), 10),),
        ),
        (b'[{"stepQueueNameData":{"name":"a"},"size":1}]', ((QueueName("default", "WORKER", "a"), 1),)),
        (
            b'[{"stepQueueNameData":{"namespace":null,"name":"a","stepType":null},"size":2,"x":[]}]',
            ((QueueName("default", "WORKER", "a"), 2),),
        ),
        (
            b'[{"stepQueueNameData":{"name":"a","stepType":"glow_gateway"},"size":2}]',
            ((QueueName("default", "FLOW_GATEWAY", "a"), 2),),
        ),
        (
            b'[{"stepQueueNameData":{"name":"a"},"size":1},{"stepQueueNameData":{"name":"a"},"size":2}]',
            ((QueueName("default", "WORKER", "a"), 3),),
        ),
        (b'[{"stepQueueNameData":{"name":"a"},"size":0},{"stepQueueNameData":{"name":""},"size":2}]', ()),
        (b'[{"stepQueueNameData":{"name":"a"},"size":-5}]', ()),
        # What the server runs itself is nobody else's: scripts and calls may hold secrets.
        (b'[{"stepQueueNameData":{"namespace":"stepwell","stepType":"BUILTIN","name":"a"},"size":5}]', ()),
        (b"[]", ()),
    ],
)
def test_polls(body: bytes, queues: tuple[Any, ...]) -> None:
    assert wire.read_poll(body) == queues


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[1]", b'[{"size":1}]', b'[{"stepQueueNameData":{"name":1}}]', b"\xff"]
)
def test_what_is_no_poll(body: bytes) -> None:
    with pytest.raises(CodecError):
        wire.read_poll(body)


def test_a_work_request_has_every_key_and_no_null() -> None:
    work = WorkRequest(
        process_id=64,
        step_id=65,
        token=3,
        run_count=2,
        execution=1,
        name="charge",
        namespace="shop",
        ref="charge_each[3]",
        input=b'{"a": 1}',
        optional=True,
        polled=20,
        scheduled=10,
        updated=21,
        priority=7,
        deadline=900,
    )
    assert shown(wire.work_item(work)) == {
        "processId": 64,
        "stepId": 65,
        "stepExecutionId": 3,
        "deadline": 900,
        "runCount": 2,
        "stepName": "charge",
        "stepNamespace": "shop",
        "stepRef": "charge_each[3]",
        "inputParam": {"a": 1},
        "isOptional": True,
        "polled": 20,
        "polling": 20,
        "scheduled": 10,
        "started": 20,
        "updated": 21,
        "priority": 7,
        "shardInstanceId": 0,
    }


# -- results


def one_result(**keys: Any) -> wire.ReadResult:
    item = {"stepId": 65, "stepExecutionId": 2, "processId": 64, "status": "COMPLETED", "output": {}} | keys
    (read,) = wire.read_results(json.dumps([item]).encode(), LIMITS)
    return read


@pytest.mark.parametrize("status", ["COMPLETED", "completed", " Completed "])
def test_status_in_any_case(status: str) -> None:
    result = one_result(status=status).result
    assert result is not None and result.status is WorkStatus.COMPLETED


@pytest.mark.parametrize(
    ("output", "stored"),
    [
        (None, {}),
        ({}, {}),
        ({"result": [1, {"a": 2}]}, {"result": [1, {"a": 2}]}),
        ({"lastError": "x"}, {"lastError": "x"}),
        ({"error": "x"}, {"error": "x"}),
    ],
)
def test_outputs_are_stored_as_they_are(output: Any, stored: Any) -> None:
    result = one_result(output=output).result
    assert result is not None and decode(result.output) == stored and result.status is WorkStatus.COMPLETED


def test_an_absent_output_is_an_empty_one() -> None:
    (read,) = wire.read_results(b'[{"stepId":65,"stepExecutionId":2,"status":"COMPLETED"}]', LIMITS)
    assert read.result is not None and read.result.output == b"{}" and read.process_id == 0


@pytest.mark.parametrize(
    ("keys", "delay_ms"),
    [
        ({"rescheduleAfterSeconds": 5}, 5_000),
        ({"rescheduleAfterSeconds": 0.25}, 250),
        ({"rescheduleAfterSeconds": 0}, 1_000),
        ({"rescheduleAfterSeconds": -3}, 1_000),
        ({"rescheduleAfterSeconds": None}, 1_000),
        ({}, 1_000),
        ({"rescheduleAfterMs": 40}, 40),
        ({"rescheduleAfterSeconds": 10**15}, wire.LONGEST_RESCHEDULE_MS),
        ({"rescheduleAfterSeconds": "7"}, 7_000),
    ],
)
def test_keep_running_delays(keys: dict[str, Any], delay_ms: int) -> None:
    result = one_result(status="RUNNING", **keys).result
    assert result is not None and result.status is WorkStatus.RUNNING and result.reschedule_ms == delay_ms


def test_a_delay_means_nothing_for_a_step_that_ended() -> None:
    result = one_result(rescheduleAfterSeconds=5).result
    assert result is not None and result.reschedule_ms == 0


BAD_OUTPUTS = {
    "text": b'"x"',
    "list": b"[1]",
    "number": b"7",
    "nul": b'{"a":"\\u0000"}',
    "lone surrogate": b'{"a":"\\ud800"}',
    "nan": b'{"a":NaN}',
    "too large": b'{"a":"' + b"x" * 1_000 + b'"}',
    "too deep": b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
    "far too deep": b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "number too large": b'{"a":1e999}',
    "not utf-8": b'{"a":"\xff"}',
    "not json": b'{"a":b}',
}


@pytest.mark.parametrize("name", BAD_OUTPUTS)
def test_a_bad_output_fails_its_own_attempt_and_no_other(name: str) -> None:
    good = b'{"stepId":%d,"stepExecutionId":1,"status":"COMPLETED","output":{"n":%d}}'
    bad = (
        b'{"stepId":66,"stepExecutionId":9,"processId":64,"status":"RUNNING","output":%b}' % BAD_OUTPUTS[name]
    )
    read = wire.read_results(b"[" + b",".join([good % (65, 1), bad, good % (67, 3)]) + b"]", LIMITS)
    first, second, third = (item.result for item in read)
    assert first is not None and second is not None and third is not None
    assert (first.step_id, first.status, first.output) == (65, WorkStatus.COMPLETED, b'{"n":1}')
    assert (third.step_id, third.status, third.output) == (67, WorkStatus.COMPLETED, b'{"n":3}')
    assert (second.step_id, second.token, second.status) == (66, 9, WorkStatus.FAILED)
    assert second.reschedule_ms == 0
    assert decode(second.output)["error"].startswith("the output was refused: ")


def test_an_unknown_status_fails_the_attempt() -> None:
    result = one_result(status="DONE").result
    assert result is not None and result.status is WorkStatus.FAILED
    assert "'DONE'" in decode(result.output)["error"]


@pytest.mark.parametrize(
    "item", ["{}", "7", "null", '{"stepId":0}', '{"stepId":-1}', '{"stepId":1e30}', "[]", "{x"]
)
def test_items_without_a_step_are_reported_alone(item: str) -> None:
    good = '{"stepId":65,"stepExecutionId":1,"status":"COMPLETED"}'
    read = (
        wire.read_results(f"[{item},{good}]".encode(), LIMITS)
        if item != "{x"
        else [
            wire.read_result(b"{x", LIMITS),
            *wire.read_results(f"[{good}]".encode(), LIMITS),
        ]
    )
    assert read[0].result is None and read[0].error
    assert read[1].result is not None
    answer = decode(wire.results_answer(read, [Acceptance.ACCEPTED]))
    assert (
        set(answer) == {"-1", "65"} and answer["65"]["errorMessage"] is None and answer["-1"]["errorMessage"]
    )


def test_an_item_without_its_token_is_reported_under_its_step() -> None:
    (read,) = wire.read_results(b'[{"stepId":65,"status":"COMPLETED"}]', LIMITS)
    assert read.result is None
    assert decode(wire.results_answer([read], []))["65"]["httpStatusCode"] == 422


@pytest.mark.parametrize(
    "item",
    [
        b'{"processId":1,"stepId":2,"startedAt":9,"stepExecutionId":3,"shardInstanceId":0,"output":{"sum":5},'
        b'"status":"COMPLETED","rescheduleAfterSeconds":null}',
        b'{"stepId":2,"stepExecutionId":3,"output":null,"status":"RUNNING","rescheduleAfterSeconds":0.5}',
        b'{"stepId":2,"stepExecutionId":3,"status":"FAILED","rescheduleAfterSeconds":0,"runCount":1}',
    ],
)
def test_what_published_clients_send_takes_the_short_way(item: bytes) -> None:
    """The long way answers the same, so only this shows that the hot one is taken."""
    assert msgspec.json.decode(item, type=wire.WorkResponseItem).step_id == 2
    assert msgspec.json.decode(b'{"results":[%b]}' % item, type=wire.ExchangeRequest).wait_ms is None


def test_ids_as_text_are_read() -> None:
    (read,) = wire.read_results(b'[{"stepId":"65","stepExecutionId":"2","status":"COMPLETED"}]', LIMITS)
    assert read.result is not None and (read.result.step_id, read.result.token) == (65, 2)


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"7", b'"x"', b"[", b"[{}", b"[{}]]"])
def test_only_an_envelope_that_is_no_array_is_refused_whole(body: bytes) -> None:
    with pytest.raises(Unreadable):
        wire.read_results(body, LIMITS)


@pytest.mark.parametrize(
    ("acceptance", "status", "words"),
    [
        (Acceptance.ACCEPTED, 200, None),
        (Acceptance.DUPLICATE, 200, None),
        (Acceptance.SET_ASIDE, 200, None),
        (Acceptance.STALE, 409, "please poll the latest and update"),
        (Acceptance.UNKNOWN, 404, "Invalid request, step is not in RUNNING state"),
    ],
)
def test_answers_to_results(acceptance: Acceptance, status: int, words: str | None) -> None:
    entry = decode(wire.results_answer([one_result()], [acceptance]))["65"]
    assert entry["processId"] == 64 and entry["stepId"] == 65
    assert entry["httpStatusCode"] == entry["statusCode"] == status
    assert entry["errorMessage"] is None if words is None else words in entry["errorMessage"]
    assert "error_message" not in entry


def test_every_acceptance_has_an_answer() -> None:
    for acceptance in Acceptance:
        assert wire.results_answer([one_result()], [acceptance])


def test_one_step_twice_in_a_batch_is_a_success_if_one_was() -> None:
    twice = [one_result(), one_result()]
    for outcomes in ([Acceptance.ACCEPTED, Acceptance.STALE], [Acceptance.STALE, Acceptance.ACCEPTED]):
        assert decode(wire.results_answer(twice, outcomes))["65"]["errorMessage"] is None


# -- exchange


def test_an_empty_exchange_is_one() -> None:
    request, read = wire.read_exchange(b"{}", LIMITS)
    assert request == wire.ExchangeRequest() and read == []


def test_an_exchange_with_a_bad_result_keeps_the_rest() -> None:
    body = (
        b'{"pollId":"p","results":[{"stepId":1,"stepExecutionId":1,"status":"COMPLETED","output":{"a":"\\ud800"}}],'
        b'"queues":[{"name":"q","size":2}],"waitMs":5}'
    )
    request, (read,) = wire.read_exchange(body, LIMITS)
    assert request.poll_id == "p" and request.wait_ms == 5 and request.queues is not None
    assert read.result is not None and read.result.status is WorkStatus.FAILED


@pytest.mark.parametrize("body", [b"[]", b"7", b'{"waitMs":"x"}', b'{"results":{}}', b'{"queues":7}', b"{"])
def test_what_is_no_exchange(body: bytes) -> None:
    with pytest.raises((Unreadable, CodecError)):
        wire.read_exchange(body, LIMITS)


def test_the_answer_of_an_exchange() -> None:
    read = [one_result(), wire.ReadResult(0, 0, None, "no step")]
    assert decode(wire.exchange_answer(read, [Acceptance.STALE], [True, False], [])) == {
        "results": [
            {"stepId": 65, "stepExecutionId": 2, "outcome": "STALE", "errorMessage": wire.STALE},
            {"stepId": 0, "stepExecutionId": 0, "outcome": "INVALID", "errorMessage": "no step"},
        ],
        "extended": [True, False],
        "work": [],
    }


# -- starts


def test_a_start_as_python_and_as_go_send_it() -> None:
    python = wire.read_start(
        b'{"namespace": null, "name": "w", "version": null, "requestId": "r", "correlationId": null, "input": null}',
        "c",
        64,
    ).request
    assert (python.namespace, python.version, python.input, python.created_by) == (
        "default",
        None,
        b"{}",
        "c",
    )
    go = wire.read_start(b'{"namespace":"shop","name":"w","version":2,"input":{"a": 2}}', "c", 64).request
    assert (go.namespace, go.version, go.input) == ("shop", 2, b'{"a": 2}')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"name":""}',
        b'{"name":7}',
        b'{"name":"w","input":[]}',
        b'{"name":"w","input":"{}"}',
        b'{"name":"w","version":"x"}',
        b'{"name":"w","priority":99999999}',
        b'{"name":"w\\u0000"}',
    ],
)
def test_what_is_no_start(body: bytes) -> None:
    with pytest.raises(Unreadable):
        wire.read_start(body, "c", 64)


# -- processes and steps

PROCESS = ProcessContext(
    id=64,
    namespace="shop",
    name="order",
    version=3,
    definition_id=9,
    type=ProcessType.STANDARD,
    trigger=TriggerType.API,
    status=ProcessStatus.COMPLETED,
    input=b'{"in":1}',
    output=b'{"out":2}',
    state=b'{"s":3}',
    request_id="r",
    created=100,
    updated=200,
    ended=199,
    created_by="cid",
    step_count=2,
)


def planned(ref: str, number: int, parent: str | None, loops: tuple[str, ...], type: StepType) -> StepPlan:
    return StepPlan(
        definition=StepDefinition(namespace="shop", name=ref.upper(), type=type, ref=ref, optional=True),
        ref=ref,
        type=type,
        number=number,
        position=0,
        parent=parent,
        loops=loops,
        input=compile_template({}),
        optional=True,
    )


PLAN = Plan(
    id=9,
    definition=ProcessDefinition(namespace="shop", name="order"),
    steps={
        "each": planned("each", 1, None, (), StepType.FOREACH),
        "group": planned("group", 0, "each", ("each",), StepType.LIST),
        "charge": planned("charge", 1, "group", ("each",), StepType.WORKER),
    },
    top=("each",),
    size=2,
    output=None,
)

STEP = StepContext(
    id=70,
    process_id=64,
    path=("charge", 3),
    status=StepStatus.SCHEDULED,
    parent_id=69,
    parent_execution_id=2,
    priority=5,
    schedule=110,
    updated=120,
    execution=2,
    scheduled=111,
    input=b'{"i":1}',
    output=b'{"o":2}',
    hand_out=HandOut(token=4, runs=2, polled=130, start=125, first_start=112, executor="host", worker="cid"),
)


def test_a_step_record_has_canonical_keys_and_all_aliases() -> None:
    old = StepExecution(
        process_id=64,
        step_id=70,
        id=1,
        scheduled=1,
        polled=2,
        start=2,
        updated=3,
        runs=1,
        executor="old",
        output=b'{"error":"x"}',
    )
    data = shown(wire.step_data(STEP, [old], PLAN, snapshot=True))
    snapshot = data.pop("stepDefinitionSnapshot")
    assert snapshot["ref"] == "charge" and snapshot["type"] == "WORKER"
    executions = [
        {
            "id": 1,
            "scheduled": 1,
            "polled": 2,
            "start": 2,
            "updated": 3,
            "executor": "old",
            "ref": "charge[3]",
            "runs": 1,
            "output": {"error": "x"},
        },
        {
            "id": 2,
            "scheduled": 111,
            "polled": 130,
            "start": 125,
            "updated": 130,
            "executor": "host",
            "ref": "charge[3]",
            "runs": 2,
            "output": {},
        },
    ]
    assert data == {
        "id": 70,
        "processId": 64,
        "ref": "charge[3]",
        "parentId": 69,
        "parentRef": "group[3]",
        "parentExecutionId": 2,
        "namespace": "shop",
        "name": "CHARGE",
        "type": "WORKER",
        "label": None,
        "stepDefinitionHistoryId": 9,
        "status": "RUNNING",
        "input": {"i": 1},
        "output": {"o": 2},
        "workerId": "cid",
        "start": 112,
        "schedule": 110,
        "priority": 5,
        "updated": 130,
        "optional": True,
        "executionCount": 2,
        "executions": executions,
        "executionList": executions,
        "executionsList": executions,
        "warning": None,
        "stepId": 70,
        "stepRef": "charge[3]",
        "stepNamespace": "shop",
        "stepName": "CHARGE",
        "inputParam": {"i": 1},
        "scheduled": 111,
        "isOptional": True,
        "polling": 130,
        "polled": 130,
        "createdAt": 112,
        "updatedAt": 130,
        "completedAt": 0,
    }


def test_a_top_level_container_has_no_parent_and_its_own_runs() -> None:
    step = StepContext(
        id=65,
        process_id=64,
        path=("each",),
        status=StepStatus.COMPLETED,
        updated=7,
        container_runs=3,
        children=Children(total=4),
    )
    data = shown(wire.step_data(step, [], PLAN))
    assert data["parentId"] is None and data["parentRef"] is None and data["parentExecutionId"] is None
    assert data["executionList"][0]["runs"] == 3 and data["completedAt"] == 7
    assert "stepDefinitionSnapshot" not in data


def test_process_data() -> None:
    data = shown(wire.process_data(PROCESS, [STEP]))
    assert data["steps"] == [{"id": 70, "processId": 64, "ref": "charge[3]"}] and data["stepRecords"] == []
    expected = {
        "processId": 64,
        "processType": "STANDARD",
        "triggerType": "API",
        "namespace": "shop",
        "name": "order",
        "version": 3,
        "historyId": 9,
        "requestId": "r",
        "correlationId": None,
        "status": "COMPLETED",
        "input": {"in": 1},
        "output": {"out": 2},
        "state": {"s": 3},
        "secretState": {},
        "authClaims": {},
        "stepIdCount": 2,
        "shardInstanceId": 0,
        "created": 100,
        "updated": 200,
        "createdBy": "cid",
        "tags": [],
        "orgId": 0,
        "eventType": None,
        "createdAt": 100,
        "updatedAt": 200,
        "completedAt": 199,
    }
    assert {key: data[key] for key in expected} == expected


def test_large_values_can_be_hidden() -> None:
    from stepwell.model.codec import change

    large = b'{"a":"' + b"x" * wire.LARGE_VALUE + b'"}'
    process = change(PROCESS, output=large)
    assert shown(wire.process_data(process))["output"] == decode(large)
    data = shown(wire.process_data(process, hide_large=True))
    assert data["output"] == {"__hidden": True, "bytes": len(large)} and data["input"] == {"in": 1}


def test_bulk_answers_serve_every_sdk() -> None:
    operated = [
        Operated(process_id=1),
        Operated(process_id=2, error="there is no process 2", code="NOT_FOUND"),
    ]
    assert shown(wire.bulk_answer(operated, ["x"])) == {
        "count": 1,
        "details": [
            {"id": "1", "message": "ok", "error": None},
            {"id": "2", "message": None, "error": "there is no process 2"},
            {"id": "x", "message": None, "error": "not a process id"},
        ],
        "successCount": 1,
        "failureCount": 2,
        "successfulProcessIds": [1],
        "failedProcessIds": [2],
        "errors": {"2": "there is no process 2", "x": "not a process id"},
    }


# -- search

NOW = 1_795_361_155_000


def search(text: str) -> Any:
    return wire.read_search(Query(text.encode()), NOW)


def test_search_defaults() -> None:
    found = search("")
    assert (found.start_ms, found.end_ms, found.limit, found.offset) == (NOW - 86_400_000, 0, 10, 0)
    assert ProcessType.TEST.value not in found.process_types and "STANDARD" in found.process_types


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("statuses=ProcessStatus.COMPLETED,ProcessStatus.FAILED", "statuses", ("COMPLETED", "FAILED")),
        ("statuses=completed", "statuses", ("COMPLETED",)),
        ("processTypes=ProcessType.API_ORCHESTRATION", "process_types", ("API_ORCHESTRATION",)),
        ("processTypes=TEST", "process_types", ("TEST",)),
        ("triggerTypes=ProcessTriggerType.API", "trigger_types", ("API",)),
        ("names=a%2Cb+c", "names", ("a", "b c")),
        ("names=v1.2", "names", ("v1.2",)),
        ("names[]=a&names[]=b", "names", ("a", "b")),
        ("names%5B%5D=a&names=b,c", "names", ("a", "b", "c")),
        ("processIds=12345678%2C2", "process_ids", (12345678, 2)),
        ("processIds=1.2345678e%2B07%2C1.375900126e%2B09", "process_ids", (12345678, 1375900126)),
        ("processIds=nonsense", "process_ids", (0,)),
        ("stepNames=a&stepNames=b", "step_names", ("a", "b")),
        ("stepRefs=a", "step_refs", ("a",)),
        ("correlationIds=c", "correlation_ids", ("c",)),
        ("requestIds=r1,r2", "request_ids", ("r1", "r2")),
        ("namespace=shop", "namespace", "shop"),
        ("namespace=", "namespace", None),
        ("fullTextSearchQuery=x+y", "text", "x y"),
        ("startTimeEpoch=5", "start_ms", 5),
        ("startTimeEpoch=1.7e12", "start_ms", 1_700_000_000_000),
        ("endTimeEpoch=0", "end_ms", 0),
        ("endTimeEpoch=9", "end_ms", 9),
        ("limit=100", "limit", 100),
        ("limit=100000", "limit", 500),
        ("limit=0", "limit", 10),
        ("limit=None", "limit", 10),
        ("offset=20", "offset", 20),
        ("offset=-1", "offset", 0),
        ("tags=map%5Bname%3Ak+value%3Av+w%5D", "tags", (TagValue("k", "v w"),)),
        (
            "tags=map[name:k%20value:v],map[name:l%20value:w]",
            "tags",
            (TagValue("k", "v"), TagValue("l", "w")),
        ),
        (
            "tags=%7B%27name%27%3A+%27k%27%2C+%27value%27%3A+%27v%27%7D%2C%7B%27name%27%3A+%27k2%27%2C+"
            "%27value%27%3A+%27v2%27%7D",
            "tags",
            (TagValue("k", "v"), TagValue("k2", "v2")),
        ),
        ('tags={"name":"k","value":"v"}', "tags", (TagValue("k", "v"),)),
        ("tags=k:v,l:w", "tags", (TagValue("k", "v"), TagValue("l", "w"))),
        ("tags=%7Bbroken", "tags", ()),
    ],
)
def test_search_oddities(text: str, field: str, value: Any) -> None:
    assert getattr(search(text), field) == value


@pytest.mark.parametrize(
    "text", ["limit=x", "startTimeEpoch=nan", "offset=1e400", "endTimeEpoch=" + "9" * 5_000]
)
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(Unreadable):
        search(text)


@pytest.mark.parametrize("text", ["True", "true", "TRUE", "1"])
def test_either_boolean_case(text: str) -> None:
    assert Query(f"includeSteps={text}".encode()).flag("includeSteps")
    assert not Query(b"includeSteps=False").flag("includeSteps", True)
