"""Every reason for which a step may be open, and what is said of it."""

from collections.abc import Mapping
from typing import Any

import pytest

from stepwell.definition.compile import build_plan
from stepwell.model.codec import decode_as, encode
from stepwell.model.definition import ProcessDefinition
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.process import ProcessStatus
from stepwell.model.step import Children, HandOut, Phase, StepContext
from stepwell.runtime.waiting import Facts, Polls, Reason, Wait, explain, look, span
from stepwell.store.memory import MemoryStore
from stepwell.store.port import Changes
from tests.store.records import process, step

NOW = 1_000_000
PROCESS = process(64, name="story")
PLAN = build_plan(
    1,
    decode_as(
        encode(
            {
                "name": "story",
                "steps": [
                    {"type": "WORKER", "name": "charge", "ref": "w"},
                    {"type": "WAIT", "name": "t", "ref": "t", "input": {"durationMs": 5}},
                    {"type": "SUB_PROCESS", "name": "s", "ref": "s", "input": {"processName": "x"}},
                    {
                        "type": "PARALLEL",
                        "name": "p",
                        "ref": "p",
                        "children": [{"type": "NOOP", "name": "n", "ref": "n"}],
                    },
                ],
            }
        ),
        ProcessDefinition,
    ),
)


def told(ref: str, facts: Facts | None = None, paused: bool = False, **fields: Any) -> Wait:
    one = step(65, path=(ref,), **fields)
    return explain(process(64, name="story", paused=paused), PLAN, one, facts or Facts(), NOW)


def due(kind: DueKind, at: int) -> Mapping[DueKind, Due]:
    return {kind: Due(64, 65, kind, at)}


def mark(why: str) -> Entry:
    body = encode({"mark": "HOLD", "why": why})
    return Entry(
        kind=EntryKind.HOLD, namespace="default", name="story/w", body=body, updated=7, updated_by="asha"
    )


HELD = HandOut(
    token=1, claim=9, deadline=NOW + 60_000, runs=2, polled=NOW - 40_000, executor="h", worker="app"
)


def test_running() -> None:
    wait = told("w", hand_out=HELD, retries=1)
    assert wait.reason is Reason.RUNNING
    assert (wait.worker, wait.host, wait.since, wait.until, wait.runs, wait.retry) == (
        "app", "h", NOW - 40_000, NOW + 60_000, 2, 1,
    )  # fmt: skip
    assert wait.sentence == "app at h works on it since 40 s; its lease ends in 60 s"
    own = HandOut(token=1, claim=9, polled=NOW - 500, worker="stepwell:node")
    assert told("w", hand_out=own).sentence == "the server runs it since 0.5 s"


@pytest.mark.parametrize(
    ("polls", "position", "sentence"),
    [
        (Polls(), 0, "no worker has polled this queue since this server was started; it is the next"),
        (Polls(NOW - 40_000), 1, "no worker has polled this queue for 40 s; one goes before it"),
        (Polls(NOW, 1), 36, "a poll waits for this queue; 36 go before it"),
        (Polls(NOW, 2), 10_000, "2 polls wait for this queue; 10,000 steps or more go before it"),
    ],
)
def test_in_a_queue(polls: Polls, position: int, sentence: str) -> None:
    facts = Facts(polls=polls, position=position)
    wait = told("w", facts, hand_out=HandOut(ready=5), schedule=NOW - 3_000)
    assert (wait.reason, wait.queue, wait.position) == (Reason.IN_QUEUE, "default/WORKER/charge", position)
    assert (wait.last_poll, wait.pollers) == (polls.last, polls.waiting)
    assert wait.sentence == f"ready since 3.0 s; {sentence}"


def test_delays() -> None:
    retry = told("w", Facts(due=due(DueKind.READY, NOW + 90_000)), retries=3)
    assert (retry.reason, retry.retry, retry.until) == (Reason.DELAYED, 3, NOW + 90_000)
    assert retry.sentence == "retry 3 in 90 s"
    again = told("w", Facts(due=due(DueKind.READY, NOW + 500)), hand_out=HandOut(runs=1))
    assert again.sentence == "offered again in 0.5 s"


def test_limits() -> None:
    gated = told("w", phase=Phase.GATED, schedule=NOW + 5_000)
    assert (gated.reason, gated.until) == (Reason.RATE_LIMITED, NOW + 5_000)
    crowded = told("w", Facts(line=("key/x", 37)), phase=Phase.CROWDED)
    assert (crowded.reason, crowded.key, crowded.position) == (Reason.CONCURRENCY_LIMITED, "key/x", 37)
    assert crowded.sentence == "limit key/x: others are open, it is number 37 in line"
    assert told("w", phase=Phase.CROWDED).reason is Reason.CONCURRENCY_LIMITED


