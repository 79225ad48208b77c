"""Where the steps of a definition stand, and what a step can see of the others from its place."""

from collections.abc import Iterator
from enum import Enum

from stepwell.model.codec import Record
from stepwell.model.definition import ProcessDefinition, StepDefinition, StepType

CONTAINERS = frozenset({StepType.LIST, StepType.PARALLEL, StepType.FOREACH, StepType.SWITCH, StepType.WHILE})


class Place(Record, frozen=True):
    step: StepDefinition
    at: str
    """Its path in the text: `steps[2].children[0]`."""
    trail: tuple[int, ...]
    """Its index at every level, from the top."""
    around: tuple[StepDefinition, ...]
    """The containers around it, outermost first."""

    @property
    def top(self) -> str:
        """The ref of the top-level step that it is or is in."""
        return (self.around[0] if self.around else self.step).ref

    @property
    def loops(self) -> tuple[StepDefinition, ...]:
        return tuple(step for step in self.around if step.type is StepType.FOREACH)


class Order(Enum):
    """What is known of another step when this one begins."""

    BEFORE = "before"
    AROUND = "around"
    """It is this step or contains it: begun, not ended."""
    CONCURRENT = "concurrent"
    LATER = "later"
    OTHER_BRANCH = "other branch"
    """In another child of the same SWITCH: of the two only one runs, unless a loop or an operator has it otherwise."""
    OPEN = "open"
    """Not provable: loops and jumps decide it."""


def walk(definition: ProcessDefinition, at: str) -> Iterator[Place]:
    """Every step in reading order."""
    prefix = f"{at}.steps" if at else "steps"
    for index, step in enumerate(definition.steps):
        yield from _walk(step, f"{prefix}[{index}]", (index,), ())


def _walk(
    step: StepDefinition, at: str, trail: tuple[int, ...], around: tuple[StepDefinition, ...]
) -> Iterator[Place]:
    yield Place(step, at, trail, around)
    for index, child in enumerate(step.children):
        yield from _walk(child, f"{at}.children[{index}]", (*trail, index), (*around, step))


def order_of(other: Place, seen_from: Place) -> Order:
    """Where `other` stands in time when the step at `seen_from` begins."""
    shared = shared_levels(other, seen_from)
    if shared == len(other.trail):
        return Order.AROUND
    containers = seen_from.around[:shared]
    order = _in_one_pass(other, seen_from, shared, containers)
    in_loop = any(step.type is StepType.WHILE for step in containers)
    return Order.OPEN if in_loop and order is not Order.BEFORE else order


def _in_one_pass(
    other: Place, seen_from: Place, shared: int, containers: tuple[StepDefinition, ...]
) -> Order:
    if shared == len(seen_from.trail):
        return Order.LATER
    if containers and containers[-1].type is StepType.PARALLEL:
        return Order.CONCURRENT
    if containers and containers[-1].type is StepType.SWITCH:
        return Order.OTHER_BRANCH
    return Order.BEFORE if other.trail[shared] < seen_from.trail[shared] else Order.LATER


def shared_levels(one: Place, two: Place) -> int:
    """How many levels from the top two steps share."""
    count = 0
    for left, right in zip(one.trail, two.trail, strict=False):
        if left != right:
            break
        count += 1
    return count
