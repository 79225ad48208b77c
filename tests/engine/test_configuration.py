"""Step configuration: pre-execution script, jq program, cache, rate and concurrency limits, priority."""

from random import Random
from typing import Any

import pytest

from stepwell.engine import limits
from stepwell.engine.effects import Refusal
from stepwell.engine.events import PauseRequested, SignalReceived, StepOrder, StepOrdered, UnpauseRequested
from stepwell.model.definition import StepType
from stepwell.model.due import DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.process import ProcessStatus
from stepwell.model.step import Phase, StepStatus
from tests.engine.play import (
    PROCESS,
    World,
    claimed,
    definition,
    done,
    everything_done,
    failed,
    foreach,
    noop,
    parallel,
    passed,
    play,
    policy,
    resumed,
    retrying,
    running,
    sequence,
    step,
    terminated,
    worker,
)

HOUR_MS = 3_600_000
RETRY = policy("again", failure=retrying(2, retryInterval=1_000))


def configured(ref: str, type: str = "WORKER", *children: dict[str, Any], **said: Any) -> dict[str, Any]:
    """A step with that configuration; `input` is its input."""
    input = said.pop("input", {})
    return step(type, ref, *children, input=input, configuration=said)


class Neighbour(World):
    """A process beside others: they share entries, and rows for each other arrive."""

    def __init__(self, written: dict[str, Any], shared: list[Entry]) -> None:
        self._shared: list[Entry] = []
        super().__init__(written)
        self._shared = shared

    @property
    def entries(self) -> list[Entry]:
        return self._shared

    @entries.setter
    def entries(self, entries: list[Entry]) -> None:
        self._shared[:] = entries


def neighbours(count: int, *steps: dict[str, Any], input: Any = None) -> list[Neighbour]:
    shared: list[Entry] = []
    worlds = [Neighbour(definition(*steps), shared) for _ in range(count)]
    for at, world in enumerate(worlds):
        world.start(process_id=PROCESS * (at + 1), input=input or {})
        world.settle()
    return worlds


def talk(worlds: list[Neighbour]) -> None:
    """Rows for other processes arrive, until none is under way."""
    now = max(world.now for world in worlds)
    for world in worlds:
        world.now = now
    while any(world.sent for world in worlds):
        for world in worlds:
            for due in world.sent:
                other = next(one for one in worlds if one.now_process.id == due.process_id)
                other.dues[(due.process_id, due.step_id, due.kind)] = due
            world.sent.clear()
        for world in worlds:
            world.settle()


# -- the script before the step

MAKES_INPUT = {"preExecutionScript": "() => ({n: 1})", "constructInputFromScript": True}


@pytest.mark.parametrize("cold", [False, True])
def test_a_script_makes_the_input(cold):
    story = definition(configured("a", input={"raw": 1}, **MAKES_INPUT), noop("b", n="{{ steps.a.input.n }}"))
    world = play(story, cold=cold)
    assert world.step("a").phase is Phase.PREPARING
    done("a", result={"n": 7}, logs=["x"])(world)
    assert (world.input("a"), world.step("a").phase) == ({"n": 7}, Phase.WORK)
    _, decision = world.decisions[-1]
    assert decision.inputs == (world.step("a").id,)
    assert world.status("a") is StepStatus.SCHEDULED
    everything_done(world)
    assert world.input("b") == {"n": 7}
    assert world.ended_as is ProcessStatus.COMPLETED


def test_the_hand_out_of_the_script_is_none_of_the_step():
    world = play(definition(configured("a", preExecutionScript="() => 1")), done("a", result=1))
    hand_out = world.step("a").hand_out
    assert (hand_out.runs, hand_out.polled, hand_out.start, hand_out.worker) == (0, 0, 0, "")
    assert world.step("a").input == b"{}"
    everything_done(world)
    assert world.step("a").hand_out.runs == 1


def test_a_script_may_change_the_state():
    script = {"__statePut": {"seen": 1}, "n": 2}
    world = play(definition(configured("a", **MAKES_INPUT)), done("a", result=script))
    assert (world.state, world.input("a")) == ({"seen": 1}, {"n": 2})
    world = play(definition(configured("a", preExecutionScript="x")), done("a", result=script))
    assert (world.state, world.input("a")) == ({"seen": 1}, {})


@pytest.mark.parametrize("result", [None, 1, "x", [], {"__statePut": 1}])
def test_what_is_no_input_fails_the_step(result):
    world = play(definition(configured("a", **MAKES_INPUT)), done("a", result=result))
    assert (world.status("a"), world.ended_as) == (StepStatus.FAILED, ProcessStatus.FAILED)


