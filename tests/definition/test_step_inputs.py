"""Inputs of control steps, checked when the definition is stored."""

import pytest

from stepwell.definition.check import read_and_check
from stepwell.model.definition import StepType

T = "{{ input.x }}"


def found(*steps, metadata=None):
    value = {"name": "p", "steps": list(steps), "metadata": metadata or {}}
    _, problems = read_and_check(value, known=frozenset(StepType), policies=lambda name: True)
    return [(problem.path, problem.code) for problem in problems]


def step(kind, ref="s", *children, **input):
    return {"type": kind, "ref": ref, "input": input, "children": list(children)}


@pytest.mark.parametrize(
    ("kind", "input"),
    [
        ("PERSISTED_STATE", {"action": "READ", "name": "k"}),
        ("PERSISTED_STATE", {"action": "INSERT", "name": T, "value": None}),
        ("PERSISTED_STATE", {"action": "READ_BULK", "names": ["a"]}),
        ("PERSISTED_STATE", {"action": "READ_BULK", "names": T}),
        ("PERSISTED_STATE", {"action": T}),
        ("DECISION_ENGINE", {"table": "t", "version": 3, "input": {"a": 1}}),
        ("DECISION_ENGINE", {"table": "t", "version": T, "input": T}),
        ("DEPENDSON", {"dependsOnStatement": "PROCESS('a', 'COMPLETED')", "intervalSeconds": 1}),
        ("DEPENDSON", {"dependsOnStatement": "PROCESS('{{ input.name }}', 'COMPLETED')"}),
        ("UPDATE_STEP", {"targetRef": "w", "action": "FEED", "processId": T, "output": {}}),
        ("SEND_RESPONSE", {"body": 1, "statusCode": 201, "headers": {"a": "b"}}),
        ("SEND_RESPONSE", {}),
        ("PROCESS_TRACKER", {"processId": T, "waitForCompletion": True}),
        ("FLOW_GATEWAY", {}),
        ("FLOW_GATEWAY", {"rules": [{"condition": "() => true", "targetRef": "EXIT"}]}),
        ("FLOW_GATEWAY", {"rules": [{"condition": False, "targetRef": "z"}], "defaultTargetRef": "a"}),
        ("FLOW_GATEWAY", {"rules": [{"condition": "{{ input.b }}", "targetRef": "{{ input.t }}"}]}),
        ("FLOW_GATEWAY", {"rules": T}),
    ],
)
def test_good_ones(kind, input):
    assert found(step("NOOP", "a"), step(kind, **input), step("NOOP", "z")) == []


@pytest.mark.parametrize(
    ("kind", "input", "expected"),
    [
        ("PERSISTED_STATE", {}, [("action", "MISSING")]),
        ("PERSISTED_STATE", {"action": "GET"}, [("action", "UNKNOWN_VALUE")]),
        ("PERSISTED_STATE", {"action": "UPSERT"}, [("name", "MISSING"), ("value", "MISSING")]),
        ("PERSISTED_STATE", {"action": "READ", "name": 3}, [("name", "WRONG_KIND")]),
        ("PERSISTED_STATE", {"action": "READ_BULK", "names": []}, [("names", "MISSING")]),
        ("DECISION_ENGINE", {}, [("table", "MISSING")]),
        ("DECISION_ENGINE", {"table": "t", "version": 0, "input": [1]},
         [("version", "WRONG_KIND"), ("input", "WRONG_KIND")]),
        ("DEPENDSON", {}, [("dependsOnStatement", "MISSING")]),
        ("DEPENDSON", {"dependsOnStatement": "PROCESS('a')"}, [("dependsOnStatement", "STATEMENT")]),
        ("DEPENDSON", {"dependsOnStatement": "PROCESS('a', 'FAILED')", "intervalSeconds": 0.5,
                       "windowSeconds": True}, [("intervalSeconds", "WRONG_KIND"), ("windowSeconds", "WRONG_KIND")]),
        ("UPDATE_STEP", {"action": "DO", "output": 3},
         [("targetRef", "MISSING"), ("action", "UNKNOWN_VALUE"), ("output", "WRONG_KIND")]),
        ("SEND_RESPONSE", {"statusCode": "200", "headers": []},
         [("statusCode", "WRONG_KIND"), ("headers", "WRONG_KIND")]),
        ("PROCESS_TRACKER", {}, [("processId", "MISSING")]),
        ("PROCESS_TRACKER", {"processId": "7"}, [("processId", "WRONG_KIND")]),
        ("FLOW_GATEWAY", {"rules": {}}, [("rules", "WRONG_KIND")]),
        ("FLOW_GATEWAY", {"rules": [1, {}]},
         [("rules[0]", "WRONG_KIND"), ("rules[1].condition", "MISSING"), ("rules[1].targetRef", "MISSING")]),
        ("FLOW_GATEWAY", {"defaultTargetRef": "s"}, [("defaultTargetRef", "UNKNOWN_TARGET")]),
        ("FLOW_GATEWAY", {"rules": [{"condition": True, "targetRef": "inner"}]},
         [("rules[0].targetRef", "UNKNOWN_TARGET")]),
    ],
)  # fmt: skip
def test_bad_ones(kind, input, expected):
    beside = step("LIST", "l", step("NOOP", "inner"))
    wanted = [(f"steps[0].input.{path}", code) for path, code in expected]
    assert found(step(kind, **input), beside) == wanted


def test_a_gateway_jumps_in_its_own_sequence_only():
    gateway = step("FLOW_GATEWAY", "g", defaultTargetRef="a")
    here = "steps[0].children[1].input.defaultTargetRef"
    assert found(step("LIST", "l", step("NOOP", "a"), gateway)) == []
    assert found(step("PARALLEL", "p", step("NOOP", "a"), gateway)) == [(here, "UNKNOWN_TARGET")]
    edges = {"dependencies": [{"ref": "g", "deps": "a"}]}
    wanted = [("steps[1].input.defaultTargetRef", "UNKNOWN_TARGET")]
    assert found(step("NOOP", "a"), gateway, metadata=edges) == wanted
