"""Set-aside events are played again: done with, refused, or kept, each once and on record."""

from typing import Any

import pytest

from stepwell.engine import decide as deciding
from stepwell.engine.events import ProcessStarted, SignalReceived, StepReported, TimerFired
from stepwell.model.codec import change, decode, encode
from stepwell.model.errors import NotFound
from stepwell.model.process import ProcessStatus
from stepwell.runtime import fold as folding
from stepwell.runtime.asks import RetryAsk
from stepwell.runtime.liveness import look_at_all
from stepwell.runtime.requests import Actor, RetryOutcome
from stepwell.store.port import Changes, SetAside
from tests.runtime.lanes import START, Lanes, event_ask, worker

SLEEP = {"type": "WAIT", "name": "t", "ref": "t", "input": {"durationMs": 60_000}}
SIGNAL = {"type": "WAIT", "name": "s", "ref": "s", "input": {"forSignal": "paid"}}


class Bug:
    """The engine raises at events of one kind, while this stands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type[Any]) -> None:
        self._patch = monkeypatch.context()

        def raising(snapshot: Any, event: Any, now: int) -> Any:
            if isinstance(event, kind):
                raise RuntimeError("a bug")  # noqa: TRY004
            return deciding.decide(snapshot, event, now)

        with_patch = self._patch.__enter__()
        with_patch.setattr(folding, "decide", raising)

    def mend(self) -> None:
        self._patch.__exit__(None, None, None)


def retry(lanes: Lanes, process_id: int, why: str = "mended") -> Any:
    (answer,) = lanes.turn(RetryAsk(lambda _: None, process_id, Actor("asha", why)))
    return answer


def audits(lanes: Lanes) -> list[Any]:
    return [line for line in lanes.store.reads.audit() if line.what == "RETRY_SET_ASIDE"]


def test_a_report_is_played_again_when_the_bug_is_mended(
    lanes: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes.define(worker("w"))
    process = lanes.start()
    (work,) = lanes.poll()
    bug = Bug(monkeypatch, StepReported)
    assert lanes.report(work, n=7) == "SET_ASIDE"
    assert lanes.process(process.id).marked
    assert look_at_all(lanes.store.reads) == (1, [])

    (one,) = retry(lanes, process.id)
    assert (one.outcome, one.event, one.created) == (RetryOutcome.RAISED, "StepReported", START)
    assert one.message == "RuntimeError: a bug"
    assert lanes.process(process.id).marked and len(lanes.store.reads.set_aside()) == 1

    bug.mend()
    (one,) = retry(lanes, process.id)
    assert (one.outcome, one.message) == (RetryOutcome.DONE, "")
    done = lanes.process(process.id)
    assert (done.status, done.output, done.marked) == (ProcessStatus.COMPLETED, b'{"n":7}', False)
    assert lanes.store.reads.set_aside() == []
    assert [(line.who, line.why, line.process_id) for line in audits(lanes)] == [
        ("asha", "mended", process.id)
    ] * 2
    assert decode(audits(lanes)[0].detail) == [{"id": 1, "event": "StepReported", "outcome": "DONE"}]

    assert retry(lanes, process.id) == []
    assert len(audits(lanes)) == 2


def test_a_timer_is_not_lost_by_a_bug(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes.define(SLEEP)
    process = lanes.start()
    lanes.clock.at += 60_000
    bug = Bug(monkeypatch, TimerFired)
    lanes.turn()
    assert lanes.process(process.id).marked and lanes.store.reads.due(process.id) == []
    bug.mend()
    lanes.restart()
    assert [one.outcome for one in retry(lanes, process.id)] == [RetryOutcome.DONE]
    assert lanes.process(process.id).status is ProcessStatus.COMPLETED


def test_a_report_that_comes_too_late_is_done_with(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes.define(worker("w"))
    process = lanes.start()
    (work,) = lanes.poll()
    bug = Bug(monkeypatch, StepReported)
    lanes.report(work)
    bug.mend()
    lanes.clock.at += 700_000
    lanes.turn()
    (again,) = lanes.poll()
    assert again.token > work.token
    (one,) = retry(lanes, process.id)
    assert one.outcome is RetryOutcome.REFUSED and "handed out again" in one.message
    assert not lanes.process(process.id).marked and lanes.store.reads.set_aside() == []
    assert lanes.report(again) == "ACCEPTED"


def test_they_are_played_in_order_and_what_raises_keeps_the_mark(
    lanes: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes.define(SIGNAL)
    process = lanes.start()
    bug = Bug(monkeypatch, SignalReceived)
    for n in (1, 2):
        event = SignalReceived(name="paid", payload=encode({"n": n}))
        lanes.turn(event_ask(process.id, event, Actor()))
    bug.mend()
    with lanes.store.turn() as turn:
        unreadable = SetAside(process_id=process.id, event=b'{"event":"Gone"}', error="e", created=1)
        turn.save(Changes(set_aside=[unreadable]))
    first, second, third = retry(lanes, process.id)
    assert first.outcome is RetryOutcome.DONE
    assert second.outcome is RetryOutcome.REFUSED and "COMPLETED" in second.message
    assert (third.outcome, third.event) == (RetryOutcome.RAISED, "Gone") and "read" in third.message
    ended = lanes.process(process.id)
    assert (ended.output, ended.marked) == (b'{"n":1}', True)
    assert [row.id for row in lanes.store.reads.set_aside()] == [3]


def test_two_who_ask_at_once_hear_the_same(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes.define(worker("w"))
    process = lanes.start()
    (work,) = lanes.poll()
    bug = Bug(monkeypatch, StepReported)
    lanes.report(work)
    bug.mend()
    asks = [RetryAsk(lambda _: None, process.id, Actor(who)) for who in ("a", "b")]
    one, other = lanes.turn(*asks)
    assert one == other and [told.outcome for told in one] == [RetryOutcome.DONE]
    assert lanes.process(process.id).status is ProcessStatus.COMPLETED


def test_an_event_whose_step_is_gone_is_done_with(lanes: Lanes) -> None:
    lanes.define(worker("w"))
    process = lanes.start()
    event = StepReported(step_id=process.id + 50, token=1, status="COMPLETED", output=b"{}")
    with lanes.store.turn() as turn:
        row = SetAside(process_id=process.id, event=encode(event), error="e", created=1)
        marked = change(process, marked=True, revision=process.revision + 1)
        turn.save(Changes(set_aside=[row], processes=[marked]))
    lanes.restart()
    (one,) = retry(lanes, process.id)
    assert one.outcome is RetryOutcome.REFUSED and "does not exist" in one.message
    assert not lanes.process(process.id).marked


def test_a_process_that_does_not_exist_is_told(lanes: Lanes) -> None:
    assert isinstance(retry(lanes, 640), NotFound)
    lanes.define(worker("w"))
    assert retry(lanes, lanes.start().id) == []
    assert audits(lanes) == []


def test_a_hook_whose_process_could_not_begin_is_started(lanes: Lanes) -> None:
    lanes.define(
        {"type": "NOOP", "name": "n", "ref": "n"}, configuration={"onCompleteProcess": {"name": "hook"}}
    )
    process = lanes.start()
    lanes.turn()
    (row,) = lanes.store.reads.set_aside()
    assert row.process_id == process.id and "hook" in row.error
    (one,) = retry(lanes, process.id)
    assert (one.event, one.outcome) == ("StartProcess", RetryOutcome.DONE)
    lanes.turn()
    assert len(lanes.store.reads.set_aside()) == 1, "there is no such definition still"
    lanes.define(worker("w"), name="hook")
    assert [one.outcome for one in retry(lanes, process.id)] == [RetryOutcome.DONE]
    lanes.turn()
    assert lanes.store.reads.set_aside() == []
    assert [process.name for process in lanes.store.reads.table("process")] == ["p", "hook"]


def test_a_child_that_could_not_begin_was_told_already(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes.define(worker("w"), name="child")
    lanes.define({"type": "SUB_PROCESS", "name": "c", "ref": "c", "input": {"processName": "child"}})
    process = lanes.start()
    bug = Bug(monkeypatch, ProcessStarted)
    lanes.turn()
    bug.mend()
    lanes.turn()
    assert lanes.process(process.id).status is ProcessStatus.FAILED
    (one,) = retry(lanes, process.id)
    assert (one.event, one.outcome) == ("StartProcess", RetryOutcome.REFUSED) and "resume" in one.message
    assert lanes.store.reads.set_aside() == []
