"""FLOW_GATEWAY: where its sequence goes on: further down, back to an earlier step, or nowhere.

    {"type": "FLOW_GATEWAY", "name": "approved", "ref": "approved",
     "input": {"rules": [{"condition": "(steps) => !steps.ask.output.approved", "targetRef": "correct"},
                         {"condition": "{{ steps.ask.output.withdrawn }}", "targetRef": "EXIT"}]}}

Input: `rules`, each with a `condition` (an arrow function `(steps, context) => true or false`, or a boolean) and a
`targetRef`; the first that holds decides, else `defaultTargetRef`, else the next step follows. A target is a step of
the same sequence (top level, LIST, WHILE). Before the gateway: the steps from there on run again, each as a further
execution. After it: the steps between end SKIPPED. `EXIT`: the process ends COMPLETED here, as an EXIT step ends it.
Past `maxExecutions` (10,000) of the gateway it fails instead of jumping back. Output: `{target, logs}`.
"""

from typing import Any

from stepwell.definition.plan import StepPlan
from stepwell.engine.control.exit import skip_siblings
from stepwell.engine.control.outcome import refuse
from stepwell.engine.draft import Control, Draft
from stepwell.engine.process import end_early, regular_output
from stepwell.engine.scripts import evaluate, read_answer
from stepwell.engine.steps import begin, close, run_again, skip, skip_anew
from stepwell.model.codec import Json, change, encode
from stepwell.model.process import ProcessStatus
from stepwell.model.step import Children, Phase, StepContext, StepStatus

EXIT = "EXIT"
MOST_EXECUTIONS = 10_000


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    rules = given.get("rules") or []
    if not isinstance(rules, list) or not all(_is_rule(rule) for rule in rules):
        return refuse(
            draft, step, "rules must be a list of {condition, targetRef}: a script or a boolean, and a text"
        )
    if any(isinstance(rule["condition"], str) for rule in rules):
        return evaluate(draft, step)
    holds = (index for index, rule in enumerate(rules) if rule["condition"])
    return _choose(draft, plan, step, next(holds, -1), [])


def _is_rule(rule: Any) -> bool:
    return (
        isinstance(rule, dict)
        and isinstance(rule.get("condition"), str | bool)
        and isinstance(rule.get("targetRef"), str)
    )


def evaluated(draft: Draft, plan: StepPlan, step: StepContext, output: Json) -> StepContext:
    """The runner answers the index of the first rule that holds, -1 for none."""
    answer = read_answer(output)
    step = draft.put(change(step, phase=Phase.WORK))
    index = answer.result
    if isinstance(index, float) and index.is_integer():
        index = int(index)
    if type(index) is not int or not -1 <= index < len(draft.decoded(step, "input").get("rules") or []):
        return refuse(draft, step, f"no rule has the number {encode(index).decode()}")
    return _choose(draft, plan, step, index, answer.logs)


def _choose(draft: Draft, plan: StepPlan, step: StepContext, index: int, logs: list[str]) -> StepContext:
    given = draft.decoded(step, "input")
    target = given.get("defaultTargetRef") if index < 0 else given["rules"][index]["targetRef"]
    output = encode({"target": target, "logs": logs})
    if target is None:
        return close(draft, step, StepStatus.COMPLETED, output)
    if target == EXIT:
        return _exit(draft, plan, step, output)
    refs = _sequence(draft, plan)
    if target not in refs or target == plan.ref:
        return refuse(draft, step, f"{target!r} is no other step of the same sequence")
    position = refs.index(target)
    if position > plan.position:
        return _jump_forward(draft, plan, step, refs, position, output)
    return _jump_back(draft, step, refs, position, output)


def _sequence(draft: Draft, plan: StepPlan) -> tuple[str, ...]:
    """The refs beside it, in order; none where steps do not follow each other in list order."""
    if plan.parent is None:
        return () if draft.plan.edges else draft.plan.top
    parent = draft.plan.steps[plan.parent]
    return parent.children if draft.controls[parent.type].in_order else ()


def _exit(draft: Draft, plan: StepPlan, step: StepContext, output: Json) -> StepContext:
    step = close(draft, step, StepStatus.COMPLETED, output)
    skip_siblings(draft, plan, step)
    end_early(draft, ProcessStatus.COMPLETED, regular_output(draft))
    return step


def _jump_forward(
    draft: Draft, plan: StepPlan, step: StepContext, refs: tuple[str, ...], position: int, output: Json
) -> StepContext:
    parent, indices = draft.parent_of(step), step.path[1:]
    between = [(ref, *indices) for ref in refs[plan.position + 1 : position]]
    draft.want(draft.id_at(path) for path in between)
    for path in between:
        before = draft.find(draft.id_at(path))
        if before is None:
            skip(draft, draft.plan.steps[str(path[0])], path, parent)
        else:
            skip_anew(draft, before, parent)
    return _close(draft, step, position, output)


def _jump_back(
    draft: Draft, step: StepContext, refs: tuple[str, ...], position: int, output: Json
) -> StepContext:
    most = draft.decoded(step, "input").get("maxExecutions")
    most = most if type(most) is int and most > 0 else MOST_EXECUTIONS
    if step.execution >= most:
        return refuse(draft, step, f"it does not jump back any more after {most} executions")
    step = _close(draft, step, position, output)
    indices = step.path[1:]
    again = [draft.id_at((ref, *indices)) for ref in refs[position:]]
    draft.want(again)
    for id in again:
        before = draft.find(id)
        if before is not None:
            # It belongs to no current execution of its parent: it begins anew when its turn comes.
            draft.put(change(before, parent_execution_id=0))
    return draft.step(step.id)


def _close(draft: Draft, step: StepContext, position: int, output: Json) -> StepContext:
    """COMPLETED, with the position at which its sequence goes on (see `climb.following`)."""
    step = close(draft, step, StepStatus.COMPLETED, output)
    return draft.put(change(step, children=Children(next=position)))


FLOW_GATEWAY = Control(open=begin_step, resume=run_again, evaluated=evaluated)
