"""Bringing what stands in files to a server: each thing is created, updated, unchanged or refused."""

from collections.abc import Callable, Iterable
from typing import Any

from stepwell.cli.console import emit, say
from stepwell.cli.files import documents

REFUSALS = (400, 409, 413, 422)
"""What speaks about the one thing that was sent, not about the server or the caller."""

Thing = dict[str, Any]


def apply_files(files: Iterable[str], form: str, apply: Callable[[str, Thing], Thing]) -> None:
    """`apply(file, wanted)` for everything in the files, and tell. Exit code 1 if one was refused."""
    tell_all([apply(file, wanted) for file in files for wanted in documents(file)], form)


def tell_all(outcomes: list[Thing], form: str) -> None:
    if form == "json":
        emit(outcomes)
    else:
        for outcome in outcomes:
            _tell(outcome)
    if any(outcome["outcome"] == "refused" for outcome in outcomes):
        raise SystemExit(1)


def attempt(file: str, wanted: Thing, store: Callable[[str, str], tuple[Thing, str]]) -> Thing:
    """`{file, namespace, name, version, outcome, problems}`.

    `store(namespace, name)` does it, and answers what is stored now and what became of it: created, updated or
    unchanged.
    """
    from stepwell.client import ApiError

    namespace, name = str(wanted.get("namespace") or "default"), str(wanted.get("name") or "")
    told: Thing = {"file": file, "namespace": namespace, "name": name, "version": None, "problems": []}
    try:
        stored, outcome = store(namespace, name)
    except ApiError as error:
        if error.status not in REFUSALS:
            raise
        problems = [{"path": p.path, "message": p.message, "code": p.code} for p in error.problems]
        problems = problems or [{"path": "", "message": error.message, "code": error.code}]
        return {**told, "outcome": "refused", "problems": problems}
    where = {key: stored[key] for key in ("namespace", "name", "version")}
    return {**told, **where, "outcome": outcome}


def store_version(wanted: Thing, before: Thing | None, put: Callable[[Thing], Thing]) -> tuple[Thing, str]:
    """Of things whose versions never change. Without a version it becomes a new one only if it differs."""
    if before is None:
        return put(wanted), "created"
    if wanted.get("version") is None and _is_same(wanted, before["version"], put):
        return before, "unchanged"
    stored = put(wanted)
    return stored, "unchanged" if stored["version"] == before["version"] else "updated"


def _is_same(wanted: Thing, version: int, put: Callable[[Thing], Thing]) -> bool:
    """Asked for again under the number of the newest, the server itself says whether it is the same."""
    from stepwell.client import ApiError

    try:
        put({**wanted, "version": version})
    except ApiError as error:
        if error.status == 409:
            return False
        raise
    return True


def if_there(look: Callable[[], Thing]) -> Thing | None:
    """What is there; None for 404."""
    from stepwell.client import ApiError

    try:
        return look()
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def _tell(outcome: Thing) -> None:
    from rich.text import Text

    from stepwell.cli.console import console

    styles = {"created": "green", "updated": "cyan", "unchanged": "dim", "refused": "bold red"}
    version = f" v{outcome['version']}" if outcome["version"] is not None else ""
    console().print(
        Text.assemble(
            (f"{outcome['outcome']:<9}", styles[outcome["outcome"]]),
            f" {outcome['namespace']}/{outcome['name'] or '?'}{version}",
        )
    )
    for problem in outcome["problems"]:
        place = f"{problem['path']}: " if problem.get("path") else ""
        say(f"  {outcome['file']}: {place}{problem['message']}")