def test_a_script_that_fails_is_a_failure_of_the_execution_and_a_retry_prepares_again():
    story = definition(configured("a", input={"raw": 1}, errorPolicyName="again", **MAKES_INPUT))
    world = play(story, failed("a"), policies=[RETRY])
    assert world.due_of("a") == {DueKind.READY: 1_000}
    passed(1_000)(world)
    assert world.step("a").phase is Phase.PREPARING
    done("a", result={"n": 1})(world)
    assert world.input("a") == {"n": 1}
    failed("a")(world)
    passed(1_000)(world)
    assert (world.step("a").phase, world.input("a")) == (Phase.PREPARING, {"raw": 1})
    done("a", result={"n": 2})(world)
    done("a", ok=True)(world)
    assert (world.input("a"), world.output("a"), world.step("a").execution) == ({"n": 2}, {"ok": True}, 3)


def test_without_a_policy_a_script_that_fails_ends_the_step():
    world = play(definition(configured("a", preExecutionScript="x")), failed("a", error="thrown"))
    assert world.process_output["error"] == "thrown"


@pytest.mark.parametrize("type", ["NOOP", "LIST"])
def test_a_control_step_may_have_a_script(type):
    children = [worker("c")] if type == "LIST" else []
    world = play(definition(configured("a", type, *children, **MAKES_INPUT)), done("a", result={"n": 1}))
    everything_done(world)
    assert (world.input("a"), world.ended_as) == ({"n": 1}, ProcessStatus.COMPLETED)


def test_a_script_in_every_iteration():
    child = configured("c", input={"v": "{{ foreach.value }}"}, **MAKES_INPUT)
    world = play(definition(foreach("f", list(range(100)), child, concurrency=100)))
    assert len(world.ready()) == 100
    for one in world.claim():
        world.report(one, output={"result": {"n": one.path[1]}})
    everything_done(world)
    assert [world.input(f"c[{n}]")["n"] for n in range(100)] == list(range(100))


def test_a_resumed_step_prepares_again():
    world = play(definition(configured("a", **MAKES_INPUT)), done("a", result={"n": 1}), failed("a"), resumed)
    assert world.step("a").phase is Phase.PREPARING
    done("a", result={"n": 2})(world)
    everything_done(world)
    assert (world.input("a"), world.ended_as) == ({"n": 2}, ProcessStatus.COMPLETED)


# -- the jq program after it

JQ = {"jqTransformer": ".items"}


@pytest.mark.parametrize("cold", [False, True])
def test_a_jq_program_makes_the_output(cold):
    world = play(definition(configured("a", **JQ), noop("b", x="{{ steps.a.output.x }}")), cold=cold)
    world.report(world.take_one("a"), output={"items": 1, "__statePut": {"k": 2}})
    assert (world.step("a").phase, world.state) == (Phase.TRANSFORMING, {"k": 2})
    done("a", result={"x": 3, "__statePut": {"k": 4}}, logs=[])(world)
    assert (world.output("a"), world.input("b"), world.state) == ({"x": 3}, {"x": 3}, {"k": 2})
    assert (world.step("a").hand_out.runs, world.step("a").status) == (1, StepStatus.COMPLETED)


def test_who_did_the_work_stays_on_record():
    world = play(definition(configured("a", **JQ)))
    first = world.take_one("a").hand_out
    done("a", items=[])(world)
    passed(5_000)(world)
    taken = world.take_one("a").hand_out
    assert (taken.runs, taken.polled) == (2, first.polled + 5_000)
    done("a", result={})(world)
    kept = world.step("a").hand_out
    assert (kept.runs, kept.polled, kept.start, kept.token) == (1, first.polled, first.start, taken.token)


@pytest.mark.parametrize("result", [None, 3, "x", [1]])
def test_a_result_that_is_no_object_becomes_one(result):
    world = play(definition(configured("a", **JQ)), done("a", items=1), done("a", result=result))
    assert world.output("a") == {"result": result}


def test_a_jq_program_that_fails_is_a_failure_of_the_execution():
    story = definition(configured("a", errorPolicyName="again", **JQ))
    world = play(story, done("a", items=1), failed("a", error="no items"), policies=[RETRY])
    assert (world.due_of("a"), world.step("a").phase) == ({DueKind.READY: 1_000}, Phase.WORK)
    passed(1_000)(world)
    done("a", items=2)(world)
    done("a", result={"n": 2})(world)
    assert world.output("a") == {"n": 2}
    world = play(definition(configured("a", **JQ)), done("a", items=1), failed("a", error="no items"))
    assert world.process_output["error"] == "no items"


