"""A version of a definition for a process that began under another one: every step keeps the number it had.

Ids come by arithmetic from the numbers of a plan (see `plan`), so a process may only follow a plan that gives each of
its rows the id that it has. Steps that the new version does not hold any more stay in the plan as `removed`, so that
their records can be read; no step gets their numbers. New steps get numbers that the process has ids for and no step
has had. What cannot be kept is listed in `unless_begun`: it is no obstacle as long as there are no rows of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from itertools import count

from stepwell.definition.places import CONTAINERS
from stepwell.definition.plan import Obstacle, Plan, StepPlan
from stepwell.model.codec import change
from stepwell.model.definition import StepType
from stepwell.model.errors import Conflict
from stepwell.model.process import ID_BLOCK

Shape = Mapping[str, tuple[tuple[str, ...], str | None, StepType | None]]
"""The steps inside a FOREACH: where each stands, and its type if it holds others."""


def follow(plans: Iterable[Plan]) -> Plan:
    """The plan of the last version for a process that has followed the others, oldest first. Raises Conflict."""
    return reduce(lambda old, new: keep_numbers(new, old), plans)


def keep_numbers(plan: Plan, old: Plan) -> Plan:
    """The plan with the numbers of the old one. Raises Conflict when the new steps need more ids than there are."""
    free = count(old.size)
    steps: dict[str, StepPlan] = {}
    for ref, step in plan.steps.items():
        before = old.steps.get(ref)
        if step.loops:
            steps[ref] = _inside(step, before) if _same_inside(plan, old, step.loops[0]) else step
        elif before is None or before.loops:
            steps[ref] = change(step, number=next(free))
        else:
            steps[ref] = _numbered(step, before, _same_inside(plan, old, ref))
    size = next(free)
    room = -(-old.size // ID_BLOCK) * ID_BLOCK
    if size > room:
        raise Conflict(
            f"it has ids for {room - old.size} more steps, this version brings {size - old.size} new ones"
        )
    removed = {
        ref: change(step, removed=True)
        for ref, step in old.steps.items()
        if ref not in steps and not (step.loops and step.loops[0] in plan.steps)
    }
    obstacles = tuple(dict.fromkeys(_obstacles(plan, old)))
    # What it has done under the old version is undone by the old version.
    undo = {ref: by for ref, by in old.undo.items() if ref in removed} | dict(plan.undo)
    return change(plan, steps={**steps, **removed}, size=size, undo=undo, unless_begun=obstacles)


def _inside(step: StepPlan, before: StepPlan | None) -> StepPlan:
    assert before is not None
    return change(step, number=before.number, iteration_size=before.iteration_size)


def _numbered(step: StepPlan, before: StepPlan, same_inside: bool) -> StepPlan:
    size = before.iteration_size if same_inside else step.iteration_size
    return change(step, number=before.number, iteration_size=size)


def _same_inside(plan: Plan, old: Plan, loop: str) -> bool:
    """Does the outermost FOREACH of that name hold the same steps in the same places?"""
    return loop in old.steps and _shape(plan, loop) == _shape(old, loop)


def _shape(plan: Plan, loop: str) -> Shape:
    return {
        ref: (step.loops, step.parent, _container(step))
        for ref, step in plan.steps.items()
        if step.loops[:1] == (loop,)
    }


def _container(step: StepPlan) -> StepType | None:
    return step.type if step.type in CONTAINERS else None


def _obstacles(plan: Plan, old: Plan) -> Iterator[Obstacle]:
    for ref, before in old.steps.items():
        after = plan.steps.get(ref)
        if before.loops:
            yield from _obstacles_inside(plan, old, before, after)
        elif after is None:
            continue
        elif (before.loops, before.parent) != (after.loops, after.parent):
            yield Obstacle(before.number, f"{ref} stands inside another step")
        elif _container(before) is not _container(after):
            yield Obstacle(before.number, f"{ref} is {after.type} and was {before.type}")
        elif _loses_its_place(plan, old, before, after):
            yield Obstacle(before.number, f"the steps around the gateway {ref} are others", counted=True)
        elif before.type is StepType.FOREACH and not _same_inside(plan, old, ref):
            yield Obstacle(before.number, f"the steps inside {ref} are others", counted=True)


def _obstacles_inside(plan: Plan, old: Plan, before: StepPlan, after: StepPlan | None) -> Iterator[Obstacle]:
    """A step inside a FOREACH. Whether the steps there are the same is asked of the FOREACH itself."""
    loop = old.steps[before.loops[0]]
    if after is not None and after.loops[:1] != before.loops[:1]:
        yield Obstacle(loop.number, f"{before.ref} stands inside another step", counted=True)
    elif after is not None and _loses_its_place(plan, old, before, after):
        yield Obstacle(loop.number, f"the steps around the gateway {before.ref} are others", counted=True)


def _loses_its_place(plan: Plan, old: Plan, before: StepPlan, after: StepPlan) -> bool:
    """A gateway's record holds the position at which its sequence goes on."""
    gateway = StepType.FLOW_GATEWAY
    return before.type is after.type is gateway and _siblings(plan, after) != _siblings(old, before)


def _siblings(plan: Plan, step: StepPlan) -> tuple[str, ...]:
    return plan.top if step.parent is None else plan.steps[step.parent].children
