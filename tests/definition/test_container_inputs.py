"""Inputs and children of SWITCH, WHILE, WAIT, SUB_PROCESS, PARALLEL; work of the server itself; order in time."""

import pytest

from stepwell.definition.check import read_and_check
from stepwell.model.definition import StepType
from stepwell.model.errors import Problem

T = "{{ input.x }}"
SCRIPT = "(steps, context) => 1"


def looked_at(*steps, work=None, **fields):
    value = {"name": "p", "steps": list(steps), **fields}
    return read_and_check(value, known=frozenset(StepType), policies=lambda name: True, work=work)[1]


def found(*steps, **fields):
    return [(p.path, p.code) for p in looked_at(*steps, **fields) if not p.warning]


def warned(*steps, **fields):
    return [(p.path, p.code) for p in looked_at(*steps, **fields) if p.warning]


def step(kind, ref="s", *children, **input):
    return {"type": kind, "ref": ref, "input": input, "children": list(children)}


CHILDREN = (step("NOOP", "a"), step("NOOP", "b"))
TO_A, TO_B = {"value": "x", "targetRef": "a"}, {"targetRef": "b", "defaultBranch": True}


@pytest.mark.parametrize(
    ("kind", "input"),
    [
        ("SWITCH", {"script": SCRIPT, "responseMapping": [TO_A, TO_B]}),
        ("SWITCH", {"script": SCRIPT, "scriptLanguage": "python", "responseMapping": [TO_A, TO_B]}),
        ("SWITCH", {"value": T, "responseMapping": [TO_A, {"value": 7, "targetRef": "b"}]}),
        ("SWITCH", {"value": None, "responseMapping": [TO_A, TO_B]}),
        ("SWITCH", {"value": T, "responseMapping": T}),
        ("SWITCH", {"value": T, "responseMapping": [{"value": T, "targetRef": T}]}),
        ("WHILE", {"script": SCRIPT}),
        ("WHILE", {"script": SCRIPT, "maxIterations": 10}),
        ("WHILE", {"script": T, "maxIterations": T}),
        ("PARALLEL", {}),
        ("PARALLEL", {"joinPolicy": "ALL"}),
        ("PARALLEL", {"joinPolicy": "ANY"}),
        ("PARALLEL", {"joinPolicy": "N", "joinCount": 2}),
        ("PARALLEL", {"joinPolicy": "N", "joinCount": T}),
        ("PARALLEL", {"joinPolicy": T, "joinCount": 1}),
    ],
)
def test_good_containers(kind, input):
    assert looked_at(step(kind, "s", *CHILDREN, **input)) == []


@pytest.mark.parametrize(
    ("kind", "input", "expected"),
    [
        ("SWITCH", {}, [("script", "MISSING"), ("responseMapping", "MISSING")]),
        ("SWITCH", {"script": 7, "responseMapping": [TO_A, TO_B]}, [("script", "WRONG_KIND")]),
        ("SWITCH", {"value": 1, "responseMapping": {"x": "a"}}, [("responseMapping", "WRONG_KIND")]),
        ("SWITCH", {"value": 1, "responseMapping": [TO_B, 3, TO_B]},
         [("responseMapping[1]", "WRONG_KIND"), ("responseMapping[2].defaultBranch", "AMBIGUOUS")]),
        ("SWITCH", {"value": 1, "responseMapping": [{}, {"targetRef": "c", "value": 1}]},
         [("responseMapping[0].targetRef", "MISSING"), ("responseMapping[0].value", "MISSING"),
          ("responseMapping[1].targetRef", "UNKNOWN_TARGET")]),
        ("SWITCH", {"value": 1, "responseMapping": [{"targetRef": "a", "value": [1]},
                                                    {"targetRef": "b", "defaultBranch": "yes", "value": 2}]},
         [("responseMapping[0].value", "WRONG_KIND"), ("responseMapping[1].defaultBranch", "WRONG_KIND")]),
        ("SWITCH", {"script": SCRIPT, "scriptLanguage": "COBOL", "responseMapping": [TO_A, TO_B]},
         [("scriptLanguage", "UNKNOWN_VALUE")]),
        ("WHILE", {}, [("script", "MISSING")]),
        ("WHILE", {"script": "", "maxIterations": 0}, [("script", "MISSING"), ("maxIterations", "WRONG_KIND")]),
        ("WHILE", {"script": SCRIPT, "maxIterations": 2**53}, [("maxIterations", "WRONG_KIND")]),
        ("PARALLEL", {"joinPolicy": "SOME"}, [("joinPolicy", "UNKNOWN_VALUE")]),
        ("PARALLEL", {"joinPolicy": "N"}, [("joinCount", "MISSING")]),
        ("PARALLEL", {"joinPolicy": "N", "joinCount": "2"}, [("joinCount", "WRONG_KIND")]),
        ("PARALLEL", {"joinPolicy": "N", "joinCount": 3}, [("joinCount", "WRONG_KIND")]),
    ],
)  # fmt: skip
def test_bad_containers(kind, input, expected):
    wanted = [(f"steps[0].input.{path}", code) for path, code in expected]
    assert found(step(kind, "s", *CHILDREN, **input)) == wanted


