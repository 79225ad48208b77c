"""Error policies: four events, three actions, one count. Spec 0.6 and 6.5."""

import pytest

from stepwell.engine.error_policy import LONGEST_DELAY_MS, delay_before
from stepwell.engine.events import DeliveryExpired, TimerFired
from stepwell.model.due import DueKind
from stepwell.model.error_policy import Reaction
from stepwell.model.work import Acceptance, WorkStatus
from tests.engine.play import (
    LEASE_MS,
    START,
    World,
    claimed,
    definition,
    done,
    expired,
    failed,
    noop,
    parallel,
    passed,
    play,
    policy,
    resumed,
    retrying,
    running,
    terminated,
    worker,
)

ALARM = {"name": "alarm", "input": {"to": "us"}}
STORY = definition(worker("a", policy="p"), noop("z"))


def under(*moves, story=STORY, **reactions) -> World:
    return play(story, *moves, policies=[policy("p", **reactions)])


EVENTS = {
    "failure": ("failure", [failed("a")], "FAILED"),
    "start": ("startTimeout", [passed(500)], "TIMED_OUT"),
    "response": ("responseTimeout", [claimed("a"), passed(500)], "TIMED_OUT"),
    "completion": ("completionTimeout", [claimed("a"), passed(500)], "TIMED_OUT"),
}


ACTIONS = [{}, {"action": "FAIL"}, {"action": "NONE"}, retrying(1, retryInterval=200)]


@pytest.mark.parametrize(
    ("event", "action"),
    [
        (event, action)
        for event in EVENTS
        for action in ACTIONS
        if event != "completion" or action.get("action") != "RETRY"  # refused when policies are checked
    ],
)
@pytest.mark.parametrize("cold", [False, True])
def test_every_event_and_action(event, action, cold):
    name, moves, ended = EVENTS[event]
    reaction = {"duration": 500, **action} if name != "failure" else action
    world = play(STORY, *moves, policies=[policy("p", **{name: reaction})], cold=cold)
    said = action.get("action", "FAIL")
    if said == "FAIL" or (said == "NONE" and name == "failure"):
        assert (world.status("a"), world.ended_as) == (ended, "FAILED")
        assert "error" in world.output("a")
        assert world.due_of("a") == {}
    elif said == "NONE":
        assert world.step("a").status.is_open
        assert world.ended_as == "RUNNING"
        done("a")(world)
        assert world.ended_as == "COMPLETED"
    else:
        step = world.step("a")
        assert (step.execution, step.status, step.hand_out.ready) == (2, "SCHEDULED", None)
        assert world.due_of("a")[DueKind.READY] == 200
        assert world.output("a") == {}
        passed(200)(world)
        assert world.step("a").hand_out.ready is not None


@pytest.mark.parametrize("event", ["start", "response", "completion"])
def test_no_clock_rings_early(event):
    name, moves, _ = EVENTS[event]
    world = under(*moves[:-1], passed(499), **{name: {"duration": 500}})
    assert world.step("a").status.is_open


def test_without_a_reaction_to_it_an_event_fails_the_step():
    world = under(failed("a"), startTimeout={"duration": 10, "action": "NONE"})
    assert world.status("a") == "FAILED"


def test_a_retry_is_a_new_execution_of_the_same_context():
    world = under(claimed("a"), passed(40), failed("a", "one"), failure=retrying(2, retryInterval=1_000))
    step = world.step("a")
    assert (step.execution, step.scheduled, step.schedule) == (2, START + 40, START + 1_040)
    assert (step.hand_out.runs, step.hand_out.start, step.hand_out.first_start) == (0, 0, START)
    passed(1_000)(world)
    assert world.take_one("a").hand_out.runs == 1
    done("a", ok=1)(world)
    (first,) = world.earlier("a")
    assert (first.id, first.runs, first.start, first.updated) == (1, 1, START, START + 40)
    assert (first.output, first.executor) == (b'{"error":"one"}', "host")
    assert world.output("a") == {"ok": 1}
    assert world.step("a").hand_out.first_start == START


@pytest.mark.parametrize("count", [0, 1, 3])
def test_n_retries_are_n_and_one_executions(count):
    world = under(*[failed("a")] * count, failure=retrying(count, retryInterval=0))
    assert world.step("a").status.is_open
    failed("a", "last")(world)
    assert world.status("a") == "FAILED"
    assert world.step("a").execution == count + 1
    assert world.output("a") == {"error": "last"}


