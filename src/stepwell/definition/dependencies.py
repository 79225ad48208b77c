"""The edges of the graph: entries `{ref, deps}` under `metadata.dependencies`. Spec sections 0.4 and 1.5."""

from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from stepwell.definition.fields import Fields
from stepwell.model.errors import Problem


def has_edges(metadata: Mapping[str, Any]) -> bool:
    return any(deps for _, _, deps in _entries(metadata, "", []))


def dependency_problems(metadata: Mapping[str, Any], refs: Collection[str], at: str) -> list[Problem]:
    """Wrong kinds, unknown refs, cycles; good edges are refused too, as no step waits for them yet."""
    problems: list[Problem] = []
    graph: dict[str, set[str]] = {}
    for path, ref, deps in _entries(metadata, at, problems):
        for name, field in [(ref, "ref"), *((dep, "deps") for dep in deps)]:
            if name not in refs:
                problems.append(
                    Problem(f"{path}.{field}", f"there is no step with the ref {name!r}", "UNKNOWN_REF")
                )
        if deps:
            graph.setdefault(ref, set()).update(deps)
    where = f"{at}.dependencies"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        problems.append(Problem(where, f"steps wait for each other in a circle: {circle}", "CYCLE"))
    else:
        if graph:
            message = "dependencies between steps come with a later version of this server"
            problems.append(Problem(where, message, "LATER_VERSION"))
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
