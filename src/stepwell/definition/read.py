"""From JSON values to definitions and policies: every wrong kind at once, each with its path.

Unknown keys are left alone: they come from other versions and tools (`orgId`, `signature`, `dependencies` …).
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from stepwell.definition.fields import Fields, kind_of
from stepwell.definition.names import name_problems
from stepwell.model.codec import canonical, decode, encode
from stepwell.model.definition import (
    DEFAULT_NAMESPACE,
    ProcessConfiguration,
    ProcessDefinition,
    ProcessRequest,
    ProcessType,
    StepConfiguration,
    StepDefinition,
    StepType,
    TagValue,
)
from stepwell.model.error_policy import ErrorPolicy, Reaction, StepErrorAction
from stepwell.model.errors import Problem

API_ORCHESTRATION_TIMEOUT_MS = 180_000
MAX_LEVELS = 64
"""How deep steps are read at all; how deep they may stand is for the checker."""

_NO_ALIASES: Mapping[str, str] = {}
_AUDIT = ("created", "updated", "createdBy", "updatedBy")
_TIMEOUTS = ("startTimeout", "completionTimeout", "responseTimeout")


def read_definition(
    value: Any, at: str = "", *, aliases: Mapping[str, str] = _NO_ALIASES
) -> tuple[ProcessDefinition | None, list[Problem]]:
    """The definition, or None and everything of a wrong kind. `aliases`: other spellings of step types."""
    definition, problems = read_leniently(value, at, aliases=aliases)
    return (None if problems else definition), problems


def read_leniently(
    value: Any, at: str = "", *, aliases: Mapping[str, str] = _NO_ALIASES
) -> tuple[ProcessDefinition | None, list[Problem]]:
    """As `read_definition`, but what is wrong becomes its default, so that the rest can be checked too."""
    if not isinstance(value, Mapping):
        return None, [Problem(at, f"must be an object, is {kind_of(value)}", "WRONG_KIND")]
    problems: list[Problem] = []
    fields = Fields(value, at, problems)
    namespace = fields.text("namespace") or DEFAULT_NAMESPACE
    type = fields.choice("type", ProcessType, ProcessType.STANDARD)
    definition = ProcessDefinition(
        namespace=namespace,
        name=fields.text("name") or "",
        version=fields.number("version"),
        type=type,
        description=fields.text("description"),
        created_by=fields.text("createdBy"),
        updated_by=fields.text("updatedBy"),
        created=fields.number("created") or 0,
        updated=fields.number("updated") or 0,
        configuration=_process_configuration(fields, type),
        steps=tuple(_step(step, namespace, aliases, 1) for step in fields.objects("steps")),
        default_input=fields.mapping("defaultInput"),
        default_output=fields.mapping("defaultOutput"),
        output_mapping=fields.mapping("outputMapping"),
        metadata=fields.mapping("metadata"),
        tags=tuple(
            TagValue(tag.text("name") or "", tag.text("value") or "") for tag in fields.objects("tags")
        ),
    )
    return definition, problems


def read_policy(value: Any, at: str = "") -> tuple[ErrorPolicy | None, list[Problem]]:
    """The error policy, or None and everything that is wrong with it (spec 0.6)."""
    if not isinstance(value, Mapping):
        return None, [Problem(at, f"must be an object, is {kind_of(value)}", "WRONG_KIND")]
    problems: list[Problem] = []
    fields = Fields(value, at, problems)
    policy = ErrorPolicy(
        namespace=fields.text("namespace") or DEFAULT_NAMESPACE,
        name=fields.text("name") or "",
        start_timeout=_reaction(fields, "startTimeout"),
        completion_timeout=_reaction(fields, "completionTimeout"),
        response_timeout=_reaction(fields, "responseTimeout"),
        failure=_reaction(fields, "failure"),
    )
    problems += name_problems(policy.namespace, fields.path("namespace"))
    if not any(problem.path == fields.path("name") for problem in problems):
        problems += name_problems(policy.name, fields.path("name"))
    return (None if problems else policy), problems


def definition_value(definition: ProcessDefinition) -> dict[str, Any]:
    """The definition as plain JSON values, under the documented names, whole."""
    value: dict[str, Any] = decode(encode(definition))
    return value


def fingerprint(definition: ProcessDefinition) -> str:
    """Two definitions with the same fingerprint differ at most in who wrote them and when."""
    value = definition_value(definition)
    pending = [value]
    while pending:
        item = pending.pop()
        for key in _AUDIT:
            del item[key]
        pending.extend(item.get("steps", ()))
        pending.extend(item.get("children", ()))
    return sha256(canonical(value)).hexdigest()


def _process_configuration(definition: Fields, type: ProcessType) -> ProcessConfiguration:
    absent = API_ORCHESTRATION_TIMEOUT_MS if type is ProcessType.API_ORCHESTRATION else None
    fields = definition.object("configuration")
    if fields is None:
        return ProcessConfiguration(completion_timeout=absent)
    # Null is an answer of its own here: no limit.
    timeout = fields.number("completionTimeout") if "completionTimeout" in fields.value else absent
    return ProcessConfiguration(
        completion_timeout=timeout or None,
        lease_max=fields.number("leaseMax"),
        on_timeout_process=_request(fields, "onTimeoutProcess"),
        on_fail_process=_request(fields, "onFailProcess"),
        on_complete_process=_request(fields, "onCompleteProcess"),
        on_cancel_process=_request(fields, "onCancelProcess"),
    )


def _request(parent: Fields, key: str) -> ProcessRequest | None:
    fields = parent.object(key)
    if fields is None:
        return None
    return ProcessRequest(
        namespace=fields.text("namespace"),
        name=fields.text("name") or "",
        version=fields.number("version"),
        request_id=fields.text("requestId") or fields.text("id"),
        correlation_id=fields.text("correlationId"),
        input=fields.mapping("input"),
        priority=fields.number("priority") or 0,
    )


def _step(fields: Fields, process_namespace: str, aliases: Mapping[str, str], level: int) -> StepDefinition:
    if not fields.has("type"):
        fields.note("type", "is missing: every step has a type", "MISSING")
    children: tuple[StepDefinition, ...] = ()
    if level < MAX_LEVELS:
        children = tuple(
            _step(child, process_namespace, aliases, level + 1) for child in fields.objects("children")
        )
    elif fields.has("children"):
        fields.note("children", f"steps stand deeper than {MAX_LEVELS} levels", "TOO_DEEP")
    return StepDefinition(
        namespace=fields.text("namespace") or process_namespace,
        name=fields.text("name") or "",
        type=fields.choice("type", StepType, StepType.NOOP, aliases),
        ref=fields.text("ref") or "",
        optional=fields.flag("optional"),
        label=fields.text("label"),
        description=fields.text("description"),
        created_by=fields.text("createdBy"),
        updated_by=fields.text("updatedBy"),
        created=fields.number("created") or 0,
        updated=fields.number("updated") or 0,
        configuration=_step_configuration(fields.object("configuration")),
        children=children,
        input=fields.mapping("input"),
        output=fields.mapping("output"),
        compensate=_compensation(fields.object("compensate"), process_namespace, aliases),
    )


def _compensation(
    fields: Fields | None, process_namespace: str, aliases: Mapping[str, str]
) -> StepDefinition | None:
    return None if fields is None else _step(fields, process_namespace, aliases, MAX_LEVELS)


def _step_configuration(fields: Fields | None) -> StepConfiguration:
    if fields is None:
        return StepConfiguration()
    return StepConfiguration(
        error_policy_name=fields.text("errorPolicyName") or None,
        use_cache=fields.flag("useCache"),
        cache_key=fields.text("cacheKey"),
        cache_timeout_seconds=fields.number("cacheTimeoutSeconds") or 0,
        stream=fields.flag("stream"),
        stream_all_statuses=fields.flag("streamAllStatuses"),
        pre_execution_script=fields.text("preExecutionScript"),
        construct_input_from_script=fields.flag("constructInputFromScript"),
        script_language=fields.text("scriptLanguage"),
        jq_transformer=fields.text("jqTransformer"),
        rate_limit_max_requests=fields.number("rateLimitMaxRequests") or 0,
        rate_limit_window_seconds=fields.number("rateLimitWindowSeconds") or 0,
        rate_limit_key=fields.text("rateLimitKey") or None,
        concurrency_limit=fields.number("concurrencyLimit") or 0,
        concurrency_key=fields.text("concurrencyKey") or None,
        priority=fields.number("priority"),
    )


def _reaction(policy: Fields, key: str) -> Reaction | None:
    fields = policy.object(key)
    if fields is None:
        return None
    noted = len(fields.problems)
    duration = fields.number("duration")
    retry_count = fields.number("retryCount") or 0
    interval = fields.number("retryInterval")
    request = _request(fields, "runRequest")
    reaction = Reaction(
        duration=duration or 0,
        action=fields.choice("action", StepErrorAction, StepErrorAction.FAIL),
        retry_count=retry_count,
        retry_interval=Reaction().retry_interval if interval is None else interval,
        retry_backoff_exponential=fields.flag("retryBackoffExponential"),
        run_request=request,
    )
    if len(fields.problems) == noted:
        _check_reaction(fields, key, reaction)
    return reaction


def _check_reaction(fields: Fields, key: str, reaction: Reaction) -> None:
    if key in _TIMEOUTS and reaction.duration <= 0:
        fields.note("duration", "must be more than 0 (milliseconds)")
    if key == "failure" and reaction.duration:
        fields.note("duration", "a failure has no duration: it is acted upon at once")
    if key == "completionTimeout" and reaction.action is StepErrorAction.RETRY:
        fields.note(
            "action", "RETRY is not possible here: the time for all attempts is over; use FAIL or NONE"
        )
    if reaction.retry_count < 0:
        fields.note("retryCount", "must be 0 or more")
    if reaction.retry_interval < 0:
        fields.note("retryInterval", "must be 0 or more (milliseconds)")
    if reaction.run_request is not None and not reaction.run_request.name:
        fields.note("runRequest.name", "is missing: which process to run", "MISSING")
