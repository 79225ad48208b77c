"""Runs that are in memory only: for how long, with what in them, and that all of it is there once they are saved."""

from collections.abc import Mapping, Sequence

from stepwell.definition.compile import WORK
from stepwell.model.codec import decode
from stepwell.model.definition import ProcessType
from stepwell.model.due import DueKind
from stepwell.model.step import StepContext
from stepwell.model.work import WorkResult, WorkStatus
from stepwell.runtime.asks import Ask, StartAsk
from stepwell.runtime.clockwork import OWN_HANDS
from stepwell.runtime.lane import Answer
from stepwell.runtime.stretch import LONGEST_MS, Stretch
from stepwell.testing.evidence import SCRIPTED, Evidence, Invariants, broken, shown
from stepwell.testing.mirror import Delta


class StretchChecks(Invariants):
    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence)
        self._kept: dict[int, None] = {}
        """Processes that were in memory only after the last turn."""
        self._said: dict[int, dict[int, list[WorkResult]]] = {}
        """Process in memory → step → what was accepted of it."""

    def take_out(self, reports: dict[int, list[WorkResult]], delta: Delta) -> dict[int, list[WorkResult]]:
        """What was said of steps without a row before this turn: such reports, and earlier ones, by step.

        They are taken out of `reports`, for there is nothing to compare them with."""
        saved = {new.id for old, new in delta.processes if old is None}
        owners = {id: process_id for process_id, stretch in self.evidence.stretches().items()
                  for id in stretch.fold.snapshot.steps}  # fmt: skip
        owners |= {
            new.id: new.process_id for old, new in delta.steps if old is None and new.process_id in saved
        }
        for id in [id for id in reports if id in owners]:
            self._said.setdefault(owners[id], {}).setdefault(id, []).extend(reports.pop(id))
        found: dict[int, list[WorkResult]] = {}
        for process_id in saved:
            found |= self._said.pop(process_id, {})
        return found

    def check(
        self,
        asks: Sequence[Ask],
        answers: Sequence[Answer],
        said: Mapping[int, list[WorkResult]],
        delta: Delta,
    ) -> None:
        stretches = self.evidence.stretches()
        for id, stretch in stretches.items():
            self._check_kept(id, stretch, answers)
        for old, new in delta.processes:
            if old is None and new.id in self._kept:
                self.see("what was in memory was saved")
                if not new.status.is_open:
                    self.see("it was written once, at its end")
        for id, results in said.items():
            self._check_saved(self.mirror.steps[id], results)
        for id in self._kept:
            if id not in stretches and id not in self.mirror.processes:
                self.see("what was in memory was forgotten")
                self._said.pop(id, None)
        self._kept = dict.fromkeys(stretches)
        if any(isinstance(ask, StartAsk) and ask.patience_ms for ask in asks) and stretches:
            self.see("a caller waits for what is in memory")

    def _check_kept(self, id: int, stretch: Stretch, answers: Sequence[Answer]) -> None:
        process = stretch.process
        if id in self.mirror.processes:
            broken("in memory or stored, not both", f"process {id}")
        if process.type is not ProcessType.API_ORCHESTRATION or not stretch.ask.patience_ms:
            broken("only who is waited for stays in memory", f"{process}")
        if not process.status.is_open or process.response:
            broken("an end is saved at once", f"{process}")
        longest = min(LONGEST_MS, stretch.ask.patience_ms)
        if self.world.now >= process.created + longest:
            broken(
                "memory is for moments", f"process {id} of {process.created} is in memory at {self.world.now}"
            )
        if any(ask is stretch.ask for ask, _ in answers):
            broken("who is answered finds it stored", f"process {id} is in memory only")
        plan = self.evidence.plan(process)
        for step in stretch.open_steps():
            held = step.hand_out.claim is not None and step.hand_out.worker.startswith(OWN_HANDS)
            if not held and not plan.steps[str(step.path[0])].children:
                broken("what waits for others is saved", f"{shown(step)} of process {id} is in memory only")
        for key, due in stretch.fold.due.items():
            if due is not None and key[2] is not DueKind.PROCESS_TIMEOUT:
                broken("what has an effect is saved", f"process {id} in memory has {due}")

    def _check_saved(self, step: StepContext, results: Sequence[WorkResult]) -> None:
        """Every outcome that was accepted while it was in memory is in its row, or in those of its executions."""
        plan = self.step_plan(step)
        for number in range(1, step.execution):
            if (step.id, number) not in self.mirror.executions:
                broken("a finished execution is kept", f"{shown(step)} has no execution {number}")
        if plan.transforms or plan.type not in WORK or step.phase in SCRIPTED:
            return
        outputs = [step.output, *(e.output for (id, _), e in self.mirror.executions.items() if id == step.id)]
        known = [decode(output) for output in outputs]
        for result in results:
            if (
                result.status is WorkStatus.COMPLETED
                and decode(result.output) not in known
                and not plan.preparation
            ):
                broken("what was accepted in memory is saved", f"{result} is not in {shown(step)}")
