"""What the processes of one turn know of each other: entries, and other processes."""

import pytest

from stepwell.engine.effects import EntryByName, NewestProcess, ProcessById
from stepwell.model.codec import decode, decode_as, encode
from stepwell.model.definition import ProcessDefinition
from stepwell.model.entry import EntryKind
from stepwell.model.process import ProcessStatus
from stepwell.model.search import ProcessSearch
from stepwell.runtime.asks import ErrandAsk, StartAsk
from stepwell.runtime.catalog import put_definition
from stepwell.runtime.lane import Lane
from stepwell.runtime.lookups import Lookups
from stepwell.runtime.node import RuntimeSettings
from stepwell.runtime.requests import StartRequest
from stepwell.runtime.surroundings import Surroundings
from stepwell.store.memory import MemoryStore
from stepwell.testing.clock import VirtualClock


class House:
    """A store and a lane over it, one turn at a time."""

    def __init__(self):
        self.store = MemoryStore()
        self.clock = VirtualClock()
        self.lane = Lane(self.store, self.clock, RuntimeSettings())

    def define(self, name, *steps):
        written = {"name": name, "steps": [{"name": step["ref"], **step} for step in steps]}
        definition = decode_as(encode(written), ProcessDefinition)
        self.turn(ErrandAsk(print, lambda turn, now: put_definition(turn, now, definition, "", update=False)))

    def turn(self, *asks):
        answers, ended = self.lane.run_turn(asks)
        for _, value in answers:
            if isinstance(value, Exception):
                raise value
        return [value for _, value in answers], ended

    def start(self, *names, **input):
        requests = (StartRequest(namespace="default", name=name, input=encode(input)) for name in names)
        return self.turn(*(StartAsk(print, request) for request in requests))[0]

    def passes(self, ms):
        self.clock.move_to(self.clock.now() + ms)
        self.turn()

    def steps(self, process):
        return {step.ref: step for step in self.store.reads.steps(process, 64)}

    def process(self, id):
        return self.store.reads.process(id)


@pytest.fixture
def house():
    return House()


def state(ref, **input):
    return {"type": "PERSISTED_STATE", "ref": ref, "input": input}


def test_two_processes_of_one_turn_see_each_others_entries(house):
    house.define("take", state("t", action="INSERT", name="seat", value="{{ context.id }}"))
    first, second = house.start("take", "take")
    assert (first.status, second.status) == (ProcessStatus.COMPLETED, ProcessStatus.FAILED)
    (entry,) = house.store.reads.entries(EntryKind.STATE)
    assert decode(entry.body) == first.id


def test_what_the_last_of_a_turn_leaves_is_what_stays(house):
    house.define(
        "count", state("r", action="READ", name="n"), state("w", action="UPSERT", name="n", value="x")
    )
    house.define("drop", state("d", action="DELETE", name="n"))
    house.start("count", "drop", "count")
    (entry,) = house.store.reads.entries(EntryKind.STATE)
    assert entry.version == 1, "it was made anew"
    house.start("count", "drop")
    assert house.store.reads.entries(EntryKind.STATE) == []


def test_entries_are_read_anew_in_every_turn(house):
    house.define("look", {"type": "WORKER", "ref": "w"}, state("r", action="READ", name="k"))
    house.define("write", state("w", action="UPSERT", name="k", value=1))
    with house.store.turn() as turn:
        around = Surroundings(turn, Lookups(), lambda id: None)
        key = EntryByName(EntryKind.STATE, "default", "k")
        assert around.entry(key) is None
        around.write({key: None})
        assert around.entry(key) is None
    house.start("write")
    with house.store.turn() as turn:
        found = Surroundings(turn, Lookups(), lambda id: None).entry(key)
    assert found is not None and decode(found.body) == 1


def test_a_tracker_follows_a_process_to_its_end(house):
    wait = {"type": "WAIT", "ref": "w", "input": {"durationMs": 25_000}}
    house.define("slow", wait, {"type": "NOOP", "ref": "n", "input": {"a": 1}})
    follow = {"processId": "{{ input.id }}", "waitForCompletion": True}
    house.define("follow", {"type": "PROCESS_TRACKER", "ref": "t", "input": follow})
    (slow,) = house.start("slow")
    (follower,) = house.start("follow", id=slow.id)
    for _ in range(2):
        house.passes(10_000)
        assert house.process(follower.id).status is ProcessStatus.RUNNING
    house.passes(10_000)
    ended = house.process(follower.id)
    assert ended.status is ProcessStatus.COMPLETED
    assert decode(ended.output) == {
        "processId": slow.id,
        "namespace": "default",
        "name": "slow",
        "version": 1,
        "status": "COMPLETED",
        "output": {"a": 1},
    }


def test_depends_on_sees_steps_inside_of_iterations(house):
    waits = {"type": "WAIT", "ref": "w", "name": "w", "input": {"durationMs": "{{ foreach.value }}"}}
    each = {"inputArray": [0, 15_000], "concurrency": 2}
    house.define("each", {"type": "FOREACH", "ref": "f", "input": each, "children": [waits]})
    for index in range(3):
        statement = {"dependsOnStatement": f"STEP('each', 'w[{index}]', 'COMPLETED')"}
        house.define(f"after{index}", {"type": "DEPENDSON", "ref": "d", "input": statement})
    house.start("each")
    started = house.start("after0", "after1", "after2")
    assert [process.status.value for process in started] == ["COMPLETED", "RUNNING", "RUNNING"]
    house.passes(10_000)
    house.passes(10_000)
    shown = [house.process(process.id).status.value for process in started]
    assert shown == ["COMPLETED", "COMPLETED", "RUNNING"]


def test_updates_reach_another_process(house):
    house.define("asks", {"type": "WAIT", "ref": "w", "input": {"forSignal": "yes"}})
    update = {"processId": "{{ input.id }}", "targetRef": "w", "action": "FEED", "output": {"ok": 1}}
    house.define("says", {"type": "UPDATE_STEP", "ref": "u", "input": update})
    (asking,) = house.start("asks")
    (saying,) = house.start("says", id=asking.id)
    assert saying.status is ProcessStatus.COMPLETED
    house.turn()
    ended = house.process(asking.id)
    assert (ended.status, decode(ended.output)) == (ProcessStatus.COMPLETED, {"ok": 1})


def test_what_a_turn_has_changed_is_known_before_it_is_stored(house):
    house.define("one", {"type": "NOOP", "ref": "n"})
    (process,) = house.start("one")
    with house.store.turn() as turn:
        stored = Surroundings(turn, house.lane.node.lookups, lambda id: None)
        assert stored.process(ProcessById(process.id, ("n", "no", "n[0]", "n[x]"))).steps == {
            "n": "COMPLETED"
        }
        assert stored.process(ProcessById(process.id + 1)) is None
        since = process.created
        assert stored.process(NewestProcess("default", "one", since)).id == process.id
        assert stored.process(NewestProcess("default", "one", since + 1)) is None
        assert stored.process(NewestProcess("other", "one", since)) is None
    assert len(house.store.reads.find_processes(ProcessSearch(limit=10))) == 1
