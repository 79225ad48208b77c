"""The interface of a step that the server runs itself."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

from stepwell.model.codec import Json, Record
from stepwell.model.definition import StepType
from stepwell.model.errors import Problem
from stepwell.model.work import WorkRequest
from stepwell.steps.sandbox.script import Script

MOST_ATTEMPTS = 1_000


class ProcessView(Protocol):
    """What a script may look at: committed rows of its own process, loaded when they are asked for."""

    async def context(self, payloads: Collection[str] = ("input", "output", "state")) -> dict[str, Any]:
        """The process context under its documented names (`id`, `correlationId` …), with these of its payloads."""

    async def step(self, ref: str, attempts: int = MOST_ATTEMPTS) -> dict[str, Any] | None:
        """A step context under its documented names, its newest executions under `executions`; None: no such step.

        `__self` is the step that runs; a ref means the nearest iteration's step first, then outward."""


class StepCall(Record, frozen=True, kw_only=True):
    """One hand-out of one step."""

    request: WorkRequest
    view: ProcessView
    now_ms: int
    script: Script | None = None
    """The script of its configuration that the step is handed out for; None: this is its own work."""


class Completed(Record, frozen=True):
    output: Json


class Failed(Record, frozen=True):
    """The output says why, under `error`."""

    output: Json


class Again(Record, frozen=True):
    """Not done yet: offer the step again after a while. Nothing is held in between."""

    output: Json
    after_ms: int


Outcome = Completed | Failed | Again


class BuiltIn(Record, frozen=True, kw_only=True):
    """A step type: its name in definitions, how it runs, what its input must look like."""

    type: StepType
    name: str = ""
    """Of a BUILTIN type that a package adds; the step's own `name` chooses it."""
    run: Callable[[StepCall], Awaitable[Outcome]]
    check: Callable[[dict[str, Any], str], list[Problem]]
    """Static problems of the definition's input (templates still in it), with their paths under the given one."""
