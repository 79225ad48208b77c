"""A synchronous API_ORCHESTRATION run is in memory only until it must be saved (spec 0.4)."""

from typing import Any

import pytest

from stepwell.engine.events import TerminateRequested
from stepwell.model.codec import decode, encode
from stepwell.model.errors import Busy
from stepwell.model.process import ProcessContext, ProcessStatus
from stepwell.model.step import StepStatus
from stepwell.model.work import Acceptance, QueueName, WorkRequest, WorkResult, WorkStatus
from stepwell.runtime.asks import Ask, ExchangeAsk, Gone, StartAsk
from stepwell.runtime.lane import answer_of
from stepwell.runtime.requests import Actor, Exchange, Exchanged, Poll, StartRequest
from stepwell.runtime.stretch import LONGEST_MS, MOST_TRANSITIONS
from tests.runtime.lanes import Lanes, event_ask, worker

OWN = QueueName("stepwell", "JAVASCRIPT", "")
REMOTE = QueueName("default", "WORKER", "work")


class Play:
    """A lane with the server's own hands and one remote worker waiting at it."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.answers: dict[int, Any] = {}
        self.ended: list[ProcessContext] = []
        self.kept: list[Ask] = []
        self.own = self._poll(OWN, "stepwell:node")
        self.remote = self._poll(REMOTE, "w")

    def run(self, *asks: Ask) -> None:
        self.kept += asks
        answers, ended = self.lanes.lane.run_turn(asks)
        self.answers |= {id(ask): answer_of(ask, value) for ask, value in answers}
        self.ended += ended

    def start(self, patience_ms: int = 60_000, **more: Any) -> StartAsk:
        ask = StartAsk(_nobody, StartRequest(namespace="default", name="p", **more), patience_ms=patience_ms)
        self.run(ask)
        return ask

    def answer(self, ask: Ask) -> Any:
        return self.answers.get(id(ask))

    def taken(self, ask: ExchangeAsk) -> list[WorkRequest]:
        answer = self.answer(ask)
        return answer.work if isinstance(answer, Exchanged) else []

    def report(self, work: WorkRequest, status: WorkStatus = WorkStatus.COMPLETED, **output: Any) -> Any:
        """The result, and the next poll of the server's own hands before it."""
        if self.answer(self.own) is not None:
            self.own = self._poll(OWN, "stepwell:node")
        result = WorkResult(step_id=work.step_id, token=work.token, status=status, output=encode(output))
        ask = ExchangeAsk(_nobody, Exchange(results=(result,)), Gone())
        self.run(ask)
        return self.answer(ask).outcomes[0]

    def rows(self) -> dict[str, list[Any]]:
        dump = self.lanes.store.reads.dump()
        return {name: dump[name] for name in ("process", "step", "claim", "due")}

    def _poll(self, queue: QueueName, client: str) -> ExchangeAsk:
        poll = Poll(queues=((queue, 10),), limit=10, client=client, host="h", wait_ms=60_000)
        ask = ExchangeAsk(_nobody, Exchange(poll=poll), Gone())
        self.run(ask)
        return ask


@pytest.fixture
def play(lanes: Lanes) -> Play:
    return Play(lanes)


def define(play: Play, *steps: dict[str, Any], **more: Any) -> None:
    play.lanes.define(*steps, **{"type": "API_ORCHESTRATION", **more})


def script(ref: str, **input: Any) -> dict[str, Any]:
    return {"type": "JAVASCRIPT", "name": ref, "ref": ref, "input": {"script": "() => 1", **input}}


def nothing(rows: dict[str, list[Any]]) -> bool:
    return not any(rows.values())


def test_nothing_is_written_before_the_end_and_everything_with_it(play: Play) -> None:
    define(play, script("a"), script("b", before="{{ steps.a.output.result }}"))
    ask = play.start()
    (first,) = play.taken(play.own)
    assert nothing(play.rows()) and play.answer(ask) is None
    assert play.report(first, result=7) is Acceptance.ACCEPTED
    (second,) = play.taken(play.own)
    assert decode(second.input)["before"] == 7
    assert nothing(play.rows()) and play.answer(ask) is None
    play.report(second, result=8)
    process = play.answer(ask)
    assert process.status is ProcessStatus.COMPLETED and play.ended == [process]
    stored = play.lanes.store.reads
    assert stored.process(process.id) == process
    steps = stored.steps(process, size=3)
    assert [(step.ref, step.status) for step in steps] == [
        ("a", StepStatus.COMPLETED),
        ("b", StepStatus.COMPLETED),
    ]
    assert play.rows()["claim"] == [] and play.rows()["due"] == []


