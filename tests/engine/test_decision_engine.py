"""DECISION_ENGINE: asks a stored decision table."""

import pytest

from stepwell.definition.stored_table import entry_name, tombstone
from stepwell.model.codec import decode_as, encode
from stepwell.model.decision_table import DecisionTable
from stepwell.model.entry import Entry, EntryKind
from tests.engine.play import World, definition, step

RULES = [
    {"conditions": {"score": "> 750"}, "outputs": {"rate": 3}, "description": "good"},
    {"conditions": {"score": "> 600"}, "outputs": {"rate": 5}},
    {"conditions": {"score": "> 700"}, "outputs": {"rate": 4}},
]


def table(version=1, namespace="default", **fields):
    given = {
        "name": "rates",
        "namespace": namespace,
        "version": version,
        "inputs": [{"name": "score", "kind": "NUMBER"}],
        "outputs": [{"name": "rate"}, {"name": "note"}],
        "rules": RULES,
        **fields,
    }
    return encode(decode_as(encode(given), DecisionTable))


def entry(body, version=None, namespace="default"):
    name = entry_name("rates", version)
    return Entry(kind=EntryKind.DECISION_TABLE, namespace=namespace, name=name, body=body)


def ask(*entries, start=None, **input):
    world = World(definition(step("DECISION_ENGINE", "d", input={"table": "rates", **input})))
    world.entries = list(entries)
    world.start(input=start or {})
    world.settle()
    return world


def test_first_match():
    world = ask(entry(table(3)), input={"score": "{{ input.s }}"}, start={"s": 760})
    assert world.output("d") == {
        "matches": [{"rule": 0, "outputs": {"rate": 3, "note": None}, "description": "good"}],
        "result": {"rate": 3, "note": None},
        "version": 3,
    }


@pytest.mark.parametrize(("limit", "rules"), [(0, [0, 1, 2]), (2, [0, 1])])
def test_all_match(limit, rules):
    world = ask(entry(table(strategy="ALL_MATCH", limit=limit)), input={"score": 800})
    assert [match["rule"] for match in world.output("d")["matches"]] == rules
    assert world.output("d")["result"]["rate"] == 3


def test_no_match_completes_with_null():
    world = ask(entry(table()), input={"score": 1})
    assert world.output("d") == {"matches": [], "result": None, "version": 1}
    assert world.ended_as == "COMPLETED"


def test_an_older_version():
    old, new = table(1, rules=RULES[1:2]), table(2)
    world = ask(entry(old, 1), entry(new, 2), entry(new), version=1, input={"score": 800})
    assert (world.output("d")["result"]["rate"], world.output("d")["version"]) == (5, 1)


def test_another_namespace():
    world = ask(entry(table(namespace="n"), namespace="n"), namespace="n", input={"score": 800})
    assert world.output("d")["result"]["rate"] == 3


def test_a_value_of_a_wrong_kind_is_a_warning():
    world = ask(entry(table()), input={"score": "high"})
    assert "score" in world.step("d").warning
    assert world.ended_as == "COMPLETED"


@pytest.mark.parametrize(
    ("entries", "input", "said"),
    [
        ([], {}, "no decision table default/rates"),
        ([entry(table())], {"version": 2}, "no decision table default/rates version 2"),
        ([entry(tombstone(4))], {}, "no decision table default/rates"),
        ([entry(table())], {"namespace": "n"}, "no decision table n/rates"),
        ([entry(table())], {"table": None}, "name of a decision table"),
        ([entry(table())], {"version": "2"}, "version"),
        ([entry(table())], {"namespace": 3}, "namespace"),
        ([entry(table())], {"input": [1]}, "object"),
    ],
)
def test_what_it_refuses(entries, input, said):
    world = ask(*entries, **input)
    assert world.status("d") == "FAILED"
    assert said in world.output("d")["error"]
