"""Every call of the management API, once: how it is asked and how its answer reads. Nothing here sends.

`client.py` turns each of these functions into a method of both clients. A *plan* is a call that needs
several requests: it yields what to send, or how many seconds to wait, and returns the answer.
"""

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from stepwell.client.asking import ANSWER_TIMEOUT_S, Call, JsonObject, Plan
from stepwell.client.asking import document as _document
from stepwell.client.asking import get as _get
from stepwell.client.asking import post as _post
from stepwell.client.asking import put as _put
from stepwell.client.asking import query as _query
from stepwell.client.asking import segment as _segment
from stepwell.client.shapes import ApiError, OperationAnswer, Process, Step, read_any
from stepwell.model.codec import encode
from stepwell.model.definition import DEFAULT_NAMESPACE

LONGEST_HOLD_S = 300
"""The server's cap on one held `runSync`."""
FIRST_LOOK_S = 0.02
SLOWEST_LOOK_S = 1.0


# Processes


def start(
    name: str | None = None,
    input: Mapping[str, Any] | None = None,
    *,
    definition: Mapping[str, Any] | None = None,
    namespace: str | None = None,
    version: int | None = None,
    request_id: str | None = None,
    correlation_id: str | None = None,
    priority: int | None = None,
    idempotency_key: str | None = None,
) -> Call[Process]:
    """Start a process and return at once. Without `version` the latest definition runs.

    With a `definition`, the process follows that one, which is stored for it alone; `name` is not needed then. Raises
    ApiError with every problem that was found.

    With an `idempotency_key`, a second start under the same key answers the same process, for 30 days; it
    raises ApiError (409) when what it asks for is not the same.
    """
    request = _process_request(
        namespace, name, version, input, request_id, correlation_id, priority, definition
    )
    return _post("/api/process/runAsync", request, headers=_once(idempotency_key))


def run(
    name: str | None = None,
    input: Mapping[str, Any] | None = None,
    *,
    definition: Mapping[str, Any] | None = None,
    namespace: str | None = None,
    version: int | None = None,
    request_id: str | None = None,
    correlation_id: str | None = None,
    priority: int | None = None,
    idempotency_key: str | None = None,
    wait: bool = True,
    timeout: float = 60.0,
) -> Plan[Process]:
    """Start a process and wait for its end, at most `timeout` seconds; then its status is still RUNNING.

    `wait=False` returns at once, like `start`, which also tells what `definition` and `idempotency_key` do.
    """
    request = _process_request(
        namespace, name, version, input, request_id, correlation_id, priority, definition
    )
    if not wait:
        answer: Process = yield _post("/api/process/runAsync", request, headers=_once(idempotency_key))
        return answer
    until = time.monotonic() + timeout
    hold_s = max(1, min(math.ceil(timeout), LONGEST_HOLD_S))
    answer = yield _post(
        "/api/process/runSync",
        request,
        _query(timeout=hold_s),
        hold_s + ANSWER_TIMEOUT_S,
        _once(idempotency_key),
    )
    if answer["status"] == "RUNNING" and time.monotonic() < until:
        return (yield from wait_for_end(answer["processId"], timeout=until - time.monotonic()))
    return answer


def wait_for_end(process_id: int, *, timeout: float | None = None) -> Plan[Process]:
    """Wait until the process has ended, at most `timeout` seconds; then its status is still RUNNING."""
    until = time.monotonic() + timeout if timeout is not None else math.inf
    pause_s = FIRST_LOOK_S
    while True:
        answer: Process = yield process(process_id)
        left_s = until - time.monotonic()
        if answer["status"] != "RUNNING" or left_s <= 0:
            return answer
        yield min(pause_s, left_s)
        pause_s = min(pause_s * 1.5, SLOWEST_LOOK_S)


def process(process_id: int, *, steps: bool = False) -> Call[Process]:
    """One process; with `steps`, the step contexts are in `stepRecords`."""
    return _get(f"/api/process/context/{process_id}", _query(includeSteps=steps))


def step(step_id: int) -> Call[Step]:
    """One step context with all its executions and the definition it followed."""
    return _get(f"/api/process/stepContext/{step_id}")


def search(
    *,
    namespace: str | None = None,
    names: Iterable[str] = (),
    statuses: Iterable[str] = (),
    process_ids: Iterable[int] = (),
    request_ids: Iterable[str] = (),
    correlation_ids: Iterable[str] = (),
    step_names: Iterable[str] = (),
    step_refs: Iterable[str] = (),
    process_types: Iterable[str] = (),
    trigger_types: Iterable[str] = (),
    text: str | None = None,
    start_ms: int | None = None,
    end_ms: int | None = None,
    limit: int = 10,
    offset: int = 0,
) -> Call[list[Process]]:
    """Processes for which all that is given holds, newest first.

    Times are epoch milliseconds; without `start_ms` the server looks at the last 24 hours.
    """
    return _get(
        "/api/stats/process/search",
        _query(
            namespace=namespace,
            names=names,
            statuses=statuses,
            processIds=process_ids,
            requestIds=request_ids,
            correlationIds=correlation_ids,
            stepNames=step_names,
            stepRefs=step_refs,
            processTypes=process_types,
            triggerTypes=trigger_types,
            fullTextSearchQuery=text,
            startTimeEpoch=start_ms,
            endTimeEpoch=end_ms,
            limit=limit,
            offset=offset,
        ),
    )