def test_a_script_sees_the_run_before_it_has_rows(play: Play) -> None:
    define(play, script("a"), script("b"))
    play.start()
    (first,) = play.taken(play.own)
    play.report(first, result=7)
    rows = play.lanes.lane.node.stretches.rows(first.process_id)
    assert rows is not None
    done, running = rows.step(first.step_id), rows.step(first.step_id + 1)
    assert done is not None and decode(done.output) == {"result": 7}
    assert running is not None and running.shown_status is StepStatus.RUNNING
    assert rows.process(first.process_id) is not None and rows.process(1) is None
    assert rows.executions([first.step_id], 1_000) == {first.step_id: []}


@pytest.mark.parametrize(
    "outside",
    [
        worker("w"),
        {"type": "WAIT", "name": "w", "ref": "w", "input": {"waitUntil": 2_000_000_000_000}},
        {"type": "WAIT", "name": "w", "ref": "w", "input": {"signal": "go"}},
        {"type": "SUB_PROCESS", "name": "w", "ref": "w", "input": {"processName": "p", "waitForCompletion": True}},
    ],
    ids=["worker", "wait", "signal", "sub-process"],
)  # fmt: skip
def test_it_is_saved_when_it_waits_for_anything_from_outside(play: Play, outside: dict[str, Any]) -> None:
    define(play, script("a"), outside)
    ask = play.start()
    (first,) = play.taken(play.own)
    play.report(first, result=7)
    process = play.answer(ask)
    assert process.status is ProcessStatus.RUNNING
    done, waiting = play.rows()["step"]
    assert done["status"] == "COMPLETED" and waiting["status"] != "COMPLETED"


def test_beside_a_step_that_waits_outside_it_is_saved_at_once(play: Play) -> None:
    parallel = {"type": "PARALLEL", "name": "both", "ref": "both", "children": [worker("w"), script("a")]}
    define(play, parallel)
    ask = play.start()
    (remote,), (own,) = play.taken(play.remote), play.taken(play.own)
    assert play.answer(ask) is not None
    assert sorted(tuple(row["steps"]) for row in play.rows()["claim"]) == sorted(
        [(remote.step_id,), (own.step_id,)]
    )


def test_what_runs_when_it_must_be_saved_is_saved_as_taken(play: Play) -> None:
    """So a restart knows at once that nobody works on it any more."""
    define(play, script("a"))
    ask = play.start()
    (first,) = play.taken(play.own)
    play.lanes.clock.at += LONGEST_MS - 1
    play.run()
    assert nothing(play.rows())
    play.lanes.clock.at += 1
    assert play.lanes.lane.next_at() <= play.lanes.clock.at
    play.run()
    assert play.answer(ask).status is ProcessStatus.RUNNING
    (claim,) = play.rows()["claim"]
    assert claim["steps"] == [first.step_id] or claim["steps"] == (first.step_id,)
    assert play.report(first, result=1) is Acceptance.ACCEPTED
    assert play.ended[0].status is ProcessStatus.COMPLETED
    assert play.rows()["claim"] == []


def test_a_restart_offers_again_what_was_saved_while_it_ran(play: Play) -> None:
    define(play, script("a"))
    play.start(patience_ms=10)
    (first,) = play.taken(play.own)
    play.lanes.clock.at += 10
    play.run()
    play.lanes.restart()
    again = Play(play.lanes)
    (offered,) = again.taken(again.own)
    assert offered.step_id == first.step_id and offered.token != first.token


def test_a_crash_before_forgets_it_whole(play: Play) -> None:
    define(play, script("a"))
    play.start()
    play.lanes.restart()
    again = Play(play.lanes)
    assert again.taken(again.own) == [] and nothing(again.rows())


