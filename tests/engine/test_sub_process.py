"""SUB_PROCESS: another process as a step."""

import pytest

from stepwell.engine.events import CancelRequested, TimerFired
from stepwell.engine.hooks import ChildEnded
from stepwell.model.codec import decode_as, encode
from stepwell.model.due import DueKind
from stepwell.model.process import ProcessStatus, TriggerType
from tests.engine.family import Family, sub
from tests.engine.play import (
    START,
    definition,
    done,
    exit,
    expired,
    fail,
    failed,
    foreach,
    noop,
    parallel,
    play,
    resumed,
    reviewed,
    terminated,
    worker,
)

CHILD = definition(worker("a"))


def family(*steps, child=CHILD, **others):
    return Family(definition(*steps), child=child, **others)


def waiting(**input):
    return family(sub("s", "child", **input), noop("after"))


# -- waiting


def test_it_runs_until_the_child_ends_and_has_its_output():
    it = waiting(input={"n": 7})
    it.settle()
    child = it.only("child")
    assert (it.root.status("s"), it.root.status("after")) == ("RUNNING", None)
    assert it.root.output("s") == {
        "subProcessId": child.now_process.id,
        "subProcessRequestId": None,
        "subProcessCorrelationId": None,
    }
    assert child.now_process.input == b'{"n":7}'
    it.play("child", done("a", x=1))
    assert it.root.output("s")["subProcessOutput"] == {"x": 1}
    assert it.root.status("s") == "COMPLETED"
    assert it.root.ended_as == "COMPLETED"


def test_who_the_child_is():
    it = waiting(requestId="r", correlationId=7)
    it.settle()
    process = it.only("child").now_process
    assert process.trigger is TriggerType.SUB_PROCESS
    assert (process.parent_id, process.parent_step_id) == (it.root.now_process.id, it.root.step("s").id)
    assert (process.request_id, process.correlation_id, process.depth) == ("r", "7", 1)
    assert it.root.output("s")["subProcessCorrelationId"] == "7"


def test_a_child_that_ends_at_once():
    it = family(sub("s", "child"), child=definition(noop("n", x=1)))
    it.settle()
    assert it.root.output("s")["subProcessOutput"] == {"x": 1}


@pytest.mark.parametrize(
    ("input", "said"),
    [
        ({"processName": "nobody"}, "no process definition default/nobody"),
        ({"processName": "nobody", "namespace": "else"}, "no process definition else/nobody"),
        ({"processName": "child", "processVersion": 9}, "no process definition default/child version 9"),
        ({"processName": None}, "needs the name of a process definition"),
        ({"processName": 7}, "needs the name of a process definition"),
        ({"processName": "child", "processVersion": "9"}, "processVersion must be a whole number"),
        ({"processName": "child", "processVersion": 0}, "processVersion must be a whole number"),
        ({"processName": "child", "input": [1]}, "must be an object"),
        ({"processName": "child", "namespace": 7}, "namespace must be a text"),
        ({"processName": "child", "waitForCompletion": "no"}, "waitForCompletion must be true or false"),
    ],
)
def test_what_cannot_be_started(input, said):
    it = family({**sub("s", "child"), "input": input})
    it.settle()
    assert said in it.root.output("s")["error"]
    assert (it.root.status("s"), it.all("child"), it.mail) == ("FAILED", [], {})


def test_a_known_version():
    it = waiting(processVersion=1.0)
    it.settle()
    assert len(it.all("child")) == 1


# -- not waiting


def test_not_waiting_it_completes_at_once_whatever_becomes_of_the_child():
    it = waiting(waitForCompletion=False, requestId="r")
    it.settle()
    child = it.only("child")
    assert (it.root.ended_as, child.ended_as) == ("COMPLETED", "RUNNING")
    assert it.root.output("s") == {
        "subProcessId": child.now_process.id,
        "subProcessRequestId": "r",
        "subProcessCorrelationId": None,
    }
    it.play("child", failed("a"))
    assert (it.root.ended_as, child.ended_as) == ("COMPLETED", "FAILED")
    assert it.mail == {}


def test_a_child_that_nobody_waits_for_lives_on_when_the_parent_is_terminated():
    it = family(sub("s", "child", waitForCompletion=False), worker("b")).play("root", terminated())
    assert (it.root.ended_as, it.only("child").ended_as) == ("TERMINATED", "RUNNING")


# -- failure comes up


@pytest.mark.parametrize(
    ("child", "move", "status", "error"),
    [
        (CHILD, failed("a", "no stock"), "FAILED", "no stock"),
        (CHILD, terminated("enough"), "FAILED", "ended TERMINATED"),
        (CHILD, lambda world: world.take(CancelRequested()), "FAILED", "ended CANCELLED"),
        (definition(worker("a"), configuration={"completionTimeout": 5}), None, "TIMED_OUT", "not done within 5 ms"),
    ],
    ids=["failed", "terminated", "cancelled", "timed out"],
)  # fmt: skip
def test_failure_comes_up(child, move, status, error):
    it = family(sub("s", "child"), noop("after"), child=child)
    it.settle()
    if move is None:
        it.advance(5)
    else:
        it.play("child", move)
    assert it.root.status("s") == status
    assert error in it.root.output("s")["error"]
    assert it.root.output("s")["subProcessId"] == it.only("child").now_process.id
    assert error in it.root.process_output["error"]
    assert (it.root.ended_as, it.root.status("after")) == ("FAILED", None)


