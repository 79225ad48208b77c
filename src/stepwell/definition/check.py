"""Is a definition one that this server can run? Every problem at once, each with its path in the text."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from stepwell.definition.compensation_check import (
    AfterwardsReferences,
    compensation_place,
    compensation_problems,
)
from stepwell.definition.configuration import configuration_problems, makes_input
from stepwell.definition.container_inputs import children_problems
from stepwell.definition.dependencies import Graph, dependency_problems, edges_of, has_edges
from stepwell.definition.names import name_problems, namespace_problems, ref_problems
from stepwell.definition.places import CONTAINERS, Place, walk
from stepwell.definition.read import read_leniently
from stepwell.definition.references import References
from stepwell.definition.step_inputs import Check, input_problems
from stepwell.model.definition import (
    ProcessConfiguration,
    ProcessDefinition,
    ProcessRequest,
    ProcessType,
    StepType,
)
from stepwell.model.errors import Problem

MAX_CONTAINERS = 20
"""How many containers may stand inside each other."""
MAX_STEPS = 10_000

_LATER = "comes with a later version of this server"


def check(
    definition: ProcessDefinition,
    *,
    known: Collection[StepType],
    policies: Callable[[str], bool],
    work: Mapping[tuple[StepType, str], Check] | None = None,
    at: str = "",
) -> list[Problem]:
    """Everything that is wrong, warnings included; without an error among them the definition may be stored.

    `known`: the step types that this server runs. `policies`: is there an error policy of that name? `work`: what
    checks the inputs of steps that the server runs itself, by type and (of BUILTIN) name; None: nothing does.
    """
    places = list(walk(definition, at))
    by_ref: dict[str, Place] = {}
    problems = list(_process_problems(definition, at))
    if len(places) > MAX_STEPS:
        problems.append(
            Problem(_join(at, "steps"), f"has {len(places)} steps, {MAX_STEPS} are possible", "LIMIT")
        )
    for place in places:
        problems += _ref_problems(place, by_ref)
        by_ref.setdefault(place.step.ref, place)
    certain = not has_edges(definition.metadata) and not any(
        place.step.type is StepType.FLOW_GATEWAY for place in places
    )
    top = [step.ref for step in definition.steps]
    edges = edges_of(definition.metadata, top)
    references = References(by_ref, order_is_certain=certain, graph=Graph(edges) if edges else None)
    for place in places:
        problems += _step_problems(place, known, policies, references)
        if place.step.type in known and not makes_input(place.step):
            problems += input_problems(place, () if edges else top, work)
        problems += references.problems(place.step.input, f"{place.at}.input", place)
    jumps = any(place.step.type is StepType.FLOW_GATEWAY for place in places)
    afterwards = AfterwardsReferences(by_ref, order_is_certain=False)
    for place in places:
        undo = compensation_place(place)
        if undo is not None:
            problems += compensation_problems(place, by_ref, jumps)
            problems += _step_problems(undo, known, policies, afterwards)
            if undo.step.type in known and not makes_input(undo.step):
                problems += input_problems(undo, (), work)
            problems += afterwards.problems(undo.step.input, f"{undo.at}.input", undo)
    problems += references.problems(definition.output_mapping, _join(at, "outputMapping"), None)
    problems += dependency_problems(definition.metadata, by_ref, top, _join(at, "metadata"))
    return problems


def read_and_check(
    value: Any,
    *,
    known: Collection[StepType],
    policies: Callable[[str], bool],
    work: Mapping[tuple[StepType, str], Check] | None = None,
    aliases: Mapping[str, str] | None = None,
    at: str = "",
) -> tuple[ProcessDefinition | None, list[Problem]]:
    """Read and check in one, so that wrong kinds and wrong contents are reported together.

    The definition is None when there is any error; warnings may come with a definition.
    """
    definition, problems = read_leniently(value, at, aliases=aliases or {})
    if definition is None:
        return None, problems
    unreadable = {problem.path for problem in problems}
    for problem in check(definition, known=known, policies=policies, work=work, at=at):
        # What could not be read became its default: what the default leads to is no news.
        owner, _, field = problem.path.rpartition(".")
        if problem.path in unreadable or (field == "children" and f"{owner}.type" in unreadable):
            continue
        problems.append(problem)
    return (None if any(not problem.warning for problem in problems) else definition), problems


def _process_problems(definition: ProcessDefinition, at: str) -> Iterator[Problem]:
    yield from namespace_problems(definition.namespace, _join(at, "namespace"))
    yield from name_problems(definition.name, _join(at, "name"))
    if definition.type is ProcessType.DYNAMIC:
        yield Problem(
            _join(at, "type"), "a DYNAMIC definition is sent with its run, it cannot be stored", "TYPE"
        )
    if definition.version is not None and definition.version < 1:
        yield Problem(_join(at, "version"), "must be 1 or more")
    yield from _process_configuration_problems(definition.configuration, _join(at, "configuration"))


def _process_configuration_problems(configuration: ProcessConfiguration, at: str) -> Iterator[Problem]:
    if (configuration.completion_timeout or 0) < 0:
        yield Problem(f"{at}.completionTimeout", "must be 0 (no limit) or more (milliseconds)")
    if configuration.lease_max is not None and configuration.lease_max < 1:
        yield Problem(f"{at}.leaseMax", "must be more than 0 (milliseconds)")
    hooks: dict[str, ProcessRequest | None] = {
        "onTimeoutProcess": configuration.on_timeout_process,
        "onFailProcess": configuration.on_fail_process,
        "onCompleteProcess": configuration.on_complete_process,
        "onCancelProcess": configuration.on_cancel_process,
    }
    for key, request in hooks.items():
        if request is not None:
            yield from name_problems(request.name, f"{at}.{key}.name")


def _ref_problems(place: Place, by_ref: Mapping[str, Place]) -> Iterator[Problem]:
    ref = place.step.ref
    bad = ref_problems(ref, f"{place.at}.ref")
    yield from bad
    if not bad and ref in by_ref:
        yield Problem(f"{place.at}.ref", f"{ref!r} is the ref of {by_ref[ref].at} already", "DUPLICATE_REF")


def _step_problems(
    place: Place, known: Collection[StepType], policies: Callable[[str], bool], references: References
) -> Iterator[Problem]:
    step, at = place.step, place.at
    if step.name or step.type is StepType.WORKER:
        yield from name_problems(step.name, f"{at}.name", slash=True)
    yield from namespace_problems(step.namespace, f"{at}.namespace")
    yield from configuration_problems(place, policies, references)
    if step.type in CONTAINERS and len(place.around) == MAX_CONTAINERS:
        yield Problem(at, f"more than {MAX_CONTAINERS} containers stand inside each other", "LIMIT")
    if step.children and step.type not in CONTAINERS:
        yield Problem(f"{at}.children", f"a step of type {step.type} has no children", "CHILDREN")
    if step.type in known:
        yield from children_problems(step, at)
    else:
        yield Problem(f"{at}.type", f"the step type {step.type} {_LATER}", "LATER_VERSION")


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key
