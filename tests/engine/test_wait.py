"""WAIT: until a moment, for a while, for a signal."""

from datetime import UTC, datetime

import pytest

from stepwell.engine.effects import Refusal
from stepwell.engine.events import SignalReceived
from stepwell.model.codec import encode
from stepwell.model.due import DueKind
from tests.engine.play import (
    START,
    answered,
    definition,
    expired,
    failed,
    foreach,
    noop,
    parallel,
    passed,
    play,
    resumed,
    step,
    terminated,
)

DAY = 86_400_000


def wait(ref="w", **input):
    return step("WAIT", ref, input=input)


def story(**input):
    return definition(wait(**input), noop("after"))


def signal(name="go", payload=None, correlation=None):
    event = SignalReceived(name=name, payload=encode(payload or {}), correlation=correlation)
    return lambda world: world.take(event)


def ms(year, *rest):
    return int(datetime(year, *rest, tzinfo=UTC).timestamp() * 1000)


# -- for a while


def test_it_sleeps_and_goes_on():
    world = play(story(durationMs=500), passed(499))
    assert (world.status("w"), world.due_of("w")) == ("RUNNING", {DueKind.WAKE: 1})
    passed(1)(world)
    assert world.statuses() == {"w": "COMPLETED", "after": "COMPLETED"}
    assert world.output("w") == {"result": {"waitUntil": START + 500}, "logs": []}


@pytest.mark.parametrize("duration", [0, 0.0])
def test_no_time_at_all(duration):
    assert play(story(durationMs=duration)).ended_as == "COMPLETED"


@pytest.mark.parametrize("duration", [-1, "500", True, 1.5, {}, 1e300, 101 * 366 * DAY])
def test_durations_that_are_none(duration):
    world = play(story(durationMs=duration))
    assert world.status("w") == "FAILED"
    assert world.dues == {}


def test_months():
    world = play(story(durationMs=90 * DAY), passed(90 * DAY))
    assert world.ended_as == "COMPLETED"


# -- until a moment


@pytest.mark.parametrize(
    ("until", "zone", "moment"),
    [
        ("2030-01-02T03:04:05Z", None, ms(2030, 1, 2, 3, 4, 5)),
        ("2030-01-02T03:04:05+02:00", "America/New_York", ms(2030, 1, 2, 1, 4, 5)),
        ("2030-01-02T03:04:05", None, ms(2030, 1, 2, 3, 4, 5)),
        ("2030-01-02T03:04:05", "Asia/Kolkata", ms(2030, 1, 1, 21, 34, 5)),
        ("2030-07-02 12:00", "Europe/Berlin", ms(2030, 7, 2, 10)),
        ("2030-01-02", "Europe/Berlin", ms(2030, 1, 1, 23)),
        # The clock goes from 02:00 to 03:00: 02:30 is read with the offset from before, so it is 03:30.
        ("2027-03-28T02:30:00", "Europe/Berlin", ms(2027, 3, 28, 1, 30)),
        # It goes back from 03:00 to 02:00: 02:30 comes twice, the first one is meant.
        ("2027-10-31T02:30:00", "Europe/Berlin", ms(2027, 10, 31, 0, 30)),
    ],
)
def test_until_a_local_time(until, zone, moment):
    world = play(story(until=until, timeZone=zone))
    assert world.due_of("w") == {DueKind.WAKE: moment - START}
    passed(moment - START)(world)
    assert world.output("w")["result"] == {"waitUntil": moment}


def test_a_moment_in_the_past():
    world = play(story(until="1970-01-01T00:00:00Z"))
    assert world.ended_as == "COMPLETED"
    assert world.output("w")["result"] == {"waitUntil": 0}


