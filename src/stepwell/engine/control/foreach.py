"""FOREACH: its one child once for each item of an array.

    {"type": "FOREACH", "name": "lines", "ref": "lines",
     "input": {"inputArray": "{{ input.lines }}", "concurrency": 4},
     "children": [{"type": "WORKER", "name": "pick", "ref": "pick", "input": {"line": "{{ foreach.value }}"}}]}

Iterations are created as they are needed, at most `concurrency` (default 1) at a time; they are `pick[0]`, `pick[1]` …
One that fails does not stop the others; after all, the step fails if one failed that is not optional. Output:
`{"results": […]}` in index order, null where an iteration has none. Past 1,000 items the output holds the first 1,000
and `resultCount`; the rest are read as steps.
"""

from stepwell.definition.plan import StepPlan
from stepwell.engine.climb import open_child
from stepwell.engine.control.outcome import failed_by
from stepwell.engine.draft import ID_RUN, Control, Draft
from stepwell.engine.steps import begin, close, error_output, fails_parent, reopen
from stepwell.model.codec import CodecError, Json, change, decode, encode, items, members, raw
from stepwell.model.due import DueKind
from stepwell.model.process import Block
from stepwell.model.step import Children, StepContext, StepStatus

MOST_RESULTS = 1_000
LOOK_AHEAD = 256


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    problem, total = _check(step.input)
    if problem:
        return close(draft, step, StepStatus.FAILED, error_output(problem))
    base = 0
    if total:
        count = -(-total * plan.iteration_size // ID_RUN) * ID_RUN
        base = draft.new_ids(f"foreach:{step.id}:{step.execution}", count)
        draft.blocks.append(Block(base, count, step.process_id))
    step = draft.put(change(step, children=Children(total=total, base=base)))
    return _open_more(draft, plan, step)


def _check(input: Json) -> tuple[str, int]:
    """What is wrong with the input, and how many items it has."""
    given = members(input)
    try:
        total = len(items(bytes(given["inputArray"])))
    except (KeyError, CodecError):
        return "FOREACH needs an array as inputArray", 0
    concurrency = decode(bytes(given.get("concurrency", raw(b"1"))))
    if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
        return f"FOREACH needs a whole number from 1 as concurrency, not {encode(concurrency).decode()}", 0
    return "", total


def resume(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    counters = step.children
    if counters is None:
        # Its input was refused before any iteration existed: begin again, the same input.
        return begin_step(draft, plan, step)
    return _open_more(draft, plan, reopen(draft, step, Children(total=counters.total, base=counters.base)))


def child_closed(draft: Draft, plan: StepPlan, step: StepContext, child: StepContext) -> StepContext:
    counters = step.children
    assert counters is not None
    failed = counters.failed + fails_parent(draft.plan_of(child), child)
    step = draft.put(change(step, children=change(counters, open=counters.open - 1, failed=failed)))
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
        return failed_by(draft, step, _first_failed(draft, plan, step, counters))
    return close(draft, step, StepStatus.COMPLETED, _results(draft, plan, counters))


def _fill(draft: Draft, plan: StepPlan, step: StepContext, counters: Children) -> StepContext:
    """Open iterations until `concurrency` of them are open, none is left or the decision is full."""
    ref = plan.children[0]
    indices = step.path[1:]
    at, running, failed = counters.next, counters.open, counters.failed
    concurrency = decode(bytes(members(step.input).get("concurrency", raw(b"1")))) or 1
    if draft.process.resumed:
        ahead = range(at, min(at + LOOK_AHEAD, counters.total))
        draft.want(counters.base + index * plan.iteration_size for index in ahead)
    while at < counters.total and running < concurrency and not draft.exhausted:
        child = open_child(draft, ref, (*indices, at), step)
        if not draft.process.status.is_open:
            return draft.step(step.id)
        at += 1
        running += child.status.is_open
        failed += fails_parent(draft.plan_of(child), child)
    step = draft.put(change(step, children=change(counters, next=at, open=running, failed=failed)))
    if at < counters.total and running < concurrency:
        draft.set_due(DueKind.GO_ON, draft.now, step_id=step.id)
    return step


def _iterations(draft: Draft, plan: StepPlan, counters: Children, most: int) -> list[StepContext]:
    ids = [counters.base + index * plan.iteration_size for index in range(min(counters.total, most))]
    draft.want(ids)
    return [draft.step(id) for id in ids]


def _first_failed(draft: Draft, plan: StepPlan, step: StepContext, counters: Children) -> StepContext:
    first = _iterations(draft, plan, counters, MOST_RESULTS)
    failed = (child for child in first if fails_parent(draft.plan_of(child), child))
    return next(failed, first[0])


def _results(draft: Draft, plan: StepPlan, counters: Children) -> Json:
    results = b",".join(
        child.output if child.status is StepStatus.COMPLETED else b"null"
        for child in _iterations(draft, plan, counters, MOST_RESULTS)
    )
    more = b"" if counters.total <= MOST_RESULTS else b',"resultCount":%d' % counters.total
    return b'{"results":[' + results + b"]" + more + b"}"


FOREACH = Control(open=begin_step, resume=resume, child_closed=child_closed, go_on=go_on)
