"""From a checked definition to a `Plan`: numbers, places, compiled templates. Done once for each version."""

from itertools import count

from stepwell.definition.plan import Plan, StepPlan
from stepwell.definition.template import compile_template
from stepwell.model.codec import change
from stepwell.model.definition import ProcessDefinition, StepDefinition, StepType


def build_plan(stored_id: int, definition: ProcessDefinition) -> Plan:
    """Compile a definition that `check` found no error in. `stored_id` is the id of its stored version."""
    steps: dict[str, StepPlan] = {}
    numbers = count(1)
    for position, step in enumerate(definition.steps):
        _place(step, position, None, (), numbers, steps)
    mapping = definition.output_mapping
    return Plan(
        id=stored_id,
        definition=definition,
        steps=steps,
        top=tuple(step.ref for step in definition.steps),
        size=next(numbers),
        output=compile_template(mapping) if mapping else None,
    )


def _place(
    step: StepDefinition,
    position: int,
    parent: str | None,
    loops: tuple[str, ...],
    numbers: "count[int]",
    steps: dict[str, StepPlan],
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
    )
    if step.type is not StepType.FOREACH:
        for index, child in enumerate(step.children):
            _place(child, index, step.ref, loops, numbers, steps)
        return
    inner = count(0)
    for index, child in enumerate(step.children):
        _place(child, index, step.ref, (*loops, step.ref), inner, steps)
    steps[step.ref] = change(plan, iteration_size=next(inner))
