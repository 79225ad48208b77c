"""What is written: process definitions and step definitions, as the user gave them.

Field names on the wire follow from these by one rule (camelCase). Sources: spec sections 1.2 to 1.6.
"""

from enum import StrEnum
from typing import Any

from stepwell.model.codec import Record

DEFAULT_NAMESPACE = "default"


class StepType(StrEnum):
    """Every step type of the documented system. Which of them this server runs is a table elsewhere."""

    WORKER = "WORKER"
    HTTP = "HTTP"
    WAIT = "WAIT"
    FAIL = "FAIL"
    PYTHON = "PYTHON"
    JAVASCRIPT = "JAVASCRIPT"
    JQ = "JQ"
    MANAGED = "MANAGED"
    BUILTIN = "BUILTIN"
    NOOP = "NOOP"
    PERSISTED_STATE = "PERSISTED_STATE"
    DEPENDSON = "DEPENDSON"
    GRAPHQL = "GRAPHQL"
    FLOW_GATEWAY = "FLOW_GATEWAY"
    DECISION_ENGINE = "DECISION_ENGINE"
    AI_AGENT = "AI_AGENT"
    SQLITE = "SQLITE"
    INTEGRATION = "INTEGRATION"
    EXIT = "EXIT"
    SUB_PROCESS = "SUB_PROCESS"
    LIST = "LIST"
    PARALLEL = "PARALLEL"
    FOREACH = "FOREACH"
    WHILE = "WHILE"
    SWITCH = "SWITCH"
    SCHEDULER = "SCHEDULER"
    PROCESS_TRACKER = "PROCESS_TRACKER"
    UPDATE_STEP = "UPDATE_STEP"
    SEND_RESPONSE = "SEND_RESPONSE"


class ProcessType(StrEnum):
    STANDARD = "STANDARD"
    DYNAMIC = "DYNAMIC"
    API_ORCHESTRATION = "API_ORCHESTRATION"
    INTERNAL = "INTERNAL"
    TEST = "TEST"


class TagValue(Record, frozen=True, rename="camel"):
    name: str
    value: str = ""


class StepDependency(Record, frozen=True, rename="camel"):
    """An edge of the graph: step `ref` waits for the steps in `deps` (comma separated)."""

    ref: str = ""
    deps: str = ""


class ProcessRequest(Record, frozen=True, kw_only=True, rename="camel"):
    """A wish to start a process, as a caller or a definition (hooks, policies) writes it."""

    namespace: str | None = None
    name: str = ""
    version: int | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    input: dict[str, Any] = {}
    priority: int = 0


class ProcessConfiguration(Record, frozen=True, kw_only=True, rename="camel"):
    completion_timeout: int | None = None
    """Milliseconds; 0 or None = no limit. Absent in the text: see `definition.parse`."""
    lease_max: int | None = None
    """Milliseconds a worker that shows signs of life may hold a step without its own response timeout."""
    on_timeout_process: ProcessRequest | None = None
    on_fail_process: ProcessRequest | None = None
    on_complete_process: ProcessRequest | None = None
    on_cancel_process: ProcessRequest | None = None


class StepConfiguration(Record, frozen=True, kw_only=True, rename="camel"):
    error_policy_name: str | None = None
    use_cache: bool = False
    cache_key: str | None = None
    cache_timeout_seconds: int = 0
    stream: bool = False
    stream_all_statuses: bool = False
    pre_execution_script: str | None = None
    construct_input_from_script: bool = False
    script_language: str | None = None
    jq_transformer: str | None = None
    rate_limit_max_requests: int = 0
    rate_limit_window_seconds: int = 0
    rate_limit_key: str | None = None
    """A template: steps with the same text share the limit. None = this step of this definition has its own."""
    concurrency_limit: int = 0
    concurrency_key: str | None = None
    priority: int | None = None


class StepDefinition(Record, frozen=True, kw_only=True, rename="camel"):
    namespace: str = DEFAULT_NAMESPACE
    name: str = ""
    type: StepType = StepType.NOOP
    ref: str = ""
    optional: bool = False
    label: str | None = None
    description: str | None = None
    created_by: str | None = None
    updated_by: str | None = None
    created: int = 0
    updated: int = 0
    configuration: StepConfiguration = StepConfiguration()
    children: tuple["StepDefinition", ...] = ()
    input: dict[str, Any] = {}
    output: dict[str, Any] = {}
    compensate: "StepDefinition | None" = None
    """Our own extension: what undoes this step when its process fails after it. Without ref and children."""


class ProcessDefinition(Record, frozen=True, kw_only=True, rename="camel"):
    namespace: str = DEFAULT_NAMESPACE
    name: str = ""
    version: int | None = None
    type: ProcessType = ProcessType.STANDARD
    description: str | None = None
    created_by: str | None = None
    updated_by: str | None = None
    created: int = 0
    updated: int = 0
    configuration: ProcessConfiguration = ProcessConfiguration()
    steps: tuple[StepDefinition, ...] = ()
    default_input: dict[str, Any] = {}
    default_output: dict[str, Any] = {}
    output_mapping: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    tags: tuple[TagValue, ...] = ()


class StoredDefinition(Record, frozen=True, kw_only=True):
    """One immutable version of a definition, as the store keeps it."""

    id: int
    """The history id: what a process refers to for as long as it lives."""
    namespace: str
    name: str
    version: int
    content: bytes
    """Canonical JSON of the ProcessDefinition, audit fields included."""
    fingerprint: str
    """Hash of the canonical content without audit fields: same version and fingerprint = same definition."""
    created: int
    updated: int
    created_by: str
    updated_by: str
    hidden: bool = False
