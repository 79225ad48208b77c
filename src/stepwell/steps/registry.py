"""The table of steps that the server runs itself. Packages add their own by the entry point `stepwell.steps`."""

from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points

from stepwell.model.definition import StepType
from stepwell.model.work import QueueName
from stepwell.steps.step import BuiltIn

SERVER = "stepwell"
GROUP = "stepwell.steps"
"""Each entry point is a function without arguments that gives a BuiltIn of type BUILTIN."""


def registry(ours: Iterable[BuiltIn]) -> Mapping[QueueName, BuiltIn]:
    """Ours and those of installed packages, by the queue that they take steps from. A name is given once."""
    found: dict[QueueName, BuiltIn] = {}
    for step in (*ours, *plugins()):
        queue = QueueName(SERVER, step.type.value, step.name)
        if queue in found:
            raise ValueError(f"two packages offer a {step.type} step named {step.name!r}")
        found[queue] = step
    return found


def plugins() -> list[BuiltIn]:
    """What installed packages offer. Only new names of BUILTIN: nobody replaces a documented type."""
    offered = []
    for point in entry_points(group=GROUP):
        step = point.load()()
        if not isinstance(step, BuiltIn) or step.type is not StepType.BUILTIN or not step.name:
            raise TypeError(f"{point.value} must give a BuiltIn of type BUILTIN with a name")
        offered.append(step)
    return offered
