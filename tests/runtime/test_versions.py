"""Resume with another version, through the shell: both stores, restarts, and several events in one turn."""

import pytest

from stepwell.engine.events import ResumeRequested, TerminateRequested
from stepwell.model.errors import Conflict, NotFound
from stepwell.runtime.requests import Actor
from tests.runtime.lanes import event_ask, worker

OPERATOR = Actor("ops", "the input was wrong")


def asked(lanes, process, follow=0):
    (answer,) = lanes.turn(event_ask(process.id, ResumeRequested(follow=follow), OPERATOR))
    return answer


def failed_one(lanes):
    """Of version 1, with its first step done and its second failed; versions 2 and 3 exist."""
    lanes.define(worker("a"), worker("b"))
    process = lanes.start()
    lanes.report(lanes.poll()[0], x=1)
    lanes.report(lanes.poll()[0], "FAILED")
    lanes.define(worker("a"), worker("new"), worker("b", n="{{ steps.a.output.x }}"))
    lanes.define(worker("b"), worker("last"))
    return process


def test_the_newest_version_is_followed_to_the_end(lanes):
    process = failed_one(lanes)
    assert asked(lanes, process, 2) is None
    lanes.restart()
    (work,) = lanes.poll()
    assert (work.ref, work.step_id) == ("new", process.id + 3)
    lanes.report(work)
    lanes.restart()
    (work,) = lanes.poll()
    assert (work.ref, work.step_id, work.input) == ("b", process.id + 2, b'{"n":1}')
    lanes.report(work)
    now = lanes.process(process.id)
    assert (now.status, now.version, now.numbering) == ("COMPLETED", 2, (process.definition_id,))


def test_from_version_to_version(lanes):
    process = failed_one(lanes)
    for follow in (2, 3, 1, 0):
        assert asked(lanes, process, follow) is None
        lanes.restart()
        lanes.report(lanes.poll()[0], "FAILED")
    now = lanes.process(process.id)
    one = process.definition_id
    assert (now.version, now.definition_id, now.numbering) == (3, one + 2, (one, one + 1, one + 2, one))
    assert asked(lanes, process, 3) is None
    (work,) = lanes.poll()
    assert (work.ref, work.step_id) == ("b", process.id + 2)
    lanes.report(work)
    (work,) = lanes.poll()
    assert (work.ref, work.step_id) == ("last", process.id + 4)


def test_its_own_version_is_a_plain_resume(lanes):
    process = failed_one(lanes)
    assert asked(lanes, process, 1) is None
    now = lanes.process(process.id)
    assert (now.status, now.definition_id, now.numbering) == ("RUNNING", process.definition_id, ())


def test_a_refusal_leaves_everything_as_it_was(lanes):
    lanes.define(worker("a"), worker("b"))
    process = lanes.start()
    lanes.report(lanes.poll()[0])
    lanes.report(lanes.poll()[0], "FAILED")
    lanes.define({"type": "LIST", "name": "l", "ref": "l", "children": [worker("a")]}, worker("b"))
    before = lanes.process(process.id)
    told = asked(lanes, process)
    assert isinstance(told, Conflict) and "a stands inside another step" in told.message
    assert lanes.process(process.id) == before
    assert isinstance(asked(lanes, process, 9), NotFound)
    lanes.define(*(worker(f"n{number}") for number in range(70)))
    assert "ids for 61 more steps" in asked(lanes, process).message
    assert lanes.process(process.id) == before
    assert asked(lanes, process, 1) is None
    assert lanes.poll()[0].ref == "b"


def test_several_events_in_one_turn(lanes):
    process = failed_one(lanes)
    follow = event_ask(process.id, ResumeRequested(follow=2), OPERATOR)
    end = event_ask(process.id, TerminateRequested(reason="no"), OPERATOR)
    again = event_ask(process.id, ResumeRequested(follow=2), OPERATOR)
    assert lanes.turn(follow, end, again) == [None, None, None]
    now = lanes.process(process.id)
    assert (now.status, now.version, now.numbering) == ("RUNNING", 2, (process.definition_id,))
    assert lanes.poll()[0].ref == "new"


def test_a_step_in_a_workers_hands_is_named_by_the_plan_it_follows(lanes):
    process = failed_one(lanes)
    asked(lanes, process, 2)
    (work,) = lanes.poll()
    lanes.restart()
    assert lanes.report(work) == "ACCEPTED"
    assert lanes.poll()[0].ref == "b"


def test_it_is_audited(lanes):
    process = failed_one(lanes)
    asked(lanes, process, 2)
    (line,) = lanes.store.reads.audit(process.id)
    assert (line.what, line.who, line.why) == ("RESUME", "ops", OPERATOR.why)
    assert b'"follow":2' in line.detail


@pytest.mark.parametrize("version", [None, 0, 2])
def test_a_rerun_of_it_is_a_fresh_process(lanes, version):
    from stepwell.runtime.asks import StartAsk

    process = failed_one(lanes)
    asked(lanes, process, 3)
    (again,) = lanes.turn(StartAsk(print, None, process.id, version))
    assert (again.version, again.numbering) == (2 if version == 2 else 3, ())
