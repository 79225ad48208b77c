"""What the reference reads and fills in: paths, values, templates, and what the specification does not fix."""

import json
import re
from typing import Any

Path = tuple[Any, ...]
Step = dict[str, Any]
Said = tuple[str, Any]


class Some:
    """Equals every value of a kind: ids and sentences that the specification does not fix."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, self.kind | Some)

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return f"<some {self.kind.__name__}>"


TEXT, NUMBER = Some(str), Some(int)
MISSING = object()
TEMPLATE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class Templates:
    """A process as the templates of its steps see it."""

    input: Any
    state: dict[str, Any]
    records: dict[Path, Any]
    places: dict[str, tuple[Step | None, tuple[str, ...]]]
    """Ref → the step around it, and the refs of the FOREACH steps around it."""

    def fill(self, value: Any, path: Path) -> Any:
        """The value with its templates filled in, as the step at `path` sees them."""
        if isinstance(value, dict):
            return {key: self.fill(item, path) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item, path) for item in value]
        if not isinstance(value, str):
            return value
        if alone := TEMPLATE.fullmatch(value):
            found = self.look_up(alone[1], path)
            return None if found is MISSING else found
        try:
            return TEMPLATE.sub(lambda hole: embedded(self.look_up(hole[1], path)), value)
        except TypeError:
            return TEXT

    def look_up(self, text: str, path: Path) -> Any:
        root, *names = [int(number) if number else name for name, number in PART.findall(text)]
        if root == "context":
            root, *names = names
        match root:
            case "input":
                return walk(self.input, names)
            case "state":
                return walk(self.state, names)
            case "foreach":
                loops = self.places[path[0]][1] if path else ()
                if not loops:
                    return MISSING
                around = self.records[(loops[-1], *path[1:-1])]
                return walk({"index": path[-1], "value": around.input["inputArray"][path[-1]]}, names)
            case "steps":
                return self._of_step(names, path)
        return MISSING

    def _of_step(self, names: list[Any], path: Path) -> Any:
        ref = names.pop(0)
        written: list[int] = []
        while names and isinstance(names[0], int):
            written.append(names.pop(0))
        if ref not in self.places:
            return MISSING
        loops = self.places[ref][1]
        if len(written) == len(loops) + 1:
            inner = [
                name
                for name, (around, _) in self.places.items()
                if around and around["ref"] == ref and around["type"] == "FOREACH"
            ]
            ref = inner[0] if inner else ref
        loops, here = self.places[ref][1], self.places[path[0]][1] if path else ()
        implied = len(loops) - len(written)
        if implied < 0 or loops[:implied] != here[:implied]:
            return MISSING
        indices = (*path[1 : 1 + implied], *written)
        for depth, loop in enumerate(loops):
            around = self.records.get((loop, *indices[:depth]))
            if around is None or indices[depth] >= around.total:
                return MISSING
        record = self.records.get((ref, *indices))
        if record is None or (ref, *indices) == path:
            return MISSING
        status = TEXT if record.status == "RUNNING" else record.status
        return walk({"output": record.output, "input": record.input, "status": status}, names)


def stripped(output: Any) -> Any:
    return {key: value for key, value in output.items() if not key.startswith("__s")}


def whole(value: Any) -> bool:
    return type(value) is int or (isinstance(value, float) and value.is_integer())


def walk(value: Any, names: list[Any]) -> Any:
    for name in names:
        if isinstance(value, list) and str(name).isdigit() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict) and str(name) in value:
            value = value[str(name)]
        else:
            return MISSING
    return value


def embedded(value: Any) -> str:
    return "" if value is MISSING or value is None else as_text(value)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else as_json(value)


def as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def target(mapping: Any, case: str) -> Any:
    """The ref that a case leads to."""
    for entry in mapping:
        if not entry.get("defaultBranch") and "value" in entry and as_text(entry["value"]) == case:
            return entry["targetRef"]
    return next((entry["targetRef"] for entry in mapping if entry.get("defaultBranch")), None)


def edges(definition: Step) -> dict[str, list[str]]:
    """Top-level step → those that it waits for; steps without an entry follow each other. Empty: no graph."""
    written: dict[str, list[str]] = {}
    for entry in definition.get("metadata", {}).get("dependencies", []):
        written.setdefault(entry["ref"], []).extend(
            dep.strip() for dep in entry["deps"].split(",") if dep.strip()
        )
    free = [step["ref"] for step in definition["steps"] if step["ref"] not in written]
    return {**written, **{ref: free[n - 1 : n] if n else [] for n, ref in enumerate(free)}} if written else {}


def render(path: Path) -> str:
    return path[0] + "".join(f"[{index}]" for index in path[1:])
