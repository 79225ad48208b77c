"""WHILE: its children one after the other, again and again while a script says so.

    {"type": "WHILE", "name": "poll", "ref": "poll", "input": {"script": "(steps, context) => !context.state.done"},
     "children": [{…}, {…}]}

Input: `script`, evaluated before each pass; `maxIterations` (1,000 by default), past which the step fails. Inner steps
keep their context; each pass is a further execution. Output: `{passes}`.
"""

from stepwell.definition.plan import StepPlan
from stepwell.engine.climb import Sequel, following, run_sequence
from stepwell.engine.control.outcome import failed_by, refuse, shown, whole
from stepwell.engine.draft import Control, Draft
from stepwell.engine.scripts import evaluate, read_answer
from stepwell.engine.steps import begin, close, fails_parent, next_execution, reopen
from stepwell.model.codec import EMPTY, Json, change, decode, encode
from stepwell.model.step import Children, Phase, StepContext, StepStatus

DEFAULT_PASSES = 1_000


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input").get("maxIterations")
    most = DEFAULT_PASSES if given is None else whole(given)
    if most is None or most < 1:
        return refuse(draft, step, f"maxIterations must be a whole number from 1, not {shown(given)}")
    # A retry of its script goes on with the pass that it stands before.
    counters = step.children or Children(total=most)
    return evaluate(draft, draft.put(change(step, children=counters)))


def evaluated(draft: Draft, plan: StepPlan, step: StepContext, output: Json) -> StepContext:
    """`counters.next` is how many passes have begun, `counters.total` how many there may be."""
    result = read_answer(output).result
    counters = step.children
    assert counters is not None
    if type(result) is not bool:
        return refuse(draft, step, f"the script must return true or false, not {shown(result)}")
    if not result:
        return close(draft, step, StepStatus.COMPLETED, _passes(counters))
    if counters.next >= counters.total:
        return refuse(draft, step, f"still true after {counters.total} passes")
    counters = change(counters, next=counters.next + 1)
    return _run(draft, plan, draft.put(change(step, phase=Phase.WORK, children=counters)), 0)


def _passes(counters: Children) -> Json:
    return encode({"passes": counters.next})


def child_closed(draft: Draft, plan: StepPlan, step: StepContext, child: StepContext) -> StepContext:
    child_plan = draft.plan_of(child)
    if fails_parent(child_plan, child):
        return failed_by(draft, step, child)
    return _run(draft, plan, step, following(child_plan, child))


def go_on(draft: Draft, plan: StepPlan, step: StepContext, body: Json) -> StepContext:
    return _run(draft, plan, step, decode(body))


def _run(draft: Draft, plan: StepPlan, step: StepContext, position: int) -> StepContext:
    sequel, failed = run_sequence(draft, plan.children, position, step.path[1:], step)
    if sequel is Sequel.WAITING:
        return draft.step(step.id)
    if sequel is Sequel.STOPPED:
        assert failed is not None
        return failed_by(draft, step, failed)
    return _next_pass(draft, step)


def _next_pass(draft: Draft, step: StepContext) -> StepContext:
    """A pass is an execution: the finished one is kept, its place in the loop goes on."""
    counters = step.children
    assert counters is not None
    done = change(step, output=_passes(counters))
    return evaluate(draft, begin(draft, change(next_execution(draft, done, draft.now), children=counters)))


def resume(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    """The pass that failed goes on where it stopped; before a pass, the script is asked again."""
    counters = step.children
    if counters is None:
        return begin_step(draft, plan, change(step, output=EMPTY, retries=0))
    again = reopen(draft, step, counters)
    if not counters.next or step.phase is not Phase.WORK:
        return evaluate(draft, again)
    return _run(draft, plan, again, 0)


WHILE = Control(
    in_order=True, open=begin_step, resume=resume, child_closed=child_closed, go_on=go_on, evaluated=evaluated
)