def test_a_lost_commit_tells_its_caller_that_nothing_is_known_of_it(play: Play) -> None:
    define(play, script("a"))
    ask = play.start()
    (first,) = play.taken(play.own)
    broken = play.lanes.lane.node.clockwork
    right, broken.sweep = broken.sweep, _fails  # type: ignore[method-assign]
    play.run(event_ask(5, TerminateRequested(), Actor()))
    broken.sweep = right  # type: ignore[method-assign]
    assert isinstance(play.answer(ask), Busy)
    assert play.report(first, result=1) is Acceptance.UNKNOWN
    assert nothing(play.rows())


def test_one_claim_over_two_runs_is_written_once(play: Play) -> None:
    define(play, script("a"))
    asks = [
        StartAsk(_nobody, StartRequest(namespace="default", name="p"), patience_ms=patience)
        for patience in (10, 20)
    ]
    play.run(*asks)
    one, two = play.taken(play.own)
    play.lanes.clock.at += 10
    play.run()
    assert [len(play.rows()[name]) for name in ("process", "claim")] == [1, 1]
    play.lanes.clock.at += 10
    play.run()
    assert [len(play.rows()[name]) for name in ("process", "claim")] == [2, 1]
    play.report(one, result=1)
    play.report(two, result=1)
    assert play.rows()["claim"] == [] and len(play.ended) == 2


def test_an_operator_finds_it_although_it_has_no_rows(play: Play) -> None:
    define(play, script("a"))
    ask = play.start()
    (first,) = play.taken(play.own)
    stop = event_ask(first.process_id, TerminateRequested(reason="enough"), Actor("me", "enough"))
    play.run(stop)
    assert play.answer(stop) is None and play.answer(ask).status is ProcessStatus.TERMINATED
    assert [row["status"] for row in play.rows()["step"]] == ["CANCELLED"]


def test_it_is_saved_after_so_many_transitions(play: Play) -> None:
    define(play, *[script(f"s{at}") for at in range(MOST_TRANSITIONS)])
    ask = play.start()
    reported = 0
    while play.answer(ask) is None:
        (work,) = play.taken(play.own)
        play.report(work, result=1)
        reported += 1
    assert MOST_TRANSITIONS // 4 <= reported <= MOST_TRANSITIONS
    assert play.answer(ask).status is ProcessStatus.RUNNING


@pytest.mark.parametrize(
    ("kind", "patience_ms", "more"),
    [
        ("STANDARD", 60_000, {}),
        ("API_ORCHESTRATION", 0, {}),
        ("API_ORCHESTRATION", 60_000, {"idempotency_key": "k"}),
    ],
)
def test_every_other_start_is_saved_at_once(
    play: Play, kind: str, patience_ms: int, more: dict[str, Any]
) -> None:
    define(play, script("a"), type=kind)
    ask = play.start(patience_ms, **more)
    assert play.answer(ask).status is ProcessStatus.RUNNING
    assert len(play.rows()["step"]) == 1


def test_a_server_that_stops_saves_what_it_has(play: Play) -> None:
    define(play, script("a"))
    ask = play.start()
    answers, _ = play.lanes.lane.drain()
    assert [answered.status for asked, answered in answers if asked is ask] == [ProcessStatus.RUNNING]
    assert len(play.rows()["step"]) == 1


def _fails(*_: Any) -> None:
    raise Busy("the disk is away")


def _nobody(_answer: Any) -> None:
    """The answers are read from what the turn says."""


def test_what_is_said_again_of_an_iteration_after_it_was_saved_is_heard(play: Play) -> None:
    """Saving forgets closed iterations: who repeats a report of one is answered, and everybody else in that turn."""
    each = {
        "type": "FOREACH",
        "name": "f",
        "ref": "f",
        "children": [script("a")],
        "input": {"inputArray": [1]},
    }
    define(play, each, worker("w"))
    ask = play.start()
    (first,) = play.taken(play.own)
    assert play.report(first, result=7) is Acceptance.ACCEPTED
    assert play.answer(ask).status is ProcessStatus.RUNNING
    assert play.report(first, result=7) is Acceptance.DUPLICATE