def test_a_failed_attempt_is_not_transformed():
    world = play(definition(configured("a", **JQ)), failed("a"))
    assert world.output("a") == {"error": "broken"}


def test_a_step_that_is_cancelled_while_its_program_runs_has_no_output():
    world = play(definition(configured("a", **JQ)), done("a", items=1), terminated())
    assert (world.status("a"), world.output("a")) == (StepStatus.CANCELLED, {})


# -- the cache

CACHED = {"useCache": True, "cacheTimeoutSeconds": 60}
ASK = configured("a", input={"q": "{{ input.q }}"}, **CACHED)


def again(world: World, at: int, **input: Any) -> World:
    """Another process of the same definition, with the same entries."""
    other = World(definition(ASK))
    other.entries, other.now = world.entries, world.now
    other.start(process_id=PROCESS * (at + 1), input=input)
    other.settle()
    return other


def test_an_output_serves_again():
    world = play(definition(ASK), done("a", n=1), input={"q": 1})
    other = again(world, 1, q=1)
    assert (other.output("a"), other.ended_as) == ({"n": 1}, ProcessStatus.COMPLETED)
    assert (other.step("a").hand_out.token, other.step("a").warning) == (0, "")
    assert again(world, 2, q=2).status("a") is StepStatus.SCHEDULED
    passed(59_999)(world)
    assert again(world, 3, q=1).status("a") is StepStatus.COMPLETED
    passed(1)(world)
    assert again(world, 4, q=1).status("a") is StepStatus.SCHEDULED


def test_the_order_of_members_makes_no_other_key():
    ask = configured("a", input={"q": "{{ input.q }}"}, **CACHED)
    world = play(definition(ask), done("a", n=1), input={"q": {"x": 1, "y": 2}})
    assert again(world, 1, q={"y": 2, "x": 1}).output("a") == {"n": 1}


@pytest.mark.parametrize(
    "end",
    [failed("a"), done("a", n=1, __statePut={"k": 1}), terminated()],
    ids=["failed", "changed the state", "cancelled"],
)
def test_what_is_not_kept(end):
    world = play(definition(ASK), end, input={"q": 1})
    assert not world.entries


def test_entries_last_a_day_when_nothing_is_said():
    world = play(definition(configured("a", useCache=True)), done("a"))
    (entry,) = world.entries
    assert (entry.kind, entry.expires - world.now) == (EntryKind.CACHE, 24 * HOUR_MS)


def test_a_key_of_its_own_may_name_the_steps_input():
    story = definition(
        configured("a", input={"q": "{{ input.q }}"}, cacheKey="{{ steps.a.input.q.id }}", **CACHED)
    )
    first = play(story, done("a", n=1), input={"q": {"id": 5, "noise": 1}})
    second = World(story)
    second.entries = first.entries
    second.start(process_id=PROCESS * 2, input={"q": {"id": 5, "noise": 2}})
    assert second.output("a") == {"n": 1}


def test_an_input_that_holds_secret_state_is_no_key():
    story = definition(configured("a", input={"card": "{{ secretState.card }}"}, **CACHED))
    assert not play(story, done("a", n=1)).entries


def test_what_the_jq_program_gave_is_kept():
    world = play(definition(configured("a", **CACHED, **JQ)), done("a", items=1), done("a", result={"n": 2}))
    assert [entry.body for entry in world.entries] == [b'{"n":2}']


def test_the_script_comes_before_the_cache():
    story = definition(configured("a", **MAKES_INPUT, **CACHED))
    world = play(story, done("a", result={"n": 1}), done("a", out=1))
    second = World(story)
    second.entries = world.entries
    second.start(process_id=PROCESS * 2)
    done("a", result={"n": 1})(second)
    assert (second.output("a"), second.ended_as) == ({"out": 1}, ProcessStatus.COMPLETED)


def test_many_iterations_look_into_the_cache_in_few_rounds():
    child = configured("c", input={"v": "{{ foreach.value }}"}, **CACHED)
    world = play(definition(foreach("f", list(range(60)), child, concurrency=60)), everything_done)
    assert (len(world.entries), world.ended_as) == (60, ProcessStatus.COMPLETED)


# -- so many starts in a window

