"""The edges of the graph: entries `{ref, deps}` under `metadata.dependencies`. Spec sections 0.4 and 1.5.

They are between top-level steps. A step with an entry waits for exactly the steps that its entries name (for none, when
they name none). The steps without an entry follow each other in list order, as if the others were not there.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from stepwell.definition.fields import Fields
from stepwell.model.errors import Problem


class Graph:
    """Which top-level step comes before which."""

    def __init__(self, edges: Mapping[str, Collection[str]]) -> None:
        """`edges`: every top-level step with the ones that it waits for."""
        self._bits = {ref: 1 << index for index, ref in enumerate(edges)}
        self._before = dict.fromkeys(edges, 0)
        try:
            order = list(TopologicalSorter(edges).static_order())
        except CycleError:
            return
        for ref in order:
            for dep in edges.get(ref, ()):
                self._before[ref] |= self._before.get(dep, 0) | self._bits.get(dep, 0)

    def is_before(self, one: str, other: str) -> bool:
        """Has the one certainly ended when the other begins?"""
        return bool(self._before.get(other, 0) & self._bits.get(one, 0))


def has_edges(metadata: Mapping[str, Any]) -> bool:
    return any(True for _ in _entries(metadata, "", []))


def edges_of(metadata: Mapping[str, Any], top: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Every top-level step with the ones that it waits for; empty when the definition says nothing of edges."""
    written: dict[str, dict[str, None]] = {}
    for _, ref, deps in _entries(metadata, "", []):
        written.setdefault(ref, {}).update(dict.fromkeys(deps))
    if not written:
        return {}
    edges: dict[str, tuple[str, ...]] = {}
    before: tuple[str, ...] = ()
    for ref in top:
        if ref in written:
            edges[ref] = tuple(written[ref])
        else:
            edges[ref] = before
            before = (ref,)
    return edges


def dependents_of(edges: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The edges the other way round."""
    found: dict[str, list[str]] = {}
    for ref, deps in edges.items():
        for dep in deps:
            found.setdefault(dep, []).append(ref)
    return {ref: tuple(others) for ref, others in found.items()}


def dependency_problems(
    metadata: Mapping[str, Any], refs: Collection[str], top: Collection[str], at: str
) -> list[Problem]:
    """Wrong kinds, unknown refs, refs of steps that are no top-level ones, circles."""
    problems: list[Problem] = []
    graph: dict[str, set[str]] = {}
    for path, ref, deps in _entries(metadata, at, problems):
        for name, field in [(ref, "ref"), *((dep, "deps") for dep in deps)]:
            if name not in refs:
                problems.append(
                    Problem(f"{path}.{field}", f"there is no step with the ref {name!r}", "UNKNOWN_REF")
                )
            elif name not in top:
                message = f"{name!r} is inside of a container: only top-level steps have dependencies"
                problems.append(Problem(f"{path}.{field}", message, "NOT_TOP_LEVEL"))
        graph.setdefault(ref, set()).update(deps)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        problems.append(
            Problem(f"{at}.dependencies", f"steps wait for each other in a circle: {circle}", "CYCLE")
        )
    return problems


def _entries(
    metadata: Mapping[str, Any], at: str, problems: list[Problem]
) -> Iterator[tuple[str, str, list[str]]]:
    """Path, ref and the refs it waits for, of every entry."""
    for entry in Fields(metadata, at, problems).objects("dependencies"):
        ref = entry.text("ref") or ""
        deps = [dep.strip() for dep in (entry.text("deps") or "").split(",")]
        found = [dep for dep in deps if dep]
        if ref or found:
            yield entry.at, ref, found
