"""Definitions as callers send them: checked, or refused with everything that is wrong."""

from collections.abc import Mapping
from typing import Any

from stepwell.definition.check import read_and_check
from stepwell.definition.step_inputs import Check
from stepwell.engine.control.table import CONTROLS
from stepwell.model.codec import change
from stepwell.model.definition import DEFAULT_NAMESPACE, ProcessDefinition, ProcessType, StepType
from stepwell.model.errors import Invalid, Problem
from stepwell.runtime.dynamic import dynamic_definition
from stepwell.runtime.requests import StartRequest
from stepwell.runtime.runtime import Runtime
from stepwell.server import wire

_DYNAMIC_TYPES = (None, ProcessType.STANDARD, ProcessType.DYNAMIC)


Checks = Mapping[tuple[StepType, str], Check]


async def checked_definition(
    runtime: Runtime, value: Any, at: str = "", work: Checks | None = None
) -> ProcessDefinition:
    """The definition in a decoded body. `work`: what checks the inputs of the server's own steps. Raises Invalid."""
    namespace = value.get("namespace") if isinstance(value, dict) else None
    wanted = namespace if isinstance(namespace, str) and namespace else DEFAULT_NAMESPACE
    policies = {policy.name for policy in await runtime.read(lambda reads: reads.policies(wanted))}
    definition, problems = read_and_check(
        value,
        known=CONTROLS,
        policies=policies.__contains__,
        work=work,
        aliases=wire.STEP_TYPE_ALIASES,
        at=at,
    )
    if definition is None:
        raise Invalid(problems=tuple(problems))
    return definition


async def with_definition(
    runtime: Runtime, request: StartRequest, value: Any, work: Checks | None = None
) -> StartRequest:
    """The start of a process whose definition comes with it. Where the two say the same thing they must agree; what
    the definition leaves out is taken from the request. Raises Invalid."""
    if not isinstance(value, dict):
        raise Invalid(problems=(Problem("definition", "must be an object", "WRONG_KIND"),))
    if request.version is not None:
        raise Invalid(problems=(Problem("version", "a definition that comes with its run has none"),))
    if value.get("type") not in _DYNAMIC_TYPES:
        raise Invalid(problems=(Problem("definition.type", "is DYNAMIC when it comes with its run", "TYPE"),))
    value = {**value, "type": ProcessType.STANDARD.value}
    for key, asked in (("namespace", request.namespace), ("name", request.name)):
        said = value.setdefault(key, asked) or asked
        if asked and said != asked:
            raise Invalid(problems=(Problem(key, f"is {asked!r} here and {said!r} in the definition"),))
        value[key] = said
    definition = await checked_definition(runtime, value, "definition", work)
    stored = dynamic_definition(definition, runtime.clock.now(), request.created_by)
    return change(request, namespace=definition.namespace, name=definition.name, definition=stored)