RATED = {"rateLimitMaxRequests": 3, "rateLimitWindowSeconds": 10}


def rated(count: int, **more: Any) -> dict[str, Any]:
    return definition(parallel("p", *(configured(f"s{n}", **RATED, **more) for n in range(count))))


@pytest.mark.parametrize("cold", [False, True])
def test_starts_are_spread_over_windows(cold):
    world = play(rated(8, rateLimitKey="bank"), cold=cold)
    assert [one.ref for one in world.ready()] == ["s0", "s1", "s2"]
    assert [world.due_of(f"s{n}") for n in (3, 5, 6, 7)] == [
        {DueKind.READY: 10_000}, {DueKind.READY: 10_000}, {DueKind.READY: 20_000}, {DueKind.READY: 20_000}
    ]  # fmt: skip
    assert (world.step("s3").phase, world.status("s3")) == (Phase.GATED, StepStatus.SCHEDULED)
    passed(9_999)(world)
    assert len(world.ready()) == 3
    passed(1)(world)
    assert [one.ref for one in world.ready()][3:] == ["s3", "s4", "s5"]
    passed(10_000)(world)
    assert len(world.ready()) == 8


def test_each_step_of_a_definition_has_a_limit_of_its_own():
    assert len(play(rated(8)).ready()) == 8


def test_processes_share_the_limit_of_a_step():
    worlds = neighbours(5, configured("a", **RATED))
    assert [world.step("a").phase for world in worlds] == [Phase.WORK] * 3 + [Phase.GATED] * 2
    assert [entry.name for entry in worlds[0].entries] == ["rate:step/story/a"]


def test_after_a_quiet_time_a_window_begins_anew():
    shared: list[Entry] = []
    worlds = [Neighbour(definition(configured("a", **RATED)), shared) for _ in range(8)]
    for at, world in enumerate(worlds):
        world.now += 0 if at < 4 else 20_000
        world.start(process_id=PROCESS * (at + 1))
    waits = [world.due_of("a").get(DueKind.READY, 0) for world in worlds]
    assert waits == [0, 0, 0, 10_000, 0, 0, 0, 10_000]


def test_a_retry_is_a_start():
    world = play(
        definition(
            configured("a", errorPolicyName="again", rateLimitMaxRequests=1, rateLimitWindowSeconds=60)
        ),
        failed("a"),
        passed(1_000),
        policies=[RETRY],
    )
    assert (world.step("a").phase, world.due_of("a")) == (Phase.GATED, {DueKind.READY: 59_000})
    passed(59_000)(world)
    done("a")(world)
    assert world.ended_as is ProcessStatus.COMPLETED


def test_a_window_that_passed_while_nobody_looked_is_lost():
    world = play(rated(7, rateLimitKey="bank"))
    late = sorted(world.dues.values(), key=lambda due: (due.at, due.step_id))
    world.now += 45_000
    for due in late:
        world.fire(due)
    assert [one.ref for one in world.ready()][3:] == ["s3", "s4", "s5"]
    assert (world.step("s6").phase, world.due_of("s6")) == (Phase.GATED, {DueKind.READY: 10_000})


def test_an_operator_cannot_hurry_a_step_past_a_limit():
    world = play(rated(4, rateLimitKey="bank"))
    assert isinstance(world.take(StepOrdered(ref="s3", order=StepOrder.RETRY_NOW)), Refusal)
    assert world.step("s3").phase is Phase.GATED


def test_an_operator_hurries_a_retry_and_it_prepares_at_once():
    story = definition(configured("a", errorPolicyName="again", **MAKES_INPUT))
    world = play(story, failed("a"), policies=[RETRY])
    assert world.take(StepOrdered(ref="a", order=StepOrder.RETRY_NOW)) is None
    world.settle()
    assert world.step("a").phase is Phase.PREPARING
    assert world.ready()[0].ref == "a"


def test_a_process_that_is_paused_when_the_window_comes_holds_the_step():
    world = play(rated(4, rateLimitKey="bank"), lambda world: world.take(PauseRequested()), passed(10_000))
    assert world.step("s3").phase is Phase.HELD
    world.take(UnpauseRequested())
    passed(20_000)(world)
    everything_done(world)
    assert world.ended_as is ProcessStatus.COMPLETED


def test_a_signal_waits_for_a_wait_that_has_not_begun():
    wait = configured("w", "WAIT", input={"forSignal": "go"}, preExecutionScript="() => 1")
    world = play(definition(wait), lambda world: world.take(SignalReceived(name="go", payload=b'{"n":1}')))
    assert world.step("w").phase is Phase.PREPARING
    done("w", result=1)(world)
    assert (world.output("w"), world.ended_as) == ({"n": 1}, ProcessStatus.COMPLETED)