def test_one_count_for_all_events():
    world = under(
        failed("a"),
        claimed("a"),
        passed(300),
        passed(100),
        failure=retrying(3, retryInterval=0),
        responseTimeout={"duration": 300, **retrying(3, retryInterval=0)},
        startTimeout={"duration": 100, **retrying(3, retryInterval=0)},
    )
    assert (world.step("a").execution, world.step("a").status.is_open) == (4, True)
    failed("a")(world)
    assert world.status("a") == "FAILED"


def test_a_resume_counts_from_nothing():
    world = under(*[failed("a")] * 2, resumed, *[failed("a")] * 1, failure=retrying(1, retryInterval=0))
    assert (world.step("a").execution, world.step("a").status.is_open) == (4, True)
    failed("a")(world)
    assert world.status("a") == "FAILED"


# -- how long until a retry


@pytest.mark.parametrize(
    ("interval", "delays"),
    [(1_000, [1_000] * 4), (0, [0] * 4), (1_234_567, [1_234_567] * 4), (9_000_000, [LONGEST_DELAY_MS] * 4)],
)
def test_constant_intervals_are_exact(interval, delays):
    reaction = Reaction(retry_interval=interval)
    assert [delay_before(reaction, nth, 6_401) for nth in range(1, 5)] == delays


def test_exponential_intervals_double_and_spread_up_to_a_tenth():
    reaction = Reaction(retry_interval=1_000, retry_backoff_exponential=True)
    for nth in range(1, 12):
        base = 1_000 * 2 ** (nth - 1)
        delays = {delay_before(reaction, nth, id) for id in range(6_400, 6_900)}
        assert min(delays) >= base
        assert max(delays) <= base * 1.1
        assert max(delays) - min(delays) > base * 0.09, "jitter must spread"


@pytest.mark.parametrize("nth", [12, 13, 40, 1_000])
def test_no_delay_is_longer_than_an_hour(nth):
    reaction = Reaction(retry_interval=10_000, retry_backoff_exponential=True)
    assert {delay_before(reaction, nth, id) for id in range(100)} == {LONGEST_DELAY_MS}


def test_the_spread_comes_from_ids():
    reaction = Reaction(retry_interval=1_000, retry_backoff_exponential=True)
    assert delay_before(reaction, 1, 5) == delay_before(reaction, 1, 5)
    assert len({delay_before(reaction, 1, id) for id in range(20)}) > 10


def test_a_second_is_the_default():
    assert under(failed("a"), failure=retrying(1)).due_of("a") == {DueKind.READY: 1_000}


# -- clocks


def test_the_start_clock_begins_when_the_execution_is_due():
    world = under(
        failed("a"),
        passed(1_400),
        failure=retrying(1, retryInterval=1_000),
        startTimeout={"duration": 500},
    )
    assert world.step("a").status.is_open
    passed(100)(world)
    assert world.status("a") == "TIMED_OUT"


def test_the_start_clock_stops_mattering_once_a_worker_took_it():
    world = under(claimed("a"), passed(1_000), startTimeout={"duration": 500})
    assert world.status("a") == "RUNNING"


def test_a_response_clock_begins_anew_with_each_report():
    world = under(
        claimed("a"), passed(400), running("a"), claimed("a"), passed(400), responseTimeout={"duration": 500}
    )
    assert world.status("a") == "RUNNING"
    passed(100)(world)
    assert world.status("a") == "TIMED_OUT"
    assert "no report within 500 ms" in world.output("a")["error"]


@pytest.mark.parametrize("interval", [0, 400], ids=["tried again at once", "tried again later"])
def test_a_report_of_an_attempt_that_was_given_up_is_stale(interval):
    """However often it comes, and whatever becomes of the new attempt: it is none of its results."""
    clock = {"duration": 300, **retrying(1, retryInterval=interval)}
    world = under(claimed("a"), responseTimeout=clock)
    late = world.step("a")
    passed(300)(world)
    assert world.step("a").execution == 2
    for _ in range(2):
        assert world.report(late, output={"late": True}) is Acceptance.STALE
    passed(interval)(world)
    assert world.report(late) is Acceptance.STALE
    taken = world.take_one("a")
    assert (taken.hand_out.token, taken.hand_out.runs) == (late.hand_out.token + 1, 1)
    assert world.report(late) is Acceptance.STALE
    assert world.report(taken, output={"x": 1}) is Acceptance.ACCEPTED
    assert world.report(late) is Acceptance.STALE
    assert (world.ended_as, world.output("a")) == ("COMPLETED", {"x": 1})


