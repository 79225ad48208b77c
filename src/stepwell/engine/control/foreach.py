"""FOREACH: its one child once for each item of an array.

    {"type": "FOREACH", "name": "lines", "ref": "lines",
     "input": {"inputArray": "{{ input.lines }}", "concurrency": 4},
     "children": [{"type": "WORKER", "name": "pick", "ref": "pick", "input": {"line": "{{ foreach.value }}"}}]}

Iterations are created as they are needed, at most `concurrency` (default 1) at a time; they are `pick[0]`, `pick[1]` …
One that fails does not stop the others; after all, the step fails if one failed that is not optional. Output:
`{"results": […]}` in index order, null where an iteration has none. Past 1,000 items the output holds the first 1,000
and `resultCount`; templates reach the others too (see `inputs`), and the API has them in pages.
"""

from stepwell.definition.plan import StepPlan
from stepwell.engine.climb import look_ahead, open_child, opening
from stepwell.engine.control.outcome import count_failed, refuse
from stepwell.engine.draft import HEAVY, ID_RUN, MAX_TRANSITIONS, Control, Draft
from stepwell.engine.inputs import MOST_RESULTS
from stepwell.engine.steps import begin, close, reopen
from stepwell.model.codec import EMPTY, CodecError, Json, change, encode
from stepwell.model.due import DueKind
from stepwell.model.process import Block
from stepwell.model.step import Children, Phase, StepContext, StepStatus


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    problem, total = _check(draft, step)
    if problem:
        return refuse(draft, step, problem)
    places = step.children or Children()
    if total > places.room:
        places = _more_room(draft, plan, step, max(total, 2 * places.room))
    step = draft.put(change(step, children=change(places, total=total)))
    return _open_more(draft, plan, step)


def _more_room(draft: Draft, plan: StepPlan, step: StepContext, iterations: int) -> Children:
    """Ids for so many. Iterations of an earlier pass in too small a room stay where they are, as records of that pass;
    doubling keeps that rare."""
    count = -(-iterations * plan.iteration_size // ID_RUN) * ID_RUN
    base = draft.new_ids(f"foreach:{step.id}:{step.execution}", count)
    draft.blocks.append(Block(base, count, step.process_id))
    draft.transitions += HEAVY
    return Children(base=base, room=count // plan.iteration_size)


def _check(draft: Draft, step: StepContext) -> tuple[str, int]:
    """What is wrong with the input, and how many items it has."""
    given = draft.loop_input(step)
    try:
        total = len(given.items("inputArray"))
    except CodecError:
        return "FOREACH needs an array as inputArray", 0
    concurrency = given.value("concurrency")
    if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
        return f"FOREACH needs a whole number from 1 as concurrency, not {encode(concurrency).decode()}", 0
    return "", total


def resume(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    counters = step.children
    if counters is None or not counters.total:
        # Its input was refused, or it was held: no iteration of this pass exists.
        return begin_step(draft, plan, change(step, output=EMPTY, retries=0, phase=Phase.WORK))
    fresh = change(counters, next=0, open=0, failed=0)
    return _open_more(draft, plan, reopen(draft, step, fresh))


def child_closed(draft: Draft, plan: StepPlan, step: StepContext, child: StepContext) -> StepContext:
    counters = step.children
    assert counters is not None
    step = draft.put(count_failed(draft, step, child, change(counters, open=counters.open - 1)))
    return _open_more(draft, plan, step)


def go_on(draft: Draft, plan: StepPlan, step: StepContext, body: Json) -> StepContext:
    return _open_more(draft, plan, step)


def _open_more(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    counters = step.children
    assert counters is not None
    if counters.next < counters.total:
        step = _fill(draft, plan, step, counters)
        counters = step.children
        assert counters is not None
    if not step.status.is_open or counters.open or counters.next < counters.total:
        return step
    if counters.failed:
        return close(draft, step, StepStatus.FAILED, step.output)
    return close(draft, step, StepStatus.COMPLETED, _results(draft, plan, counters))


def _fill(draft: Draft, plan: StepPlan, step: StepContext, counters: Children) -> StepContext:
    """Open iterations until `concurrency` of them are open, none is left or the decision is full."""
    ref = plan.children[0]
    indices = step.path[1:]
    concurrency = draft.loop_input(step).value("concurrency") or 1
    if draft.may_have_children(step) or draft.plan.steps[ref].repeats:
        ahead = range(counters.next, min(counters.next + MAX_TRANSITIONS, counters.total))
        draft.want(counters.base + index * plan.iteration_size for index in ahead)
    look_ahead(draft, opening(draft, ref, (*indices, counters.next)))
    while counters.next < counters.total and counters.open < concurrency and not draft.exhausted:
        child = open_child(draft, ref, (*indices, counters.next), step)
        counters = change(counters, next=counters.next + 1, open=counters.open + child.status.is_open)
        if not draft.process.goes_on:
            # It has ended the process. What stands here is CANCELLED by now, or soon will be.
            return draft.put(count_failed(draft, draft.step(step.id), child, counters))
        step = count_failed(draft, step, child, counters)
        assert step.children is not None
        counters = step.children
    step = draft.put(step)
    if counters.next < counters.total and counters.open < concurrency:
        draft.set_due(DueKind.GO_ON, draft.now, step_id=step.id)
    return step


def _results(draft: Draft, plan: StepPlan, counters: Children) -> Json:
    ids = [counters.base + index * plan.iteration_size for index in range(min(counters.total, MOST_RESULTS))]
    draft.want(ids)
    children = (draft.step(id) for id in ids)
    results = b",".join(
        child.output if child.status is StepStatus.COMPLETED else b"null" for child in children
    )
    more = b"" if counters.total <= MOST_RESULTS else b',"resultCount":%d' % counters.total
    return b'{"results":[' + results + b"]" + more + b"}"


FOREACH = Control(open=begin_step, resume=resume, child_closed=child_closed, go_on=go_on)