def terminate(process_ids: int | Iterable[int], reason: str | None = None) -> Call[OperationAnswer]:
    """End running processes now; their open steps are cancelled."""
    return _post("/api/process/bulkTerminate", _ids(process_ids), _query(reason=reason))


def resume(
    process_ids: int | Iterable[int], version: int | str | None = None, *, reason: str | None = None
) -> Call[OperationAnswer]:
    """Go on with processes that ended without their work done, from the steps that failed.

    With a version each goes on by that one of its definition; `"latest"` is the newest.
    """
    return _post("/api/process/bulkResume", _ids(process_ids), _query(version=version, reason=reason))


def resume_with_version(process_id: int, version: int | None = None) -> Call[Process]:
    """Go on with one by another version of its definition: the newest without `version`.

    Raises ApiError (409) when what has begun has no place in that version.
    """
    query = _query(processId=process_id, version=version)
    return Call(method="POST", path="/api/process/resumeWithVersion", query=query)


def review(process_ids: int | Iterable[int], reason: str | None = None) -> Call[OperationAnswer]:
    """Mark processes that ended badly as looked at."""
    return _post("/api/process/bulkReviewed", _ids(process_ids), _query(reason=reason))


def rerun(process_id: int, version: int | str | None = None, *, reason: str | None = None) -> Call[Process]:
    """Start a new process with the input of this one; returns the new one.

    It follows the same definition, unless a version is given; `"latest"` is the newest.
    """
    query = _query(processId=process_id, version=version, reason=reason)
    return Call(method="POST", path="/api/process/rerun", query=query)


# Definitions and policies


def put_definition(definition: Mapping[str, Any] | str) -> Call[JsonObject]:
    """Store a process definition: a mapping, or the text of a JSON or YAML file.

    The same version with the same content changes nothing; without a version it becomes the next one.
    Raises ApiError with every problem that was found.
    """
    return _document("POST", "/api/processDefinitions", definition)


def definition(
    name: str, *, namespace: str = DEFAULT_NAMESPACE, version: int | None = None
) -> Call[JsonObject]:
    """One definition; the latest without `version`."""
    return _get(f"/api/processDefinitions/{_segment(namespace)}/{_segment(name)}", _query(version=version))


def definitions() -> Call[list[JsonObject]]:
    """Every definition."""
    return _get("/api/processDefinitions")


def versions(name: str, *, namespace: str = DEFAULT_NAMESPACE) -> Call[list[int]]:
    """The versions that exist of one definition."""
    return _get(f"/api/processDefinitions/{_segment(namespace)}/{_segment(name)}/versions")


def delete_definition(
    name: str, *, namespace: str = DEFAULT_NAMESPACE, version: int | None = None
) -> Call[Any]:
    """Hide one version, or all of them without `version`. Processes that follow it go on.

    Raises ApiError when there is no such definition.
    """
    named = {"namespace": namespace, "name": name, "version": version}
    return Call(
        method="DELETE",
        path="/api/processDefinitions",
        query=_query(versionOnly=version is not None),
        body=encode([named]),
        read=_read_deleted,
    )


def put_policy(policy: Mapping[str, Any] | str) -> Call[JsonObject]:
    """Store an error policy: a mapping, or the text of a JSON or YAML file."""
    return _document("POST", "/api/errorPolicies", policy)


def policy(name: str, *, namespace: str = DEFAULT_NAMESPACE, version: int | None = None) -> Call[JsonObject]:
    return _get(f"/api/errorPolicies/{_segment(namespace)}/{_segment(name)}")


def policies() -> Call[list[JsonObject]]:
    return _get("/api/errorPolicies")


def policy_versions(name: str, *, namespace: str = DEFAULT_NAMESPACE) -> Call[list[int]]:
    """The versions that exist of one error policy."""
    return _get(f"/api/errorPolicies/{_segment(namespace)}/{_segment(name)}/versions")


def delete_policy(name: str, *, namespace: str = DEFAULT_NAMESPACE) -> Call[Any]:
    return Call(method="DELETE", path=f"/api/errorPolicies/{_segment(namespace)}/{_segment(name)}")


# Retention


def put_retention(
    keep_ms: int, *, namespace: str = DEFAULT_NAMESPACE, name: str = "", archive: bool = False, why: str = ""
) -> Call[JsonObject]:
    """Keep finished processes so long after their ends (0 = for ever): those of a definition, or of the namespace."""
    return _put(_rule(namespace, name), {"keepMs": keep_ms, "archive": archive, "why": why})


