"""Does the checker bite? Forged ledgers, each wrong in one way, each refused for the right reason."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.torture.forging import Forgery
from torture.check import findings
from torture.history import load

Forge = Callable[[Forgery], None]
FORGERIES: dict[str, tuple[str, Forge]] = {}
NEW = 1 << 40
"""Ids that no real line holds."""


def forged(expected: str) -> Callable[[Forge], Forge]:
    def keep(forge: Forge) -> Forge:
        FORGERIES[forge.__name__] = (expected, forge)
        return forge

    return keep


# -- starts


@forged("lost/start")
def an_acknowledged_start_is_gone(f: Forgery) -> None:
    f.drop(f.process("chain-7"))


@forged("doubled/start")
def one_key_started_two_processes(f: Forgery) -> None:
    f.twin(f.process("chain-7"), NEW)


@forged("doubled/start")
def one_key_was_told_two_ids(f: Forgery) -> None:
    answer = next(line for line in f.driver if line["kind"] == "answer" and line["key"].endswith("chain-7"))
    other = next(line for line in f.driver if line["kind"] == "answer" and line["key"].endswith("chain-14"))
    f.driver.append(answer | {"process": other["process"]})


@forged("wrong/start")
def it_was_started_with_another_input(f: Forgery) -> None:
    f.process("chain-7")["input"] = {"n": 8}


# -- results


@forged("lost/result")
def an_accepted_result_is_not_on_record(f: Forgery) -> None:
    f.step("chain-7", "s2")["output"] = {}


@forged("lost/step")
def accepted_results_of_a_step_that_is_not_there(f: Forgery) -> None:
    f.process("chain-7")["stepRecords"].remove(f.step("chain-7", "s2"))


@forged("doubled/result")
def a_result_was_accepted_twice(f: Forgery) -> None:
    f.workers.append(dict(f.accepted(f.step("chain-7", "s2"))))


@forged("doubled/result")
def two_workers_were_both_told_yes(f: Forgery) -> None:
    step = f.step("chain-7", "s2")
    again = {"token": 99, "mark": "other"}
    f.workers.extend([next(f.about("effect", step)) | again, f.accepted(step) | again])


@forged("doubled/result")
def one_result_is_on_record_twice(f: Forgery) -> None:
    step = f.step("chain-7", "s2")
    step["executionList"].insert(0, step["executionList"][-1] | {"output": step["output"]})


@forged("wrong/refused-result")
def the_result_of_a_terminated_process_was_taken(f: Forgery) -> None:
    """Its worker was told STALE."""
    refused = next(line for line in f.workers if line["kind"] == "report" and line["outcome"] == "STALE")
    for process in f.truth:
        for step in process["stepRecords"]:
            if step["id"] == refused["step"]:
                step["output"] = {"value": refused["value"], "mark": refused["mark"]}


@forged("wrong/believed-a-liar")
def the_second_other_result_of_a_hand_out_was_taken(f: Forgery) -> None:
    lie = next(line for line in f.workers if line["kind"] == "lie")
    for process in f.truth:
        for step in process["stepRecords"]:
            if step["id"] == lie["step"]:
                step["output"] = {"value": lie["value"], "mark": lie["mark"]}


@forged("wrong/invented-result")
def nobody_has_done_what_is_on_record(f: Forgery) -> None:
    step = f.step("chain-7", "s2")
    f.forget("effect", step)


@forged("wrong/status")
def a_failed_step_is_on_record_as_done(f: Forgery) -> None:
    f.step("bank-16", "deposit")["status"] = "COMPLETED"


# -- joins


@forged("doubled/join")
def a_join_went_on_twice(f: Forgery) -> None:
    step = f.step("fan-8", "first_join")
    again = {"token": 99, "mark": "other"}
    f.workers.extend([next(f.about("effect", step)) | again, f.accepted(step) | again])


@forged("doubled/join")
def a_join_was_handed_out_with_two_inputs(f: Forgery) -> None:
    effect = next(f.about("effect", f.step("fan-8", "first_join")))
    f.workers.append(effect | {"token": 99, "mark": "other", "input": {"do": "add", "items": []}})


@forged("wrong/join")
def a_join_did_not_wait_for_one_branch(f: Forgery) -> None:
    f.step("fan-8", "first_join")["input"]["items"].pop()


@forged("wrong/join")
def a_join_never_went_on(f: Forgery) -> None:
    step = f.step("fan-8", "second_join")
    f.process("fan-8")["stepRecords"].remove(step)
    f.forget("effect", step)
    f.forget("report", step)


# -- money


@forged("wrong/books")
def money_was_made(f: Forgery) -> None:
    f.step("bank-9", "deposit")["output"]["value"] += 100


@forged("doubled/money")
def the_bank_paid_in_and_paid_back(f: Forgery) -> None:
    deposit = next(f.about("effect", f.step("bank-16", "withdraw~undo")))
    step = f.step("bank-16", "deposit")
    f.workers.append(deposit | {"step": step["id"], "ref": "deposit", "token": 99, "mark": "other"})


@forged("lost/money")
def money_that_left_never_arrived(f: Forgery) -> None:
    f.forget("effect", f.step("bank-9", "deposit"))


@forged("wrong/tries")
def a_step_was_given_up_too_soon(f: Forgery) -> None:
    f.step("bank-16", "deposit")["executionList"].pop(0)


# -- ends


@forged("stuck/process")
def a_process_never_ends(f: Forgery) -> None:
    f.process("timers-10")["status"] = "RUNNING"
    f.step("timers-10", "end")["status"] = "SCHEDULED"


@forged("wrong/open-step")
def a_process_ended_with_an_open_step(f: Forgery) -> None:
    f.step("timers-10", "both")["status"] = "RUNNING"


@forged("wrong/early-end")
def a_container_ended_before_what_is_in_it(f: Forgery) -> None:
    f.step("fan-8", "all")["completedAt"] = f.step("fan-8", "two")["completedAt"] - 1


@forged("wrong/early-end")
def a_process_ended_before_its_child(f: Forgery) -> None:
    f.relatives("family-11")[0]["completedAt"] += 60_000


@forged("wrong/early-end")
def a_step_is_done_and_its_child_is_not(f: Forgery) -> None:
    f.relatives("family-11")[0]["status"] = "TERMINATED"


@forged("wrong/changed-end")
def an_end_that_was_seen_has_changed(f: Forgery) -> None:
    id = f.process("bank-16")["processId"]
    f.driver.append(
        {"kind": "look", "process": id, "status": "COMPLETED", "open": 0, "undoing": False, "at": 1}
    )


@forged("wrong/torn-read")
def a_running_process_was_seen_with_nothing_open(f: Forgery) -> None:
    id = f.process("chain-7")["processId"]
    f.driver.append(
        {"kind": "look", "process": id, "status": "RUNNING", "open": 0, "undoing": False, "at": 1}
    )


@forged("lost/end")
def an_acknowledged_terminate_did_not_happen(f: Forgery) -> None:
    process = f.process("storm-12")
    assert process["status"] == "TERMINATED"
    process["status"] = "COMPLETED"


@forged("wrong/hand-out-after-end")
def work_was_handed_out_after_the_end(f: Forgery) -> None:
    id = f.process("storm-12")["processId"]
    f.driver.append({"kind": "deed", "what": "terminate", "process": id, "outcome": "ok", "at": 1})


@forged("lost/compensation")
def what_was_done_is_not_undone(f: Forgery) -> None:
    step = f.step("storm-19", "begin~undo")
    f.process("storm-19")["stepRecords"].remove(step)
    f.forget("effect", step)
    f.forget("report", step)


# -- families, timers, tokens


@forged("doubled/child")
def a_step_started_two_children(f: Forgery) -> None:
    f.twin(f.relatives("family-11")[0], NEW)


@forged("lost/child")
def a_child_is_gone(f: Forgery) -> None:
    f.drop(f.relatives("family-11")[0])


@forged("doubled/child")
def two_steps_share_a_child(f: Forgery) -> None:
    right, left = f.step("family-11", "each_child[0]"), f.step("family-11", "each_child[1]")
    left["output"]["subProcessId"] = right["output"]["subProcessId"]


@forged("wrong/early-timer")
def a_timer_rang_early(f: Forgery) -> None:
    nap = f.step("timers-10", "nap")
    nap["completedAt"] = nap["start"] + 5


@forged("doubled/token")
def one_token_was_handed_out_twice(f: Forgery) -> None:
    effect = next(f.about("effect", f.step("chain-7", "s2")))
    f.workers.append(effect | {"mark": "other", "polled": effect["polled"] + 10})


@forged("wrong/stolen-lease")
def a_step_was_given_away_while_a_worker_held_it(f: Forgery) -> None:
    effect = next(f.about("effect", f.step("chain-7", "s2")))
    effect["deadline"] = effect["polled"] + 1_500
    f.workers.append(effect | {"mark": "other", "token": 99, "polled": effect["polled"] + 900})


@forged("wrong/stolen-lease")
def an_extension_was_granted_and_forgotten(f: Forgery) -> None:
    effect = next(f.about("effect", f.step("chain-7", "s2")))
    hand_out = {"step": effect["step"], "token": effect["token"]}
    f.workers.append({"kind": "extended", **hand_out, "until": effect["polled"] + 1_500, "at": 1})
    f.workers.append(effect | {"mark": "other", "token": 99, "polled": effect["polled"] + 900})


# -- what scenarios know


@forged("wrong/output")
def the_output_is_not_what_comes_of_the_input(f: Forgery) -> None:
    f.process("chain-7")["output"]["total"] += 1


@forged("wrong/step")
def a_step_ran_that_the_definition_never_comes_to(f: Forgery) -> None:
    step = f.step("wild-13", "w1")
    f.process("wild-13")["stepRecords"].append(step | {"id": NEW, "ref": "w9", "output": {}})


@forged("wrong/step-status")
def a_step_was_left_out(f: Forgery) -> None:
    f.step("wild-13", "w2")["status"] = "SKIPPED"


# -- troubles and idleness


@forged("wrong/server-error")
def somebody_was_answered_500(f: Forgery) -> None:
    f.driver.append({"kind": "trouble", "call": "start", "status": 500, "body": "internal error"})


@forged("wrong/refusal")
def somebody_was_refused_what_is_allowed(f: Forgery) -> None:
    f.driver.append({"kind": "trouble", "call": "start", "status": 404, "body": "no such definition"})


@forged("wrong/set-aside")
def the_engine_stumbled(f: Forgery) -> None:
    f.process("chain-7")["marked"] = True


@forged("idle/work")
def less_than_half_of_the_work_was_done(f: Forgery) -> None:
    f.nemesis[0]["starts"] = 100


@forged("idle/faults")
def less_than_half_of_the_kills_took_place(f: Forgery) -> None:
    f.nemesis[0]["kills"] = 100


@forged("idle/work")
def nothing_was_done_at_all(f: Forgery) -> None:
    f.driver.clear()
    f.workers.clear()
    f.truth.clear()


# -- the tests


def test_true_ledgers_are_taken(tmp_path: Path) -> None:
    assert Forgery().found(tmp_path) == set()


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_ledgers_are_refused(name: str, tmp_path: Path) -> None:
    expected, forge = FORGERIES[name]
    forgery = Forgery()
    forge(forgery)
    assert expected in forgery.found(tmp_path)


def test_the_last_line_of_a_killed_writer_is_left_out(tmp_path: Path) -> None:
    forgery = Forgery()
    assert forgery.found(tmp_path) == set()
    with (tmp_path / "workers.ledger").open("a") as file:
        file.write('{"kind":"report","step":65')
    assert findings(load(tmp_path)) == []
