"""The ledgers of a real play, and the tools to forge them: change, drop or add lines, then ask the checker."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torture.check import findings
from torture.history import load

LEDGERS = Path(__file__).parent / "ledgers"
"""Three rounds of kills over all scenarios; nothing was wrong with them."""

Line = dict[str, Any]


class Forgery:
    """`lines[file]` may be changed at will; `found` writes them out and asks the checker."""

    def __init__(self) -> None:
        self.lines: dict[str, list[Line]] = {
            path.name: [json.loads(text) for text in path.read_text().splitlines()]
            for path in sorted(LEDGERS.iterdir())
        }

    def found(self, folder: Path) -> set[str]:
        """Kind and name of every finding, such as `lost/start`."""
        for name, lines in self.lines.items():
            (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        return {f"{finding.kind}/{finding.name}" for finding in findings(load(folder))}

    # -- what there is

    @property
    def truth(self) -> list[Line]:
        return self.lines["truth.jsonl"]

    @property
    def workers(self) -> list[Line]:
        return self.lines["workers.ledger"]

    @property
    def driver(self) -> list[Line]:
        return self.lines["driver.ledger"]

    @property
    def nemesis(self) -> list[Line]:
        return self.lines["nemesis.ledger"]

    def process(self, key: str) -> Line:
        """By its scenario and number, such as `bank-16`."""
        return next(line for line in self.truth if (line["requestId"] or "").endswith(f"-{key}"))

    def relatives(self, key: str) -> list[Line]:
        """The processes that it started."""
        own = self.process(key)
        return [p for p in self.truth if p["correlationId"] == own["requestId"] and p is not own]

    def step(self, key: str, ref: str) -> Line:
        return next(step for step in self.process(key)["stepRecords"] if step["ref"] == ref)

    def about(self, kind: str, step: Line) -> Iterator[Line]:
        """The workers' lines of a kind about a step."""
        return (line for line in self.workers if line["kind"] == kind and line["step"] == step["id"])

    def accepted(self, step: Line) -> Line:
        return next(line for line in self.about("report", step) if line["outcome"] == "ACCEPTED")

    # -- forging

    def drop(self, *processes: Line) -> None:
        for process in processes:
            self.truth.remove(process)

    def forget(self, kind: str, step: Line) -> None:
        for line in list(self.about(kind, step)):
            self.workers.remove(line)

    def twin(self, process: Line, id: int, **changes: Any) -> Line:
        """Another process just like it, with steps of its own."""
        twin = copy.deepcopy(process) | {"processId": id} | changes
        for index, step in enumerate(twin["stepRecords"], 1):
            step["id"] = id + index
            step["output"].pop("mark", None)
            step["executionList"] = step["executionList"][-1:]
        self.truth.append(twin)
        return twin
