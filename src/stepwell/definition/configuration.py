"""Checking what a step's `configuration` says: its policy, priority, scripts, cache and limits. Spec 1.6."""

from collections.abc import Callable, Iterator

from stepwell.definition.compile import WORK
from stepwell.definition.places import CONTAINERS, Place
from stepwell.definition.references import References
from stepwell.definition.template import Reference, scan
from stepwell.model.definition import StepConfiguration, StepDefinition, StepType
from stepwell.model.errors import Problem

MAX_PRIORITY = 1_000
MAX_CONCURRENCY = 1_000
"""Who has a place stands in one entry, by name."""
LONGEST_S = 10 * 366 * 86_400
SCRIPT_LIMIT = 64 * 1024
LANGUAGES = ("JAVASCRIPT", "PYTHON")

_CHANGING = ("state", "output", "status", "secretState")
"""Members of the process's context that may be others when the step ends than they were when it began."""


def configuration_problems(
    place: Place, policies: Callable[[str], bool], references: References
) -> Iterator[Problem]:
    configuration, at = place.step.configuration, f"{place.at}.configuration"
    policy = configuration.error_policy_name
    if policy is not None and not policies(policy):
        yield Problem(f"{at}.errorPolicyName", f"there is no error policy {policy!r}", "UNKNOWN_POLICY")
    if abs(configuration.priority or 0) > MAX_PRIORITY:
        yield Problem(f"{at}.priority", f"must be between -{MAX_PRIORITY} and {MAX_PRIORITY}")
    yield from _script_problems(place.step, at)
    yield from _cache_problems(configuration, at)
    yield from _rate_problems(configuration, at)
    yield from _concurrency_problems(place, configuration, at)
    yield from _effect_problems(place.step.type, configuration, at)
    for key, text in _keys(configuration).items():
        yield from _key_problems(text, f"{at}.{key}", place, references)


def makes_input(step: StepDefinition) -> bool:
    """Does a script make the input? What the definition writes for it says nothing then of what the step will get."""
    configuration = step.configuration
    has_script = bool((configuration.pre_execution_script or "").strip())
    return configuration.construct_input_from_script and has_script


def _script_problems(step: StepDefinition, at: str) -> Iterator[Problem]:
    configuration = step.configuration
    scripts = {
        "preExecutionScript": configuration.pre_execution_script,
        "jqTransformer": configuration.jq_transformer,
    }
    for key, text in scripts.items():
        if len((text or "").encode("utf-8", "replace")) > SCRIPT_LIMIT:
            yield Problem(f"{at}.{key}", f"is larger than {SCRIPT_LIMIT} bytes", "LIMIT")
    language = configuration.script_language
    if language and language.upper() not in LANGUAGES:
        yield Problem(f"{at}.scriptLanguage", f"must be one of {', '.join(LANGUAGES)}", "UNKNOWN_VALUE")
    if configuration.construct_input_from_script and not makes_input(step):
        message = "there is no preExecutionScript to make the input: it has no effect"
        yield Problem(f"{at}.constructInputFromScript", message, "NO_EFFECT", warning=True)


def _cache_problems(configuration: StepConfiguration, at: str) -> Iterator[Problem]:
    if not 0 <= configuration.cache_timeout_seconds <= LONGEST_S:
        yield Problem(f"{at}.cacheTimeoutSeconds", f"must be between 0 and {LONGEST_S}")
    if configuration.cache_key and not configuration.use_cache:
        yield Problem(f"{at}.cacheKey", "useCache is not set: it has no effect", "NO_EFFECT", warning=True)


def _rate_problems(configuration: StepConfiguration, at: str) -> Iterator[Problem]:
    if configuration.rate_limit_max_requests < 0:
        yield Problem(f"{at}.rateLimitMaxRequests", "must be 0 (no limit) or more")
    window = configuration.rate_limit_window_seconds
    if not 0 <= window <= LONGEST_S:
        yield Problem(f"{at}.rateLimitWindowSeconds", f"must be between 0 and {LONGEST_S}")
    elif configuration.rate_limit_max_requests > 0 and not window:
        message = "must be 1 or more: the window in which rateLimitMaxRequests steps may start"
        yield Problem(f"{at}.rateLimitWindowSeconds", message)


def _concurrency_problems(place: Place, configuration: StepConfiguration, at: str) -> Iterator[Problem]:
    if not 0 <= configuration.concurrency_limit <= MAX_CONCURRENCY:
        yield Problem(f"{at}.concurrencyLimit", f"must be between 0 (no limit) and {MAX_CONCURRENCY}")
    elif configuration.concurrency_limit and place.step.type in (*CONTAINERS, StepType.SUB_PROCESS):
        message = f"a {place.step.type} goes on without a place when it is resumed: limit the steps inside"
        yield Problem(f"{at}.concurrencyLimit", message)
    for _, found in scan(configuration.concurrency_key or "", ""):
        if isinstance(found, Reference) and not _stays(found, place, configuration):
            message = (
                f"{{{{ {found.text} }}}}: a step leaves under the key it came with, so only what stays the same "
                "can be in it: input, context, foreach, and this step's own input"
            )
            yield Problem(f"{at}.concurrencyKey", message, "TEMPLATE")


def _stays(reference: Reference, place: Place, configuration: StepConfiguration) -> bool:
    match reference.root:
        case "input" | "foreach":
            return True
        case "context":
            return bool(reference.path) and reference.path[0] not in _CHANGING
        case "steps":
            own = reference.path[:2] == (place.step.ref, "input")
            return own and not configuration.construct_input_from_script
    return False


def _effect_problems(type: StepType, configuration: StepConfiguration, at: str) -> Iterator[Problem]:
    if type in WORK:
        return
    for key, on in (
        ("useCache", configuration.use_cache),
        ("jqTransformer", bool((configuration.jq_transformer or "").strip())),
    ):
        if on:
            message = f"a {type} step reports no result of its own: it has no effect"
            yield Problem(f"{at}.{key}", message, "NO_EFFECT", warning=True)


def _keys(configuration: StepConfiguration) -> dict[str, str]:
    keys = {
        "cacheKey": configuration.cache_key,
        "rateLimitKey": configuration.rate_limit_key,
        "concurrencyKey": configuration.concurrency_key,
    }
    return {name: text for name, text in keys.items() if text}


def _key_problems(text: str, at: str, place: Place, references: References) -> Iterator[Problem]:
    secret = False
    for _, found in scan(text, at):
        if isinstance(found, Reference) and found.secret is not None:
            secret = True
            yield Problem(at, f"{{{{ {found.text} }}}}: a key is stored, so no secret can be in it", "SECRET")
    if not secret:
        owner, _, key = at.rpartition(".")
        yield from references.problems({key: text}, owner, place)
