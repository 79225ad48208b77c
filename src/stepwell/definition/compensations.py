"""Compensations: each is a step of the plan that nothing leads to but the undoing of another one."""

from stepwell.model.codec import change
from stepwell.model.definition import StepDefinition, StepType

COMPENSATING = frozenset(
    {
        StepType.WORKER,
        StepType.HTTP,
        StepType.JAVASCRIPT,
        StepType.PYTHON,
        StepType.JQ,
        StepType.BUILTIN,
        StepType.SUB_PROCESS,
        StepType.PERSISTED_STATE,
        StepType.NOOP,
    }
)
"""The types that one may have."""


def undo_ref(ref: str) -> str:
    return f"{ref}~undo"


def compensation_of(step: StepDefinition) -> StepDefinition | None:
    """A step's compensation as a step of its own."""
    undo = step.compensate
    return None if undo is None else change(undo, ref=undo_ref(step.ref), name=undo.name or step.name)