def retention(*, namespace: str | None = None) -> Call[list[JsonObject]]:
    """All retention rules, or those of a namespace."""
    return _get("/api/retention", _query(namespace=namespace))


def delete_retention(
    *, namespace: str = DEFAULT_NAMESPACE, name: str = "", why: str | None = None
) -> Call[Any]:
    """The next wider rule holds from now on."""
    return Call(method="DELETE", path=_rule(namespace, name), query=_query(why=why))


def _rule(namespace: str, name: str) -> str:
    return f"/api/retention/{_segment(namespace)}" + (f"/{_segment(name)}" if name else "")


# Variables and secrets


def put_variable(
    name: str, value: Any, *, namespace: str = DEFAULT_NAMESPACE, why: str = ""
) -> Call[JsonObject]:
    """Create or replace a variable: any JSON value."""
    return _put(_entry("variables", namespace, name), {"value": value, "why": why})


def variable(name: str, *, namespace: str = DEFAULT_NAMESPACE) -> Call[JsonObject]:
    return _get(_entry("variables", namespace, name))


def variables(*, namespace: str | None = None) -> Call[list[JsonObject]]:
    """All variables, or those of a namespace."""
    return _get("/api/variables", _query(namespace=namespace))


def delete_variable(name: str, *, namespace: str = DEFAULT_NAMESPACE, why: str | None = None) -> Call[Any]:
    return Call(method="DELETE", path=_entry("variables", namespace, name), query=_query(why=why))


def put_secret(
    name: str, value: str, *, namespace: str = DEFAULT_NAMESPACE, why: str = ""
) -> Call[JsonObject]:
    """Create or replace a secret. Nobody can read it back."""
    return _put(_entry("secrets", namespace, name), {"value": value, "why": why})


def secrets(*, namespace: str | None = None) -> Call[list[JsonObject]]:
    """Names and versions of all secrets, or of those of a namespace."""
    return _get("/api/secrets", _query(namespace=namespace))


def delete_secret(name: str, *, namespace: str = DEFAULT_NAMESPACE, why: str | None = None) -> Call[Any]:
    return Call(method="DELETE", path=_entry("secrets", namespace, name), query=_query(why=why))


def _entry(kind: str, namespace: str, name: str) -> str:
    return f"/api/{kind}/{_segment(namespace)}/{_segment(name)}"


# Access and health


def audit(
    *, process_id: int | None = None, limit: int = 100, before: int | None = None
) -> Call[list[JsonObject]]:
    """What was done, newest first: to one process, or (with the permission `admin`) to everything.

    `before` is the id of the oldest line that is known already.
    """
    path = "/api/audit" if process_id is None else f"/api/process/{process_id}/audit"
    return _get(path, _query(limit=limit, before=before))


def namespaces() -> Call[list[JsonObject]]:
    return _get("/api/namespaces")


def put_namespace(name: str, description: str = "") -> Call[JsonObject]:
    return _post("/api/namespaces", {"name": name, "description": description})


def create_client(
    client_id: str | None = None, permissions: Iterable[str] | None = None, expires: int | None = None
) -> Call[JsonObject]:
    """Create a client application. The answer is the only place where its token is ever shown.

    `expires` is in epoch milliseconds.
    """
    wanted = {
        "clientId": client_id,
        "permissions": list(permissions) if permissions is not None else None,
        "expires": expires,
    }
    return _post("/api/clients", {key: value for key, value in wanted.items() if value is not None})


def clients() -> Call[list[JsonObject]]:
    return _get("/api/clients")


def revoke_client(client_id: str) -> Call[Any]:
    """From now on nothing that this client application sends is accepted."""
    return Call(method="DELETE", path=f"/api/clients/{_segment(client_id)}")


def health() -> Call[JsonObject]:
    return _get("/health")


# What is sent and what is read


def _once(idempotency_key: str | None) -> dict[str, str]:
    return {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}


def _process_request(
    namespace: str | None,
    name: str | None,
    version: int | None,
    input: Mapping[str, Any] | None,
    request_id: str | None,
    correlation_id: str | None,
    priority: int | None,
    definition: Mapping[str, Any] | None,
) -> JsonObject:
    wanted: JsonObject = {
        "namespace": namespace,
        "name": name,
        "version": version,
        "input": input or {},
        "requestId": request_id,
        "correlationId": correlation_id,
        "priority": priority,
        "definition": definition,
    }
    return {key: value for key, value in wanted.items() if value is not None}


def _read_deleted(body: bytes) -> Any:
    """The route answers item by item and never refuses; we asked for one item."""
    answer = read_any(body)
    for detail in answer.get("details", ()):
        if detail.get("error"):
            raise ApiError(200, "NOT_FOUND", detail["error"])
    return answer


def _ids(process_ids: int | Iterable[int]) -> list[int]:
    return [process_ids] if isinstance(process_ids, int) else list(process_ids)
