"""The invariants. Each has a name; every turn of a simulated run is held against all of them.

Nothing in here asks the engine what it thinks: what must hold is said again, in other words, from the rows and from
what workers and callers were told.
"""

from collections.abc import Sequence

from stepwell.model.definition import StepType
from stepwell.model.due import DueKind
from stepwell.model.errors import StepwellError
from stepwell.model.process import ProcessContext
from stepwell.runtime.asks import Ask
from stepwell.runtime.clockwork import OWN_HANDS
from stepwell.runtime.lane import Answer, Lane
from stepwell.runtime.liveness import look_at_all
from stepwell.runtime.node import RuntimeSettings
from stepwell.testing.answer_checks import AnswerChecks
from stepwell.testing.asking_checks import AskingChecks
from stepwell.testing.clients import Ledger
from stepwell.testing.entry_checks import EntryChecks
from stepwell.testing.evidence import Evidence, broken, shown
from stepwell.testing.family_checks import FamilyChecks, orders_in
from stepwell.testing.faults import FaultyStore
from stepwell.testing.keeper import KeeperChecks
from stepwell.testing.mirror import Delta
from stepwell.testing.order_checks import OrderChecks
from stepwell.testing.process_checks import ProcessChecks
from stepwell.testing.report_checks import ReportChecks
from stepwell.testing.step_checks import StepChecks
from stepwell.testing.stretch_checks import StretchChecks
from stepwell.testing.world import World

LOOK_EVERY = 16
"""Turns between two looks for stuck processes, as a server looks for them: at all rows, by the store's own queries."""


class Checks:
    """Holds every turn against the invariants, and counts the interesting situations that came up."""

    def __init__(
        self, world: World, store: FaultyStore, settings: RuntimeSettings, ledger: Ledger, keep_ms: int
    ) -> None:
        evidence = Evidence(world, store, settings)
        self.mirror = evidence.mirror
        self.evidence = self._evidence = evidence
        self._turns = 0
        self._served = False
        """Has the server that runs now made a turn that was committed?"""
        self._store = store
        self._ledger = ledger
        self._reports = ReportChecks(evidence)
        self._steps = StepChecks(evidence)
        self._entries = EntryChecks(evidence)
        self._families = FamilyChecks(evidence)
        self._asking = AskingChecks(evidence)
        self._orders = OrderChecks(evidence)
        self._processes = ProcessChecks(evidence, self._entries)
        self._answers = AnswerChecks(evidence)
        self._stretches = StretchChecks(evidence)
        self._keeper = KeeperChecks(evidence, keep_ms)

    def after_turn(
        self,
        lane: Lane | None,
        asks: Sequence[Ask],
        answers: Sequence[Answer],
        told: Sequence[ProcessContext] | None,
        *,
        committed: bool,
    ) -> None:
        """`told`: the ends and responses that the turn has told of; None when the server died in it."""
        for error in self._store.errors:
            if not isinstance(error, StepwellError):
                broken("a turn never raises", f"{type(error).__name__}: {error}")
        before = self._answers.held_by_poll(asks)
        delta = self.mirror.refresh(self._store)
        reports = self._reports.accepted_in(asks) if committed else {}
        self._note_circumstances(lane, asks, delta, committed)
        said = self._stretches.take_out(reports, delta)
        old_steps = {new.id: old for old, new in delta.steps}
        for step_id, results in reports.items():
            self._reports.check(step_id, results, old_steps, delta)
        self._steps.resumed_before = {new.id: old.resumed for old, new in delta.processes if old is not None}
        self._steps.paused_before = {now.id for was, now in delta.processes if was is not None and was.paused}
        for _, process in delta.processes:
            self._steps.note_reruns(process)
        for old, new in delta.steps:
            self._steps.check(old, new, reports.get(new.id) or said.get(new.id, ())[-1:])
        for claim, after in delta.claims:
            self._steps.check_claim(claim.steps if claim else (), after.steps if after else ())
        for was, process in delta.processes:
            self._processes.check(was, process)
        self._entries.check(delta)
        self._families.check(delta, answers)
        self._asking.check(delta, told)
        self._orders.check(delta)
        touched = _touched(delta)
        for id in touched:
            if id in self.mirror.processes:
                self._processes.check_shape(self.mirror.processes[id])
        if lane is not None:
            self._answers.check_cache(lane, touched)
        self._answers.check(answers, before)
        self._stretches.check(asks, answers, said, delta)
        self._keeper.check(delta)
        self._turns += 1
        if self._turns % LOOK_EVERY == 0:
            self._check_liveness()

    def _check_liveness(self) -> None:
        _, stuck = look_at_all(self._store.reads)
        if stuck:
            broken("no process is stuck", f"{stuck[0].process_id}: {stuck[0].why}")

    def check_end(self) -> None:
        """All faults are over and everybody was well for a long time."""
        self._evidence.check_set_aside()
        mirror = self.mirror
        running = [row for row in mirror.processes.values() if row.status.is_open]
        if running:
            open_steps = (
                step for id in mirror.steps_of[running[0].id] if (step := mirror.steps[id]).status.is_open
            )
            waiting = [f"{shown(step)} {step.phase} {step.hand_out}" for step in open_steps]
            broken("every process ends", f"{len(running)} did not, {running[0].id} waits for {waiting}")
        ready = [step for step in mirror.steps.values() if step.hand_out.ready is not None]
        left = [*mirror.due.values(), *mirror.claims.values(), *ready]
        if left:
            broken("quiet means quiet", f"{len(left)} rows are left, the first is {left[0]}")
        for request_id, id in self._ledger.started.items():
            if self._evidence.request_ids.get(request_id) != id:
                broken("an acknowledged start exists", f"{request_id} was process {id}")
        for request_id in self._ledger.refused:
            if request_id in self._evidence.request_ids:
                broken("busy means nothing happened", f"{request_id} was started")
        self._processes.check_hooks()
        self._entries.check_end()
        self._keeper.check_end()

    def _note_circumstances(
        self, lane: Lane | None, asks: Sequence[Ask], delta: Delta, committed: bool
    ) -> None:
        evidence = self._evidence
        evidence.orders = orders_in(asks)
        evidence.updated = {
            old.process_id for old, new in delta.due if old is not None and old.kind is DueKind.UPDATE
        }
        for _, step in delta.steps:
            plan = evidence.plan(self.mirror.processes[step.process_id]).steps[str(step.path[0])]
            if plan.type is StepType.UPDATE_STEP and not step.status.is_open:
                evidence.updated.add(step.process_id)
        evidence.recovering = committed and not self._served
        self._served = lane is not None and (self._served or committed)
        if evidence.recovering:
            fresh = {after.id for before, after in delta.claims if before is None and after is not None}
            for claim in self.mirror.claims.values():
                if claim.client.startswith(OWN_HANDS) and claim.id not in fresh:
                    broken("a restart offers at once what its own hands held", f"{claim}")


def _touched(delta: Delta) -> list[int]:
    """The processes of all rows that changed."""
    ids = {step.process_id for _, step in delta.steps}
    ids |= {process.id for _, process in delta.processes}
    ids |= {row.process_id for pair in delta.due for row in pair if row is not None}
    return sorted(ids)
