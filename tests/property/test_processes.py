"""Random definitions meet random events: whatever happens, in whatever order, what must hold holds.

STEPWELL_EXAMPLES sets how many stories are played (default 500, less than ten seconds).
"""

import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepwell.engine.events import (
    ResumeRequested,
    ReviewRequested,
    StepReported,
    TerminateRequested,
    TimerFired,
)
from stepwell.model.codec import change, encode
from stepwell.model.due import Due
from stepwell.model.step import StepContext
from stepwell.model.work import Acceptance, WorkStatus
from tests.property.definitions import POLICIES, definitions
from tests.property.invariants import WatchedWorld

EXAMPLES = int(os.environ.get("STEPWELL_EXAMPLES", "500"))
MOST_DRAIN_ROUNDS = 3_000

MOVES = ["claim", "complete", "complete", "fail", "keep", "lie", "repeat", "expire", "wait", "race", "wear"]
RARE = ["terminate", "resume", "resume", "review"]

moves = st.lists(
    st.tuples(st.sampled_from(MOVES * 3 + RARE), st.integers(0, 1_000), st.integers(0, 1_000)),
    min_size=5,
    max_size=60,
)


class Story:
    """Plays moves on a world. Numbers pick among what is possible, so every drawn move means something."""

    def __init__(self, written: dict[str, Any]) -> None:
        self.world = WatchedWorld(written, POLICIES)
        self.said: list[StepReported] = []
        self.world.start(input={"order": 7})
        self.world.settle()

    def play(self, move: str, which: int, much: int) -> None:
        world = self.world
        match move:
            case "claim":
                world.claim(which % 4 + 1)
            case "complete":
                self._say(which, WorkStatus.COMPLETED, much)
            case "fail":
                self._say(which, WorkStatus.FAILED, much)
            case "keep":
                self._say(which, WorkStatus.RUNNING, much)
            case "lie":
                self._lie(which, much)
            case "repeat" if self.said:
                again = self.said[which % len(self.said)]
                assert world.take(again) is not Acceptance.ACCEPTED
            case "expire":
                if held := self.held():
                    self._expire(held[which % len(held)], much)
            case "wear":
                self._wear_out(which)
            case "wait":
                world.advance(much)
            case "race":
                self._race(which, much)
            case "terminate":
                world.take(TerminateRequested(reason="enough"))
            case "resume":
                world.take(ResumeRequested())
            case "review" if which % 4 == 0:
                world.take(ReviewRequested(reason="seen"))
        if move != "race":
            world.settle()

    def held(self) -> list[StepContext]:
        """In workers' hands, or out of them without a report: whose token is still good."""
        rows = self.world.rows
        handed = [rows[id] for id in sorted(rows) if rows[id].queue and rows[id].hand_out.runs]
        return [step for step in handed if step.hand_out.deliveries]

    def _say(self, which: int, status: WorkStatus, much: int) -> None:
        if not (held := self.held()):
            held = self.world.claim(2)
        if not held:
            return
        step = held[which % len(held)]
        event = StepReported(
            step_id=step.id,
            token=step.hand_out.token,
            status=status,
            output=encode(self._output(step, much)),
            reschedule_ms=much % 300 if much % 2 else 0,
        )
        open_before = step.status.is_open and self.world.now_process.status.is_open
        reply = self.world.take(event)
        assert (reply is Acceptance.ACCEPTED) == open_before, f"{event} was {reply}"
        self.said.append(event)

    def _output(self, step: StepContext, much: int) -> dict[str, Any]:
        output: dict[str, Any] = {"worked_on": [step.id, step.execution]}
        match much % 7:
            case 0:
                output["__statePut"] = {"mark": much}
            case 1:
                output["__statePut"] = much
            case 2:
                output["__stateRemove"] = ["mark"]
            case 3:
                output["failedStepId"] = much
        return output

    def _expire(self, step: StepContext, much: int) -> None:
        """The end of a lease; now and then of an earlier one, which means nothing."""
        if much % 3:
            self.world.expire(step)
            return
        before = self.world.process, dict(self.world.rows)
        self.world.expire(change(step, hand_out=change(step.hand_out, token=step.hand_out.token - 1)))
        assert (self.world.process, self.world.rows) == before

    def _wear_out(self, which: int) -> None:
        """One step fails until its policy has had enough, and somebody resumes the process."""
        for _ in range(8):
            self._say(which, WorkStatus.FAILED, 4)
            self.world.advance(700)
        self.world.take(ResumeRequested())

    def _lie(self, which: int, much: int) -> None:
        """A report under a token that is not the last one, or for a step that does not exist."""
        rows = self.world.rows
        ids = sorted(rows)
        if not ids:
            return
        step = rows[ids[which % len(ids)]]
        wrong = StepReported(
            step_id=step.id, token=step.hand_out.token + (1 if much % 2 else -1), status=WorkStatus.COMPLETED,
            output=b'{"worked_on":"nothing"}',
        )  # fmt: skip
        assert self.world.take(wrong) is Acceptance.STALE
        nobody = change(wrong, step_id=step.id + 1_000_000)
        assert self.world.take(nobody) is Acceptance.UNKNOWN

    def _race(self, which: int, much: int) -> None:
        """One turn of the shell: it takes what is due, decides what was asked first, and then the timers."""
        world = self.world
        world.now += much
        taken = [due for due in world.dues.values() if due.at <= world.now]
        for due in taken:
            del world.dues[(due.process_id, due.step_id, due.kind)]
        world.taken = {(due.step_id, due.kind) for due in taken}
        first = ["complete", "fail", "keep", "terminate", "expire", "claim"][which % 6]
        held = self.held()
        if first == "terminate":
            world.take(TerminateRequested(reason="at once"))
            world.take(ResumeRequested())
        elif first == "expire" and held:
            world.expire(held[which % len(held)])
        elif first in ("complete", "fail", "keep"):
            status = {"complete": WorkStatus.COMPLETED, "fail": WorkStatus.FAILED}.get(
                first, WorkStatus.RUNNING
            )
            self._say(which, status, much)
        for due in sorted(taken, key=_order):
            world.taken.discard((due.step_id, due.kind))
            world.take(TimerFired(kind=due.kind, step_id=due.step_id, body=due.body))
        world.settle()

    def drain(self) -> None:
        """Workers are well again: every process must come to its end."""
        world = self.world
        for _ in range(MOST_DRAIN_ROUNDS):
            for step in world.claim():
                event = StepReported(
                    step_id=step.id,
                    token=step.hand_out.token,
                    status=WorkStatus.COMPLETED,
                    output=encode(self._output(step, 4)),
                )
                if step.status.is_open and world.rows[step.id].status.is_open:
                    assert world.take(event) is Acceptance.ACCEPTED
            if not world.now_process.status.is_open:
                return
            waits = [due.at - world.now for due in world.dues.values()]
            waits += [
                row.hand_out.deadline - world.now
                for row in world.rows.values()
                if row.hand_out.claim is not None
            ]
            assert waits or world.ready(), f"stuck: {world.statuses()}"
            world.advance(max(0, min(waits, default=0)))
        raise AssertionError(f"does not end: {world.statuses()}")


def _order(due: Due) -> tuple[int, int, int]:
    return due.at, due.kind, due.step_id


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(definitions(), moves)
def test_whatever_happens(written: dict[str, Any], moves: list[tuple[str, int, int]]) -> None:
    story = Story(written)
    for move in moves:
        story.play(*move)
    story.drain()
    story.world.take(ResumeRequested())
    story.drain()