def test_an_optional_one_may_fail():
    it = family(sub("s", "child", optional=True), noop("after"))
    it.play("child", failed("a"))
    assert (it.root.status("s"), it.root.ended_as) == ("FAILED", "COMPLETED")


def test_an_exit_in_the_child_completes_it():
    it = family(sub("s", "child"), child=definition(exit("x", output={"early": True}), worker("a")))
    it.settle()
    assert it.root.output("s")["subProcessOutput"] == {"early": True}


def test_a_child_that_could_not_be_started_is_started_anew_by_a_resume():
    it = waiting()
    it.unstartable.add("child")
    it.settle()
    assert it.root.output("s")["error"] == "no process definition child"
    it.unstartable.clear()
    it.play("root", resumed)
    it.play("child", done("a"))
    assert (it.root.ended_as, it.root.step("s").execution) == ("COMPLETED", 2)


# -- termination goes down


def test_termination_goes_down():
    it = waiting()
    it.settle()
    it.play("root", terminated())
    child = it.only("child")
    assert (child.ended_as, child.status("a")) == ("TERMINATED", "CANCELLED")
    assert child.now_process.reason == "the process that started it ended"
    assert (it.root.status("s"), it.mail) == ("CANCELLED", {})


def test_also_when_the_child_has_not_begun_yet():
    it = waiting()
    terminated()(it.root)
    it.settle()
    assert (it.only("child").ended_as, it.mail) == ("TERMINATED", {})


@pytest.mark.parametrize("how", ["timeout", "exit", "any"])
def test_whatever_ends_the_step_ends_the_child(how):
    if how == "timeout":
        it = Family(definition(sub("s", "child"), configuration={"completionTimeout": 5}), child=CHILD)
        it.advance(5)
    elif how == "exit":
        it = family(parallel("p", sub("s", "child"), exit("x")))
        it.settle()
    else:
        it = family(parallel("p", sub("s", "child"), worker("w"), input={"joinPolicy": "ANY"}), noop("after"))
        it.play("root", done("w"))
    assert it.only("child").ended_as == "TERMINATED"
    assert it.root.status("s") == "CANCELLED"


def test_down_all_the_way():
    it = family(sub("s", "middle"), middle=definition(sub("t", "child")))
    it.settle()
    it.play("root", terminated())
    assert [it.only(name).ended_as for name in ("root", "middle", "child")] == ["TERMINATED"] * 3


def test_news_that_come_after_the_parents_end_change_nothing():
    it = waiting()
    it.settle()
    done("a")(it.only("child"))
    terminated()(it.root)
    it.settle()
    assert (it.only("child").ended_as, it.root.ended_as) == ("COMPLETED", "TERMINATED")
    assert it.mail == {}


# -- resuming


@pytest.mark.parametrize("end", [failed("a"), terminated()])
def test_a_resume_resumes_the_same_child(end):
    it = waiting()
    it.settle()
    it.play("child", end)
    assert it.root.ended_as == "FAILED"
    it.play("root", resumed)
    child = it.only("child")
    assert (it.root.status("s"), child.ended_as, child.step("a").execution) == ("RUNNING", "RUNNING", 2)
    assert it.root.output("s") == {
        "subProcessId": child.now_process.id,
        "subProcessRequestId": None,
        "subProcessCorrelationId": None,
    }
    it.play("child", done("a", x=2))
    assert it.root.output("s")["subProcessOutput"] == {"x": 2}
    assert (it.root.ended_as, it.root.step("s").execution) == ("COMPLETED", 1)


def test_a_resume_after_a_terminate_resumes_the_child_too():
    it = waiting()
    it.settle()
    it.play("root", terminated(), resumed)
    it.play("child", done("a"))
    assert it.root.ended_as == "COMPLETED"


def test_a_terminate_that_has_not_arrived_yet_is_taken_back_by_a_resume():
    it = waiting()
    it.settle()
    terminated()(it.root)
    it._collect()
    resumed(it.root)
    it.settle()
    assert it.only("child").ended_as == "RUNNING"
    it.play("child", done("a"))
    assert it.root.ended_as == "COMPLETED"


def test_a_resume_while_the_child_is_still_closing_is_heard_later():
    wide = definition(foreach("f", list(range(300)), worker("c"), 400))
    it = family(sub("s", "child"), child=wide)
    it.advance(0)
    it.settle()
    child = it.only("child")
    terminated()(child)
    assert sum(step.status.is_open for step in child.rows.values()) > 0
    it._collect()
    # The parent hears of its end, is resumed and orders the child to go on, all before the child has closed.
    while it.root.ended_as == "RUNNING":
        it._deliver()
        it._collect()
    resumed(it.root)
    it._collect()
    while it._deliver():
        it._collect()
    assert child.ended_as == "TERMINATED"
    it.advance(1_000)
    assert child.ended_as == "RUNNING"


