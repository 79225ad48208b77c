"""Decision tables: read and checked whole, compiled once, asked often. Spec 1.15, 3.12.

table, problems = read_decision_table(value)
outcome = decide_table(compile_table(table), {"score": 720, "country": "NO"})
"""

import re
from collections.abc import Mapping
from typing import Any

from stepwell.definition.condition import Test, compile_condition, condition_text, fits
from stepwell.definition.fields import MAX_NUMBER, Fields, kind_of
from stepwell.definition.names import name_problems, ref_problems
from stepwell.model.codec import Record, decode, encode
from stepwell.model.decision_table import Column, ColumnKind, DecisionTable, Rule, Strategy
from stepwell.model.definition import DEFAULT_NAMESPACE
from stepwell.model.errors import Problem

MAX_COLUMNS = 100
"""Inputs and outputs together."""
MAX_RULES = 10_000
MAX_NOTE = 2_000
"""Characters of a label or a description."""
MAX_OUTPUT_DEPTH = 32

UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
"""Signs that a table file cannot carry, in texts that people write. A text in an output may hold most of them."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Match(Record, frozen=True, rename="camel"):
    """A rule whose conditions all hold."""

    rule: int
    """Its place in the table, from 0."""
    outputs: dict[str, Any]
    """Every output column of the table; null where the rule says nothing."""
    description: str | None = None


class Outcome(Record, frozen=True, rename="camel"):
    matches: tuple[Match, ...]
    """In the order of the table; empty when no rule matches."""
    warnings: tuple[str, ...] = ()
    """Sentences about values that are not of their column's kind."""


class CompiledTable(Record, frozen=True):
    """A table ready to be asked. It holds functions: never stored, made anew from the table."""

    table: DecisionTable
    rules: tuple[tuple[tuple[int, Test], ...], ...]
    """Of each rule: the inputs by their place, with what is asked of them."""
    answers: tuple[dict[str, Any], ...]


def compile_table(table: DecisionTable) -> CompiledTable:
    """Compile a table that `read_decision_table` accepted. Raises ConditionError for any other."""
    places = {column.name: place for place, column in enumerate(table.inputs)}
    known: dict[tuple[ColumnKind, str], Test | None] = {}

    def test_of(place: int, text: str) -> Test | None:
        key = (table.inputs[place].kind, text)
        if key not in known:
            known[key] = compile_condition(text, key[0])
        return known[key]

    def tests(rule: Rule) -> tuple[tuple[int, Test], ...]:
        found = ((places[name], test_of(places[name], text)) for name, text in rule.conditions.items())
        return tuple(sorted(((place, test) for place, test in found if test is not None), key=_place))

    return CompiledTable(
        table,
        tuple(tests(rule) for rule in table.rules),
        tuple({c.name: rule.outputs.get(c.name) for c in table.outputs} for rule in table.rules),
    )


def _place(item: tuple[int, Test]) -> int:
    return item[0]


def decide_table(compiled: CompiledTable, values: Mapping[str, Any]) -> Outcome:
    """The rules that match the values (JSON values, by input name). A value that is missing is null.

    Never raises. The outputs belong to the table: encode them, do not change them.
    """
    table = compiled.table
    given = [values.get(column.name) for column in table.inputs]
    most = 1 if table.strategy is Strategy.FIRST_MATCH else table.limit or len(table.rules)
    matches: list[Match] = []
    for index, tests in enumerate(compiled.rules):
        if all(test(given[place]) for place, test in tests):
            matches.append(Match(index, compiled.answers[index], table.rules[index].description))
            if len(matches) >= most:
                break
    return Outcome(tuple(matches), tuple(_warnings(table, given)))


def _warnings(table: DecisionTable, given: list[Any]) -> list[str]:
    return [
        f"the input {column.name} is {kind_of(value)}, its column is of kind {column.kind}"
        for column, value in zip(table.inputs, given, strict=True)
        if value is not None and not fits(value, column.kind)
    ]


def table_value(table: DecisionTable) -> dict[str, Any]:
    """The table as plain JSON values, under the names of the wire, whole."""
    value: dict[str, Any] = decode(encode(table))
    return value


# -- reading


def read_decision_table(value: Any, at: str = "") -> tuple[DecisionTable | None, list[Problem]]:
    """The table, or None and everything that is wrong with it.

    A condition may be text in the condition language, or a number, a boolean or a list (one of its items); it is kept
    as text. Absent, null, empty and `*` are the same: no condition. An output that is null is left out.
    """
    if not isinstance(value, Mapping):
        return None, [Problem(at, f"must be an object, is {kind_of(value)}", "WRONG_KIND")]
    problems: list[Problem] = []
    fields = Fields(value, at, problems)
    inputs = _columns(fields, "inputs")
    outputs = _columns(fields, "outputs")
    if len(inputs) + len(outputs) > MAX_COLUMNS:
        fields.note("outputs", f"more than {MAX_COLUMNS} columns in all", "TOO_LARGE")
    table = DecisionTable(
        namespace=fields.text("namespace") or DEFAULT_NAMESPACE,
        name=fields.text("name") or "",
        version=_version(fields),
        description=_note(fields, "description"),
        strategy=fields.choice("strategy", Strategy, Strategy.FIRST_MATCH),
        limit=_limit(fields),
        inputs=inputs,
        outputs=outputs,
        rules=_rules(fields, inputs, outputs),
        created=fields.number("created") or 0,
        updated=fields.number("updated") or 0,
        created_by=fields.text("createdBy"),
        updated_by=fields.text("updatedBy"),
    )
    problems += name_problems(table.namespace, fields.path("namespace"))
    if not any(problem.path == fields.path("name") for problem in problems):
        problems += name_problems(table.name, fields.path("name"))
    return (None if problems else table), problems