def test_a_failure_that_is_said_twice_is_a_duplicate_although_it_is_tried_again():
    world = under(claimed("a"), failure=retrying(1, retryInterval=400))
    taken = world.step("a")
    assert world.report(taken, WorkStatus.FAILED) is Acceptance.ACCEPTED
    assert world.report(taken, WorkStatus.FAILED) is Acceptance.DUPLICATE


def test_an_attempt_that_was_given_up_does_not_count_as_a_delivery_of_the_next():
    clock = {"duration": 300, **retrying(1, retryInterval=0)}
    world = under(claimed("a"), passed(300), responseTimeout=clock)
    for _ in range(2):
        terminated()(world)
        resumed(world)
        taken = world.take_one("a")
        assert min(taken.hand_out.deliveries, taken.hand_out.runs) == 1


def test_a_lease_that_a_dead_server_held_is_no_response_timeout():
    """Whoever held it is gone before its time was over: the same attempt is offered again, and counted."""
    world = under(claimed("a"), responseTimeout={"duration": 300})
    token = world.step("a").hand_out.token
    world.take(DeliveryExpired(step_id=world.step("a").id, token=token, max_deliveries=2, lost=True))
    assert (world.status("a"), world.step("a").execution) == ("SCHEDULED", 1)
    again = world.take_one("a")
    assert again.hand_out.runs == 2
    world.take(DeliveryExpired(step_id=again.id, token=token + 1, max_deliveries=2, lost=True))
    assert (world.status("a"), world.output("a")["error"][:16]) == ("FAILED", "handed out 2 tim")


def test_a_response_timeout_with_none_offers_it_again():
    world = under(expired("a"), responseTimeout={"duration": 500, "action": "NONE"})
    step = world.step("a")
    assert (step.execution, step.status, step.hand_out.ready) == (1, "SCHEDULED", START)


def test_one_completion_clock_over_all_executions():
    world = under(
        *[failed("a"), passed(300)] * 3,
        completionTimeout={"duration": 1_000},
        failure=retrying(9, retryInterval=300),
    )
    assert world.step("a").execution == 4
    assert world.due_of("a")[DueKind.COMPLETION_TIMEOUT] == 100
    passed(100)(world)
    assert world.status("a") == "TIMED_OUT"
    assert world.step("a").execution == 4


def test_a_completion_timeout_takes_it_from_a_busy_worker():
    world = under(claimed("a"), passed(1_000), completionTimeout={"duration": 1_000})
    assert world.status("a") == "TIMED_OUT"
    assert world.step("a").hand_out.claim is None


def test_a_resume_starts_the_completion_clock_anew():
    world = under(passed(1_000), passed(600), resumed, passed(999), completionTimeout={"duration": 1_000})
    assert world.status("a") == "SCHEDULED"
    passed(1)(world)
    assert world.status("a") == "TIMED_OUT"


@pytest.mark.parametrize("end", [done("a"), failed("a"), terminated()])
def test_clocks_end_with_the_step(end):
    world = under(
        end,
        startTimeout={"duration": 500},
        completionTimeout={"duration": 900},
    )
    assert world.dues == {}
    assert world.step("a").timers == 0


def test_without_a_response_clock_the_lease_is_the_servers():
    world = under(claimed("a"), failure={})
    assert world.step("a").hand_out.deadline == START + LEASE_MS
    world = under(claimed("a"), responseTimeout={"duration": 700})
    assert world.step("a").hand_out.deadline == START + 700


# -- a timer that fires looks again


def _late(world: World, kind: DueKind, before) -> None:
    """A turn takes the row of a timer, then decides something else first, then the timer."""
    due = next(due for due in world.dues.values() if due.kind is kind)
    world.now = max(world.now, due.at)
    world.dues.pop((due.process_id, due.step_id, due.kind))
    before(world)
    world.take(TimerFired(kind=due.kind, step_id=due.step_id, body=due.body))


