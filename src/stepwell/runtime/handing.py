"""Handing out: polls that arrive, steps claimed for them, and what each is told in the words of the wire."""

from collections.abc import Iterable, Sequence

from stepwell.engine.events import StepReported
from stepwell.model.codec import encode
from stepwell.model.errors import StepwellError
from stepwell.model.step import Phase, StepContext
from stepwell.model.work import Claim, WorkStatus
from stepwell.runtime.asks import ExchangeAsk
from stepwell.runtime.dispatch import Waiting, work_request
from stepwell.runtime.folds import Folds
from stepwell.runtime.node import Node
from stepwell.runtime.requests import Poll
from stepwell.runtime.secrets import Filled, fill
from stepwell.store.port import Turn


class Handing:
    """What one turn hands out."""

    def __init__(self, node: Node, turn: Turn, folds: Folds, now: int) -> None:
        self._node = node
        self._turn = turn
        self._folds = folds
        self._now = now
        self.steps = 0
        """How many were handed out."""

    def wait(self, ask: ExchangeAsk, poll: Poll) -> None:
        lookups = self._node.lookups
        rooms = {lookups.queue(self._turn, name): size for name, size in poll.queues if size > 0}
        waiting = Waiting(ask, rooms, self._now + poll.wait_ms)
        self._node.dispatch.add(waiting, self._now)
        if poll.poll_id is not None:
            self._give_again(waiting, poll.client, poll.poll_id)

    def _give_again(self, waiting: Waiting, client: str, poll_id: str) -> None:
        """The answer to this poll was lost: what it got and still holds is its answer again."""
        claim = self._turn.claim_of_poll(client, poll_id)
        if claim is None:
            return
        waiting.again = [step for step in self._turn.steps(claim.steps) if step.hand_out.claim == claim.id]

    def give(self, done: Iterable[int]) -> None:
        dispatch = self._node.dispatch
        for waiting in dispatch.repeated():
            # What was reported, withdrawn or offered anew in this very turn is not theirs any more.
            held = {step.id: step.hand_out.claim for step in waiting.again}
            rows = self._turn.steps(list(held))
            closing = dispatch.closing_of(self._turn, [step.process_id for step in rows])
            waiting.again = [
                step
                for step in rows
                if step.hand_out.claim == held[step.id] and step.process_id not in closing
            ]
        if self._node.clockwork.caught_up or self._node.others is not None:
            # Before that, a process may be closing that this lane has not heard of; with others the rows are asked.
            dispatch.claim(self._turn, self._now)
        served = dispatch.served()
        if served:
            self._name(served)
            for waiting in served:
                if waiting.steps:
                    self.steps += len(waiting.steps)
                    self._save_claim(dispatch.claim_row(waiting, self._now), waiting.steps)
        finished = dispatch.reported(done)
        if finished:
            self._turn.drop_claims(finished)
            self._node.stretches.drop_claims(finished)

    def _save_claim(self, claim: Claim, steps: Sequence[StepContext]) -> None:
        if all(self._folds.is_kept(step.process_id) for step in steps):
            self._node.stretches.keep_claim(claim)
        else:
            self._turn.add_claim(claim)
            self._node.clockwork.note_claim(claim.deadline)

    def _name(self, served: Sequence[Waiting]) -> None:
        """Say what was handed out in the words of the wire; a step's plan tells whether it is optional."""
        lookups = self._node.lookups
        plans = self._folds.plans_of(
            {step.process_id for waiting in served for step in (*waiting.again, *waiting.steps)}
        )
        for waiting in served:
            for step in (*waiting.again, *waiting.steps):
                filled = self._filled(step)
                if filled is not None:
                    optional = plans[step.process_id].steps[str(step.path[0])].optional
                    queue = lookups.queue_name(step.queue)
                    waiting.requests.append(work_request(step, queue, optional, filled))

    def _filled(self, step: StepContext) -> Filled | None:
        """Its input with secrets, in this one hand-out only; None when one cannot be had: then the step fails."""
        if not step.secrets or step.phase is not Phase.WORK:
            return Filled(step.input, ())
        try:
            process = self._folds.process(step.process_id)
            assert process is not None
            return fill(self._node.vault, self._turn, process, step, self._now)
        except Exception as error:
            # One secret that cannot be read must not keep everybody else's turn from being committed.
            said = error.message if isinstance(error, StepwellError) else type(error).__name__
            self._withhold(step, f"its secrets could not be filled in: {said}")
            return None

    def _withhold(self, step: StepContext, message: str) -> None:
        """It was claimed, but nobody gets it. Should this be forgotten, its lease ends and it is offered again."""
        event = StepReported(
            step_id=step.id,
            token=step.hand_out.token,
            status=WorkStatus.FAILED,
            output=encode({"error": message}),
        )
        self._node.withheld.append(event)
        self._node.clockwork.note_due(self._now)
