"""PERSISTED_STATE: values that outlive a process."""

import pytest

from stepwell.model.codec import change, decode, encode
from stepwell.model.entry import Entry, EntryKind
from tests.engine.play import START, World, definition, noop, play, sequence, step


def state(ref="s", **input):
    return step("PERSISTED_STATE", ref, input=input)


def stored(name, value, **fields):
    return Entry(kind=EntryKind.STATE, namespace="default", name=name, body=encode(value), **fields)


def run(*steps, entries=(), **start):
    world = World(definition(*steps))
    world.entries = list(entries)
    world.start(**start)
    world.settle()
    return world


def values(world):
    return {entry.name: decode(entry.body) for entry in world.entries}


@pytest.mark.parametrize(
    ("before", "input", "status", "output", "after"),
    [
        ({}, {"action": "INSERT", "name": "k", "value": 1}, "COMPLETED", ("k", 1, False), {"k": 1}),
        ({"k": 0}, {"action": "INSERT", "name": "k", "value": 1}, "FAILED", None, {"k": 0}),
        ({"k": 0}, {"action": "UPDATE", "name": "k", "value": {"a": []}}, "COMPLETED", ("k", {"a": []}, True),
         {"k": {"a": []}}),
        ({}, {"action": "UPDATE", "name": "k", "value": 1}, "FAILED", None, {}),
        ({}, {"action": "UPSERT", "name": "k", "value": True}, "COMPLETED", ("k", True, False), {"k": True}),
        ({"k": 0}, {"action": "UPSERT", "name": "k", "value": "x"}, "COMPLETED", ("k", "x", True), {"k": "x"}),
        ({"k": 7, "l": 8}, {"action": "READ", "name": "k"}, "COMPLETED", ("k", 7, True), {"k": 7, "l": 8}),
        ({"l": 8}, {"action": "READ", "name": "k"}, "COMPLETED", ("k", None, False), {"l": 8}),
        ({"k": 7, "l": 8}, {"action": "DELETE", "name": "k"}, "COMPLETED", ("k", 7, True), {"l": 8}),
        ({}, {"action": "DELETE", "name": "k"}, "COMPLETED", ("k", None, False), {}),
    ],
)  # fmt: skip
def test_actions(before, input, status, output, after):
    world = run(state(**input), entries=[stored(name, value) for name, value in before.items()])
    assert world.status("s") == status
    assert values(world) == after
    if output is None:
        assert "'k'" in world.output("s")["error"]
    else:
        assert world.output("s") == dict(zip(("name", "value", "found"), output, strict=True))


def test_read_bulk_has_null_for_what_is_not_there():
    world = run(state(action="READ_BULK", names=["a", "b", "c"]), entries=[stored("a", 1), stored("c", None)])
    assert world.output("s") == {"values": {"a": 1, "b": None, "c": None}}


def test_what_a_step_writes_the_next_one_reads_in_the_same_decision():
    world = run(
        state("a", action="INSERT", name="k", value="{{ input.x }}"),
        state("b", action="DELETE", name="k"),
        state("c", action="READ", name="k"),
        state("d", action="INSERT", name="k", value="{{ steps.b.output.value }}"),
        input={"x": 5},
    )
    assert (world.output("b")["value"], world.output("c")["found"]) == (5, False)
    assert values(world) == {"k": 5}


def test_versions_and_times_of_an_entry():
    world = run(state(action="UPSERT", name="k", value=2), entries=[stored("k", 1, version=4, created=7)])
    (entry,) = world.entries
    assert (entry.version, entry.created, entry.updated) == (5, 7, START)


def test_an_expired_entry_is_absent():
    world = run(state(action="INSERT", name="k", value=2), entries=[stored("k", 1, expires=START)])
    assert world.ended_as == "COMPLETED"
    assert values(world) == {"k": 2}


def test_other_namespaces_are_not_seen():
    foreign = change(stored("k", 1), namespace="other")
    world = run(state(action="READ", name="k"), entries=[foreign])
    assert world.output("s")["found"] is False


@pytest.mark.parametrize(
    "input",
    [
        {},
        {"action": "MERGE", "name": "k"},
        {"action": ["READ"], "name": "k"},
        {"action": "READ"},
        {"action": "READ", "name": ""},
        {"action": "READ", "name": 3},
        {"action": "READ", "name": "k" * 256},
        {"action": "INSERT", "name": "k"},
        {"action": "READ_BULK", "names": "k"},
        {"action": "READ_BULK", "names": ["k", 3]},
        {"action": "READ_BULK", "names": ["k"] * 1001},
    ],
)
def test_what_it_refuses(input):
    world = run(state(**input))
    assert world.status("s") == "FAILED"
    assert world.entries == []


@pytest.mark.parametrize("cold", [False, True])
def test_many_in_a_row_take_few_rounds_each(cold):
    steps = [state(f"s{n}", action="UPSERT", name=f"k{n}", value=n) for n in range(40)]
    world = play(definition(sequence("l", noop("first"), *steps)), cold=cold)
    assert world.ended_as == "COMPLETED"
    assert len(world.entries) == 40
    assert max(world.rounds) <= 7