def test_a_child_that_has_completed_meanwhile_says_so_again():
    it = waiting()
    it.settle()
    it.play("child", failed("a"))
    it.play("child", resumed, done("a", x=3))
    assert (it.only("child").ended_as, it.root.ended_as) == ("COMPLETED", "FAILED")
    it.play("root", resumed)
    assert it.root.output("s")["subProcessOutput"] == {"x": 3}
    assert it.root.ended_as == "COMPLETED"


def test_a_reviewed_child_cannot_go_on():
    it = waiting()
    it.settle()
    it.play("child", failed("a"), reviewed())
    it.play("root", resumed)
    assert (it.root.status("s"), it.root.ended_as) == ("FAILED", "FAILED")


def test_an_operator_resumes_the_child_first():
    it = waiting()
    it.settle()
    it.play("root", terminated())
    it.play("child", resumed)
    it.play("root", resumed)
    assert it.root.status("s") == "RUNNING"
    it.play("child", done("a"))
    assert it.root.ended_as == "COMPLETED"


# -- many and deep


def test_the_child_of_a_child():
    it = family(sub("s", "middle"), middle=definition(sub("t", "child")))
    it.settle()
    assert [it.only(name).now_process.depth for name in ("root", "middle", "child")] == [0, 1, 2]
    it.play("child", failed("a", "deep down"))
    assert [it.only(name).ended_as for name in ("root", "middle")] == ["FAILED"] * 2
    assert it.root.process_output["error"] == "deep down"
    it.play("root", resumed)
    it.play("child", done("a"))
    assert it.root.ended_as == "COMPLETED"


def test_fifty_levels_and_a_bound_on_them():
    it = Family(definition(sub("s", "again")), again=definition(sub("s", "again")))
    it.settle()
    chain = it.all("again")
    assert len(chain) == 100
    assert chain[-1].output("s") == {"error": "processes are nested 100 deep"}
    assert {world.ended_as for world in (it.root, *chain)} == {"FAILED"}
    assert it.root.process_output["error"] == "processes are nested 100 deep"


def test_many_at_once():
    it = family(foreach("f", [1, 2, 3], sub("s", "child", input={"n": "{{ foreach.value }}"}), 3))
    it.settle()
    children = it.all("child")
    assert len({world.now_process.id for world in children}) == 3
    failed("a")(children[1])
    for child in (children[0], children[2]):
        done("a")(child)
    it.settle()
    assert [it.root.status(f"s[{n}]") for n in range(3)] == ["COMPLETED", "FAILED", "COMPLETED"]
    it.play("root", resumed)
    done("a")(children[1])
    it.settle()
    assert it.root.ended_as == "COMPLETED"
    assert len(it.all("child")) == 3


def test_its_input_is_made_of_what_came_before():
    it = family(worker("w"), sub("s", "child", input={"x": "{{ steps.w.output.x }}"}))
    it.play("root", done("w", x=[1]))
    assert it.only("child").now_process.input == b'{"x":[1]}'


def test_the_start_is_asked_for_in_the_decision_that_begins_the_step():
    world = play(definition(sub("s", "child")))
    ((_, decision),) = world.decisions
    assert [due.at for due in world.starts] == [START]
    assert len(decision.due) == 1


def test_a_fail_in_the_child_at_once():
    it = family(sub("s", "child"), child=definition(fail("f", input={"message": "never"})))
    it.settle()
    assert it.root.process_output["error"] == "never"


def test_a_lost_worker_of_the_child_is_its_own_matter():
    it = waiting()
    it.play("child", expired("a"), done("a"))
    assert it.root.ended_as == "COMPLETED"


def test_news_of_an_earlier_child_does_not_hide_the_present_one():
    """A row of the earlier child may have taken the place of the present one's: the present one is asked again."""
    it = waiting()
    it.settle()
    child, step = it.only("child").now_process, it.root.step("s")
    stray = ChildEnded(process_id=1, status=ProcessStatus.COMPLETED, output={})
    it.root.take(TimerFired(kind=DueKind.NEWS, step_id=step.id, body=encode(stray)))
    assert it.root.status("s") == "RUNNING"
    assert it.root.decisions[-1][1].due[(child.id, 0, DueKind.ORDER)].body == b'"TELL"'


def test_a_child_that_has_ended_tells_it_again_when_asked():
    it = waiting()
    it.settle()
    it.play("child", done("a"))
    child = it.only("child")
    child.take(TimerFired(kind=DueKind.ORDER, step_id=0, body=b'"TELL"'))
    told = child.decisions[-1][1].due[(it.root.now_process.id, it.root.step("s").id, DueKind.NEWS)]
    assert decode_as(told.body, ChildEnded).status is ProcessStatus.COMPLETED
