"""DEPENDSON: waits until other processes, or steps of them, have reached a status.

    {"type": "DEPENDSON", "name": "after_load", "ref": "after_load",
     "input": {"dependsOnStatement": "PROCESS('load', 'COMPLETED') AND STEP('bill', 'post', 'COMPLETED')"}}

Input: `dependsOnStatement`; `intervalSeconds` (10) between two looks; `windowSeconds` (86,400): a name means the newest
process of that definition in this namespace that was created within so many seconds before the look. Output:
`{terms: [{process, step, status, processId, is, holds}]}`, as of the latest look.
"""

from typing import Any

from stepwell.definition.depends_on import Statement, StatementError, Term, holds, parse_statement, terms
from stepwell.definition.plan import StepPlan
from stepwell.engine.control.interval import interval_ms, not_seconds
from stepwell.engine.control.outcome import refuse
from stepwell.engine.draft import HEAVY, Control, Draft
from stepwell.engine.effects import KnownProcess, NewestProcess
from stepwell.engine.steps import begin, close, run_again, set_timer
from stepwell.model.codec import change, encode
from stepwell.model.due import DueKind
from stepwell.model.step import StepContext, StepStatus

WINDOW_S = 86_400


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    text = given.get("dependsOnStatement")
    if not isinstance(text, str) or not text.strip():
        return refuse(draft, step, "DEPENDSON needs a dependsOnStatement")
    problem = not_seconds(given, "intervalSeconds") or not_seconds(given, "windowSeconds")
    if problem:
        return refuse(draft, step, problem)
    try:
        parse_statement(text)
    except StatementError as error:
        return refuse(draft, step, f"dependsOnStatement: {error}")
    return look(draft, plan, step)


def look(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """Is it so by now? If not, look again after the interval."""
    draft.transitions += HEAVY
    given = draft.decoded(step, "input")
    statement = parse_statement(given["dependsOnStatement"])
    found = _found(draft, statement, given.get("windowSeconds") or WINDOW_S)
    output = encode({"terms": [_shown(term, found[term.process]) for term in terms(statement)]})
    if holds(statement, lambda term: _is(term, found[term.process]) == term.status):
        return close(draft, step, StepStatus.COMPLETED, output)
    step = draft.put(change(step, output=output, updated=draft.now))
    return set_timer(draft, step, DueKind.WAKE, draft.now + interval_ms(given))


def _found(draft: Draft, statement: Statement, window_s: int) -> dict[str, KnownProcess | None]:
    """The process that each name means, with the steps that are asked for: all in one load."""
    refs: dict[str, dict[str, None]] = {}
    for term in terms(statement):
        refs.setdefault(term.process, {}).update({term.step: None} if term.step else {})
    since = max(0, draft.now - window_s * 1000)
    keys = [NewestProcess(draft.process.namespace, name, since, tuple(refs[name])) for name in refs]
    return dict(zip(refs, draft.others(*keys), strict=True))


def _is(term: Term, process: KnownProcess | None) -> str | None:
    """The status of what a term names; None when there is none yet."""
    if process is None:
        return None
    return process.status if term.step is None else process.steps.get(term.step)


def _shown(term: Term, process: KnownProcess | None) -> dict[str, Any]:
    status = _is(term, process)
    return {
        "process": term.process,
        "step": term.step,
        "status": term.status,
        "processId": None if process is None else process.id,
        "is": status,
        "holds": status == term.status,
    }


DEPENDSON = Control(open=begin_step, resume=run_again, woken=look)
