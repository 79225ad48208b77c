"""One more result costs in a wide or deep process what it costs in a narrow one: counted, not timed."""

from collections.abc import Callable

import pytest

from tests.engine.cost import Cost, cost
from tests.engine.play import (
    World,
    answered,
    definition,
    done,
    foreach,
    noop,
    parallel,
    play,
    policy,
    retrying,
    sequence,
    step,
    worker,
)

Story = Callable[[int], World]
NARROW, WIDE = 50, 2_000


def loop_over_input(width: int) -> World:
    child = worker("w", input={"item": "{{ foreach.value }}", "for": "{{ input.customer.name }}"})
    story = definition(foreach("f", "{{ input.items }}", child, 4))
    items = [{"n": n, "text": "x" * 50} for n in range(width)]
    return play(story, done("w[0]"), input={"items": items, "customer": {"name": "Ada"}})


def loop_over_an_output(width: int) -> World:
    child = worker(
        "w", input={"n": "{{ foreach.value.n }}", "of": "{{ steps.fetch.output.order.customer.name }}"}
    )
    story = definition(worker("fetch"), foreach("f", "{{ steps.fetch.output.order.items }}", child, 4))
    order = {"items": [{"n": n, "text": "x" * 50} for n in range(width)], "customer": {"name": "Ada"}}
    return play(story, done("fetch", order=order), done("w[0]"))


def lists_in_a_loop(width: int) -> World:
    body = sequence("l", worker("w"), noop("n", at="{{ foreach.index }}", of="{{ steps.w.output.x }}"))
    return play(definition(foreach("f", list(range(width)), body, 4)), done("w[0]", x=1))


def all_at_once(width: int) -> World:
    return play(definition(foreach("f", list(range(width)), worker("w"), width)), done("w[0]"))


def beside_each_other(width: int) -> World:
    return play(definition(parallel("p", *(worker(f"w{n}") for n in range(width)))), done("w0"))


def one_after_the_other(width: int) -> World:
    steps = [worker("w0", policy="patient")]
    steps += [
        worker(f"w{n}", policy="patient", input={"x": f"{{{{ steps.w{n - 1}.output.x }}}}"})
        for n in range(1, width)
    ]
    return play(
        definition(*steps),
        done("w0", x=0),
        policies=[policy("patient", failure=retrying(1))],
    )


def not_polled(width: int) -> World:
    """Steps that wait for somebody without being WORKER steps."""
    return play(
        definition(*(step("JQ", f"j{n}", input={"program": ".", "data": {}}) for n in range(width))),
        done("j0"),
    )


def chained_by_edges(width: int) -> World:
    edges = [{"ref": f"w{n}", "deps": f"w{n - 1}" if n else ""} for n in range(width)]
    story = definition(*(worker(f"w{n}") for n in range(width)), metadata={"dependencies": edges})
    return play(story, done("w0"))


def joined_by_edges(width: int) -> World:
    all_of_them = ",".join(f"w{n}" for n in range(width))
    edges = [{"ref": "end", "deps": all_of_them}, *({"ref": f"w{n}", "deps": ""} for n in range(width))]
    story = definition(
        *(worker(f"w{n}") for n in range(width)), worker("end"), metadata={"dependencies": edges}
    )
    return play(story, done("w0"))


STORIES: dict[Story, str] = {
    loop_over_input: "w[1]",
    loop_over_an_output: "w[1]",
    lists_in_a_loop: "w[1]",
    all_at_once: "w[1]",
    beside_each_other: "w1",
    one_after_the_other: "w1",
    not_polled: "j1",
    chained_by_edges: "w1",
    joined_by_edges: "w1",
}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_result_costs_the_same(story: Story) -> None:
    narrow, wide = (cost(story(width), done(STORIES[story], x=1)) for width in (NARROW, WIDE))
    _is_no_dearer(narrow, wide)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_result_costs_the_same_after_a_restart(story: Story) -> None:
    """Nothing is in memory. Texts are taken apart anew, which is the one thing that grows."""

    def cold(width: int) -> Cost:
        world = story(width)
        world.cold = True
        return cost(world, done(STORIES[story], x=1))

    narrow, wide = cold(NARROW), cold(WIDE)
    _is_no_dearer(narrow, wide._replace(read=narrow.read))


def test_a_pass_costs_the_same_after_a_thousand() -> None:
    story = definition(
        step("WHILE", "l", worker("w", input={"of": "{{ steps.w.output.x }}"}), input={"script": "x"})
    )
    world = play(story, answered("l", True))
    costs = []
    for passes in range(1_000):
        if passes in (3, 999):
            costs.append((cost(world, done("w", x=1)), cost(world, answered("l", True))))
        else:
            done("w", x=1)(world)
            answered("l", True)(world)
    for early, late in zip(*costs, strict=True):
        _is_no_dearer(early, late)


def _is_no_dearer(narrow: Cost, wide: Cost) -> None:
    assert wide.opcodes <= 1.05 * narrow.opcodes, (narrow, wide)
    assert wide.read <= narrow.read + 200, (narrow, wide)
    assert (wide.loaded, wide.rounds, wide.written) <= (narrow.loaded + 1, narrow.rounds, narrow.written)