def _version(fields: Fields) -> int | None:
    version = fields.number("version")
    if version is not None and version < 1:
        fields.note("version", "must be 1 or more")
    return version


def _limit(fields: Fields) -> int:
    limit = fields.number("limit") or 0
    if limit < 0:
        fields.note("limit", "must be 0 or more; 0 = every match")
    return limit


def _note(fields: Fields, key: str) -> str | None:
    """Text for people. Line ends are made alike: files cannot keep them apart."""
    text = (fields.text(key) or "").replace("\r\n", "\n").strip()
    if len(text) > MAX_NOTE:
        fields.note(key, f"has {len(text)} characters, {MAX_NOTE} are possible", "TOO_LARGE")
    if UNPRINTABLE.search(text):
        fields.note(key, "contains a control character")
    return text or None


def _columns(table: Fields, key: str) -> tuple[Column, ...]:
    columns: list[Column] = []
    seen: set[str] = set()
    for fields in table.objects(key):
        name = fields.text("name") or ""
        table.problems += ref_problems(name, fields.path("name"))
        if name in seen:
            fields.note("name", f"the column {name!r} is there twice", "DUPLICATE_NAME")
        seen.add(name)
        kind = fields.choice("kind", ColumnKind, ColumnKind.ANY)
        columns.append(Column(name=name, label=_note(fields, "label"), kind=kind))
    if not columns and not any(problem.path.startswith(table.path(key)) for problem in table.problems):
        table.note(key, "is missing or empty: a table has at least one input and one output", "MISSING")
    return tuple(columns)


def _rules(table: Fields, inputs: tuple[Column, ...], outputs: tuple[Column, ...]) -> tuple[Rule, ...]:
    found = table.value.get("rules")
    if isinstance(found, list | tuple) and len(found) > MAX_RULES:
        table.note("rules", f"has {len(found)} rules, {MAX_RULES} are possible", "TOO_LARGE")
        return ()
    conditions = {column.name: column.kind for column in inputs}
    results = {column.name: column.kind for column in outputs}
    return tuple(
        Rule(
            conditions=_conditions(rule, conditions),
            outputs=_outputs(rule, results),
            description=_note(rule, "description"),
        )
        for rule in table.objects("rules")
    )


def _conditions(rule: Fields, kinds: Mapping[str, ColumnKind]) -> dict[str, str]:
    read: dict[str, str] = {}
    given = rule.mapping("conditions")
    _check_known(rule, "conditions", given, kinds, "input")
    for name, kind in kinds.items():
        if given.get(name) is None:
            continue
        try:
            text = condition_text(given[name], kind).replace("\r\n", "\n")
            if UNPRINTABLE.search(text):
                raise ValueError("contains a control character")
            if compile_condition(text, kind) is not None:
                read[name] = text
        except ValueError as error:
            rule.note(f"conditions.{name}", str(error), "CONDITION")
    return read


def _outputs(rule: Fields, kinds: Mapping[str, ColumnKind]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    given = rule.mapping("outputs")
    _check_known(rule, "outputs", given, kinds, "output")
    for name, kind in kinds.items():
        value = given.get(name)
        if value is None:
            continue
        wrong = _unstorable(value, 0)
        if wrong:
            rule.note(f"outputs.{name}", wrong)
        elif not fits(value, kind):
            rule.note(f"outputs.{name}", f"is {kind_of(value)}, its column is of kind {kind}", "WRONG_KIND")
        else:
            read[name] = value
    return read


def _check_known(
    rule: Fields, key: str, given: Mapping[str, Any], known: Mapping[str, ColumnKind], what: str
) -> None:
    for name in given:
        if name not in known:
            rule.note(f"{key}.{name}", f"the table has no {what} of this name", "UNKNOWN_COLUMN")


def _unstorable(value: Any, depth: int) -> str | None:
    """Why a JSON value cannot be kept and given out exactly as it is."""
    if isinstance(value, str):
        return "contains NUL or half of a surrogate pair" if _UNSTORABLE.search(value) else None
    if isinstance(value, int | float):
        is_large = isinstance(value, int) and abs(value) >= MAX_NUMBER
        return "holds a number that is too large" if is_large or value - value != 0 else None
    if not isinstance(value, Mapping | list | tuple):
        return None
    if depth == MAX_OUTPUT_DEPTH:
        return f"is nested deeper than {MAX_OUTPUT_DEPTH} levels"
    members = [*value, *value.values()] if isinstance(value, Mapping) else value
    return next((wrong for item in members if (wrong := _unstorable(item, depth + 1))), None)
