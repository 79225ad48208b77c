"""Random definitions: all step types of the engine, nested, optional, under policies, with templates between them."""

from collections.abc import Callable
from itertools import count
from typing import Any

from hypothesis import strategies as st

from tests.engine.play import definition, policy, retrying, step

MOST_LEVELS = 4

POLICIES = [
    policy("retry_once", failure=retrying(1, retryInterval=0)),
    policy("retry_later", failure=retrying(2, retryInterval=500)),
    policy("back_off", failure=retrying(3, retryInterval=100, retryBackoffExponential=True)),
    policy("leave", failure={"action": "NONE"}),
    policy("starts_soon", startTimeout={"duration": 300, **retrying(1, retryInterval=200)}),
    policy("starts_or_not", startTimeout={"duration": 300, "action": "NONE"}, failure=retrying(1)),
    policy("answers_soon", responseTimeout={"duration": 400, **retrying(2, retryInterval=100)}),
    policy("answers_or_not", responseTimeout={"duration": 400, "action": "NONE"}),
    policy("done_soon", completionTimeout={"duration": 900, "action": "FAIL"}, failure=retrying(5, retryInterval=300)),
    policy("done_or_not", completionTimeout={"duration": 900, "action": "NONE"}),
    policy(
        "tells",
        failure={**retrying(1, retryInterval=10), "runRequest": {"name": "alarm"}},
        responseTimeout={"duration": 400, "action": "FAIL", "runRequest": {"name": "alarm"}},
    ),
]  # fmt: skip

Shape = tuple[Any, ...]
_LEAVES = ["WORKER"] * 7 + ["NOOP"] * 2 + ["FAIL", "EXIT"]


def _leaf() -> st.SearchStrategy[Shape]:
    names = st.sampled_from([None, None, *(written["name"] for written in POLICIES)])
    return st.tuples(st.sampled_from(_LEAVES), st.booleans(), names, st.integers(0, 1_000))


def _container(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    group = st.tuples(
        st.sampled_from(["LIST", "PARALLEL"]), st.booleans(), st.lists(inner, min_size=1, max_size=3)
    )
    loop = st.tuples(st.just("FOREACH"), st.booleans(), inner, st.integers(0, 3), st.integers(1, 3))
    return group | loop


def _shapes() -> st.SearchStrategy[Shape]:
    level = _leaf()
    for _ in range(MOST_LEVELS - 1):
        level = _leaf() | _container(level)
    return level


def _templates(refs: list[str]) -> list[str]:
    return [
        *(f"{{{{ steps.{ref}.output.of }}}}" for ref in refs),
        *(f"{{{{ steps.{ref}.status }}}}" for ref in refs),
        *(f"it was {{{{ steps.{ref}[1].output.of[0] }}}}" for ref in refs),
        "{{ foreach.index }}",
        "{{ foreach.value.n }}",
        "{{ input.order }}",
        "{{ context.status }} {{ state.mark }}",
        "{{ steps.__self.output }}",
        "{{ steps.nobody.output }}",
    ]


class _Writer:
    """From shapes to a definition: gives every step a ref and, now that all refs are known, its templates."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def write(self, shapes: list[Shape], **fields: Any) -> dict[str, Any]:
        steps = [self._step(shape) for shape in shapes]
        before: list[str] = []
        _walk(steps, lambda written: self._fill(written, before))
        return definition(*steps, **fields)

    def _step(self, shape: Shape) -> dict[str, Any]:
        type, optional = shape[:2]
        ref = f"{type.lower()}{next(self._numbers)}"
        if type == "FOREACH":
            _, _, child, items, concurrency = shape
            array = [{"n": n} for n in range(items)]
            input = {"inputArray": array, "concurrency": concurrency}
            return step(type, ref, self._step(child), optional=optional, input=input)
        if type in ("LIST", "PARALLEL"):
            return step(type, ref, *map(self._step, shape[2]), optional=optional)
        _, _, name, number = shape
        return step(type, ref, optional=optional, number=number, **({"policy": name} if name else {}))

    def _fill(self, written: dict[str, Any], before: list[str]) -> None:
        """Give a leaf its input. It may name what stands before it: more is refused when definitions are checked."""
        number = written.pop("number", None)
        templates = _templates(before)
        before.append(written["ref"])
        if number is None:
            return
        text = _pick(templates, number)
        match written["type"]:
            case "EXIT":
                written["input"] = {"status": _pick(["COMPLETED", "FAILED", "TERMINATED", text], number)}
            case "FAIL":
                written["input"] = {"message": text}
            case "NOOP":
                written["input"] = {"of": text} | (
                    {"__statePut": {"mark": number}} if number % 3 == 0 else {}
                )
            case _:
                written["input"] = {"of": text} if number % 2 else {}


def _walk(steps: Any, visit: Callable[[dict[str, Any]], None]) -> None:
    for written in steps:
        visit(written)
        _walk(written["children"], visit)


def _pick(choices: list[Any], number: int) -> Any:
    return choices[number % len(choices)]


HOOK = {"name": "after"}


def definitions() -> st.SearchStrategy[dict[str, Any]]:
    fields = st.fixed_dictionaries(
        {},
        optional={
            "configuration": st.fixed_dictionaries(
                {},
                optional={
                    "completionTimeout": st.sampled_from([0, 700, 5_000]),
                    "onFailProcess": st.just(HOOK),
                    "onCompleteProcess": st.just(HOOK),
                },
            ),
            "defaultOutput": st.just({"kept": True}),
            "outputMapping": st.just({"mark": "{{ state.mark }}", "status": "{{ context.status }}"}),
        },
    )
    return st.builds(
        lambda shapes, more: _Writer().write(shapes, **more),
        st.lists(_shapes(), min_size=1, max_size=4),
        fields,
    )