@pytest.mark.parametrize(
    ("kind", "input"), [("SWITCH", {"value": 1, "responseMapping": T}), ("WHILE", {"script": T})]
)
def test_without_children_they_run_nothing(kind, input):
    assert found(step(kind, **input)) == [("steps[0].children", "CHILDREN")]


@pytest.mark.parametrize(
    ("kind", "input", "path", "code"),
    [
        ("SWITCH", {"value": 1, "script": SCRIPT, "responseMapping": [TO_A, TO_B]}, "value", "NO_EFFECT"),
        ("SWITCH", {"value": 1, "responseMapping": [TO_A]}, "responseMapping", "NEVER_RUNS"),
        ("SWITCH", {"value": 1, "responseMapping": [TO_A, {**TO_B, "value": 1}]},
         "responseMapping[1].value", "NO_EFFECT"),
        ("PARALLEL", {"joinPolicy": "ANY", "joinCount": 1}, "joinCount", "NO_EFFECT"),
    ],
)  # fmt: skip
def test_what_is_odd_without_being_wrong(kind, input, path, code):
    steps = [step(kind, "s", *CHILDREN, **input)]
    assert (found(*steps), warned(*steps)) == ([], [(f"steps[0].input.{path}", code)])


@pytest.mark.parametrize(
    ("kind", "input"),
    [
        ("WAIT", {"script": SCRIPT}),
        ("WAIT", {"durationMs": 0}),
        ("WAIT", {"durationMs": T}),
        ("WAIT", {"until": "2030-01-31T09:00", "timeZone": "Europe/Berlin"}),
        ("WAIT", {"until": T, "timeZone": T}),
        ("WAIT", {"forSignal": "go", "correlation": 7, "timeoutMs": 5, "onTimeout": "CONTINUE"}),
        ("SUB_PROCESS", {"processName": "c"}),
        ("SUB_PROCESS", {"processName": T, "processVersion": 1, "waitForCompletion": False, "input": T}),
        ("SUB_PROCESS", {"processName": "c", "namespace": "n", "input": {"a": T}, "requestId": 7}),
    ],
)
def test_good_leaves(kind, input):
    assert looked_at(step(kind, **input)) == []


@pytest.mark.parametrize(
    ("kind", "input", "expected"),
    [
        ("WAIT", {}, [("script", "MISSING")]),
        ("WAIT", {"script": ""}, [("script", "MISSING")]),
        ("WAIT", {"durationMs": 5, "forSignal": "go"}, [("forSignal", "AMBIGUOUS")]),
        ("WAIT", {"script": SCRIPT, "until": "2030-01-31"}, [("until", "AMBIGUOUS")]),
        ("WAIT", {"durationMs": "5"}, [("durationMs", "WRONG_KIND")]),
        ("WAIT", {"until": "tomorrow"}, [("until", "MOMENT")]),
        ("WAIT", {"until": 5}, [("until", "WRONG_KIND")]),
        ("WAIT", {"until": "2030-01-31", "timeZone": "Europe/Nowhere"}, [("timeZone", "TIME_ZONE")]),
        ("WAIT", {"until": "2030-01-31", "timeZone": "../passwd"}, [("timeZone", "TIME_ZONE")]),
        ("WAIT", {"forSignal": 7}, [("forSignal", "WRONG_KIND")]),
        ("WAIT", {"forSignal": "go", "timeoutMs": 0, "onTimeout": "SKIP"},
         [("timeoutMs", "WRONG_KIND"), ("onTimeout", "UNKNOWN_VALUE")]),
        ("SUB_PROCESS", {}, [("processName", "MISSING")]),
        ("SUB_PROCESS", {"processName": 7, "processVersion": "1", "namespace": 1, "waitForCompletion": "no",
                         "input": [1]},
         [("processName", "WRONG_KIND"), ("processVersion", "WRONG_KIND"), ("namespace", "WRONG_KIND"),
          ("waitForCompletion", "WRONG_KIND"), ("input", "WRONG_KIND")]),
    ],
)  # fmt: skip
def test_bad_leaves(kind, input, expected):
    assert found(step(kind, **input)) == [(f"steps[0].input.{path}", code) for path, code in expected]


