"""SWITCH: one of its children, chosen by a script or a value.

    {"type": "SWITCH", "name": "route", "ref": "route",
     "input": {"value": "{{ input.size }}",
               "responseMapping": [{"value": "L", "targetRef": "by_truck"},
                                   {"targetRef": "by_mail", "defaultBranch": true}]},
     "children": [{…"ref": "by_truck"}, {…"ref": "by_mail"}]}

Input: `script` (an arrow function `(steps, context) => …` that returns the case, a text) or `value`; `responseMapping`.
Children that are not chosen end SKIPPED. No match and no default branch: FAILED. Output: `{output, logs}`, the case. A
resume runs the chosen child again, and makes the choice again only when none was made.
"""

from typing import Any

from stepwell.definition.plan import StepPlan
from stepwell.engine.climb import open_anew, open_child
from stepwell.engine.control.outcome import refuse, shown
from stepwell.engine.draft import Control, Draft
from stepwell.engine.scripts import evaluate, read_answer
from stepwell.engine.steps import begin, close, explanation, fails_parent, reopen, run_again, skip, skip_anew
from stepwell.model.codec import Json, change, encode
from stepwell.model.step import Phase, StepContext, StepPath, StepStatus


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
    if isinstance(case, dict | list):
        return refuse(draft, step, f"the case must be a text, not {shown(case)}")
    ref = _target(draft.decoded(step, "input").get("responseMapping"), case)
    if ref is None:
        return refuse(draft, step, f"no child matches the case {shown(case)}, and there is no default branch")
    if ref not in plan.children:
        return refuse(draft, step, f"{ref!r}, chosen by the case {shown(case)}, is no child of this step")
    step = draft.put(change(step, phase=Phase.WORK, output=encode({"output": _text(case), "logs": logs})))
    paths = [(other, *step.path[1:]) for other in plan.children]
    draft.want(draft.id_at(path) for path in paths)
    for path in paths:
        if path[0] != ref:
            _leave_out(draft, path, step)
    return _after(draft, plan, step, open_anew(draft, ref, step.path[1:], step))


def _target(mapping: Any, case: Any) -> str | None:
    """The ref that a case maps to, else the default branch's, else None."""
    default = None
    for entry in mapping if isinstance(mapping, list) else ():
        if not isinstance(entry, dict):
            continue
        if entry.get("defaultBranch") is True:
            default = entry.get("targetRef")
        elif case is not None and "value" in entry and _text(entry["value"]) == _text(case):
            return str(entry.get("targetRef"))
    return None if default is None else str(default)


def _text(case: Any) -> str:
    return case if isinstance(case, str) else encode(case).decode()


def _leave_out(draft: Draft, path: StepPath, step: StepContext) -> None:
    before = draft.find(draft.id_at(path))
    if before is None:
        skip(draft, draft.plan.steps[str(path[0])], path, step)
    elif before.parent_execution_id != step.execution or before.status is not StepStatus.SKIPPED:
        skip_anew(draft, before, step)


def child_closed(draft: Draft, plan: StepPlan, step: StepContext, child: StepContext) -> StepContext:
    return _after(draft, plan, step, child)


def _after(draft: Draft, plan: StepPlan, step: StepContext, child: StepContext) -> StepContext:
    step = draft.step(step.id)
    if child.status.is_open or not step.status.is_open:
        return step
    chosen = draft.decoded(step, "output")
    if fails_parent(draft.plan_of(child), child):
        return close(draft, step, StepStatus.FAILED, encode({**chosen, **explanation(draft, child)}))
    return close(draft, step, StepStatus.COMPLETED, step.output)


def resume(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """The child that was chosen goes on; when none was, the choice is made again."""
    chosen = _chosen(draft, plan, step)
    if chosen is None:
        return run_again(draft, plan, step)
    again = reopen(draft, step, None)
    return _after(draft, plan, again, open_child(draft, chosen, step.path[1:], again))


def _chosen(draft: Draft, plan: StepPlan, step: StepContext) -> str | None:
    """The child that this execution has opened, if it got so far. When people have had others run too: the one that
    ended badly, or is open still."""
    paths = [(ref, *step.path[1:]) for ref in plan.children]
    draft.want(draft.id_at(path) for path in paths)
    found = [child for path in paths if (child := draft.find(draft.id_at(path))) is not None]
    ran = [
        str(child.path[0])
        for child in sorted(found, key=lambda child: child.status.is_complete)
        if child.parent_execution_id == step.execution and child.status is not StepStatus.SKIPPED
    ]
    return ran[0] if ran else None


SWITCH = Control(
    open=begin_step, resume=resume, child_closed=child_closed, evaluated=evaluated, keeps=("output", "logs")
)
