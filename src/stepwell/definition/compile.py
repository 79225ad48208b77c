"""From a checked definition to a `Plan`: numbers, places, compiled templates. Done once for each version."""

from collections.abc import Iterable, Iterator
from itertools import count

from stepwell.definition.compensations import compensation_of
from stepwell.definition.dependencies import dependents_of, edges_of
from stepwell.definition.plan import SCRIPTS, SERVER, Plan, Preparation, StepPlan
from stepwell.definition.template import Template, compile_template
from stepwell.model.codec import change
from stepwell.model.definition import ProcessDefinition, StepDefinition, StepType
from stepwell.model.entry import EntryKind
from stepwell.model.work import QueueName

IN_SERVER = frozenset({StepType.HTTP, StepType.JAVASCRIPT, StepType.PYTHON, StepType.JQ, StepType.BUILTIN})
"""Work steps that the server's own runner takes."""
WORK = IN_SERVER | {StepType.WORKER}
"""Steps that do work: what they report becomes their output."""
CACHE_MS = 86_400_000
"""How long an output is kept when the definition does not say."""
SCRIPTED = frozenset({StepType.SWITCH, StepType.WHILE, StepType.WAIT, StepType.FLOW_GATEWAY})
"""Control steps that may ask for a script to be evaluated."""
_ENTRIES = {"variables": EntryKind.VARIABLE, "secrets": EntryKind.SECRET}


def build_plan(stored_id: int, definition: ProcessDefinition) -> Plan:
    """Compile a definition that `check` found no error in. `stored_id` is the id of its stored version."""
    steps: dict[str, StepPlan] = {}
    numbers = count(1)
    jumps = any(step.type is StepType.FLOW_GATEWAY for step in _walk(definition.steps))
    for position, step in enumerate(definition.steps):
        _place(step, position, None, (), numbers, steps, jumps)
    undo = _place_compensations(numbers, steps)
    output = compile_template(definition.output_mapping) if definition.output_mapping else None
    keys = [key for plan in steps.values() if plan.preparation for key in plan.preparation.keys]
    top = tuple(step.ref for step in definition.steps)
    edges = edges_of(definition.metadata, top)
    return Plan(
        id=stored_id,
        definition=definition,
        steps=steps,
        top=top,
        size=next(numbers),
        output=output,
        entries=_entries_named(
            [*(plan.input for plan in steps.values()), *keys, *([output] if output else [])]
        ),
        has_loops=any(plan.loops for plan in steps.values()),
        policies=tuple(sorted({plan.policy for plan in steps.values() if plan.policy})),
        edges=edges,
        dependents=dependents_of(edges),
        undo=undo,
    )


def _entries_named(templates: Iterable[Template]) -> tuple[tuple[EntryKind, str], ...]:
    found = {
        (_ENTRIES[reference.root], str(reference.path[0])): None
        for template in templates
        for reference in template.references
        if reference.root in _ENTRIES and reference.path
    }
    return tuple(found)


def _walk(steps: Iterable[StepDefinition]) -> Iterator[StepDefinition]:
    for step in steps:
        yield step
        yield from _walk(step.children)


def _queue_of(step: StepDefinition) -> QueueName | None:
    if step.type is StepType.WORKER:
        return QueueName(step.namespace, StepType.WORKER.value, step.name)
    if step.type in IN_SERVER:
        return QueueName(SERVER, step.type.value, step.name if step.type is StepType.BUILTIN else "")
    return SCRIPTS if step.type in SCRIPTED else None


def _preparation(step: StepDefinition) -> Preparation | None:
    given = step.configuration
    preparation = Preparation(
        script=bool((given.pre_execution_script or "").strip()),
        makes_input=given.construct_input_from_script,
        cache=given.use_cache and step.type in WORK,
        cache_key=_key(given.cache_key),
        cache_ms=1_000 * given.cache_timeout_seconds or CACHE_MS,
        rate=given.rate_limit_max_requests,
        window_ms=1_000 * given.rate_limit_window_seconds,
        rate_key=_key(given.rate_limit_key),
        concurrency=given.concurrency_limit,
        concurrency_key=_key(given.concurrency_key),
    )
    needed = preparation.script or preparation.cache or preparation.rate or preparation.concurrency
    return preparation if needed else None


def _key(text: str | None) -> Template | None:
    return compile_template({"key": text}) if text else None


def _transforms(step: StepDefinition) -> bool:
    return step.type in WORK and bool((step.configuration.jq_transformer or "").strip())


def _place(
    step: StepDefinition,
    position: int,
    parent: str | None,
    loops: tuple[str, ...],
    numbers: "count[int]",
    steps: dict[str, StepPlan],
    repeats: bool,
) -> None:
    """Number a step, then what is inside it: reading order."""
    number = next(numbers)
    plan = steps[step.ref] = StepPlan(
        definition=step,
        ref=step.ref,
        type=step.type,
        number=number,
        position=position,
        parent=parent,
        loops=loops,
        children=tuple(child.ref for child in step.children),
        input=compile_template(step.input),
        optional=step.optional,
        policy=step.configuration.error_policy_name or None,
        queue=_queue_of(step),
        preparation=_preparation(step),
        transforms=_transforms(step),
        repeats=repeats,
    )
    repeats = repeats or step.type is StepType.WHILE
    if step.type is not StepType.FOREACH:
        for index, child in enumerate(step.children):
            _place(child, index, step.ref, loops, numbers, steps, repeats)
        return
    inner = count(0)
    for index, child in enumerate(step.children):
        _place(child, index, step.ref, (*loops, step.ref), inner, steps, repeats)
    steps[step.ref] = change(plan, iteration_size=next(inner))


def _place_compensations(numbers: "count[int]", steps: dict[str, StepPlan]) -> dict[str, str]:
    """Number the compensations, each behind all steps of the numbering that its step is in."""
    undo = {}
    for ref, step in list(steps.items()):
        compensation = compensation_of(step.definition)
        if compensation is None:
            continue
        loop = steps[step.loops[-1]] if step.loops else None
        own = numbers if loop is None else count(loop.iteration_size)
        _place(compensation, 0, None, step.loops, own, steps, False)
        steps[compensation.ref] = change(steps[compensation.ref], undoes=ref)
        undo[ref] = compensation.ref
        if loop is not None:
            steps[loop.ref] = change(loop, iteration_size=next(own))
    return undo
