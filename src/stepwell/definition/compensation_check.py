"""Checking compensations: what may undo a step, and where."""

from collections.abc import Iterator, Mapping

from stepwell.definition.compensations import COMPENSATING, compensation_of
from stepwell.definition.places import Place
from stepwell.definition.references import References
from stepwell.definition.template import Reference
from stepwell.model.definition import StepType
from stepwell.model.errors import Problem


class AfterwardsReferences(References):
    """Templates of what runs when all else is over: any step may have run by then."""

    def _order(self, reference: Reference, at: str, place: Place, other: Place) -> Iterator[Problem]:
        return iter(())


def compensation_place(place: Place) -> Place | None:
    """A step's compensation, standing where the step stands."""
    undo = compensation_of(place.step)
    return None if undo is None else Place(undo, f"{place.at}.compensate", place.trail, place.around)


def compensation_problems(place: Place, by_ref: Mapping[str, Place], jumps: bool) -> Iterator[Problem]:
    """What is wrong with a step's compensation beyond what any step can have. `jumps`: is there a gateway?"""
    written, at = place.step.compensate, f"{place.at}.compensate"
    undo = compensation_of(place.step)
    assert written is not None and undo is not None
    if undo.ref in by_ref:
        yield Problem(f"{at}.ref", f"will be {undo.ref!r}, the ref of {by_ref[undo.ref].at}", "DUPLICATE_REF")
    if written.ref:
        yield Problem(f"{at}.ref", f"is made by the server: {undo.ref!r}")
    if written.type not in COMPENSATING:
        kinds = ", ".join(sorted(COMPENSATING))
        yield Problem(f"{at}.type", f"a compensation is one of {kinds}", "TYPE")
    if written.compensate is not None:
        yield Problem(f"{at}.compensate", "a compensation is not undone itself")
    if any(step.type is StepType.WHILE for step in place.around):
        yield Problem(
            at, "a step inside a WHILE runs many times and cannot be undone; put the pass into a SUB_PROCESS"
        )
    elif jumps:
        message = "where a gateway jumps back, only a step's last execution is undone"
        yield Problem(at, message, "UNDONE_ONCE", warning=True)
