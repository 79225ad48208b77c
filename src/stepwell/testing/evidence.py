"""What the invariants are judged by: rows before and after, definitions and policies, what was accepted so far."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from stepwell.definition.compile import WORK, build_plan
from stepwell.definition.plan import Plan, StepPlan
from stepwell.definition.renumber import follow
from stepwell.engine.events import StepOrdered, StepRemoved
from stepwell.model.codec import decode_as
from stepwell.model.definition import ProcessDefinition
from stepwell.model.due import DueKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.process import ProcessContext
from stepwell.model.retention import Finished
from stepwell.model.step import Phase, StepContext, StepStatus
from stepwell.runtime.node import RuntimeSettings
from stepwell.runtime.stretch import Stretch
from stepwell.testing.faults import FaultyStore
from stepwell.testing.mirror import Mirror
from stepwell.testing.world import World

SCRIPTED = (Phase.PREPARING, Phase.EVALUATING, Phase.TRANSFORMING)


class Violation(AssertionError):
    """An invariant does not hold. The text names it and says what was found."""


def broken(name: str, found: str) -> NoReturn:
    raise Violation(f"{name}: {found}")


class Evidence:
    """Shared by all checks of one run."""

    def __init__(self, world: World, store: FaultyStore, settings: RuntimeSettings) -> None:
        self.mirror = Mirror()
        self.world = world
        self.store = store
        self.settings = settings
        self.state: dict[int, dict[str, Any]] = {}
        """Process → its state as the accepted results made it."""
        self.request_ids: dict[str, int] = {}
        """Request id of a start → the process that exists."""
        self.orders: Mapping[int, list[Any]] = {}
        """What people asked of processes in this turn."""
        self.updated: set[int] = set()
        """Processes of which an UPDATE_STEP may have changed a step in this turn."""
        self.left_behind: dict[tuple[int, int], None] = {}
        """(step, execution) of what had ended badly before a step that was run again: it stays as it is."""
        self.recovering = False
        """The first turn of a server is just over: what its own hands held before was offered again."""
        self.stretches: Callable[[], Mapping[int, Stretch]] = dict
        """Process → what the server that runs now has in memory only."""
        self._plans: dict[tuple[int, ...], Plan] = {}
        self._policies: dict[int, ErrorPolicy] = {}

    def plan(self, process: ProcessContext | Finished) -> Plan:
        key = (*process.numbering, process.definition_id)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = follow(self._build(id) for id in key)
        return plan

    def find_step(self, process_id: int, step_id: int) -> StepContext:
        """From its row, or from memory while it has none."""
        stretch = self.stretches().get(process_id)
        kept = stretch.fold.snapshot.steps.get(step_id) if stretch is not None else None
        return kept if kept is not None else self.mirror.steps[step_id]

    def find_process(self, process_id: int) -> ProcessContext:
        stretch = self.stretches().get(process_id)
        return stretch.process if stretch is not None else self.mirror.processes[process_id]

    def _build(self, definition_id: int) -> Plan:
        stored = self.store.reads.definition(definition_id)
        assert stored is not None
        return build_plan(stored.id, decode_as(stored.content, ProcessDefinition))

    def policy(self, id: int) -> ErrorPolicy | None:
        if id and id not in self._policies:
            with self.store.inner.turn() as turn:
                found = turn.policy_by_id(id)
            assert found is not None
            self._policies[id] = found
        return self._policies.get(id)

    def check_set_aside(self) -> None:
        found = self.store.reads.set_aside()
        if found:
            broken("the engine never raises", f"{found[0].error} on {found[0].event!r}")


class Invariants:
    """The base of each group of checks."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.mirror = evidence.mirror
        self.world = evidence.world
        self.settings = evidence.settings
        self.plan = evidence.plan
        self.policy = evidence.policy

    def see(self, what: str) -> None:
        """Count an interesting situation."""
        self.world.sightings[what] += 1

    def step_plan(self, step: StepContext) -> StepPlan:
        return self.plan(self.mirror.processes[step.process_id]).steps[str(step.path[0])]

    def is_offered(self, step: StepContext) -> bool:
        """Is it in the hands of those who poll: its work, or a script of its own?"""
        return step.phase in SCRIPTED or (step.phase is Phase.WORK and self.step_plan(step).type in WORK)

    def was_ordered(self, step: StepContext) -> bool:
        """Did people, or an UPDATE_STEP, decide in this turn what becomes of it?"""
        events = self.evidence.orders.get(step.process_id, ())
        return step.process_id in self.evidence.updated or any(
            isinstance(event, StepOrdered | StepRemoved) for event in events
        )

    def stops(self, step: StepContext) -> bool:
        """Did it end badly, in a way that its surroundings must not pass over?"""
        return (
            stops(self.step_plan(step), step) and (step.id, step.execution) not in self.evidence.left_behind
        )

    def is_closing(self, process: ProcessContext) -> bool:
        """Did it end with more open steps than one decision cancels?"""
        return (process.id, 0, int(DueKind.GO_ON)) in self.mirror.due_of.get(process.id, {})


def stops(plan: StepPlan, step: StepContext) -> bool:
    """Ended badly in a way that its surroundings must not pass over."""
    if step.status in (StepStatus.FAILED, StepStatus.TIMED_OUT):
        return not plan.optional
    return step.status is StepStatus.CANCELLED


def shown(step: StepContext | None) -> str:
    return (
        "nothing" if step is None else f"step {step.id} {step.ref} {step.status} execution {step.execution}"
    )