@pytest.mark.parametrize(
    ("until", "zone", "said"),
    [
        ("tomorrow", None, "until is no moment in time"),
        ("2030-13-01", None, "until is no moment in time"),
        ("2030-01-01", "Europe/Nowhere", "No time zone found with key Europe/Nowhere"),
        ("2030-01-01", "../../etc/passwd", "until is no moment in time"),
        (1_900_000_000_000, None, "until must be a date and a time as text"),
        ("9999-12-31T23:59:59", None, "for 100 years at most"),
        ("0001-01-01T00:00:00", "Asia/Kolkata", None),
    ],
)
def test_moments_that_are_none(until, zone, said):
    world = play(story(until=until, timeZone=zone))
    if said is None:
        assert world.status("w") in ("COMPLETED", "FAILED")
    else:
        assert said in world.output("w")["error"]
        assert world.status("w") == "FAILED"


# -- as a script says


SCRIPT = "(steps) => ({waitUntil: steps.__self.start + 1000})"


def test_a_script_is_asked_once_when_the_step_begins():
    world = play(story(script=SCRIPT))
    assert [step.phase for step in world.ready()] == ["EVALUATING"]
    answered("w", {"waitUntil": START + 1_000}, "asked")(world)
    assert (world.status("w"), world.ready(), world.step("w").hand_out.claim) == ("RUNNING", [], None)
    passed(1_000)(world)
    assert world.output("w") == {"result": {"waitUntil": START + 1_000}, "logs": ["asked"]}
    assert world.ended_as == "COMPLETED"


def test_nothing_is_held_while_it_sleeps():
    """The hand-out of its script is over: neither its lease nor a second report changes anything."""
    world = play(story(script=SCRIPT))
    asked = world.take_one("w")
    answered("w", {"waitUntil": START + DAY})(world)
    expired = world.take_one  # its claim is gone
    with pytest.raises(AssertionError):
        expired("w")
    assert world.report(asked, output={"result": {"waitUntil": 0}, "logs": []}).name == "DUPLICATE"
    passed(DAY - 1)(world)
    assert (world.status("w"), world.step("w").execution, world.step("w").hand_out.runs) == ("RUNNING", 1, 1)
    passed(1)(world)
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize("until", [START, START - 5, 0, -1, float(START)])
def test_a_script_that_names_the_past(until):
    assert play(story(script=SCRIPT), answered("w", {"waitUntil": until})).ended_as == "COMPLETED"


@pytest.mark.parametrize(
    "result", [None, 5, "x", [], {}, {"waitUntil": None}, {"waitUntil": "5"}, {"waitUntil": True},
               {"waitUntil": 1.5}, {"waitUntil": 1e300}, {"waitUntil": 2**60}, {"waitUntil": START + 200 * 366 * DAY}],
)  # fmt: skip
def test_a_script_that_names_no_moment(result):
    world = play(story(script=SCRIPT), answered("w", result))
    assert world.status("w") == "FAILED"
    assert world.dues == {}


def test_a_failing_script_and_its_resume():
    world = play(story(script=SCRIPT), failed("w", "oh", logs=["x"]))
    assert world.output("w") == {"error": "oh", "logs": ["x"]}
    resumed(world)
    answered("w", {"waitUntil": 0})(world)
    assert (world.ended_as, world.step("w").execution) == ("COMPLETED", 2)


def test_a_server_that_died_over_the_script_runs_it_again():
    world = play(story(script=SCRIPT), expired("w"), answered("w", {"waitUntil": 0}))
    assert world.ended_as == "COMPLETED"


# -- ended meanwhile


@pytest.mark.parametrize(
    "input", [{"durationMs": 500}, {"forSignal": "go", "timeoutMs": 500}, {"forSignal": "go"}]
)
def test_terminated_while_it_waits_and_resumed(input):
    world = play(story(**input), passed(100), terminated())
    assert (world.status("w"), world.dues) == ("CANCELLED", {})
    passed(1_000)(world)
    resumed(world)
    assert (world.status("w"), world.step("w").execution) == ("RUNNING", 2)
    if len(input) == 1 and "forSignal" in input:
        signal()(world)
    else:
        assert world.due_of("w") == {DueKind.WAKE: 500}
        passed(500)(world)
    assert world.status("w") == ("TIMED_OUT" if "timeoutMs" in input else "COMPLETED")


# -- for a signal


