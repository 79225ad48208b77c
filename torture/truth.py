"""What the server says when all is over: every process with all its steps, read over HTTP, kept beside the ledgers."""

import json
import time
from collections.abc import Iterable
from pathlib import Path

from torture import scenarios
from torture.api import Api
from torture.history import ENDED
from torture.ledger import Line

PAGE = 500
PROCESS = (
    "processId",
    "name",
    "status",
    "requestId",
    "correlationId",
    "input",
    "output",
    "completedAt",
    "marked",
)
STEP = ("id", "ref", "type", "status", "input", "output", "executionList", "parentId", "start", "completedAt")
"""What the checker reads of the server's answers; the rest would only fill the disk."""


class Unreadable(Exception):
    """The server does not answer, though nothing hurts it any more."""


def process_names() -> list[str]:
    return sorted({d["name"] for scenario in scenarios.ALL for d in scenario.definitions()})


def _asked(api: Api, path: str, **query: object) -> Line | list[Line]:
    for pause in (0.1, 0.2, 0.5, 1, 2, 4):
        answer = api.get(path, 20, **query)
        if answer.is_ok:
            found: Line | list[Line] = answer.body
            return found
        time.sleep(pause)
    raise Unreadable(f"{path} was answered {answer.status} {str(answer.body)[:200]}")


def processes(api: Api, statuses: Iterable[str] = ()) -> list[Line]:
    """Without their steps. Raises Unreadable."""
    found: list[Line] = []
    query = {"names": ",".join(process_names()), "statuses": ",".join(statuses), "startTimeEpoch": 0}
    while True:
        page = _asked(api, "/api/stats/process/search", **query, limit=PAGE, offset=len(found))
        assert isinstance(page, list)
        found += page
        if len(page) < PAGE:
            return found


def open_processes(api: Api) -> list[Line]:
    """Whatever has not ended, by its own status: the search of one status could miss one that we do not know."""
    return [process for process in processes(api) if process["status"] not in ENDED]


def keep(api: Api, file: Path) -> int:
    """Write down every process with its steps; how many there are. Raises Unreadable."""
    ids = sorted({process["processId"] for process in processes(api)})
    with file.open("w") as out:
        for id in ids:
            out.write(json.dumps(whole(api, id)) + "\n")
    return len(ids)


def whole(api: Api, id: int) -> Line:
    process = _asked(api, f"/api/process/context/{id}", includeSteps=True)
    assert isinstance(process, dict)
    steps = [_only(STEP, step) for step in process["stepRecords"]]
    return _only(PROCESS, process) | {"stepRecords": steps}


def _only(names: tuple[str, ...], line: Line) -> Line:
    return {name: line[name] for name in names if name in line}
