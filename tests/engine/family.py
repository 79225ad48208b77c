"""Several worlds: processes that start, order and tell each other, by rows that go from one to the other.

family = Family(definition(sub("s", "child")), child=definition(worker("a")))
done("a")(family.only("child"))
family.settle()
assert family.root.status("s") == "COMPLETED"
"""

from collections.abc import Iterable
from itertools import count
from typing import Any

from stepwell.engine.effects import KnownDefinition
from stepwell.engine.events import ProcessStarted, TimerFired
from stepwell.engine.hooks import ChildEnded, StartBody
from stepwell.model.codec import decode_as, encode
from stepwell.model.definition import ProcessType
from stepwell.model.due import Due, DueKind
from stepwell.model.process import ProcessStatus
from tests.engine.play import PROCESS, START, Move, World, step

MOST_DELIVERIES = 10_000

Place = tuple[int, int, DueKind]


class Family:
    """A root process and everything it starts, with one clock and one post office between them."""

    def __init__(
        self, root: dict[str, Any], *, policies: Iterable[dict[str, Any]] = (), **others: dict[str, Any]
    ) -> None:
        """`others`: definitions by the name that a SUB_PROCESS gives. The root is called `root`."""
        self.definitions = {"root": root, **others}
        self.policies = list(policies)
        self.worlds: dict[int, World] = {}
        self.mail: dict[Place, Due] = {}
        self.unstartable: set[str] = set()
        """Definitions that are gone when a process of theirs is to be started."""
        self._ids = count(PROCESS + 64 * 64, 64 * 4_096)
        self._seen: dict[int, int] = {}
        self.root = self._world("root")
        self.root.start(name="root", process_id=self._add(PROCESS, self.root))
        self._collect()

    def _world(self, name: str) -> World:
        world = World(self.definitions[name], policies=self.policies)
        world.find_definition = self._find
        world.next_id = self._ids.__next__
        world.now = self.now
        return world

    def _add(self, id: int, world: World) -> int:
        self.worlds[id] = world
        return id

    def _find(self, name: str, version: int | None) -> KnownDefinition | None:
        if name not in self.definitions or version not in (None, 1):
            return None
        id = list(self.definitions).index(name) + 1
        return KnownDefinition(id=id, version=1, size=self._world(name).plan.size)

    # -- time and post

    @property
    def now(self) -> int:
        return next((world.now for world in self.worlds.values()), START)

    def settle(self) -> None:
        """Everything that is due now happens, in every process and between them."""
        for _ in range(MOST_DELIVERIES):
            for world in list(self.worlds.values()):
                world.settle()
            self._collect()
            if not self._deliver():
                return
        raise AssertionError("they write to each other for ever")

    def advance(self, ms: int) -> None:
        until = self.now + ms
        self.settle()
        while (at := self._next_at()) <= until:
            self._move_to(at)
        self._move_to(until)

    def _move_to(self, at: int) -> None:
        for world in self.worlds.values():
            world.now = at
        self.settle()

    def _next_at(self) -> int:
        rows = [*self.mail.values(), *(due for world in self.worlds.values() for due in world.dues.values())]
        return min((due.at for due in rows), default=2**60)

    def _collect(self) -> None:
        """What each process has written since the last look. One that ended takes the rows for itself with it."""
        for id, world in self.worlds.items():
            fresh = world.decisions[self._seen.get(id, 0) :]
            self._seen[id] = len(world.decisions)
            if any(decision.ended for _, decision in fresh):
                self.mail = {place: due for place, due in self.mail.items() if place[0] != id}
            for due in (*world.starts, *world.sent):
                self.mail[(due.process_id, due.step_id, due.kind)] = due
            world.starts.clear()
            world.sent.clear()

    def _deliver(self) -> bool:
        """Take the first row that is due."""
        ready = [due for due in self.mail.values() if due.at <= self.now]
        if not ready:
            return False
        due = min(ready, key=lambda due: (due.at, due.process_id, due.step_id, due.kind))
        del self.mail[(due.process_id, due.step_id, due.kind)]
        if due.kind is DueKind.START_PROCESS:
            self._start(due)
        elif due.process_id in self.worlds:
            self.worlds[due.process_id].take(TimerFired(kind=due.kind, step_id=due.step_id, body=due.body))
        return True

    def _start(self, due: Due) -> None:
        body = decode_as(due.body, StartBody)
        name = body.request.name
        if name in self.unstartable:
            self._tell_of_failure(due, body)
            return
        world = self._world(name)
        self._add(due.process_id, world)
        world.take(
            ProcessStarted(
                process_id=due.process_id,
                namespace=body.request.namespace or "",
                name=name,
                version=1,
                definition_id=body.definition_id,
                type=ProcessType.STANDARD,
                trigger=body.trigger,
                input=encode(body.request.input),
                request_id=body.request.request_id,
                correlation_id=body.request.correlation_id,
                priority=body.request.priority,
                parent_id=body.source_id,
                parent_step_id=body.parent_step_id,
                depth=body.depth,
            )
        )

    def _tell_of_failure(self, due: Due, body: StartBody) -> None:
        """As the shell does when the definition cannot be run."""
        assert body.parent_step_id is not None
        output = {"error": f"no process definition {body.request.name}"}
        news = ChildEnded(process_id=due.process_id, status=ProcessStatus.FAILED, output=output, began=False)
        row = Due(body.source_id, body.parent_step_id, DueKind.NEWS, self.now, encode(news))
        self.mail[(row.process_id, row.step_id, row.kind)] = row

    # -- looking and acting

    def all(self, name: str) -> list[World]:
        return [world for world in self.worlds.values() if world.process and world.process.name == name]

    def only(self, name: str) -> World:
        (world,) = self.all(name)
        return world

    def play(self, name: str, *moves: Move) -> "Family":
        """Moves in the one process of that name; everything settles after each."""
        self.settle()
        for move in moves:
            move(self.only(name))
            self.settle()
        return self


def sub(ref: str, process: str, **fields: Any) -> dict[str, Any]:
    """A SUB_PROCESS step; fields of a step by name, everything else is its input."""
    own = {key: fields.pop(key) for key in ("optional", "policy") if key in fields}
    return step("SUB_PROCESS", ref, input={"processName": process, **fields}, **own)
