"""What workers said, and what became of it."""

from collections.abc import Mapping, Sequence

from stepwell.model.codec import decode
from stepwell.model.error_policy import StepErrorAction
from stepwell.model.step import StepContext, StepStatus
from stepwell.model.work import Acceptance, WorkResult, WorkStatus
from stepwell.runtime.asks import Ask, ExchangeAsk
from stepwell.testing.evidence import SCRIPTED, Evidence, Invariants, broken, shown
from stepwell.testing.mirror import Delta
from stepwell.testing.workers import STATE_PUT


class ReportChecks(Invariants):
    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence)
        self._accepted: dict[tuple[int, int], None] = {}
        self._suspected: dict[tuple[int, int], None] = {}

    def accepted_in(self, asks: Sequence[Ask]) -> dict[int, list[WorkResult]]:
        accepted: dict[int, list[WorkResult]] = {}
        for ask in asks:
            if not isinstance(ask, ExchangeAsk):
                continue
            for result, outcome in zip(ask.exchange.results, ask.outcomes, strict=True):
                self.see(f"result {outcome}")
                if outcome is Acceptance.ACCEPTED:
                    accepted.setdefault(result.step_id, []).append(result)
                elif outcome is Acceptance.DUPLICATE:
                    self._check_duplicate(result)
                elif outcome is Acceptance.SET_ASIDE:
                    self.evidence.check_set_aside()
                elif outcome is Acceptance.STALE:
                    step = self.mirror.steps.get(result.step_id)
                    if step is not None and step.status.is_open and 0 < result.token < step.hand_out.token:
                        self.see("late result after another hand-out")
                    if step is not None and step.status.is_open and result.token == step.hand_out.token:
                        self.see("late result of an attempt that was given up")
        self.check_suspects(accepted)
        return accepted

    def _check_duplicate(self, result: WorkResult) -> None:
        """Who is told that there is nothing more to say has said it before, or the step has ended."""
        step = self.mirror.steps.get(result.step_id)
        moved_on = step is not None and step.hand_out.token != result.token
        # Later in the same turn the step may have begun again and have been handed out.
        given_back = step is not None and step.hand_out.polled and not step.hand_out.runs
        if (
            step is None
            or not step.status.is_open
            or not result.token
            or moved_on
            or step.phase in SCRIPTED
            or given_back
        ):
            return
        self._suspected[result.step_id, result.token] = None

    def check_suspects(self, accepted: Mapping[int, Sequence[WorkResult]]) -> None:
        """A result and its double may come in one turn, so they are judged when all are known."""
        suspected, self._suspected = self._suspected, {}
        now = {(result.step_id, result.token) for results in accepted.values() for result in results}
        for id, token in suspected:
            if (id, token) not in now and (id, token) not in self._accepted:
                broken(
                    "a duplicate was reported before",
                    f"token {token} of {shown(self.mirror.steps[id])} was not: {self.mirror.steps[id].hand_out}",
                )

    def check(
        self, step_id: int, results: Sequence[WorkResult], old: Mapping[int, StepContext | None], delta: Delta
    ) -> None:
        if step_id not in old:
            broken("an accepted result is stored", f"nothing of step {step_id} changed")
        if len(results) > 1:
            broken("a hand-out is reported once", f"{len(results)} results of step {step_id} in one turn")
        before, after, result = old[step_id], self.mirror.steps[step_id], results[0]
        key = (step_id, result.token)
        if key in self._accepted:
            broken("a hand-out is reported once", f"step {step_id} token {result.token} again")
        self._accepted[key] = None
        if before is None or not before.status.is_open:
            broken("only open steps take results", f"step {step_id} was {before and before.status}")
            return
        if before.hand_out.token != result.token:
            broken(
                "only the last token counts", f"{result.token} was taken, last was {before.hand_out.token}"
            )
        if before.hand_out.claim is None:
            self.see("late result, nobody else had it")
        self._check_stored(before, after, result, delta)

    def _check_stored(
        self, before: StepContext, after: StepContext, result: WorkResult, delta: Delta
    ) -> None:
        """The output of the accepted result, and of no other, is where it belongs."""
        output = decode(result.output)
        if before.phase in SCRIPTED:
            self.see(f"a script ran: {before.phase}")
            return
        put = output.pop(STATE_PUT, None)
        same = after.execution == before.execution
        moved_on = after.execution > before.execution + (result.status is WorkStatus.FAILED)
        state = self.evidence.state.setdefault(after.process_id, {})
        match result.status:
            case WorkStatus.COMPLETED:
                past = delta.executions.get((after.id, before.execution))
                now = after.output if same or past is None else past.output
                transforms = self.step_plan(after).transforms
                if not transforms and (
                    (same and after.status is not StepStatus.COMPLETED) or decode(now) != output
                ):
                    broken("an accepted result is stored", f"{output} became {shown(after)}")
                state.update(put or {})
            case WorkStatus.RUNNING:
                fed = self.was_ordered(after)
                if same and after.status.is_open and decode(after.output) != output and not fed:
                    broken("an accepted result is stored", f"{output} became {shown(after)}")
                state.update(put or {})
                self.see("kept running")
            case WorkStatus.FAILED:
                kept = after.output if same else None
                if not same and (execution := delta.executions.get((after.id, before.execution))):
                    kept = execution.output
                if kept is None or decode(kept) != output:
                    broken("an accepted result is stored", f"{output} became {shown(after)}")
                closed = same and not after.status.is_open
                last = closed or moved_on or (not same and after.retries == 0)
                if last and self.step_plan(after).optional:
                    state.update(put or {})
                elif put:
                    self.see("state keys of a failed attempt dropped")
                if closed:
                    self._check_given_up(before, after)

    def _check_given_up(self, before: StepContext, after: StepContext) -> None:
        """Failing earlier than the policy says is as wrong as failing later."""
        if self.step_plan(after).optional:
            self.see("an optional step failed")
        policy = self.policy(before.policy_id)
        reaction = policy.failure if policy else None
        if reaction and reaction.action is StepErrorAction.RETRY and before.retries < reaction.retry_count:
            broken("retries as the policy says", f"{shown(after)} gave up after {before.retries} retries")
