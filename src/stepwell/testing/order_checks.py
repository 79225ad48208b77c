"""What comes after what: edges of a graph, and the undoing of what was done."""

from stepwell.model.codec import decode
from stepwell.model.process import ProcessContext, ProcessStatus
from stepwell.model.step import StepContext, StepStatus
from stepwell.testing.evidence import Evidence, Invariants, broken, shown
from stepwell.testing.mirror import Delta

UNDOES = (ProcessStatus.FAILED, ProcessStatus.TIMED_OUT, ProcessStatus.CANCELLED)


class OrderChecks(Invariants):
    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence)
        self._undoing: dict[int, None] = {}
        """Processes that have begun to undo, as of the last turn."""

    def check(self, delta: Delta) -> None:
        changed = {new.id for _, new in delta.steps}
        for old, step in delta.steps:
            if old is None:
                self._check_begun(step, changed)
        for was, process in delta.processes:
            self._check_undone(was, process)
            if process.compensating and process.status.is_open:
                self._undoing[process.id] = None

    # -- graphs

    def _check_begun(self, step: StepContext, changed: set[int]) -> None:
        process = self.mirror.processes[step.process_id]
        plan = self.plan(process)
        undoes = self.step_plan(step).undoes
        if undoes is None and process.id in self._undoing:
            broken("who undoes does nothing else", f"{shown(step)} has begun")
        if undoes is not None or step.parent_id is not None or not plan.edges:
            return
        if step.status is StepStatus.SKIPPED:
            return
        top = {
            self.mirror.steps[id].path[0]: self.mirror.steps[id] for id in self.mirror.steps_of[process.id]
        }
        for ref in plan.edges[str(step.path[0])]:
            before = top.get(ref)
            if before is None or before.status.is_open or self.stops(before):
                broken("a step waits for its edges", f"{shown(step)} has begun, {ref} is {shown(before)}")
            self.see("a step waited for its edges")
        if not process.resumed:
            for ref in plan.top:
                other = top.get(ref)
                if other is not None and other.id not in changed and self.stops(other):
                    broken("a graph that fails begins nothing", f"{shown(step)} in spite of {shown(other)}")

    # -- undoing

    def _check_undone(self, old: ProcessContext | None, new: ProcessContext) -> None:
        ends = not new.status.is_open and (old is None or old.status.is_open)
        plan = self.plan(new)
        if not ends or not plan.undo:
            return
        steps = [self.mirror.steps[id] for id in self.mirror.steps_of[new.id]]
        done = [
            step for step in steps if str(step.path[0]) in plan.undo and step.status is StepStatus.COMPLETED
        ]
        undone = {
            (str(self.step_plan(step).undoes), *step.path[1:]): step
            for step in steps
            if self.step_plan(step).undoes is not None
        }
        if new.status not in UNDOES:
            if undone and new.status is not ProcessStatus.TERMINATED:
                broken("only who fails undoes", f"process {new.id} is {new.status}")
            return
        latest: StepContext | None = None
        for step in sorted(done, key=lambda step: (step.updated, step.id), reverse=True):
            undo = undone.get(step.path)
            if undo is None or undo.status.is_open:
                broken("what was done is undone", f"{shown(step)} of a {new.status} process: {shown(undo)}")
            if latest is not None and undo.scheduled < latest.updated:
                broken("the last is undone first", f"{shown(undo)} before {shown(latest)}")
            latest = undo
            self.see("a step was undone")
        if len(undone) != len(done):
            broken(
                "what was not done is not undone", f"process {new.id}: {len(done)} done, {len(undone)} undone"
            )
        failed = [step for step in undone.values() if step.status.is_failed]
        if bool(failed) != ("compensationErrors" in decode(new.output)):
            broken(
                "what could not be undone is told", f"process {new.id}: {[shown(step) for step in failed]}"
            )
        if failed and new.status is not ProcessStatus.FAILED:
            broken("what could not be undone is told", f"process {new.id} is {new.status}")
