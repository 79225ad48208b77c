"""The shapes on the wire: what all clients send and read, with every alias and quirk, and only here.

One shape serves all clients: canonical keys first, then the aliases that other SDKs read. Payloads are copied
as text. Nothing here decides anything.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from stepwell.definition.plan import SERVER, Plan, StepPlan
from stepwell.model.codec import EMPTY, CodecError, Json, Raw, Record, decode, decode_as, encode, members, raw
from stepwell.model.definition import (
    DEFAULT_NAMESPACE,
    ProcessDefinition,
    ProcessType,
    StepDefinition,
    StepType,
    StoredDefinition,
    TagValue,
)
from stepwell.model.process import ProcessContext
from stepwell.model.search import ProcessSearch
from stepwell.model.secret import masked
from stepwell.model.step import StepContext, StepExecution, StepStatus, render_path
from stepwell.model.work import Acceptance, QueueName, WorkRequest, WorkResult, WorkStatus
from stepwell.runtime.requests import Operated, StartRequest
from stepwell.server.door import Unreadable, check_json, check_object, split, split_members
from stepwell.server.query import LARGEST_ID, Query, whole_number

DEFAULT_RESCHEDULE_MS = 1_000
LONGEST_RESCHEDULE_MS = 10 * 365 * 86_400_000
LARGE_VALUE = 65_536
"""Bytes from which `hideLargeValues` shows the size instead of the value."""
SEARCH_WINDOW_MS = 86_400_000
SEARCH_LIMIT = 500

NOT_RUNNING = "Invalid request, step is not in RUNNING state"
STALE = "the step was handed out again since, please poll the latest and update"
"""Published clients look for these words and drop the result instead of sending it again."""

STEP_TYPE_ALIASES = {"GLOW_GATEWAY": "FLOW_GATEWAY"}


# -- polls ---------------------------------------------------------------------------------------------------


class QueueData(Record, frozen=True, rename="camel"):
    namespace: str | None = None
    name: str | None = None
    step_type: str | None = None


class PollItem(Record, frozen=True, rename="camel"):
    step_queue_name_data: QueueData
    size: int = 0


class WorkRequestItem(Record, frozen=True, rename="camel", gc=False):
    """One step handed out. No nulls: some clients drop the whole answer over one."""

    process_id: int
    step_id: int
    step_execution_id: int
    run_count: int
    step_name: str
    step_namespace: str
    step_ref: str
    input_param: Raw
    is_optional: bool
    polled: int
    polling: int
    scheduled: int
    started: int
    updated: int
    priority: int
    deadline: int
    """When the lease ends, epoch ms; our own worker extends it in time."""
    shard_instance_id: int = 0


def queue_name(namespace: str | None, step_type: str | None, name: str | None) -> QueueName:
    kind = (step_type or "WORKER").upper()
    return QueueName(namespace or DEFAULT_NAMESPACE, STEP_TYPE_ALIASES.get(kind, kind), name or "")


_poll_decoder = msgspec.json.Decoder(list[PollItem])


def read_poll(body: bytes) -> tuple[tuple[QueueName, int], ...]:
    """Each queue with the free slots for it. Raises CodecError."""
    try:
        items = _poll_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(str(error)) from error
    return merge_queues(
        (queue_name(q.namespace, q.step_type, q.name), item.size)
        for item in items
        for q in (item.step_queue_name_data,)
    )


_registration_decoder = msgspec.json.Decoder(list[QueueData])


def read_registration(body: bytes) -> list[QueueData]:
    """Raises CodecError unless it is a list of queues; which ones does not matter."""
    try:
        return _registration_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodecError(str(error)) from error


def merge_queues(wishes: Iterable[tuple[QueueName, int]]) -> tuple[tuple[QueueName, int], ...]:
    """A queue named twice wants both; a size that is not positive wants nothing. The server's own are nobody's."""
    queues: dict[QueueName, int] = {}
    for name, size in wishes:
        if size > 0 and name.name and name.namespace != SERVER:
            queues[name] = min(queues.get(name, 0) + size, LARGEST_ID)
    return tuple(queues.items())


def work_item(work: WorkRequest) -> WorkRequestItem:
    return WorkRequestItem(
        work.process_id,
        work.step_id,
        work.token,
        work.run_count,
        work.name,
        work.namespace,
        work.ref,
        raw(work.input),
        work.optional,
        work.polled,
        work.polled,
        work.scheduled,
        work.polled,
        work.updated,
        work.priority,
        work.deadline,
    )


# -- results -------------------------------------------------------------------------------------------------


class WorkResponseItem(Record, frozen=True, rename="camel"):
    """What a worker says of one step."""

    step_id: int = 0
    step_execution_id: int = 0
    process_id: int | None = None
    status: str | None = None
    output: Raw = msgspec.field(default_factory=Raw)
    """An object, null, or nothing."""
    reschedule_after_seconds: int | float | None = None
    reschedule_after_ms: int | None = None


class ResultAnswer(Record, frozen=True, rename="camel"):
    process_id: int
    step_id: int
    error_message: str | None
    http_status_code: int
    status_code: int


class ReadResult(NamedTuple):
    """One item of a batch: a result for the runtime, or why it can be none."""

    step_id: int
    process_id: int
    result: WorkResult | None
    error: str | None = None


class Limits(NamedTuple):
    item: int
    depth: int


_results_decoder = msgspec.json.Decoder(list[WorkResponseItem])
_STATUSES = {status.value: status for status in WorkStatus}


def read_results(body: bytes, limits: Limits) -> list[ReadResult]:
    """Every item of a batch, in order. Raises Unreadable only when the body is no JSON array."""
    try:
        items = _results_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        parts = split(body) if body.lstrip(b" \t\r\n")[:1] == b"[" else None
        if parts is None:
            raise Unreadable("the body must be a JSON array of results", code="NOT_JSON") from None
        return [read_result(part, limits) for part in parts]
    return [_result(item, limits) for item in items]


def read_result(text: bytes, limits: Limits) -> ReadResult:
    """One item by itself, even when it is no JSON or has values of odd kinds."""
    try:
        return _result(msgspec.json.decode(text, type=WorkResponseItem), limits)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        parts = split_members(text)
    if parts is None:
        return ReadResult(0, 0, None, "a result must be a JSON object")
    status = parts.get("status", b"").strip(b'"').decode("utf-8", "replace")
    return _result(
        WorkResponseItem(
            step_id=_loose_number(parts.get("stepId")),
            step_execution_id=_loose_number(parts.get("stepExecutionId")),
            process_id=_loose_number(parts.get("processId")),
            status=status,
            output=Raw(parts.get("output", b"null")),
            reschedule_after_seconds=_loose_seconds(parts.get("rescheduleAfterSeconds")),
            reschedule_after_ms=_loose_number(parts.get("rescheduleAfterMs")),
        ),
        limits,
    )


def _loose_number(text: bytes | None) -> int:
    return whole_number((text or b"0").strip(b'"').decode("latin-1")) or 0


def _loose_seconds(text: bytes | None) -> float:
    try:
        seconds = float((text or b"0").strip(b'"'))
    except ValueError:
        return 0
    return seconds if 0 < seconds < LONGEST_RESCHEDULE_MS else 0


def _result(item: WorkResponseItem, limits: Limits) -> ReadResult:
    step_id, token, process_id = item.step_id, item.step_execution_id, item.process_id or 0
    if not 0 < step_id <= LARGEST_ID:
        return ReadResult(0, 0, None, "a result must name its stepId")
    if not 0 <= process_id <= LARGEST_ID:
        process_id = 0
    if not 0 < token <= LARGEST_ID:
        return ReadResult(step_id, process_id, None, "a result must carry its stepExecutionId")
    status = _STATUSES.get(item.status or "") or _STATUSES.get((item.status or "").strip().upper())
    output = bytes(item.output)
    try:
        if status is None:
            raise Unreadable(f"status {str(item.status)[:40]!r} is not COMPLETED, FAILED or RUNNING")
        output = check_output(output, limits)
    except Unreadable as error:
        # The attempt is over whatever it answered: its outcome is that it could not be recorded.
        status, output = WorkStatus.FAILED, encode({"error": f"the output was refused: {error.message}"})
    return ReadResult(
        step_id,
        process_id,
        WorkResult(
            step_id=step_id,
            token=token,
            status=status,
            process_id=process_id,
            output=output,
            reschedule_ms=_delay(item) if status is WorkStatus.RUNNING else 0,
        ),
    )


def check_output(output: Json, limits: Limits) -> Json:
    """The output as it is stored; none at all is an empty object. Raises Unreadable."""
    if output in (b"", b"null", b"{}"):
        return EMPTY
    if len(output) > limits.item:
        raise Unreadable(f"larger than {limits.item:,} bytes", code="TOO_LARGE")
    check_object(output, limits.depth)
    return output


def _delay(item: WorkResponseItem) -> int:
    delay = item.reschedule_after_ms or round((item.reschedule_after_seconds or 0) * 1_000)
    return min(delay, LONGEST_RESCHEDULE_MS) if delay > 0 else DEFAULT_RESCHEDULE_MS


_OUTCOMES: dict[Acceptance, tuple[int, str | None]] = {
    Acceptance.ACCEPTED: (200, None),
    Acceptance.DUPLICATE: (200, None),
    Acceptance.SET_ASIDE: (200, None),
    Acceptance.STALE: (409, STALE),
    Acceptance.UNKNOWN: (404, NOT_RUNNING),
}


def results_answer(read: Sequence[ReadResult], outcomes: Sequence[Acceptance]) -> bytes:
    """One entry for every item under its step id; an item that names none gets a negative number."""
    told = iter(outcomes)
    answer: dict[str, ResultAnswer] = {}
    for index, item in enumerate(read):
        status, error = (422, item.error) if item.result is None else _OUTCOMES[next(told)]
        key = str(item.step_id or -1 - index)
        if key not in answer or error is None:
            answer[key] = ResultAnswer(item.process_id, item.step_id, error, status, status)
    return encode(answer)


# -- exchange: our own worker --------------------------------------------------------------------------------


class QueueWish(Record, frozen=True, rename="camel"):
    name: str = ""
    namespace: str | None = None
    step_type: str | None = None
    size: int = 0


class ExtendItem(Record, frozen=True, rename="camel"):
    step_id: int = 0
    step_execution_id: int = 0
    lease_ms: int | None = None


class ExchangeRequest(Record, frozen=True, rename="camel"):
    """Results, lease extensions and the next poll of our own worker; every key may be absent."""

    poll_id: str | None = None
    results: Raw = msgspec.field(default_factory=Raw)
    """As in bulkResults."""
    extend: list[ExtendItem] | None = None
    queues: list[QueueWish] | None = None
    size: int | None = None
    wait_ms: int | None = None


class Outcome(Record, frozen=True, rename="camel"):
    step_id: int
    step_execution_id: int
    outcome: str
    """ACCEPTED, DUPLICATE, STALE, UNKNOWN, SET_ASIDE or INVALID."""
    error_message: str | None = None


class ExchangeAnswer(Record, frozen=True, rename="camel"):
    results: list[Outcome]
    extended: list[bool]
    work: list[WorkRequestItem]


_exchange_decoder = msgspec.json.Decoder(ExchangeRequest)


def read_exchange(body: bytes, limits: Limits) -> tuple[ExchangeRequest, list[ReadResult]]:
    """The request, its results read. Raises Unreadable when the envelope is not what it should be."""
    try:
        request = _exchange_decoder.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        request = _exchange_around_results(body)
    results = bytes(request.results)
    return request, read_results(results, limits) if results not in (b"", b"null") else []


def _exchange_around_results(body: bytes) -> ExchangeRequest:
    """An envelope whose results the parser refuses: everything else must be right."""
    parts = split_members(body)
    if parts is None:
        raise Unreadable("the body must be a JSON object", code="NOT_JSON")
    results = parts.pop("results", b"null")
    sound = b"{" + b",".join(encode(key) + b":" + value for key, value in parts.items()) + b"}"
    request = decode_as(sound, ExchangeRequest)
    return msgspec.structs.replace(request, results=Raw(results))


def exchange_answer(
    read: Sequence[ReadResult],
    outcomes: Sequence[Acceptance],
    extended: list[bool],
    work: Sequence[WorkRequest],
) -> bytes:
    told = iter(outcomes)
    results = []
    for item in read:
        if item.result is None:
            results.append(Outcome(item.step_id, 0, "INVALID", item.error))
            continue
        acceptance = next(told)
        results.append(Outcome(item.step_id, item.result.token, acceptance.value, _OUTCOMES[acceptance][1]))
    return encode(ExchangeAnswer(results, extended, [work_item(w) for w in work]))


# -- starting processes --------------------------------------------------------------------------------------


class ProcessRequestData(Record, frozen=True, rename="camel"):
    name: str | None = None
    namespace: str | None = None
    version: int | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    input: dict[str, Any] | None = None
    priority: int | None = None
    definition: ProcessDefinition | None = None
    """Followed by this run alone; `name` is not needed then."""


class _StartBody(Record, frozen=True, rename="camel"):
    name: str | None = None
    namespace: str | None = None
    version: int | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    input: Raw = msgspec.field(default_factory=Raw)
    priority: int | None = None
    definition: Raw = msgspec.field(default_factory=Raw)


class ReadStart(NamedTuple):
    request: StartRequest
    definition: Any
    """Sent with the run, as decoded; None when there is none."""


_start_decoder = msgspec.json.Decoder(_StartBody)


def read_start(body: bytes, client_id: str, depth_limit: int) -> ReadStart:
    """Raises Unreadable, CodecError."""
    check_json(body, depth_limit)
    try:
        start = _start_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"not a process request: {error}", code="BAD_REQUEST") from error
    given = bytes(start.input) or b"null"
    if not given.startswith((b"{", b"null")):
        raise Unreadable("input must be an object", code="BAD_REQUEST")
    definition = decode(bytes(start.definition) or b"null")
    if not start.name and definition is None:
        raise Unreadable("name is missing", code="BAD_REQUEST")
    if abs(start.priority or 0) > 1_000_000 or abs(start.version or 0) > LARGEST_ID:
        raise Unreadable("priority or version is out of range", code="BAD_REQUEST")
    request = StartRequest(
        namespace=start.namespace or ("" if definition is not None else DEFAULT_NAMESPACE),
        name=start.name or "",
        version=start.version or None,
        input=EMPTY if given == b"null" else given,
        request_id=start.request_id,
        correlation_id=start.correlation_id,
        priority=start.priority or 0,
        created_by=client_id,
    )
    return ReadStart(request, definition)


# -- processes and steps -------------------------------------------------------------------------------------


class StepIdData(Record, frozen=True, rename="camel"):
    id: int
    process_id: int
    ref: str


class StepExecutionData(Record, frozen=True, rename="camel"):
    id: int
    scheduled: int
    polled: int
    start: int
    updated: int
    executor: str
    ref: str
    runs: int
    output: Raw
    """Empty in the newest execution: the step's own `output` holds it until a further execution exists."""


