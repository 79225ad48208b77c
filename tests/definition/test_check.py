"""Reading and checking definitions: what is refused, where, and that it is all told at once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.definition.check import check, read_and_check
from stepwell.definition.read import definition_value, fingerprint, read_definition, read_policy
from stepwell.model.codec import change, decode_as, encode
from stepwell.model.definition import ProcessDefinition, StepType
from stepwell.model.error_policy import Reaction, StepErrorAction

KNOWN = frozenset(
    StepType(name) for name in ("WORKER", "NOOP", "FAIL", "EXIT", "LIST", "PARALLEL", "FOREACH")
)


def process(*steps: Any, **fields: Any) -> dict[str, Any]:
    return {"name": "p", "steps": list(steps), **fields}


def step(ref: str, kind: str = "NOOP", *children: Any, **fields: Any) -> dict[str, Any]:
    name = {"name": "work"} if kind == "WORKER" else {}
    return {"ref": ref, "type": kind, "children": list(children), **name, **fields}


def uses(ref: str, *templates: str, kind: str = "NOOP") -> dict[str, Any]:
    return step(ref, kind, input={f"t{n}": "{{ " + text + " }}" for n, text in enumerate(templates)})


def loop(ref: str, child: Any, **fields: Any) -> dict[str, Any]:
    return step(ref, "FOREACH", child, input={"inputArray": "{{ input.items }}", **fields})


def found(value: Any, *, warnings: bool = False) -> list[tuple[str, str]]:
    _, problems = read_and_check(value, known=KNOWN, policies=lambda name: name == "retry")
    return [(p.path, p.code) for p in problems if p.warning == warnings]


def nested(levels: int) -> dict[str, Any]:
    inner = step("leaf")
    for level in range(levels):
        inner = step(f"l{level}", "LIST", inner)
    return inner


GOOD = [
    process(),
    process(
        uses("a", "secrets.x", "variables.x.y", "secretState.x.y[0]", "context.secretState.x", kind="WORKER"),
        uses("b", "variables.x", "variables.x[0]"),
        outputMapping={"x": "{{ variables.x }}"},
    ),
    process(step("a"), uses("b", "steps.a.output.x", "input.y", "state.z", "context.id", kind="WORKER")),
    process(step("a", "LIST", step("b")), uses("c", "steps.b.output", "steps.a.output")),
    process(step("a", "LIST", step("b"), uses("c", "steps.b.output.x"))),
    process(step("z"), step("a", "PARALLEL", step("b", "LIST", uses("c", "steps.z.output")), step("d"))),
    process(step("a", "LIST", uses("b", "steps.a.input.x", "steps.a.start"))),
    process(step("a", "LIST"), step("b", "PARALLEL", input={"joinPolicy": "ALL"})),
    process(loop("f", uses("c", "foreach.value.x", "foreach.index")), uses("d", "steps.c[0].output.x")),
    process(loop("f", step("c")), uses("d", "steps.f[7].output.x", "steps.f.output.results[1500].x")),
    process(loop("f", loop("g", step("c"))), uses("d", "steps.g[0][7].output.x")),
    process(loop("f", step("l", "LIST", step("a"), uses("b", "steps.a.output", "steps.a[0].output")))),
    process(loop("f", loop("g", step("a"), concurrency=2)), uses("b", "steps.a[1][2].output")),
    process(loop("f", step("l", "LIST", loop("g", step("a")), uses("b", "steps.a[2].output")))),
    process(
        loop(
            "f",
            loop("g", step("l", "LIST", uses("a", "steps.b[1].input", "steps.b[0][1].output"), step("b"))),
        )
    ),
    process(loop("f", loop("g", uses("a", "foreach.value")), concurrency="{{ input.n }}")),
    process(step("a"), outputMapping={"x": "{{ steps.a.output.x }}", "y": "{{ input.z }}"}),
    process(step("a", "EXIT", input={"status": "TERMINATED"}), step("b", configuration={"stream": True})),
    process(
        step("a", configuration={"errorPolicyName": "retry", "priority": 1000, "rateLimitWindowSeconds": 9})
    ),
    process(configuration={"onFailProcess": {"name": "other"}, "completionTimeout": 0}),
    process(metadata={"dependencies": None, "notes": [{"any": 1}]}),
    process(nested(20)),
    {"orgId": 1, "signature": "x", "dependencies": 3, "unknown": {}} | process(),
]


@pytest.mark.parametrize("value", GOOD)
def test_good(value):
    assert found(value) == []


NOT_GOOD = [
    (process(step("a", "WHILE")), "steps[0].type", "LATER_VERSION"),
    (process(step("a", "NO_SUCH")), "steps[0].type", "UNKNOWN_VALUE"),
    (process({"ref": "a"}), "steps[0].type", "MISSING"),
    (process(step("")), "steps[0].ref", "MISSING"),
    (process({"type": "NOOP"}), "steps[0].ref", "MISSING"),
    (process(step("a"), step("b", "LIST", step("a"))), "steps[1].children[0].ref", "DUPLICATE_REF"),
    *[(process(step(ref)), "steps[0].ref", "BAD_REF") for ref in ("a.b", "a[0]", "{a", "a}", "__self", " a")],
    (process(step("a\nb")), "steps[0].ref", "BAD_NAME"),
    (process(step("a" * 256)), "steps[0].ref", "BAD_NAME"),
    (process(step("a", "WORKER", name=None)), "steps[0].name", "MISSING"),
    (process(name=""), "name", "MISSING"),
    (process(name="a/b"), "name", "BAD_NAME"),
    (process(name="a\0"), "name", "BAD_NAME"),
    (process(namespace="a\n"), "namespace", "BAD_NAME"),
    (process(name=7), "name", "WRONG_KIND"),
    (process(version=0), "version", "INVALID"),
    (process(version=True), "version", "WRONG_KIND"),
    (process(version=2**60), "version", "WRONG_KIND"),
    (process(type="DYNAMIC"), "type", "TYPE"),
    (process(steps={}), "steps", "WRONG_KIND"),
    (process(3), "steps[0]", "WRONG_KIND"),
    (process(step("a", "LIST", step("b", input=[]))), "steps[0].children[0].input", "WRONG_KIND"),
    (process(step("a", optional="yes")), "steps[0].optional", "WRONG_KIND"),
    (process(configuration={"completionTimeout": -1}), "configuration.completionTimeout", "INVALID"),
    (process(configuration={"completionTimeout": "1m"}), "configuration.completionTimeout", "WRONG_KIND"),
    (process(configuration={"onFailProcess": {}}), "configuration.onFailProcess.name", "MISSING"),
    (process(tags=[{"name": 1}]), "tags[0].name", "WRONG_KIND"),
    (process(uses("a", "steps.no.output")), "steps[0].input.t0", "UNKNOWN_REF"),
    (process(uses("a", "steps.b.output"), step("b")), "steps[0].input.t0", "NOT_RUN_YET"),
    (process(uses("a", "steps.a.output.x")), "steps[0].input.t0", "NOT_RUN_YET"),
    (process(step("l", "LIST", uses("a", "steps.l.output"))), "steps[0].children[0].input.t0", "NOT_RUN_YET"),
    (
        process(step("l", "LIST", step("a"), input={"x": "{{ steps.a.output }}"})),
        "steps[0].input.x",
        "NOT_RUN_YET",
    ),
    (
        process(step("p", "PARALLEL", step("a"), step("l", "LIST", uses("b", "steps.a.output")))),
        "steps[0].children[1].children[0].input.t0",
        "NOT_RUN_YET",
    ),
    (process(uses("a", "foreach.value")), "steps[0].input.t0", "TEMPLATE"),
    (
        process(loop("f", step("a"), concurrency="{{ foreach.index }}")),
        "steps[0].input.concurrency",
        "TEMPLATE",
    ),
    (process(outputMapping={"x": "{{ foreach.value }}"}), "outputMapping.x", "TEMPLATE"),
    (process(outputMapping={"x": ["{{ steps.no }}"]}), "outputMapping.x[0]", "UNKNOWN_REF"),
    *[
        (process(uses("a", text)), "steps[0].input.t0", "SECRET")
        for text in ("secrets.x", "secretState.x", "context.secretState.x")
    ],
    *[
        (process(uses("a", text, kind="WORKER")), "steps[0].input.t0", "TEMPLATE")
        for text in (
            "secrets",
            "secrets.x.y",
            "secrets[0].x",
            "secretState",
            "context.secretState",
            "variables",
        )
    ],
    (process(outputMapping={"x": "Bearer {{ secrets.x }}"}), "outputMapping.x", "SECRET"),
    (process(uses("a", "steps.__self.output.x")), "steps[0].input.t0", "TEMPLATE"),
    (process(uses("a", "nope")), "steps[0].input.t0", "TEMPLATE"),
    (process(loop("f", step("a")), uses("b", "steps.a.output")), "steps[1].input.t0", "TEMPLATE"),
    (process(loop("f", step("a")), uses("b", "steps.a[0][1].output")), "steps[1].input.t0", "TEMPLATE"),
    (process(loop("f", step("a")), uses("b", "steps.f[0][1].output")), "steps[1].input.t0", "TEMPLATE"),
    (process(uses("b", "steps.f[0].output"), loop("f", step("a"))), "steps[0].input.t0", "NOT_RUN_YET"),
    (process(step("a"), uses("b", "steps.a[0].output")), "steps[1].input.t0", "TEMPLATE"),
    (
        process(loop("f", loop("g", step("a"))), uses("b", "steps.a[0].output")),
        "steps[1].input.t0",
        "TEMPLATE",
    ),
    (process(step("f", "FOREACH", input={"inputArray": []})), "steps[0].children", "CHILDREN"),
    (process(step("f", "FOREACH", step("a"))), "steps[0].input.inputArray", "MISSING"),
    (process(loop("f", step("a"), inputArray="x{{ input.a }}")), "steps[0].input.inputArray", "WRONG_KIND"),
    *[
        (process(loop("f", step("a"), concurrency=bad)), "steps[0].input.concurrency", "WRONG_KIND")
        for bad in (0, -1, 1.5, True, "2", [])
    ],
    (process(step("a", "NOOP", step("b"))), "steps[0].children", "CHILDREN"),
    (
        process(step("a", "PARALLEL", input={"joinPolicy": "SOME"})),
        "steps[0].input.joinPolicy",
        "UNKNOWN_VALUE",
    ),
    (process(step("a", "PARALLEL", input={"joinPolicy": 1})), "steps[0].input.joinPolicy", "UNKNOWN_VALUE"),
    (process(step("a", "EXIT", input={"status": "RUNNING"})), "steps[0].input.status", "UNKNOWN_VALUE"),
    *[
        (process(step("a", configuration={key: value})), f"steps[0].configuration.{key}", code)
        for key, value, code in (
            ("errorPolicyName", "no", "UNKNOWN_POLICY"),
            ("priority", 1001, "INVALID"),
            ("priority", 1.5, "WRONG_KIND"),
            ("cacheTimeoutSeconds", -1, "INVALID"),
            ("rateLimitMaxRequests", -1, "INVALID"),
            ("rateLimitWindowSeconds", -1, "INVALID"),
            ("rateLimitKey", "{{ secrets.key }}", "SECRET"),
            ("rateLimitKey", "{{ steps.no.output.key }}", "UNKNOWN_REF"),
            ("concurrencyLimit", 1_001, "INVALID"),
            ("concurrencyKey", "{{ state.key }}", "TEMPLATE"),
            ("concurrencyKey", "{{ context.status }}", "TEMPLATE"),
            ("preExecutionScript", "x" * 65_537, "LIMIT"),
            ("jqTransformer", "." * 65_537, "LIMIT"),
            ("scriptLanguage", "RUBY", "UNKNOWN_VALUE"),
        )
    ],
    (
        process(step("a", configuration={"rateLimitMaxRequests": 1})),
        "steps[0].configuration.rateLimitWindowSeconds",
        "INVALID",
    ),
    (
        process(step("a", "LIST", step("b"), configuration={"concurrencyLimit": 1})),
        "steps[0].configuration.concurrencyLimit",
        "INVALID",
    ),
    (
        process(
            step(
                "a",
                configuration={
                    "preExecutionScript": "() => ({})",
                    "constructInputFromScript": True,
                    "concurrencyLimit": 1,
                    "concurrencyKey": "{{ steps.a.input.key }}",
                },
            )
        ),
        "steps[0].configuration.concurrencyKey",
        "TEMPLATE",
    ),
    (process(nested(21)), "steps[0]" + ".children[0]" * 20, "LIMIT"),
    (process(*[step(f"s{n}") for n in range(10_001)]), "steps", "LIMIT"),
]


@pytest.mark.parametrize(("value", "path", "code"), NOT_GOOD, ids=[path[:60] for _, path, _ in NOT_GOOD])
def test_not_good(value, path, code):
    assert found(value) == [(path, code)]


def edges(*pairs: tuple[Any, Any]) -> dict[str, Any]:
    entries = [{"ref": ref, "deps": deps} for ref, deps in pairs]
    return process(step("a"), step("b"), step("c"), metadata={"dependencies": entries})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (edges(("b", "a")), []),
        (edges(("a", "c, b"), ("b", "c")), []),
        (edges(("b", "")), []),
        (edges(("a", "b"), ("b", "c"), ("c", "a")), [("metadata.dependencies", "CYCLE")]),
        (edges(("a", "a")), [("metadata.dependencies", "CYCLE")]),
        (edges(("no", "")), [("metadata.dependencies[0].ref", "UNKNOWN_REF")]),
        (edges(("b", "a, no")), [("metadata.dependencies[0].deps", "UNKNOWN_REF")]),
        (edges((1, None)), [("metadata.dependencies[0].ref", "WRONG_KIND")]),
    ],
)
def test_dependencies(value, expected):
    assert found(value) == expected


def test_order_is_only_a_warning_where_it_is_not_provable():
    value = process(uses("a", "steps.b.output"), step("b"))
    value["metadata"] = {"dependencies": [{"ref": "a", "deps": ""}]}
    assert found(value, warnings=True) == [("steps[0].input.t0", "NOT_RUN_YET")]
    while_loop = process(step("w", "WHILE", uses("a", "steps.b.output"), step("b")))
    assert found(while_loop, warnings=True) == [("steps[0].children[0].input.t0", "NOT_RUN_YET")]


def test_everything_at_once():
    value = {
        "name": "a/b",
        "version": "1",
        "steps": [
            {"ref": "a", "type": "NOPE", "children": [{"ref": "x", "type": "NOOP"}]},
            {"ref": "a", "type": "WORKER", "input": {"deep": [{"er": "{{ steps.nope.output }}"}]}},
            {"ref": 5, "type": "FOREACH", "configuration": {"errorPolicyName": "none"}},
            "not a step",
        ],
        "metadata": {"dependencies": [{"ref": "a", "deps": "a"}]},
    }
    assert sorted(path for path, _ in found(value)) == [
        "metadata.dependencies",
        "name",
        "steps[0].type",
        "steps[1].input.deep[0].er",
        "steps[1].name",
        "steps[1].ref",
        "steps[2].children",
        "steps[2].configuration.errorPolicyName",
        "steps[2].input.inputArray",
        "steps[2].ref",
        "steps[3]",
        "version",
    ]


def test_paths_start_where_the_definition_stands():
    _, problems = read_definition({"steps": [{"type": 1}]}, "[3]")
    assert [problem.path for problem in problems] == ["[3].steps[0].type"]
    problems = check(ProcessDefinition(), known=KNOWN, policies=lambda name: True, at="[3]")
    assert [problem.path for problem in problems] == ["[3].name"]


def test_null_is_absent_everywhere():
    empty_step = {
        **dict.fromkeys(definition_value(read({"steps": [step("a")]}))["steps"][0]),
        "type": "NOOP",
    }
    value: dict[str, Any] = dict.fromkeys(definition_value(ProcessDefinition()))
    configuration = dict.fromkeys(("useCache", "rateLimitMaxRequests", "errorPolicyName", "priority"))
    value["steps"] = [empty_step, {**empty_step, "configuration": configuration}]
    assert read(value) == read({"steps": [{"type": "NOOP"}, {"type": "NOOP"}]})


def read(value: Any, **options: Any) -> ProcessDefinition:
    definition, problems = read_definition(value, **options)
    assert definition is not None, problems
    return definition


@pytest.mark.parametrize(
    ("value", "timeout"),
    [
        ({}, None),
        ({"configuration": {}}, None),
        ({"type": "API_ORCHESTRATION"}, 180_000),
        ({"type": "API_ORCHESTRATION", "configuration": {}}, 180_000),
        ({"type": "API_ORCHESTRATION", "configuration": {"completionTimeout": None}}, None),
        ({"type": "API_ORCHESTRATION", "configuration": {"completionTimeout": 0}}, None),
        ({"configuration": {"completionTimeout": 5}}, 5),
    ],
)
def test_completion_timeout(value, timeout):
    assert read(value).configuration.completion_timeout == timeout


def test_namespace_of_steps_comes_from_the_process():
    value = {"namespace": "n", "steps": [step("a", "LIST", step("b"), step("c", namespace="own"))]}
    (top,) = read(value).steps
    assert (top.namespace, [child.namespace for child in top.children]) == ("n", ["n", "own"])


def test_other_spellings_of_types():
    value = {"steps": [step("a", "OTHER")]}
    assert read(value, aliases={"OTHER": "NOOP"}).steps[0].type is StepType.NOOP
    assert read_definition(value)[0] is None


def test_value_is_whole_and_comes_back():
    definition = read(
        process(step("a", "LIST", step("b", optional=True)), tags=[{"name": "t", "value": None}])
    )
    value = definition_value(definition)
    assert value["steps"][0]["children"][0]["configuration"]["rateLimitMaxRequests"] == 0
    assert value["configuration"]["onFailProcess"] is None
    assert value["outputMapping"] == {}
    assert read(value) == definition
    assert decode_as(encode(definition), ProcessDefinition) == definition


def test_fingerprint_is_the_content_without_who_and_when():
    one = read(process(step("a", "LIST", step("b"))))
    value = process(
        step("a", "LIST", step("b", created=5, updatedBy="x"), created=7), created=3, createdBy="me"
    )
    assert fingerprint(read(value)) == fingerprint(one)
    for other in (
        change(one, name="q"),
        change(one, version=2),
        change(one, default_input={"created": 1}),
        read(process(step("a", "LIST", step("c")))),
    ):
        assert fingerprint(other) != fingerprint(one)


def test_policy():
    policy, problems = read_policy(
        {
            "name": "p",
            "startTimeout": {"duration": 5, "action": "RETRY", "retryCount": 2, "retryInterval": 0},
            "completionTimeout": None,
            "failure": {"action": "NONE", "runRequest": {"name": "clean", "input": {"a": 1}}},
            "orgId": 3,
        }
    )
    assert problems == []
    assert policy is not None
    assert policy.namespace == "default"
    assert policy.completion_timeout is None
    assert policy.start_timeout == Reaction(
        duration=5, action=StepErrorAction.RETRY, retry_count=2, retry_interval=0
    )
    assert policy.failure is not None
    assert policy.failure.retry_interval == 1_000
    assert policy.failure.run_request is not None


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": None}, "name"),
        ({"name": 4}, "name"),
        ({"startTimeout": {}}, "startTimeout.duration"),
        ({"responseTimeout": {"duration": -1}}, "responseTimeout.duration"),
        ({"completionTimeout": {"duration": 1, "action": "RETRY"}}, "completionTimeout.action"),
        ({"failure": {"duration": 1}}, "failure.duration"),
        ({"failure": {"retryCount": -1}}, "failure.retryCount"),
        ({"failure": {"retryInterval": -1}}, "failure.retryInterval"),
        ({"failure": {"retryCount": "3"}}, "failure.retryCount"),
        ({"failure": {"action": "STOP"}}, "failure.action"),
        ({"failure": {"runRequest": {}}}, "failure.runRequest.name"),
        ({"failure": []}, "failure"),
    ],
)
def test_policy_problems(fields, path):
    policy, problems = read_policy({"name": "p", **fields})
    assert policy is None
    assert [problem.path for problem in problems] == [path]


ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 2),
        st.sampled_from(["a", "FOREACH", "{{ steps.a.output }}"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["steps", "children", "type", "ref", "input", "configuration", "name", "metadata"]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=15,
)


@given(ANYTHING)
def test_any_value_is_a_definition_or_problems(value):
    definition, problems = read_and_check(value, known=KNOWN, policies=lambda name: False)
    assert (definition is None) == any(not problem.warning for problem in problems)
    policy, problems = read_policy(value)
    assert (policy is None) == bool(problems)


def test_every_step_configuration_that_means_something_is_good():
    configuration = {
        "useCache": True,
        "cacheKey": "{{ steps.a.input.customer }}",
        "cacheTimeoutSeconds": 60,
        "stream": True,
        "streamAllStatuses": True,
        "preExecutionScript": "(steps, context) => ({})",
        "scriptLanguage": "python",
        "jqTransformer": ".items",
        "rateLimitMaxRequests": 5,
        "rateLimitWindowSeconds": 1,
        "rateLimitKey": "{{ state.bank }}",
        "concurrencyLimit": 3,
        "concurrencyKey": "{{ steps.a.input.customer }} {{ input.x }} {{ context.namespace }}",
        "priority": -1_000,
    }
    assert found(process(step("a", configuration=configuration))) == []


def test_a_configuration_without_effect_is_only_a_warning():
    configuration = {"useCache": True, "jqTransformer": ".", "constructInputFromScript": True}
    definition, problems = read_and_check(
        process(step("a", "NOOP", configuration=configuration)), known=KNOWN, policies=lambda name: True
    )
    assert definition is not None
    assert [(problem.path.rpartition(".")[2], problem.code) for problem in problems] == [
        ("constructInputFromScript", "NO_EFFECT"),
        ("useCache", "NO_EFFECT"),
        ("jqTransformer", "NO_EFFECT"),
    ]


@pytest.mark.parametrize("made", [False, True])
def test_an_input_that_a_script_makes_is_not_looked_at(made):
    configuration = {"preExecutionScript": "() => ({})", "constructInputFromScript": made}
    foreach = step("f", "FOREACH", step("a"), configuration=configuration)
    exit = step("e", "EXIT", input={"status": "RUNNING"}, configuration=configuration)
    missing = (
        [] if made else [("steps[0].input.inputArray", "MISSING"), ("steps[1].input.status", "UNKNOWN_VALUE")]
    )
    assert found(process(foreach, exit)) == missing