def test_the_payload_becomes_its_output():
    world = play(story(forSignal="go"), passed(DAY))
    assert world.status("w") == "RUNNING"
    signal(payload={"by": "Asha"})(world)
    assert world.output("w") == {"by": "Asha"}
    assert world.ended_as == "COMPLETED"


def test_another_name_is_kept_for_whoever_waits_later():
    first_then = definition(wait("w", forSignal="go"), wait("v", forSignal="stop"))
    world = play(first_then, signal("stop", {"n": 1}), signal("stop", {"n": 2}))
    assert world.status("w") == "RUNNING"
    signal("go")(world)
    assert world.output("v") == {"n": 1}
    assert world.ended_as == "COMPLETED"
    assert b'"n":2' in world.now_process.signals


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("wanted", ["7", 7, "{{ input.order }}"])
def test_correlation(early, wanted):
    written = definition(wait("first", durationMs=10), wait(forSignal="paid", correlation=wanted))
    right, wrong = signal("paid", {"ok": 1}, "7"), signal("paid", {"ok": 0}, "8")
    moves = (wrong, right, passed(10)) if early else (passed(10), wrong, signal("paid", {"ok": 0}), right)
    world = play(written, *moves, input={"order": 7})
    assert world.output("w") == {"ok": 1}


def test_without_a_correlation_it_takes_any():
    assert play(story(forSignal="go"), signal(correlation="x")).ended_as == "COMPLETED"


def test_the_oldest_that_waits_takes_it_and_only_that_one():
    both = definition(parallel("p", wait("v", forSignal="go"), wait("w", forSignal="go")))
    world = play(both, signal(payload={"n": 1}))
    assert (world.status("v"), world.status("w")) == ("COMPLETED", "RUNNING")
    signal(payload={"n": 2})(world)
    assert world.output("w") == {"n": 2}


def test_in_iterations_the_correlation_tells_them_apart():
    child = wait("c", forSignal="paid", correlation="{{ foreach.value }}")
    world = play(definition(foreach("f", ["a", "b"], child, 2)), signal("paid", {"n": 1}, "b"))
    assert (world.status("c[0]"), world.status("c[1]")) == ("RUNNING", "COMPLETED")


@pytest.mark.parametrize(
    ("on_timeout", "status", "ended"),
    [(None, "TIMED_OUT", "FAILED"), ("FAIL", "TIMED_OUT", "FAILED"), ("CONTINUE", "COMPLETED", "COMPLETED")],
)
def test_a_signal_that_does_not_come(on_timeout, status, ended):
    world = play(story(forSignal="go", timeoutMs=500, onTimeout=on_timeout), passed(499))
    assert world.status("w") == "RUNNING"
    passed(1)(world)
    assert (world.status("w"), world.ended_as) == (status, ended)
    said = {"timedOut": True} if ended == "COMPLETED" else {"error": "no signal go within 500 ms"}
    assert world.output("w") == said


def test_a_signal_in_time_takes_the_clock_away():
    written = definition(wait(forSignal="go", timeoutMs=500), wait("v", durationMs=DAY))
    world = play(written, passed(499), signal())
    assert world.due_of("w") == {}
    passed(DAY)(world)
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize(
    "input",
    [{"forSignal": 7}, {"forSignal": ""}, {"forSignal": "go", "timeoutMs": 0}, {"forSignal": "go", "timeoutMs": "5"},
     {"forSignal": "go", "timeoutMs": 1e300}, {"forSignal": "go", "onTimeout": "SKIP"}],
)  # fmt: skip
def test_wishes_that_cannot_be(input):
    world = play(story(**input))
    assert (world.status("w"), world.dues) == ("FAILED", {})


def test_an_ended_process_takes_no_signals():
    world = play(story(durationMs=0))
    answer = signal()(world)
    assert isinstance(answer, Refusal)


def test_too_many_kept_signals_are_refused():
    world = play(story(durationMs=5))
    answers = [signal("later")(world) for _ in range(101)]
    assert answers[:100] == [None] * 100
    assert isinstance(answers[100], Refusal)
