"""The invariants. Each has a name; every turn of a simulated run is held against all of them.

Nothing in here asks the engine what it thinks: what must hold is said again, in other words, from the rows and from
what workers and callers were told.
"""

from collections.abc import Sequence

from stepwell.model.errors import StepwellError
from stepwell.runtime.asks import Ask
from stepwell.runtime.lane import Answer, Lane
from stepwell.runtime.turn import RuntimeSettings
from stepwell.testing.answer_checks import AnswerChecks
from stepwell.testing.clients import Ledger
from stepwell.testing.evidence import Evidence, broken
from stepwell.testing.faults import FaultyStore
from stepwell.testing.mirror import Delta
from stepwell.testing.process_checks import ProcessChecks
from stepwell.testing.report_checks import ReportChecks
from stepwell.testing.step_checks import StepChecks
from stepwell.testing.world import World


class Checks:
    """Holds every turn against the invariants, and counts the interesting situations that came up."""

    def __init__(self, world: World, store: FaultyStore, settings: RuntimeSettings, ledger: Ledger) -> None:
        evidence = Evidence(world, store, settings)
        self.mirror = evidence.mirror
        self._evidence = evidence
        self._store = store
        self._ledger = ledger
        self._reports = ReportChecks(evidence)
        self._steps = StepChecks(evidence)
        self._processes = ProcessChecks(evidence)
        self._answers = AnswerChecks(evidence)

    def after_turn(
        self, lane: Lane | None, asks: Sequence[Ask], answers: Sequence[Answer], *, committed: bool
    ) -> None:
        for error in self._store.errors:
            if not isinstance(error, StepwellError):
                broken("a turn never raises", f"{type(error).__name__}: {error}")
        before = self._answers.held_by_poll(asks)
        delta = self.mirror.refresh(self._store)
        reports = self._reports.accepted_in(asks) if committed else {}
        old_steps = {new.id: old for old, new in delta.steps}
        for step_id, results in reports.items():
            self._reports.check(step_id, results, old_steps, delta)
        self._steps.resumed_before = {new.id: old.resumed for old, new in delta.processes if old is not None}
        for old, new in delta.steps:
            self._steps.check(old, new, reports.get(new.id, ()))
        for claim, after in delta.claims:
            self._steps.check_claim(claim.steps if claim else (), after.steps if after else ())
        for was, process in delta.processes:
            self._processes.check(was, process)
        touched = _touched(delta)
        for id in touched:
            if id in self.mirror.processes:
                self._processes.check_shape(self.mirror.processes[id])
        if lane is not None:
            self._answers.check_cache(lane, touched)
        self._answers.check(answers, before)

    def check_end(self) -> None:
        """All faults are over and everybody was well for a long time."""
        self._evidence.check_set_aside()
        mirror = self.mirror
        running = [row for row in mirror.processes.values() if row.status.is_open]
        if running:
            broken("every process ends", f"{len(running)} did not, the first is {running[0].id}")
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


def _touched(delta: Delta) -> list[int]:
    """The processes of all rows that changed."""
    ids = {step.process_id for _, step in delta.steps}
    ids |= {process.id for _, process in delta.processes}
    ids |= {row.process_id for pair in delta.due for row in pair if row is not None}
    return sorted(ids)