@pytest.mark.parametrize(
    ("input", "keys"),
    [
        ({"durationMs": 5, "correlation": "x", "onTimeout": "FAIL"}, ["correlation", "onTimeout"]),
        ({"forSignal": "go", "onTimeout": "FAIL"}, ["onTimeout"]),
        ({"durationMs": 5, "timeZone": "UTC"}, ["timeZone"]),
    ],
)
def test_wishes_without_effect(input, keys):
    assert warned(step("WAIT", **input)) == [(f"steps[0].input.{key}", "NO_EFFECT") for key in keys]


# -- the server's own work


def picky(given, at):
    return [] if given.get("ok") else [Problem(f"{at}.ok", "is missing", "MISSING")]


WORK = {(StepType.HTTP, ""): picky, (StepType.BUILTIN, "sum"): picky}


def test_work_steps_are_checked_by_those_who_do_the_work():
    steps = [step("HTTP", "h"), {**step("BUILTIN", "b"), "name": "sum"}, step("JQ", "j")]
    assert found(*steps, work=WORK) == [("steps[0].input.ok", "MISSING"), ("steps[1].input.ok", "MISSING")]
    assert found(*steps) == []


def test_a_builtin_that_nobody_offers_would_wait_for_ever():
    steps = [{**step("BUILTIN", "b", ok=1), "name": "product"}]
    assert found(*steps, work=WORK) == [("steps[0].name", "UNKNOWN_BUILTIN")]


# -- names


def test_the_servers_own_namespace_is_taken():
    worker = {"type": "WORKER", "ref": "w", "name": "w", "namespace": "stepwell"}
    assert found(worker, namespace="stepwell") == [
        ("namespace", "RESERVED"),
        ("steps[0].namespace", "RESERVED"),
    ]


# -- what cannot have run yet


def uses(ref, other):
    return step("NOOP", ref, x="{{ steps." + other + ".output }}")


DEEP = "steps[0].children[0].children[0].input.x"


def loop(*children):
    return step("WHILE", "w", *children, script=SCRIPT)


def test_another_branch_of_a_switch_is_a_warning():
    switch = step("SWITCH", "s", uses("a", "b"), uses("b", "a"), value=1, responseMapping=[TO_A, TO_B])
    assert found(switch, uses("after", "a")) == []
    assert warned(switch, uses("after", "a")) == [
        ("steps[0].children[0].input.x", "NOT_RUN_YET"),
        ("steps[0].children[1].input.x", "NOT_RUN_YET"),
    ]


@pytest.mark.parametrize(
    ("steps", "where"),
    [
        ([loop(uses("a", "b"), step("NOOP", "b"))], ["steps[0].children[0].input.x"]),
        ([loop(step("NOOP", "a"), uses("b", "a"))], []),
        ([loop(step("LIST", "l", uses("a", "b")), step("NOOP", "b"))], [DEEP]),
        ([loop(step("PARALLEL", "p", uses("a", "b"), step("NOOP", "b")))], [DEEP]),
        ([step("NOOP", "a"), loop(uses("b", "a"))], []),
    ],
)  # fmt: skip
def test_in_a_loop_later_steps_may_have_run_in_the_pass_before(steps, where):
    assert found(*steps) == []
    assert warned(*steps) == [(path, "NOT_RUN_YET") for path in where]


def test_what_comes_after_a_loop_has_not_run_in_it():
    assert found(loop(uses("a", "b")), step("NOOP", "b")) == [("steps[0].children[0].input.x", "NOT_RUN_YET")]
