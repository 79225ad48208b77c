"""What may happen to the row of a process, and how its rows fit together."""

from collections.abc import Mapping, Sequence
from typing import Any

from stepwell.definition.plan import Plan
from stepwell.model.codec import decode
from stepwell.model.definition import StepType
from stepwell.model.due import DueKind
from stepwell.model.process import ProcessContext, ProcessStatus
from stepwell.model.step import Phase, StepContext, StepStatus
from stepwell.testing.entry_checks import EntryChecks
from stepwell.testing.evidence import Evidence, Invariants, broken, shown, stops
from stepwell.testing.family_checks import child_of

NEWS_OF_OTHERS = (DueKind.NEWS, DueKind.UPDATE, DueKind.ORDER, DueKind.READY)
"""Rows that other processes write: one may come to a process that has just ended. It does nothing there."""
WOKEN = (StepType.WAIT, StepType.UPDATE_STEP, StepType.DEPENDSON, StepType.PROCESS_TRACKER)
"""Steps that do nothing until a moment comes."""
FROM_OTHERS = (DueKind.GO_ON, DueKind.NEWS, DueKind.UPDATE, DueKind.ORDER, DueKind.PAUSE)
"""Rows that a step need not know of."""


class ProcessChecks(Invariants):
    def __init__(self, evidence: Evidence, entries: EntryChecks) -> None:
        super().__init__(evidence)
        self.entries = entries
        self._hooks_owed: dict[int, list[int]] = {}
        """Process → how many hook processes it must have started at least, and at most."""
        self._hooks_seen: dict[int, int] = {}

    def check(self, old: ProcessContext | None, new: ProcessContext) -> None:
        if old is None:
            if new.request_id is not None and new.rerun_of is None and not new.request_id.startswith("hook"):
                if new.request_id in self.evidence.request_ids:
                    broken("a start starts once", f"{new.request_id} is {new.id} as well")
                self.evidence.request_ids[new.request_id] = new.id
            self._note_hook(new)
        if new.marked:
            self.evidence.check_set_aside()
        if old is not None and new.revision <= old.revision:
            broken("every change raises the revision", f"process {new.id} at {new.revision}")
        resumed = old is not None and new.resumed > old.resumed
        if old is not None and not old.status.is_open and not resumed:
            reviewed = new.status is ProcessStatus.REVIEWED and old.status.is_resumable
            if not reviewed and new.status is not old.status:
                broken("an end is an end", f"process {new.id} {old.status} became {new.status}")
            if new.output != old.output or new.ended != old.ended:
                broken("an end is an end", f"process {new.id} changed after it was {old.status}")
        if resumed:
            self.see("a process was resumed")
        if not new.status.is_open and (old is None or old.status.is_open or resumed):
            self._check_end(new)
        if old is not None and resumed:
            # Ends between two resumes of one turn: nobody saw which hook they had.
            self._owe_hook(new, 0, new.resumed - old.resumed - (not old.status.is_open))
        state = {key: value for key, value in decode(new.state).items() if key.startswith("k")}
        if state != self.evidence.state.get(new.id, {}):
            broken("state as its writers left it", f"{state} is not {self.evidence.state.get(new.id)}")

    def _check_end(self, process: ProcessContext) -> None:
        self.see(f"a process ended {process.status}")
        plan = self.plan(process)
        configuration = plan.definition.configuration
        hooks = {
            ProcessStatus.COMPLETED: configuration.on_complete_process,
            ProcessStatus.FAILED: configuration.on_fail_process,
            ProcessStatus.TIMED_OUT: configuration.on_timeout_process,
            ProcessStatus.CANCELLED: configuration.on_cancel_process,
        }
        sure = hooks.get(process.status) is not None and process.trigger.value != "STEP"
        self._owe_hook(process, int(sure), int(sure))
        if process.status is ProcessStatus.TIMED_OUT and process.ended < process.deadline:
            broken("clocks ring in time", f"process {process.id} before its deadline")
        by_ref = {
            self.mirror.steps[id].path: self.mirror.steps[id]
            for id in self.mirror.steps_of.get(process.id, ())
        }
        if any(plan.steps[str(path[0])].type is StepType.EXIT and not step.status.is_open
               and step.status is not StepStatus.SKIPPED for path, step in by_ref.items()):  # fmt: skip
            self.see("ended by EXIT")
            return
        if any(plan.steps[str(path[0])].type is StepType.FLOW_GATEWAY and b'"EXIT"' in step.output
               for path, step in by_ref.items()):  # fmt: skip
            self.see("ended by a gateway")
            return
        top = [by_ref.get((ref,)) for ref in plan.top]
        begun = [step for step in top if step is not None]
        bad = [step for step in begun if self.stops(step)]
        reason = any(stops(self.step_plan(step), step) for step in begun)
        if (
            process.status is ProcessStatus.FAILED
            and not reason
            and b"compensationErrors" not in process.output
        ):
            broken("a process fails for a reason", f"process {process.id}: all top-level steps are fine")
        if process.status is ProcessStatus.COMPLETED:
            if bad or any(step is None or step.status.is_open for step in top):
                broken("completed means all done", f"process {process.id}: {[shown(s) for s in bad]}")
            self._check_output(process, plan, [step for step in top if step is not None])

    def _check_output(self, process: ProcessContext, plan: Plan, top: Sequence[StepContext]) -> None:
        done = [step for step in top if step.status is StepStatus.COMPLETED]
        wanted = {**plan.definition.default_output, **(decode(done[-1].output) if done else {})}
        if decode(process.output) != wanted:
            broken("output of the last step that completed", f"{process.output!r} is not {wanted}")

    def check_shape(self, process: ProcessContext) -> None:
        """Somebody always has the next move, counters count, and what is over leaves nothing behind."""
        due = self.mirror.due_of.get(process.id, {})
        steps = [self.mirror.steps[id] for id in self.mirror.steps_of.get(process.id, ())]
        if process.status.is_open:
            self._check_moves(process, steps, due)
        else:
            self._check_over(process, steps, due)
        for row in due.values():
            if row.kind is DueKind.GO_ON and row.at <= self.world.now:
                self.see("a decision went on in a further turn")
            step = self.mirror.steps.get(row.step_id)
            if step is None or row.kind in (*FROM_OTHERS, *self._called(step)):
                continue
            if not step.timers & row.kind:
                broken("timers are known to their step", f"{shown(step)} does not know {row.kind.name}")

    def _called(self, step: StepContext) -> tuple[DueKind, ...]:
        """A place under a limit may have been given to a step that ended in the same moment."""
        limit = self.step_plan(step).preparation
        limited = limit is not None and limit.concurrency
        return (DueKind.READY,) if limited and not step.status.is_open else ()

    def _check_over(
        self, process: ProcessContext, steps: Sequence[StepContext], due: Mapping[Any, Any]
    ) -> None:
        if self.is_closing(process):
            self.see("an ended process was closed in slices")
            own = [row for row in due.values() if row.kind not in FROM_OTHERS or row.kind is DueKind.GO_ON]
            if len(own) > 1:
                broken("an end takes its timers along", f"process {process.id} left {list(due)}")
            return
        left = [step for step in steps if step.status.is_open]
        if left:
            broken("an end closes everything", f"process {process.id} left {shown(left[0])}")
        rows = [row for row in due.values() if row.kind not in (DueKind.START_PROCESS, *NEWS_OF_OTHERS)]
        if rows:
            broken("an end takes its timers along", f"process {process.id} left {rows[0]}")

    def _check_moves(
        self, process: ProcessContext, steps: Sequence[StepContext], due: Mapping[Any, Any]
    ) -> None:
        open_top = 0
        for step in steps:
            if not step.status.is_open:
                # A GO_ON row may outlive its container for a moment: it fires at once and does nothing.
                timers = (kind for kind in DueKind if kind not in (*FROM_OTHERS, *self._called(step)))
                if any((process.id, step.id, int(kind)) in due for kind in timers):
                    broken("an end takes its timers along", f"{shown(step)} left one")
                continue
            open_top += step.parent_id is None
            if not process.compensating or self.step_plan(step).undoes is not None:
                self._check_move(process, step, due)
        in_order = not self.plan(process).edges and not process.compensating
        if (open_top > 1 and in_order) or (not open_top and (process.id, 0, int(DueKind.GO_ON)) not in due):
            broken("a running process has one next move", f"process {process.id} has {open_top}")
        if bool(process.deadline) != ((process.id, 0, int(DueKind.PROCESS_TIMEOUT)) in due):
            broken("a deadline has its timer", f"process {process.id}")

    def _check_move(self, process: ProcessContext, step: StepContext, due: Mapping[Any, Any]) -> None:
        """Who moves this open step on?"""

        def has(kind: DueKind, step_id: int) -> bool:
            return (process.id, step_id, int(kind)) in due

        plan, timer = self.step_plan(step), has(DueKind.READY, step.id)
        moved = True
        match step.phase:
            case Phase.HELD:
                moved = process.paused or timer or has(DueKind.PAUSE, 0)
            case Phase.DELAYED | Phase.GATED:
                moved = timer
            case Phase.CROWDED:
                moved = timer or self.entries.stands_in_line(step)
            case _ if self.is_offered(step):
                moves = (step.hand_out.ready is not None) + (step.hand_out.claim is not None) + timer
                if moves != 1:
                    broken("an open step is ready, held or delayed", f"{shown(step)} has {moves} {step}")
                waits = step.hand_out.ready is not None and step.phase is Phase.WORK
                if waits and process.paused and not has(DueKind.PAUSE, 0):
                    broken("a paused process begins nothing", f"{shown(step)} is ready")
            case _ if plan.type is StepType.SUB_PROCESS:
                moved = has(DueKind.NEWS, step.id) or self._child_lives(step)
            case _ if plan.type is StepType.WAIT and "forSignal" in plan.definition.input:
                timed = plan.definition.input.get("timeoutMs") is not None
                moved = not timed or has(DueKind.WAKE, step.id)
            case _ if plan.type in WOKEN:
                moved = has(DueKind.WAKE, step.id)
            case _:
                self._check_container(process, step, has(DueKind.GO_ON, step.id))
        if not moved:
            broken("every open step has somebody who moves it", f"{shown(step)} {step}")

    def _child_lives(self, step: StepContext) -> bool:
        child_id = child_of(step)
        child = self.mirror.processes.get(child_id or 0)
        if child is not None and child.status.is_open:
            return True
        asked = (DueKind.START_PROCESS, DueKind.ORDER)
        return any((child_id, 0, int(kind)) in self.mirror.due for kind in asked)

    def _check_container(self, process: ProcessContext, step: StepContext, goes_on: bool) -> None:
        plan = self.step_plan(step)
        rows = [self.mirror.steps[id] for id in self.mirror.children_of.get(step.id, ())]
        children = [child for child in rows if child.parent_execution_id in (step.execution, 0)]
        running = [child for child in rows if child.status.is_open]
        if not running and not goes_on:
            broken("a container waits for somebody", f"{shown(step)} waits for nobody")
        if plan.type in (StepType.LIST, StepType.WHILE, StepType.SWITCH):
            if len(running) > 1:
                broken("a list goes one by one", f"{shown(step)} runs {len(running)}")
            return
        counters = step.children
        assert counters is not None
        foreach = plan.type is StepType.FOREACH

        def place(child: StepContext) -> int:
            index = child.path[-1] if foreach else self.step_plan(child).position
            assert isinstance(index, int)
            return index

        seen = [child for child in children if place(child) < counters.next]
        failed = sum(stops(self.step_plan(child), child) for child in seen)
        opened = sum(child.status.is_open for child in seen)
        if (counters.open, counters.failed, counters.next) != (opened, failed, len(seen)):
            broken("counters count", f"{shown(step)} says {counters}, it is {opened} open, {failed} failed")
        if foreach and opened > (decode(step.input).get("concurrency") or 1):
            broken("concurrency is a limit", f"{shown(step)} runs {opened}")

    def _note_hook(self, process: ProcessContext) -> None:
        source = decode(process.input).get("__source")
        if source is None or process.rerun_of is not None:
            return
        if "stepId" in source:
            self.see("a policy started a process")
        else:
            self.see("a hook started a process")
            self._hooks_seen[source["processId"]] = self._hooks_seen.get(source["processId"], 0) + 1

    def _owe_hook(self, process: ProcessContext, least: int, most: int) -> None:
        owed = self._hooks_owed.setdefault(process.id, [0, 0])
        owed[0] += least
        owed[1] += most

    def check_hooks(self) -> None:
        """At the end: each end has started its hook once."""
        for id, (least, most) in self._hooks_owed.items():
            seen = self._hooks_seen.get(id, 0)
            if not least <= seen <= most:
                broken("hooks run once for each end", f"process {id}: {seen}, {least} to {most} were due")
