"""DECISION_ENGINE: asks a stored decision table.

    {"type": "DECISION_ENGINE", "name": "rate", "ref": "rate",
     "input": {"table": "loan_rates", "input": {"score": "{{ input.score }}"}}}

Input: `table`, `version` (the newest), `namespace` (this process's), `input`: a value for each input column. Output:
`{matches: [{rule, outputs, description}], result, version}`; `result` is the first match's outputs, null when no rule
matches. The table's own strategy says how many matches there are.
"""

from functools import lru_cache
from typing import Any

from stepwell.definition.decision_table import CompiledTable, compile_table, decide_table
from stepwell.definition.plan import StepPlan
from stepwell.definition.stored_table import entry_name, read_entry
from stepwell.engine.control.outcome import refuse
from stepwell.engine.draft import HEAVY, Control, Draft
from stepwell.engine.steps import begin, close, run_again
from stepwell.model.codec import Json, change, encode
from stepwell.model.entry import EntryKind
from stepwell.model.step import StepContext, StepStatus

KEPT = 64
"""Compiled tables kept in memory: the same text always compiles to the same table."""


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    problem = _problem(given)
    if problem:
        return refuse(draft, step, problem)
    draft.transitions += HEAVY
    namespace = given.get("namespace") or draft.process.namespace
    name, version = given["table"], given.get("version")
    entry = draft.own_entries(EntryKind.DECISION_TABLE, namespace, [entry_name(name, version)])[0]
    compiled = None if entry is None else _compiled(entry.body)
    if compiled is None:
        which = "" if version is None else f" version {version}"
        return refuse(draft, step, f"there is no decision table {namespace}/{name}{which}")
    outcome = decide_table(compiled, given.get("input") or {})
    output = {
        "matches": outcome.matches,
        "result": outcome.matches[0].outputs if outcome.matches else None,
        "version": compiled.table.version,
    }
    step = change(step, warning="; ".join((step.warning, *outcome.warnings)).strip("; "))
    return close(draft, step, StepStatus.COMPLETED, encode(output))


def _problem(given: dict[str, Any]) -> str:
    if not isinstance(given.get("table"), str) or not given["table"]:
        return "DECISION_ENGINE needs the name of a decision table as table"
    version = given.get("version")
    if version is not None and (type(version) is not int or version < 1):
        return f"version must be a whole number from 1, not {encode(version).decode()}"
    namespace = given.get("namespace")
    if namespace is not None and not isinstance(namespace, str):
        return "namespace must be a text"
    if not isinstance(given.get("input") or {}, dict):
        return "the input of a DECISION_ENGINE must be an object: a value for each input column"
    return ""


@lru_cache(KEPT)
def _compiled(body: Json) -> CompiledTable | None:
    table = read_entry(body)
    return None if table is None else compile_table(table)


DECISION_ENGINE = Control(open=begin_step, resume=run_again)
