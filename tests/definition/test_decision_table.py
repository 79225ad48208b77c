"""Decision tables: what is refused and where, and which rules answer a question."""

from typing import Any

import pytest

from stepwell.definition.condition import ConditionError
from stepwell.definition.decision_table import (
    MAX_RULES,
    compile_table,
    decide_table,
    read_decision_table,
    table_value,
)
from stepwell.model.codec import decode_as, encode
from stepwell.model.decision_table import Column, DecisionTable, Rule


def rule(outputs: Any, description: str | None = None, **conditions: Any) -> dict[str, Any]:
    return {"conditions": conditions, "outputs": outputs, "description": description}


def loans(*rules: Any, **fields: Any) -> dict[str, Any]:
    return {
        "name": "loans",
        "inputs": [{"name": "score", "kind": "NUMBER"}, {"name": "country"}],
        "outputs": [{"name": "rating"}, {"name": "rate"}],
        "rules": list(rules),
        **fields,
    }


RULES = (
    rule({"rating": "PRIME", "rate": 1.5}, "the best", score="> 750"),
    rule({"rating": "STANDARD"}, score="between(650, 750)", country=["NO", "SE"]),
    rule({"rating": "FOREIGN"}, score=">= 650"),
    rule({"rating": "UNKNOWN"}, score="null"),
)


def table(*rules: Any, **fields: Any) -> DecisionTable:
    read, problems = read_decision_table(loans(*rules, **fields))
    assert read is not None, problems
    return read


def ask(decision_table: DecisionTable, **values: Any) -> list[tuple[int, Any]]:
    outcome = decide_table(compile_table(decision_table), values)
    return [(match.rule, match.outputs["rating"]) for match in outcome.matches]


def found(value: Any) -> list[tuple[str, str]]:
    read, problems = read_decision_table(value)
    assert (read is None) == bool(problems)
    return [(problem.path, problem.code) for problem in problems]


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({"score": 800}, [(0, "PRIME")]),
        ({"score": 750, "country": "NO"}, [(1, "STANDARD")]),
        ({"score": 750, "country": "DE"}, [(2, "FOREIGN")]),
        ({"score": 100}, []),
        ({}, [(3, "UNKNOWN")]),
        ({"score": None, "other": 1}, [(3, "UNKNOWN")]),
    ],
)
def test_first_match_stops_at_the_first_rule(values: dict[str, Any], answer: Any) -> None:
    assert ask(table(*RULES), **values) == answer


def test_all_match_gives_every_rule_up_to_the_limit() -> None:
    several = (*RULES, rule({"rating": "LAST"}))
    assert ask(table(*several, strategy="ALL_MATCH"), score=750, country="SE") == [
        (1, "STANDARD"),
        (2, "FOREIGN"),
        (4, "LAST"),
    ]
    assert ask(table(*several, strategy="ALL_MATCH", limit=2), score=750, country="SE") == [
        (1, "STANDARD"),
        (2, "FOREIGN"),
    ]
    assert ask(table(*several, limit=2), score=750, country="SE") == [(1, "STANDARD")]


def test_an_answer_has_every_output_and_says_what_looked_odd() -> None:
    compiled = compile_table(table(*RULES, rule({}, country="DE")))
    prime = decide_table(compiled, {"score": 751})
    assert prime.matches[0].outputs == {"rating": "PRIME", "rate": 1.5}
    assert (prime.matches[0].description, prime.warnings) == ("the best", ())
    odd = decide_table(compiled, {"score": "751", "country": "DE"})
    assert odd.matches[0].outputs == {"rating": None, "rate": None}
    assert odd.warnings == ("the input score is text, its column is of kind NUMBER",)


def test_conditions_are_kept_as_text_and_nothing_is_kept_of_nothing() -> None:
    read = table(
        rule({"rating": None, "rate": 0}, score=750, country=[1, "a,b"]), rule({}, score="*", country=None)
    )
    assert read.rules == (
        Rule(conditions={"score": "750", "country": 'in [1, "a,b"]'}, outputs={"rate": 0}),
        Rule(),
    )


