"""The engine and an independent interpreter of the same definitions say the same, whatever happens in whatever order.

STEPWELL_DEFINITIONS sets how many definitions are drawn (default 2,000, about 15 seconds); `make property` plays
200,000. A failure prints the smallest definition that still fails, what happened, and the command that plays it again.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from stepwell.definition.plan import StepPlan
from stepwell.engine import climb, decide, error_policy, reactions, state, steps
from stepwell.engine.control import switch
from stepwell.engine.events import SignalReceived
from stepwell.model.codec import EMPTY, change, decode, encode
from stepwell.model.step import StepContext
from tests.property.campaign import report, tell
from tests.property.random_definitions import BUILT_IN
from tests.simulation.mistakes import everywhere

DEFINITIONS = int(os.environ.get("STEPWELL_DEFINITIONS", "2000"))
SOON = 300
"""Seeds within which a mistake of the engine must have been found."""


def test_they_agree() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for seed in range(DEFINITIONS):
        telling = tell(seed)
        assert not telling.failure, report(seed)
        for run in telling.reference.runs.values():
            seen["process", run.status] += 1
            seen.update((record.step["type"], record.status) for record in run.records.values())
    if DEFINITIONS >= 1_000:
        missing = [pair for pair in SOMETIMES if not seen[pair]]
        assert not missing, f"never seen: {missing}"


CONTAINERS = ("LIST", "PARALLEL", "FOREACH", "SWITCH", "WHILE")
SOMETIMES = [
    *(("process", status) for status in ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED", "TERMINATED")),
    *((type, status) for type in (*CONTAINERS, "WORKER", "WAIT", "SUB_PROCESS")
      for status in ("COMPLETED", "FAILED", "CANCELLED", "SKIPPED")),
    ("WAIT", "TIMED_OUT"), ("SUB_PROCESS", "TIMED_OUT"), ("EXIT", "COMPLETED"), ("EXIT", "FAILED"),
    ("FLOW_GATEWAY", "COMPLETED"), ("FLOW_GATEWAY", "FAILED"), ("PERSISTED_STATE", "COMPLETED"),
    ("PERSISTED_STATE", "FAILED"), *((type, "COMPLETED") for type in BUILT_IN),
]  # fmt: skip


# -- an engine with a mistake in it


def optional_is_forgotten() -> AbstractContextManager[None]:
    right = steps.fails_parent

    def wrong(plan: StepPlan, step: StepContext) -> bool:
        return step.status.is_failed

    return everywhere(right, wrong)


def one_retry_too_many() -> AbstractContextManager[None]:
    right = error_policy.judge
    return everywhere(right, lambda policy, kind, retries, id: right(policy, kind, max(0, retries - 1), id))


def removed_before_put() -> AbstractContextManager[None]:
    right = state.apply

    def wrong(before: bytes, asked: Any) -> bytes:
        return right(right(before, change(asked, put={})), change(asked, remove=()))

    return everywhere(right, wrong)


def reserved_keys_stay() -> AbstractContextManager[None]:
    right = state.split
    return everywhere(right, lambda output: (output, right(output)[1]))


def the_first_output_counts() -> AbstractContextManager[None]:
    right = climb.last_output
    return everywhere(right, lambda draft, refs, indices: right(draft, refs[:1], indices))


def the_default_branch_always() -> AbstractContextManager[None]:
    right = switch._target
    return everywhere(right, lambda mapping, case: right(mapping, None))


def an_execution_loses_its_output() -> AbstractContextManager[None]:
    right = steps.next_execution
    return everywhere(right, lambda draft, step, due: right(draft, change(step, output=EMPTY), due))


def a_further_pass_keeps_its_input() -> AbstractContextManager[None]:
    right = steps.begin_anew

    def wrong(draft: Any, plan: Any, before: StepContext, parent: Any) -> StepContext:
        return change(right(draft, plan, before, parent), input=before.input)

    return everywhere(right, wrong)


def a_failed_attempt_writes_state() -> AbstractContextManager[None]:
    right = reactions._failed

    def wrong(draft: Any, step: StepContext, output: bytes, sealed: Any = None) -> StepContext:
        reactions._apply(draft, state.split(output)[1], sealed)
        return right(draft, step, output, sealed)

    return everywhere(right, wrong)


def a_worker_is_quoted_wrongly() -> AbstractContextManager[None]:
    right = steps.error_text
    return everywhere(right, lambda step, draft: right(step, draft).upper())


def an_end_leaves_steps_open() -> AbstractContextManager[None]:
    right = steps.cancel
    return everywhere(right, lambda draft, step: step)


def signals_are_mixed_up() -> AbstractContextManager[None]:
    right = reactions.signal_received

    def wrong(draft: Any, event: Any) -> Any:
        return right(draft, change(event, payload=encode({**decode(event.payload), "by": "nobody"})))

    return replaced(decide.REACTIONS, SignalReceived, wrong)


@contextmanager
def replaced(table: dict[Any, Any], key: Any, wrong: Any) -> Iterator[None]:
    right, table[key] = table[key], wrong
    try:
        yield
    finally:
        table[key] = right


MISTAKES = (
    *(
        optional_is_forgotten,
        one_retry_too_many,
        removed_before_put,
        reserved_keys_stay,
        the_first_output_counts,
    ),
    *(the_default_branch_always, an_execution_loses_its_output, a_further_pass_keeps_its_input),
    *(
        a_failed_attempt_writes_state,
        a_worker_is_quoted_wrongly,
        an_end_leaves_steps_open,
        signals_are_mixed_up,
    ),
)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(mistake: Callable[[], AbstractContextManager[None]]) -> None:
    with mistake():
        assert any(tell(seed).failure for seed in range(SOON))
