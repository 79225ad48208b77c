"""SWITCH: one of its children, chosen by a script or a value.

    {"type": "SWITCH", "name": "route", "ref": "route",
     "input": {"value": "{{ input.size }}",
               "responseMapping": [{"value": "L", "targetRef": "by_truck"},
                                   {"targetRef": "by_mail", "defaultBranch": true}]},
     "children": [{…"ref": "by_truck"}, {…"ref": "by_mail"}]}

Input: `script` (an arrow function `(steps, context) => …` that returns the case, a text) or `value`; `responseMapping`.
Children that are not chosen end SKIPPED. No match and no default branch: FAILED. Output: `{output, logs}`, the case.
"""

from typing import Any

from stepwell.definition.plan import StepPlan
from stepwell.engine.climb import open_anew, open_child
from stepwell.engine.control.outcome import failed_by
from stepwell.engine.draft import Control, Draft
from stepwell.engine.scripts import evaluate, read_answer
from stepwell.engine.steps import begin, close, error_output, fails_parent, reopen, run_again, skip
from stepwell.model.codec import EMPTY, Json, change, encode
from stepwell.model.step import Phase, StepContext, StepStatus


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    if "value" in given and not given.get("script"):
        return _choose(draft, plan, step, given["value"], [])
    return evaluate(draft, step)


def evaluated(draft: Draft, plan: StepPlan, step: StepContext, output: Json) -> StepContext:
    answer = read_answer(output)
    return _choose(draft, plan, step, answer.result, answer.logs)


def _choose(draft: Draft, plan: StepPlan, step: StepContext, case: Any, logs: list[str]) -> StepContext:
    ref = _target(draft.decoded(step, "input").get("responseMapping"), case)
    if ref not in plan.children:
        wanted = "no child matches" if ref is None else f"{ref!r} is no child of this step; it was chosen by"
        return close(draft, step, StepStatus.FAILED, error_output(f"{wanted} the case {_text(case)!r}"))
    step = draft.put(
        change(step, phase=Phase.WORK, output=encode({"output": _text(case), "logs": logs, "ref": ref}))
    )
    indices = step.path[1:]
    draft.want(draft.id_at((other, *indices)) for other in plan.children)
    for other in plan.children:
        if other != ref and not draft.begun((other, *indices)):
            skip(draft, draft.plan.steps[other], (other, *indices), step)
    return _after(draft, plan, step, open_anew(draft, ref, indices, step))


def _target(mapping: Any, case: Any) -> str | None:
    """The ref that a case maps to, else the default branch's, else None."""
    default = None
    for entry in mapping if isinstance(mapping, list) else ():
        if not isinstance(entry, dict):
            continue
        if entry.get("defaultBranch"):
            default = entry.get("targetRef")
        elif _text(entry.get("value")) == _text(case):
            return str(entry.get("targetRef"))
    return default


def _text(case: Any) -> str:
    return case if isinstance(case, str) else encode(case).decode()


def child_closed(draft: Draft, plan: StepPlan, step: StepContext, child: StepContext) -> StepContext:
    return _after(draft, plan, step, child)


def _after(draft: Draft, plan: StepPlan, step: StepContext, child: StepContext) -> StepContext:
    step = draft.step(step.id)
    if child.status.is_open or not step.status.is_open:
        return step
    if fails_parent(draft.plan_of(child), child):
        return failed_by(draft, step, child)
    return close(draft, step, StepStatus.COMPLETED, _shown(draft, step))


def _shown(draft: Draft, step: StepContext) -> Json:
    """The output without the engine's own note of the chosen ref."""
    given = draft.decoded(step, "output")
    return (
        encode({"output": given.get("output"), "logs": given.get("logs", [])})
        if isinstance(given, dict)
        else EMPTY
    )


def resume(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """The child that was chosen runs again; when none was, the choice is made again."""
    indices = step.path[1:]
    draft.want(draft.id_at((ref, *indices)) for ref in plan.children)
    for ref in plan.children:
        child = draft.find(draft.id_at((ref, *indices)))
        if child is not None and child.status.is_failed:
            again = reopen(draft, step, None)
            return _after(draft, plan, again, open_child(draft, ref, indices, again))
    return run_again(draft, plan, step)


SWITCH = Control(open=begin_step, resume=resume, child_closed=child_closed, evaluated=evaluated)