# -- so many open at a time

ONE = {"concurrencyLimit": 1}


def room_of(worlds: list[Neighbour], name: str = "open:step/story/a") -> Any:
    return next((entry.body for entry in worlds[0].entries if entry.name == name), None)


def test_who_leaves_calls_the_next_one_in():
    worlds = neighbours(3, configured("a", **ONE))
    assert [world.step("a").phase for world in worlds] == [Phase.WORK, Phase.CROWDED, Phase.CROWDED]
    assert worlds[1].status("a") is StepStatus.SCHEDULED
    for at, world in enumerate(worlds):
        assert len([one for one in worlds if one.ready()]) == 1
        done("a", n=at)(world)
        talk(worlds)
    assert [world.ended_as for world in worlds] == [ProcessStatus.COMPLETED] * 3
    assert worlds[0].entries == []


@pytest.mark.parametrize("end", [failed("a"), terminated()], ids=["failed", "terminated"])
def test_however_it_ends_its_place_is_free(end):
    worlds = neighbours(2, configured("a", **ONE))
    end(worlds[0])
    talk(worlds)
    assert worlds[1].ready()


def test_one_that_stood_in_line_and_ended_is_not_called():
    worlds = neighbours(3, configured("a", **ONE))
    terminated()(worlds[1])
    done("a")(worlds[0])
    talk(worlds)
    assert worlds[2].ready()
    done("a")(worlds[2])
    talk(worlds)
    assert worlds[0].entries == []


def test_one_that_was_called_and_ended_before_it_heard_passes_its_place_on():
    worlds = neighbours(3, configured("a", **ONE))
    done("a")(worlds[0])
    terminated()(worlds[1])
    assert worlds[1].step("a").status is StepStatus.CANCELLED
    talk(worlds)
    assert worlds[2].ready()
    done("a")(worlds[2])
    talk(worlds)
    assert worlds[0].entries == []


def test_a_call_that_comes_too_late_changes_nothing():
    worlds = neighbours(2, configured("a", **ONE), noop("b"))
    done("a")(worlds[0])
    (call,) = worlds[0].sent
    worlds[1].fire(call)
    done("a")(worlds[1])
    before = dict(worlds[1].rows)
    worlds[1].fire(call)
    assert worlds[1].rows == before


def test_a_step_keeps_its_place_between_retries_and_while_it_runs_on():
    shared: list[Entry] = []
    story = definition(configured("a", errorPolicyName="again", **ONE))
    worlds = [Neighbour(story, shared), Neighbour(story, shared)]
    for at, world in enumerate(worlds):
        world.add_policy(RETRY)
        world.start(process_id=PROCESS * (at + 1))
    failed("a")(worlds[0])
    assert worlds[1].step("a").phase is Phase.CROWDED
    passed(1_000)(worlds[0])
    running("a")(worlds[0])
    assert not worlds[0].sent
    done("a")(worlds[0])
    talk(worlds)
    assert worlds[1].ready()


def test_a_key_makes_a_limit_for_each_text():
    child = configured("c", concurrencyLimit=1, concurrencyKey="{{ foreach.value }}")
    world = play(definition(foreach("f", ["x", "y", "x", "x", "y"], child, concurrency=5)))
    assert [one.ref for one in world.ready()] == ["c[0]", "c[1]"]
    done("c[0]")(world)
    world.settle()
    assert [one.ref for one in world.ready()] == ["c[1]", "c[2]"]
    everything_done(world)
    assert (world.ended_as, world.entries) == (ProcessStatus.COMPLETED, [])


@pytest.mark.parametrize("cold", [False, True])
def test_a_process_that_ends_frees_all_its_places_in_few_rounds(cold):
    child = configured("c", concurrencyLimit=1, concurrencyKey="{{ foreach.value }}")
    story = definition(foreach("f", list(range(40)) * 2, child, concurrency=80))
    world = play(story, terminated(), cold=cold)
    assert world.entries == []
    assert {world.status(f"c[{n}]") for n in range(80)} == {StepStatus.CANCELLED}