@pytest.mark.parametrize("phase", [Phase.EVALUATING, Phase.PREPARING, Phase.TRANSFORMING])
def test_scripts(phase: Phase) -> None:
    assert told("w", phase=phase, hand_out=HandOut(ready=5)).reason is Reason.EVALUATING
    assert told("w", phase=phase, hand_out=HELD).sentence == "the server evaluates its script since 40 s"


def test_waits() -> None:
    until = told("t", Facts(due=due(DueKind.WAKE, NOW + 2 * 86_400_000)))
    assert (until.reason, until.sentence) == (Reason.WAITING_UNTIL, "waits for 2 d more")
    given = encode({"forSignal": "paid", "correlation": 7})
    signal = told("t", Facts(due=due(DueKind.WAKE, NOW + 9_000)), input=given)
    assert (signal.reason, signal.signal, signal.correlation) == (Reason.WAITING_FOR_SIGNAL, "paid", "7")
    assert signal.sentence == "waits for the signal paid with the correlation 7, for 9.0 s more"
    assert told("t", input=b'{"forSignal":"paid"}').sentence == "waits for the signal paid"


def test_a_child_process() -> None:
    child = process(640, name="ship", status=ProcessStatus.RUNNING)
    wait = told("s", Facts(child=child), children=Children(1, 0, 1, 0, 640))
    assert (wait.reason, wait.child_process_id, wait.child_status) == (
        Reason.WAITING_FOR_CHILD,
        640,
        "RUNNING",
    )
    assert wait.sentence == "process 640 (ship) is RUNNING"
    assert told("s", children=Children(base=640)).sentence == "process 640 is about to start"


def test_containers() -> None:
    wait = told("p", children=Children(9, 5, 2))
    assert (wait.reason, wait.open_children, wait.total_children) == (Reason.CONTAINER, 2, 9)
    assert wait.sentence == "waits for 2 of 9 steps in it"
    assert told("p").reason is Reason.CONTAINER
    assert told("p", Facts(due=due(DueKind.GO_ON, NOW)), children=Children(9)).reason is Reason.GOING_ON


def test_held() -> None:
    by_mark = told("w", Facts(mark=mark("bad data")), phase=Phase.HELD)
    assert (by_mark.reason, by_mark.held_by, by_mark.by, by_mark.why) == (
        Reason.HELD,
        "MARK",
        "asha",
        "bad data",
    )
    assert by_mark.sentence == "held by asha: bad data"
    assert told("w", phase=Phase.HELD).sentence == "it was held; the mark is gone, it begins within 15 s"
    assert told("w", paused=True, phase=Phase.HELD).held_by == "PROCESS"


def test_what_nothing_explains_is_said_to_be_so() -> None:
    assert told("w").reason is Reason.UNKNOWN
    assert told("s").reason is Reason.UNKNOWN


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0.0 s"),
        (400, "0.4 s"),
        (40_000, "40 s"),
        (720_000, "12 min"),
        (10_800_000, "3 h"),
        (-5, "-0.0 s"),
    ],
)
def test_spans(ms: int, text: str) -> None:
    assert span(ms) == text


def test_what_explains_a_step_is_read_from_the_rows() -> None:
    store = MemoryStore()
    store.migrate()
    rows = [
        step(65, path=("w",), queue=1, hand_out=HandOut(ready=9)),
        step(66, path=("s",), children=Children(1, 0, 1, 0, 128)),
        step(67, path=("w",), phase=Phase.CROWDED),
        step(129, 128, path=("x",), queue=1, hand_out=HandOut(ready=3)),
    ]
    line = Entry(
        kind=EntryKind.LIMIT, namespace="default", name="line:0:open:key/k", body=b"[[64,1],[64,67]]"
    )
    with store.turn() as turn:
        turn.save(
            Changes(
                new_processes=[PROCESS, process(128)],
                new_steps=rows,
                due=[Due(64, 66, DueKind.READY, 5), Due(128, 129, DueKind.READY, 5)],
                entries=[line, mark("x")],
            )
        )
    found: list[tuple[StepContext, Facts]] = look(
        store.reads, PROCESS, PLAN, lambda queue: Polls(queue), 0, 9
    )
    facts = {one.id: facts for one, facts in found}
    assert list(facts) == [65, 66, 67]
    assert (facts[65].position, facts[65].polls, facts[65].mark) == (1, Polls(1), mark("x"))
    assert (facts[66].child, list(facts[66].due)) == (process(128), [DueKind.READY])
    assert facts[67].line == ("key/k", 2)
    ended = process(64, status=ProcessStatus.FAILED)
    assert look(store.reads, ended, PLAN, lambda queue: Polls(), 0, 9) == []
