"""Checking templates: does what they name exist, and can it be there when they are filled?"""

from collections.abc import Iterator, Mapping
from typing import Any

from stepwell.definition.compile import IN_SERVER
from stepwell.definition.dependencies import Graph
from stepwell.definition.names import SELF
from stepwell.definition.places import Order, Place, order_of, shared_levels
from stepwell.definition.template import Reference, scan
from stepwell.model.definition import StepType
from stepwell.model.errors import Problem

_TAKES_SECRETS = IN_SERVER | {StepType.WORKER}
"""Steps that are handed out: a secret is filled in then, and nowhere else."""


class References:
    """The templates of one definition, checked against its steps."""

    def __init__(
        self, places: Mapping[str, Place], *, order_is_certain: bool, graph: Graph | None = None
    ) -> None:
        self.places = places
        self.graph = graph
        self.order_is_certain = order_is_certain
        """False with jumps or edges: a step further down may have run already."""

    def problems(self, value: Mapping[str, Any], at: str, place: Place | None) -> Iterator[Problem]:
        """`place`: the step whose input this is, None for what is filled when the process ends."""
        for path, found in scan(value, at):
            if isinstance(found, Problem):
                yield found
            else:
                yield from self._reference(found, path, place)

    def _reference(self, reference: Reference, at: str, place: Place | None) -> Iterator[Problem]:
        root = reference.root
        if reference.secret is not None:
            if place is None or place.step.type not in _TAKES_SECRETS:
                where = "the output of a process" if place is None else f"a {place.step.type} step"
                yield _problem(
                    at,
                    reference,
                    f"{where} is stored, so no secret can be in it: only steps that do work get secrets",
                    "SECRET",
                )
        elif root == "foreach" and (place is None or not place.loops):
            yield _problem(at, reference, "there is no FOREACH around it")
        elif root == "steps":
            yield from self._step(reference, at, place)

    def _step(self, reference: Reference, at: str, place: Place | None) -> Iterator[Problem]:
        ref, *indexes = str(reference.path[0]).split("[")
        if ref == SELF:
            yield _problem(at, reference, f"{SELF} is for scripts: an input is filled before the step runs")
            return
        other = self.places.get(ref)
        if other is None:
            yield _problem(at, reference, f"there is no step with the ref {ref!r}", "UNKNOWN_REF")
            return
        shared = _shared_loops(other, place)
        loops = len(other.loops)
        if other.step.type is StepType.FOREACH and len(indexes) == loops + 1:
            # One of its own iterations.
            if place is not None and not loops:
                yield from self._order(reference, at, place, other)
        elif not loops - shared <= len(indexes) <= loops:
            yield _problem(at, reference, _index_advice(ref, loops, shared))
        elif place is not None and len(indexes) == loops - shared:
            # With more indexes it may be another iteration of a shared FOREACH: nothing is certain then.
            yield from self._order(reference, at, place, other)

    def _order(self, reference: Reference, at: str, place: Place, other: Place) -> Iterator[Problem]:
        if self.graph is not None and other.top != place.top:
            if not self.graph.is_before(other.top, place.top):
                message = "no edge puts it before this step, so it may not have run yet"
                yield _problem(at, reference, message, "NOT_RUN_YET", warning=True)
            return
        order = order_of(other, place)
        if order is Order.BEFORE:
            return
        if order is Order.AROUND:
            if len(reference.path) > 1 and reference.path[1] != "output":
                return
            message = "it is this step or is around it, so it has no output yet"
        elif order is Order.CONCURRENT:
            message = "it cannot have run yet for certain: it runs at the same time"
        elif order is Order.OTHER_BRANCH:
            message = "it is in another branch of the same SWITCH: when this one runs, that one is skipped"
        elif order is Order.OPEN:
            message = "in the first pass of the WHILE around them it has not run yet"
        else:
            message = "it cannot have run yet: it comes later"
        certain = self.order_is_certain and order not in (Order.OPEN, Order.OTHER_BRANCH)
        yield _problem(at, reference, message, "NOT_RUN_YET", warning=not certain)


def _shared_loops(other: Place, place: Place | None) -> int:
    if place is None:
        return 0
    containers = place.around[: shared_levels(other, place)]
    # A FOREACH's own input is filled outside of its iterations: it is not in its own `around`.
    return sum(step.type is StepType.FOREACH for step in containers)


def _index_advice(ref: str, loops: int, shared: int) -> str:
    if not loops:
        return f"{ref} is in no FOREACH, so it has no index"
    example = ref + "[0]" * loops
    if shared:
        return f"it needs other indexes: write {ref + '[0]' * (loops - shared)} or {example}"
    return f"{ref} is inside of a FOREACH; from outside an iteration is named by its index, such as {example}"


def _problem(
    at: str, reference: Reference, message: str, code: str = "TEMPLATE", warning: bool = False
) -> Problem:
    return Problem(at, f"{{{{ {reference.text} }}}}: {message}", code, warning)
