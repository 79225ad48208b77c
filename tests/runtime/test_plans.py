"""Plans in memory: bounded, because definitions that come with their runs are without number."""

from stepwell.definition.compile import build_plan
from stepwell.definition.plan import Plan
from stepwell.model.definition import ProcessDefinition, StepDefinition
from stepwell.runtime.plans import Plans


def plan(id: int, steps: int = 1) -> Plan:
    refs = tuple(StepDefinition(ref=f"s{number}") for number in range(steps))
    return build_plan(id, ProcessDefinition(name="p", steps=refs))


def test_the_ones_not_used_for_longest_go() -> None:
    plans = Plans(most_steps=3)
    for id in (1, 2, 3):
        plans.put(plan(id))
    assert plans.get(1) is not None
    plans.put(plan(4))
    assert [plans.get(id) is not None for id in (1, 2, 3, 4)] == [True, False, True, True]
    plans.put(plan(5, steps=3))
    assert (len(plans), plans.get(5) is not None) == (1, True)


def test_one_that_is_larger_than_all_is_kept_while_it_is_the_newest() -> None:
    plans = Plans(most_steps=3)
    plans.put(plan(1, steps=9))
    assert plans.get(1) is not None
    plans.put(plan(2))
    assert (plans.get(1), len(plans)) == (None, 1)


def test_a_plan_put_again_counts_once() -> None:
    plans = Plans(most_steps=2)
    for _ in range(5):
        plans.put(plan(1))
    plans.put(plan(2))
    assert plans.get(1) is not None


def test_the_same_definition_with_another_numbering_is_another_plan() -> None:
    plans = Plans()
    plain, kept = plans.put(plan(2)), plans.put(plan(2), (1,))
    assert plans.get(2) is plain
    assert plans.get(2, (1,)) is kept
    assert plans.get(2, (3,)) is None