def test_reading_what_was_read_changes_nothing() -> None:
    read = table(*RULES, strategy="ALL_MATCH", limit=3, version=2, description="  about\r\nloans ")
    assert read.description == "about\nloans"
    assert read_decision_table(table_value(read)) == (read, [])
    assert decode_as(encode(read), DecisionTable) == read


WRONG = [
    ([], [("", "WRONG_KIND")]),
    (loans(name=" "), [("name", "MISSING")]),
    (loans(name="a/b", namespace="x\ny"), [("namespace", "BAD_NAME"), ("name", "BAD_NAME")]),
    (
        loans(version=0, limit=-1, strategy="BEST"),
        [("version", "INVALID"), ("strategy", "UNKNOWN_VALUE"), ("limit", "INVALID")],
    ),
    ({"name": "t"}, [("inputs", "MISSING"), ("outputs", "MISSING")]),
    (loans(inputs="score"), [("inputs", "WRONG_KIND")]),
    (
        loans(inputs=[{"name": "a.b"}, {"name": "c"}, {"name": "c", "kind": "FLOAT"}]),
        [
            ("inputs[0].name", "BAD_REF"),
            ("inputs[2].name", "DUPLICATE_NAME"),
            ("inputs[2].kind", "UNKNOWN_VALUE"),
        ],
    ),
    (loans(outputs=[{"name": f"o{n}"} for n in range(100)]), [("outputs", "TOO_LARGE")]),
    (loans(*[{}] * (MAX_RULES + 1)), [("rules", "TOO_LARGE")]),
    (loans("x", rule([])), [("rules[0]", "WRONG_KIND"), ("rules[1].outputs", "WRONG_KIND")]),
    (
        loans(rule({"x": 1}, y="5"), rule({}, score="GOLD", country="a*")),
        [
            ("rules[0].conditions.y", "UNKNOWN_COLUMN"),
            ("rules[0].outputs.x", "UNKNOWN_COLUMN"),
            ("rules[1].conditions.score", "CONDITION"),
            ("rules[1].conditions.country", "CONDITION"),
        ],
    ),
    (loans(rule({}, country={"a": 1})), [("rules[0].conditions.country", "CONDITION")]),
    (loans(rule({}, country=[[1]])), [("rules[0].conditions.country", "CONDITION")]),
    (loans(rule({}, country=float("inf"))), [("rules[0].conditions.country", "CONDITION")]),
    (loans(rule({}, country='"\x07"')), [("rules[0].conditions.country", "CONDITION")]),
    (
        loans(rule({}, "a\x00b"), rule({}, "x" * 3_000)),
        [("rules[0].description", "INVALID"), ("rules[1].description", "TOO_LARGE")],
    ),
    (
        loans(rule({"rate": "high"}), outputs=[{"name": "rate", "kind": "NUMBER"}]),
        [("rules[0].outputs.rate", "WRONG_KIND")],
    ),
    (loans(rule({"rate": {"a": ["\ud800"]}})), [("rules[0].outputs.rate", "INVALID")]),
    (loans(rule({"rate": 2**60})), [("rules[0].outputs.rate", "INVALID")]),
]


@pytest.mark.parametrize(("value", "problems"), WRONG)
def test_everything_wrong_is_told_with_its_path(value: Any, problems: list[tuple[str, str]]) -> None:
    assert found(value) == problems


def test_outputs_have_a_depth() -> None:
    deep: Any = "x"
    for _ in range(32):
        deep = [deep]
    assert found(loans(rule({"rate": deep}))) == []
    assert found(loans(rule({"rate": [deep]}))) == [("rules[0].outputs.rate", "INVALID")]


def test_a_text_column_takes_text_only() -> None:
    text = {"inputs": [{"name": "code", "kind": "TEXT"}]}
    assert found(loans(rule({}, code=7), **text)) == [("rules[0].conditions.code", "CONDITION")]
    assert ask(table(rule({"rating": "x"}, code="7"), **text), code="7") == [(0, "x")]


def test_a_table_that_was_not_read_is_not_compiled() -> None:
    odd = DecisionTable(inputs=(Column(name="a"),), rules=(Rule(conditions={"a": "a*"}),))
    with pytest.raises(ConditionError):
        compile_table(odd)
