"""The lines of concurrency limits, for who asks why a step does not begin."""

from stepwell.engine.limits import Line, Room
from stepwell.model.codec import decode_as
from stepwell.model.entry import EntryKind
from stepwell.model.step import StepContext
from stepwell.store.port import Reads


class Lines:
    """All lines of a namespace. They are read when the first step is asked for."""

    def __init__(self, reads: Reads, namespace: str) -> None:
        self._reads = reads
        self._namespace = namespace
        self._places: dict[int, tuple[str, int]] | None = None
        self._served: dict[str, bool] = {}

    def place(self, step: StepContext) -> tuple[str, int] | None:
        """The key of the limit, and the step's place in the line for it, from 1. None: it stands in no line."""
        if self._places is None:
            self._places = self._read()
        return self._places.get(step.id)

    def is_served(self, step: StepContext) -> bool:
        """Does it stand in a line of which somebody will call it in: a step that has a place, and is open?"""
        place = self.place(step)
        if place is None:
            return False
        key = place[0]
        if key not in self._served:
            entry = self._reads.entry(EntryKind.LIMIT, self._namespace, f"open:{key}")
            inside = () if entry is None else decode_as(entry.body, Room).inside
            found = (self._reads.step(id) for id in inside)
            self._served[key] = any(one is not None and one.status.is_open for one in found)
        return self._served[key]

    def _read(self) -> dict[int, tuple[str, int]]:
        lines: dict[str, list[tuple[int, Line]]] = {}
        for row in self._reads.entries(EntryKind.LIMIT, self._namespace, "line:"):
            _, number, room = row.name.split(":", 2)
            lines.setdefault(room.removeprefix("open:"), []).append((int(number), decode_as(row.body, Line)))
        places: dict[int, tuple[str, int]] = {}
        for key, slices in lines.items():
            line = [member for _, part in sorted(slices) for member in part]
            places |= {step_id: (key, place) for place, (_, step_id) in enumerate(line, 1)}
        return places