def test_a_start_timer_does_not_meet_the_next_execution():
    world = under(
        claimed("a"), failure=retrying(5, retryInterval=0), startTimeout={"duration": 500, **retrying(5)}
    )
    _late(world, DueKind.START_TIMEOUT, failed("a"))
    assert (world.step("a").execution, world.step("a").hand_out.ready is not None) == (2, True)
    assert world.due_of("a") == {DueKind.START_TIMEOUT: 500}


def test_a_ready_timer_does_not_take_a_step_from_its_worker():
    world = under(failed("a"), failure=retrying(1, retryInterval=100))

    def taken_meanwhile(world: World) -> None:
        terminated()(world)
        resumed(world)
        claimed("a")(world)

    _late(world, DueKind.READY, taken_meanwhile)
    assert (world.status("a"), world.step("a").hand_out.ready) == ("RUNNING", None)


def test_a_completion_timer_does_not_meet_the_next_pass():
    world = under(completionTimeout={"duration": 500})

    def resumed_meanwhile(world: World) -> None:
        terminated()(world)
        resumed(world)

    _late(world, DueKind.COMPLETION_TIMEOUT, resumed_meanwhile)
    assert world.status("a") == "SCHEDULED"
    assert world.due_of("a") == {DueKind.COMPLETION_TIMEOUT: 500}


def test_a_completion_timeout_that_passed_does_not_come_back_with_a_retry():
    none = {"duration": 500, "action": "NONE", "runRequest": ALARM}
    world = under(passed(500), failed("a"), passed(5_000), completionTimeout=none, failure=retrying(3))
    assert (world.step("a").execution, len(world.started), world.due_of("a")) == (2, 1, {})


@pytest.mark.parametrize("kind", [DueKind.START_TIMEOUT, DueKind.COMPLETION_TIMEOUT])
def test_a_timer_of_a_step_that_is_done_changes_nothing(kind):
    story = definition(parallel("p", worker("a", policy="p"), worker("b")))
    world = under(story=story, startTimeout={"duration": 500}, completionTimeout={"duration": 500})
    before: dict = {}

    def finish(world: World) -> None:
        done("a")(world)
        before.update(world.rows)

    _late(world, kind, finish)
    assert world.rows == before


# -- runRequest


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("action", ["FAIL", "NONE"])
def test_a_run_request_runs_once_for_each_event(event, action):
    name, moves, _ = EVENTS[event]
    reaction = {"duration": 500, "action": action, "runRequest": ALARM}
    if name == "failure":
        del reaction["duration"]
    world = under(*moves, **{name: reaction})
    (body,) = world.started
    assert (body.request.name, body.request.namespace, body.source_id) == ("alarm", "default", 6_400)
    source = body.request.input["__source"]
    assert body.request.input["to"] == "us"
    assert (source["ref"], source["stepId"], source["name"]) == ("a", world.step("a").id, "story")


def test_a_run_request_runs_at_every_try():
    world = under(*[failed("a")] * 3, failure=retrying(2, retryInterval=0, runRequest=ALARM))
    assert [body.request.input["__source"]["output"] for body in world.started] == [{"error": "broken"}] * 3


def test_a_report_that_is_refused_runs_nothing():
    world = under(failure=retrying(2, retryInterval=0, runRequest=ALARM))
    taken = world.take_one("a")
    for _ in range(3):
        world.report(taken, WorkStatus.FAILED, {"error": "x"})
    assert len(world.started) == 1


# -- which policy


def test_the_policy_is_read_by_name_when_an_execution_is_scheduled():
    world = under(failure=retrying(5, retryInterval=0))
    world.add_policy(policy("p", failure={"action": "FAIL"}))
    failed("a")(world)
    assert world.step("a").execution == 2, "the first execution keeps the policy it was scheduled under"
    failed("a")(world)
    assert world.status("a") == "FAILED"


def test_a_policy_that_is_gone_is_no_policy():
    world = play(STORY, failed("a"))
    assert world.status("a") == "FAILED"


def test_many_policies_in_one_decision_are_one_question():
    names = [f"p{number}" for number in range(40)]
    story = definition(parallel("p", *(worker(f"w{name}", policy=name) for name in names)))
    world = play(story, policies=[policy(name, failure=retrying(1)) for name in names])
    assert world.rounds == [1]
    assert len({step.policy_id for step in world.rows.values()}) == 41
