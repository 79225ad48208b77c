"""Processes that start others, and signals: who is told of what, and how often."""

from collections.abc import Mapping, Sequence
from typing import Any

from stepwell.engine.events import SignalReceived
from stepwell.model.codec import decode
from stepwell.model.definition import StepType
from stepwell.model.due import DueKind
from stepwell.model.process import ProcessContext, ProcessStatus
from stepwell.model.step import StepContext, StepStatus
from stepwell.runtime.asks import Ask, EventAsk
from stepwell.runtime.lane import Answer
from stepwell.testing.evidence import Evidence, Invariants, broken, shown
from stepwell.testing.mirror import Delta


class FamilyChecks(Invariants):
    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence)
        self._taken: dict[int, tuple[int, int]] = {}
        """Signal → the step and execution that took it."""

    def check(self, delta: Delta, answers: Sequence[Answer]) -> None:
        for old, new in delta.steps:
            match self.step_plan(new).type:
                case StepType.SUB_PROCESS:
                    self._check_sub_process(old, new)
                case StepType.WAIT:
                    self._note_taken(new, new.execution, new.output)
        for (id, number), execution in delta.executions.items():
            step = self.mirror.steps[id]
            if self.step_plan(step).type is StepType.WAIT:
                self._note_taken(step, number, execution.output)
        for was, process in delta.processes:
            self._check_child(was, process)
            for signal in decode(process.signals):
                self._check_not_taken(signal["payload"]["signal"], process.id)
        self._check_accepted(answers)

    # -- families

    def _check_child(self, old: ProcessContext | None, new: ProcessContext) -> None:
        if new.parent_id is None:
            return
        if old is None:
            self.see("a child began")
            if new.parent_id not in self.mirror.processes:
                broken("a child has a parent", f"process {new.id} of {new.parent_id}")
        ends = not new.status.is_open and (old is None or old.status.is_open or new.resumed > old.resumed)
        if not ends or new.parent_step_id is None:
            return
        row = self.mirror.due.get((new.parent_id, new.parent_step_id, int(DueKind.NEWS)))
        if row is not None and decode(row.body)["process_id"] != new.id:
            # Of an earlier child, which ended once more in the same moment: whoever hears that asks the present one.
            self.see("news of an earlier child")
        elif row is None:
            parent = self.mirror.steps[new.parent_step_id]
            if parent.status.is_open and child_of(parent) == new.id:
                broken("a child's end is told", f"process {new.id} {new.status} ended, {shown(parent)} waits")
        if new.status is ProcessStatus.TERMINATED:
            self.see("a child was terminated")

    def _check_sub_process(self, old: StepContext | None, new: StepContext) -> None:
        child_id = child_of(new)
        if new.status.is_open or child_id is None or (old is not None and not old.status.is_open):
            return
        child = self.mirror.processes.get(child_id)
        said = decode(new.output)
        if new.status is StepStatus.COMPLETED and "subProcessOutput" in said:
            self.see("a child's end reached its parent")
            if child is None or (child.status is not ProcessStatus.COMPLETED and not child.resumed):
                broken(
                    "a child's end reaches its parent", f"{shown(new)} completed, its child {child} did not"
                )
        elif "subProcessOutput" not in said and (child is None or child.status.is_open):
            # Nobody waits for it any more.
            if (child_id, 0, int(DueKind.ORDER)) not in self.mirror.due:
                broken("an end goes down", f"{shown(new)} ended, its child {child_id} is not told")
            self.see("an order went down")

    # -- signals

    def _note_taken(self, step: StepContext, execution: int, output: bytes) -> None:
        if b'"signal"' not in output:
            return
        number, by = decode(output)["signal"], (step.id, execution)
        if self._taken.setdefault(number, by) != by:
            broken("a signal is consumed once", f"{number} by {self._taken[number]} and by {by}")
        self.see("a signal was taken")

    def _check_not_taken(self, number: int, process_id: int) -> None:
        self.see("a signal came early")
        if number in self._taken:
            broken("a signal is consumed once", f"{number} is kept by process {process_id} as well")

    def _check_accepted(self, answers: Sequence[Answer]) -> None:
        for ask, value in answers:
            if (
                value is not None
                or not isinstance(ask, EventAsk)
                or not isinstance(ask.event, SignalReceived)
            ):
                continue
            number = decode(ask.event.payload)["signal"]
            kept = decode(self.mirror.processes[ask.process_id].signals)
            if number not in self._taken and not any(one["payload"]["signal"] == number for one in kept):
                broken("a signal is not lost", f"{number} for process {ask.process_id}")


def child_of(step: StepContext) -> int | None:
    """The process that a SUB_PROCESS step waits for or has waited for."""
    return step.children.base if step.children is not None and step.children.base else None


def orders_in(asks: Sequence[Ask]) -> Mapping[int, list[Any]]:
    """The events that people sent in this turn, by process."""
    found: dict[int, list[Any]] = {}
    for ask in asks:
        if isinstance(ask, EventAsk):
            found.setdefault(ask.process_id, []).append(ask.event)
    return found