class StepData(Record, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    id: int
    process_id: int
    ref: str
    parent_id: int | None
    parent_ref: str | None
    parent_execution_id: int | None
    namespace: str
    name: str
    type: StepType
    label: str | None
    step_definition_history_id: int
    status: StepStatus
    input: Raw
    output: Raw
    worker_id: str | None
    start: int
    schedule: int
    priority: int
    updated: int
    optional: bool
    execution_count: int
    executions: list[StepExecutionData]
    execution_list: list[StepExecutionData]
    executions_list: list[StepExecutionData]
    warning: str | None
    step_id: int
    step_ref: str
    step_namespace: str
    step_name: str
    input_param: Raw
    scheduled: int
    is_optional: bool
    polling: int
    polled: int
    created_at: int
    updated_at: int
    completed_at: int
    step_definition_snapshot: StepDefinition | None = None


class ProcessData(Record, frozen=True, kw_only=True, rename="camel"):
    org_id: int = 0
    event_type: str | None = None
    process_id: int
    id: int
    process_type: ProcessType
    trigger_type: str
    namespace: str
    name: str
    version: int
    history_id: int
    request_id: str | None
    correlation_id: str | None
    status: str
    input: Raw
    output: Raw
    state: Raw
    secret_state: dict[str, Any] = {}
    auth_claims: dict[str, Any] = {}
    step_id_count: int
    shard_name: str = "shard-0"
    shard_instance_id: int = 0
    steps: list[StepIdData] = []
    step_records: list[StepData] = []
    created: int
    updated: int
    created_at: int
    updated_at: int
    completed_at: int
    created_by: str
    rerun_of: int | None
    priority: int
    reason: str | None
    marked: bool
    compensating: str | None
    """While it undoes its steps: the status that it will have."""
    tags: tuple[TagValue, ...]


def _payload(value: Json, hide_large: bool) -> Raw:
    if hide_large and len(value) > LARGE_VALUE:
        return raw(encode({"__hidden": True, "bytes": len(value)}))
    return raw(value or EMPTY)


def process_data(
    process: ProcessContext,
    steps: Sequence[StepContext] = (),
    records: Sequence[StepData] = (),
    hide_large: bool = False,
) -> ProcessData:
    return ProcessData(
        process_id=process.id,
        id=process.id,
        process_type=process.type,
        trigger_type=process.trigger.value,
        namespace=process.namespace,
        name=process.name,
        version=process.version,
        history_id=process.definition_id,
        request_id=process.request_id,
        correlation_id=process.correlation_id,
        status=process.status.value,
        input=_payload(process.input, hide_large),
        output=_payload(process.output, hide_large),
        state=_payload(process.state, hide_large),
        secret_state=masked(process.secret_state) if process.secret_state else {},
        step_id_count=process.step_count,
        steps=[StepIdData(step.id, step.process_id, step.ref) for step in steps],
        step_records=list(records),
        created=process.created,
        updated=process.updated,
        created_at=process.created,
        updated_at=process.updated,
        completed_at=process.ended,
        created_by=process.created_by,
        rerun_of=process.rerun_of,
        priority=process.priority,
        reason=process.reason or None,
        marked=process.marked,
        compensating=_compensating(process),
        tags=process.tags,
    )


def _compensating(process: ProcessContext) -> str | None:
    if not process.compensating or not process.status.is_open:
        return None
    return str(decode(bytes(members(process.compensating)["status"])))


def step_data(
    step: StepContext,
    finished: Sequence[StepExecution],
    plan: Plan,
    snapshot: bool = False,
    hide_large: bool = False,
) -> StepData:
    planned = plan.steps[str(step.path[0])]
    hand_out = step.hand_out
    executions = [_execution(e, step.ref, hide_large) for e in finished]
    executions.append(_newest_execution(step))
    updated = max(step.updated, hand_out.polled)
    given = _payload(step.input, hide_large)
    return StepData(
        id=step.id,
        process_id=step.process_id,
        ref=step.ref,
        parent_id=step.parent_id,
        parent_ref=_parent_ref(step, planned, plan),
        parent_execution_id=None if step.parent_id is None else step.parent_execution_id,
        namespace=planned.definition.namespace,
        name=planned.definition.name,
        type=planned.type,
        label=planned.definition.label,
        step_definition_history_id=plan.id,
        status=step.shown_status,
        input=given,
        output=_payload(step.output, hide_large),
        worker_id=hand_out.worker or None,
        start=hand_out.first_start,
        schedule=step.schedule,
        priority=step.priority,
        updated=updated,
        optional=planned.optional,
        execution_count=step.execution,
        executions=executions,
        execution_list=executions,
        executions_list=executions,
        warning=step.warning or None,
        step_id=step.id,
        step_ref=step.ref,
        step_namespace=planned.definition.namespace,
        step_name=planned.definition.name,
        input_param=given,
        scheduled=step.scheduled,
        is_optional=planned.optional,
        polling=hand_out.polled,
        polled=hand_out.polled,
        created_at=hand_out.first_start or step.scheduled,
        updated_at=updated,
        completed_at=0 if step.shown_status.is_open else step.updated,
        step_definition_snapshot=planned.definition if snapshot else None,
    )


def _parent_ref(step: StepContext, planned: StepPlan, plan: Plan) -> str | None:
    if planned.parent is None:
        return None
    around = plan.steps[planned.parent]
    return render_path((planned.parent, *step.path[1 : 1 + len(around.loops)]))


def _execution(execution: StepExecution, ref: str, hide_large: bool) -> StepExecutionData:
    return StepExecutionData(
        execution.id,
        execution.scheduled,
        execution.polled,
        execution.start,
        execution.updated,
        execution.executor,
        ref,
        execution.runs,
        _payload(execution.output, hide_large),
    )


def _newest_execution(step: StepContext) -> StepExecutionData:
    hand_out = step.hand_out
    return StepExecutionData(
        step.execution,
        step.scheduled,
        hand_out.polled,
        hand_out.start,
        max(step.updated, hand_out.polled),
        hand_out.executor,
        step.ref,
        hand_out.runs + step.container_runs,
        raw(EMPTY),
    )


# -- bulk actions --------------------------------------------------------------------------------------------


class BulkDetail(Record, frozen=True):
    id: str
    """Text, not a number: one SDK fails on a number."""
    message: str | None
    error: str | None


class BulkAnswer(Record, frozen=True, rename="camel"):
    count: int
    details: list[BulkDetail]
    success_count: int
    failure_count: int
    successful_process_ids: list[int]
    failed_process_ids: list[int]
    errors: dict[str, str]


def bulk_answer(operated: Sequence[Operated], misread: Sequence[str] = ()) -> BulkAnswer:
    """`misread` are entries of the request that are no ids at all."""
    details = [BulkDetail(str(o.process_id), None if o.error else "ok", o.error) for o in operated]
    details += [BulkDetail(text, None, "not a process id") for text in misread]
    failed = [o.process_id for o in operated if o.error]
    done = [o.process_id for o in operated if not o.error]
    errors = {d.id: d.error for d in details if d.error is not None}
    return BulkAnswer(len(done), details, len(done), len(details) - len(done), done, failed, errors)


# -- search --------------------------------------------------------------------------------------------------

_TAG_FORMS = (
    re.compile(r"'name'\s*:\s*'([^']*)'\s*,\s*'value'\s*:\s*'([^']*)'"),
    re.compile(r'"name"\s*:\s*"([^"]*)"\s*,\s*"value"\s*:\s*"([^"]*)"'),
    re.compile(r"map\[name:(.*?) value:(.*?)\]"),
)


def read_search(query: Query, now: int) -> ProcessSearch:
    """The published search parameters. Raises BadRequest where a number is none."""
    start = query.number("startTimeEpoch")
    types = _bare(query.listed("processTypes"))
    limit = query.number("limit", 10) or 0
    return ProcessSearch(
        start_ms=now - SEARCH_WINDOW_MS if start is None else max(start, 0),
        end_ms=max(query.number("endTimeEpoch") or 0, 0),
        namespace=query.text("namespace"),
        process_types=types or tuple(t.value for t in ProcessType if t is not ProcessType.TEST),
        trigger_types=_bare(query.listed("triggerTypes")),
        names=query.listed("names"),
        step_names=query.listed("stepNames"),
        step_refs=query.listed("stepRefs"),
        process_ids=tuple(whole_number(text) or 0 for text in query.listed("processIds")),
        correlation_ids=query.listed("correlationIds"),
        request_ids=query.listed("requestIds"),
        tags=read_tags(query.all("tags")),
        statuses=_bare(query.listed("statuses")),
        text=query.text("fullTextSearchQuery"),
        limit=min(limit, SEARCH_LIMIT) if limit > 0 else 10,
        offset=max(query.number("offset", 0) or 0, 0),
    )


def _bare(values: Sequence[str]) -> tuple[str, ...]:
    """`ProcessStatus.COMPLETED` (as one SDK prints its enums) is COMPLETED."""
    return tuple(value.rpartition(".")[2].upper() for value in values)


def read_tags(text: str) -> tuple[TagValue, ...]:
    """Tags as dictionaries of Python, as JSON, as maps of Go, or `name:value`; all else is ignored."""
    for form in _TAG_FORMS:
        if found := form.findall(text):
            return tuple(TagValue(name, value) for name, value in found)
    plain = (part.partition(":") for part in text.split(",") if ":" in part and part[0] not in "{[m'\"")
    return tuple(TagValue(name.strip(), value.strip()) for name, _, value in plain if name.strip())


# -- definitions and errors ----------------------------------------------------------------------------------


def definition_data(stored: StoredDefinition) -> dict[str, Any]:
    """The definition whole as it was stored, with what only the server knows."""
    data: dict[str, Any] = {"orgId": 0}
    data.update(members(stored.content))
    data.update(
        namespace=stored.namespace,
        name=stored.name,
        version=stored.version,
        created=stored.created,
        updated=stored.updated,
        createdBy=stored.created_by,
        updatedBy=stored.updated_by,
        historyId=stored.id,
        signature=stored.fingerprint,
        dependencies=[],
        dependents=[],
    )
    return data


class ErrorData(Record, frozen=True, rename="camel"):
    """Every answer that is not 200."""

    error_message: str
    code: str
    problems: list[Mapping[str, Any]] | None = None