def test_losers_of_a_race_free_their_places():
    shared: list[Entry] = []
    race = parallel("p", worker("w"), configured("a", **ONE), input={"joinPolicy": "ANY"})
    worlds = [Neighbour(definition(race), shared) for _ in range(2)]
    for at, world in enumerate(worlds):
        world.start(process_id=PROCESS * (at + 1))
        world.settle()
    done("w")(worlds[0])
    talk(worlds)
    assert [one.ref for one in worlds[1].ready()] == ["w", "a"]


def test_a_step_that_is_resumed_stands_in_line_again():
    worlds = neighbours(2, configured("a", **ONE))
    failed("a")(worlds[0])
    talk(worlds)
    resumed(worlds[0])
    worlds[0].settle()
    assert (worlds[0].step("a").phase, len(worlds[1].ready())) == (Phase.CROWDED, 1)
    done("a")(worlds[1])
    talk(worlds)
    assert worlds[0].ready()


def test_script_rate_and_concurrency_one_after_the_other():
    story = definition(
        parallel(
            "p",
            *(
                configured(
                    f"s{n}", **MAKES_INPUT, **RATED, rateLimitKey="k", concurrencyLimit=2, concurrencyKey="k"
                )
                for n in range(4)
            ),
        )
    )
    world = play(story)
    for one in world.claim():
        world.report(one, output={"result": {}})
    phases = [world.step(f"s{n}").phase for n in range(4)]
    assert phases == [Phase.WORK, Phase.WORK, Phase.CROWDED, Phase.GATED]
    passed(10_000)(world)
    assert world.step("s3").phase is Phase.CROWDED
    everything_done(world)
    assert (world.ended_as, [entry.kind for entry in world.entries]) == (
        ProcessStatus.COMPLETED,
        [EntryKind.LIMIT],
    )


@pytest.mark.parametrize("seed", range(12))
def test_never_more_than_the_limit_and_nobody_is_forgotten(seed, monkeypatch):
    """Processes come, end well, end badly and are terminated in any order; rows arrive late."""
    monkeypatch.setattr(limits, "SLICE", 2)
    random = Random(seed)
    worlds = neighbours(14, configured("a", concurrencyLimit=3))
    order = [world.now_process.id for world in worlds]
    began: list[int] = []
    while open_ones := [world for world in worlds if world.now_process.status.is_open]:
        inside = [world for world in open_ones if world.ready()]
        began += [world.now_process.id for world in inside if world.now_process.id not in began]
        assert len(inside) <= 3
        move = random.choice(["work", "work", "terminate", "talk"])
        if move == "terminate" and random.random() < 0.5:
            terminated()(random.choice(open_ones))
        elif move == "work" and inside:
            random.choice([done("a"), failed("a")])(random.choice(inside))
        else:
            talk(worlds)
            inside = [world for world in open_ones if world.ready()]
            assert len(inside) == min(3, len(open_ones))
    talk(worlds)
    assert worlds[0].entries == []
    first = [id for id in order if id in began][:3]
    assert began[:3] == first


# -- order among ready steps

MOST_PRIORITY = 1_000
BOUND_MS = 2 * MOST_PRIORITY * 60_000


@pytest.mark.parametrize(
    ("later_ms", "first"), [(BOUND_MS - 1, "high"), (BOUND_MS + 1, "low")], ids=["inside", "outside"]
)
def test_no_priority_overtakes_what_has_waited_longer_than_the_bound(later_ms, first):
    """33 hours and 20 minutes: what the highest priority weighs against the lowest."""
    late = sequence(
        "l", step("WAIT", "w", input={"durationMs": later_ms}), worker("high", priority=MOST_PRIORITY)
    )
    world = play(definition(parallel("p", worker("low", priority=-MOST_PRIORITY), late)), passed(later_ms))
    assert [one.ref for one in world.claim(1)] == [first]


@pytest.mark.parametrize("difference", [1, 7, 1_000])
def test_a_minute_of_waiting_outweighs_one_priority(difference):
    def first(later_ms: int) -> str:
        late = sequence(
            "l", step("WAIT", "w", input={"durationMs": later_ms}), worker("high", priority=difference)
        )
        world = play(definition(parallel("p", worker("low"), late)), passed(later_ms))
        return world.claim(1)[0].ref

    assert (first(difference * 60_000 - 1), first(difference * 60_000 + 1)) == ("high", "low")


def test_stream_flags_are_kept():
    world = play(definition(configured("a", stream=True, streamAllStatuses=True)), claimed("a"))
    kept = world.plan.steps["a"].definition
    assert (kept.type, kept.configuration.stream, kept.configuration.stream_all_statuses) == (
        StepType.WORKER,
        True,
        True,
    )
