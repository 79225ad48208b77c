"""A second opinion: a small interpreter of process definitions, written from the specification and not from the engine.

A step is a generator that yields what it waits for; what happened (answers, scripts, signals, time, operations) is told
to it in order, and it goes on. No rows, no counters, no events, no loading: only what must come out.

    reference = Reference({"story": definition}, policies)
    reference.start("story", {"order": 7}, now=0)
    reference.answer("root", "charge", 1, "COMPLETED", {"n": 1})
    reference.settle()
    reference.runs["root"].status
"""

from collections.abc import Callable, Generator
from typing import Any

from tests.property.reference_steps import BODIES, Steps
from tests.property.reference_tasks import TIMEOUT, Body, Ended, Own, Record, Task, Wait
from tests.property.reference_values import (
    NUMBER,
    TEXT,
    Path,
    Some,
    Step,
    Templates,
    as_json,
    edges,
    render,
    stripped,
)


class Run(Steps, Templates):
    """One process."""

    def __init__(
        self, world: "Reference", key: str, definition: Step, input: Any, correlation: Any = None
    ) -> None:
        self.world, self.key, self.definition, self.correlation = world, key, definition, correlation
        self.input = {**definition.get("defaultInput", {}), **input}
        self.status = "PENDING"
        self.output: Any = {}
        self.state: dict[str, Any] = {}
        self.records: dict[Path, Record] = {}
        self.waits: list[Wait] = []
        self.signals: list[tuple[str, Any, Any]] = []
        self.current: Task | None = None
        self.main: Task | None = None
        self.parent: tuple[Run, Record] | None = None
        self.places: dict[str, tuple[Step | None, tuple[str, ...]]] = {}
        """Ref → the step around it, and the refs of the FOREACH steps around it."""
        self._place(definition["steps"], None, ())
        self.edges = edges(definition)

    def _place(self, steps: list[Step], around: Step | None, loops: tuple[str, ...]) -> None:
        for step in steps:
            self.places[step["ref"]] = (around, loops)
            inner = (*loops, step["ref"]) if step["type"] == "FOREACH" else loops
            self._place(step.get("children", []), step, inner)

    def begin(self) -> None:
        self.status, self.output = "RUNNING", {}
        timeout = self.definition.get("configuration", {}).get("completionTimeout")
        self.deadline = self.world.now + timeout if timeout else None
        self.main = Task(self, self._top())
        self.drive(self.main.advance)

    def _top(self) -> Generator[Wait, Any, None]:
        run = self._graph if self.edges else self.sequence
        stopped = yield from run(self.definition["steps"], (), None)
        if stopped is None:
            self.end("COMPLETED", self.regular_output())
        else:
            self.end("FAILED", self.filled_up(self.why(stopped)))

    def _graph(self, steps: list[Step], indices: Path, parent: None) -> Generator[Wait, Any, Record | None]:
        """Each step as soon as all that it waits for are done; after a failure nothing begins any more."""
        records = [self.records[step["ref"],] for step in steps if (step["ref"],) in self.records]
        done = {record.path[0]: record for record in records if record.made_by == 1 and not record.stops}
        begun = set(done)
        me, tasks, first, candidates = self.current, [], None, steps
        try:
            while True:
                ready = [
                    step
                    for step in candidates
                    if step["ref"] not in begun
                    and all(dep in done and not done[dep].stops for dep in self.edges[step["ref"]])
                ]
                ends = []
                for step in ready if first is None else ():
                    begun.add(step["ref"])
                    task = Task(self, self.open(step, indices, parent))
                    tasks.append(task)
                    task.advance()
                    task.parent = me
                    if task.done:
                        ends.append(task.result)
                        if task.result.stops:
                            break
                if not ends:
                    if all(task.done for task in tasks):
                        return first
                    ends.append((yield Wait("child", ())))
                for end in ends:
                    done[end.path[0]] = end
                    first = first or (end if end.stops else None)
                freed = {
                    step["ref"]: step
                    for end in ends
                    for step in steps
                    if end.path[0] in self.edges[step["ref"]]
                }
                candidates = list(freed.values())
        finally:
            for task in tasks:
                task.close()

    def drive(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Ended:
            self.stop()

    def deliver(self, wait: Wait, value: Any) -> None:
        self.waits.remove(wait)
        assert wait.task is not None
        wait.task.advance(value)

    def tell(self, wait: Wait | None, value: Any) -> bool:
        if wait is None:
            return False
        self.drive(lambda: self.deliver(wait, value))
        return True

    def find(self, kind: str, about: Any) -> Wait | None:
        return next((wait for wait in self.waits if wait.kind == kind and wait.about == about), None)

    def end(self, status: str, output: Any) -> None:
        self.status, self.output, self.deadline = status, output, None
        self.news()

    def news(self) -> None:
        if self.parent is not None:
            run, record = self.parent
            news = (self.status, self.output)
            self.world.post(lambda: run.tell(run.find("news", self.key), news), run.rank(record.path))

    def stop(self) -> None:
        """Whatever is open is CANCELLED."""
        assert self.main is not None
        self.main.close()
        self.waits.clear()

    def abort(self, status: str, output: Any) -> None:
        if self.status == "RUNNING":
            self.end(status, output)
            self.stop()

    def resume(self) -> bool:
        """As an operator, or as the process that waits for this one."""
        if self.status in ("FAILED", "TIMED_OUT", "CANCELLED", "TERMINATED"):
            self.begin()
            return True
        return False

    def resume_or_tell(self) -> None:
        if not self.resume() and self.status != "RUNNING":
            self.news()

    def regular_output(self) -> Any:
        mapping = self.definition.get("outputMapping")
        output = self.fill(mapping, ()) if mapping else self.last_output(self.definition["steps"], ())
        return self.filled_up(output)

    def filled_up(self, output: Any) -> Any:
        return {**self.definition.get("defaultOutput", {}), **output}

    def last_output(self, steps: list[Step], indices: Path) -> Any:
        for step in reversed(steps):
            record = self.records.get((step["ref"], *indices))
            if record is not None and record.status == "COMPLETED":
                return record.output
        return {}

    def why(self, record: Record) -> dict[str, Any]:
        """A failure in the words of the step that failed, and the leaf that is the cause."""
        if self.world.calm:
            return {"error": TEXT, "failedStepRef": TEXT, "failedStepId": NUMBER}
        output = record.output if isinstance(record.output, dict) else {}
        said = next((output[key] for key in ("error", "lastError") if output.get(key) is not None), TEXT)
        leaf = output.get("failedStepRef") if record.step.get("children") else None
        return {
            "error": said if isinstance(said, str | Some) else as_json(said),
            "failedStepRef": leaf or render(record.path),
            "failedStepId": NUMBER,
        }

    def put_state(self, output: Any) -> Any:
        """The output without reserved keys, which have had their effect on the state."""
        self.state.update(output.get("__statePut", {}))
        for key in (*output.get("__stateRemove", ()), *output.get("__statePutRemove", ())):
            self.state.pop(key, None)
        return stripped(output)

    def sequence(
        self, steps: list[Step], indices: Path, parent: Record | None
    ) -> Generator[Wait, Any, Record | None]:
        """Run steps one after the other; the one that stops the rest, if any does."""
        at = 0
        while at < len(steps):
            record = yield from self.open(steps[at], indices, parent)
            if record.stops:
                return record
            at = at + 1 if record.goto is None else record.goto
        return None

    def open(self, step: Step, indices: Path, parent: Record | None) -> Generator[Wait, Any, Record]:
        path = (step["ref"], *indices)
        made_by = parent.execution if parent else 1
        record = self.records.get(path)
        if record is None:
            record = Record(step, path, made_by, self.fill(step.get("input", {}), path))
            self.records[path] = record
        elif record.made_by != made_by:
            given = self.fill(step.get("input", {}), path)
            record.renew()
            record.forget()
            record.made_by, record.input = made_by, given
        elif not record.stops:
            return record
        elif not record.goes_on:
            record.renew()
        record.status = "RUNNING"
        try:
            record.status, record.output = yield from self._tried(record)
        except (GeneratorExit, Ended):
            if record.status == "RUNNING":
                record.status = "CANCELLED"
            raise
        return record

    def _tried(self, record: Record) -> Body:
        """Until its error policy has had enough. Of control steps it minds the failures of their own: a bad input, a
        script, the process that they have started."""
        left, interval = self.policy(record.step)
        while True:
            said = BODIES[record.step["type"]](self, record)
            said = said if isinstance(said, tuple) else (yield from said)
            if not isinstance(said, Own):
                return said
            if not left:
                return tuple(said)
            left, record.output = left - 1, said[1]
            record.renew()
            record.chosen = record.child = record.goto = None
            yield self.sleep(record.path, self.world.now + interval)

    def policy(self, step: Step) -> tuple[int, int]:
        """How many retries a failure of the step has, and the time between them."""
        named = self.world.policies.get(step.get("configuration", {}).get("errorPolicyName"), {})
        failure = named.get("failure", {})
        return (
            (failure["retryCount"], failure["retryInterval"]) if failure.get("action") == "RETRY" else (0, 0)
        )

    def sleep(self, path: Path, at: int) -> Wait:
        wait = Wait("sleep", path, at)
        if at <= self.world.now:
            self.world.post(lambda: self.tell(wait, None) if wait in self.waits else None, self.rank(path))
        return wait

    def rank(self, path: Path) -> tuple[Any, ...]:
        """Whom the same moment reaches first: in reading order, iterations behind the steps outside of loops."""
        return 2, len(path) > 1, path[1:], list(self.places).index(path[0])

    def skip(self, step: Step, indices: Path, parent: Record | None) -> None:
        path, made_by = (step["ref"], *indices), parent.execution if parent else 1
        record = self.records.get(path)
        if record is None:
            record = self.records[path] = Record(step, path, made_by, {})
        elif record.made_by != made_by or record.status != "SKIPPED":
            record.renew()
            record.forget()
        record.status, record.made_by = "SKIPPED", made_by

    def signal(self, name: str, correlation: str | None, payload: Any) -> None:
        for wait in self.waits:
            if wait.kind == "signal" and wait.about[0] == name and wait.about[1] in (None, correlation):
                self.tell(wait, payload)
                return
        self.signals.append((name, correlation, payload))


class Reference:
    """Processes, one clock, and the post between them."""

    def __init__(
        self, definitions: dict[str, Step], policies: dict[str, Step], *, calm: bool = False
    ) -> None:
        """`calm`: which of several failures came first is left open."""
        self.definitions, self.policies, self.calm = definitions, policies, calm
        self.now = 0
        self.values: dict[str, Any] = {}
        self.runs: dict[str, Run] = {}
        self._post: list[tuple[tuple[Any, ...], Callable[[], object]]] = []

    def post(self, act: Callable[[], object], rank: tuple[Any, ...] = (1,)) -> None:
        """What one process does to another happens behind everything that is said now; the lowest rank comes first."""
        self._post.append((rank, act))

    def settle(self) -> None:
        while self._post:
            posted, self._post = sorted(self._post, key=lambda each: each[0]), []
            for _, act in posted:
                act()

    def start(self, name: str, input: Any, now: int) -> None:
        self.now = now
        self.runs["root"] = Run(self, "root", self.definitions[name], input)
        self.runs["root"].begin()

    def answer(self, key: str, path: Path, execution: int, status: str, output: Any) -> bool:
        """Somebody reports on an execution; False: nobody waits for that."""
        run = self.runs[key]
        return run.tell(run.find("answer", (path, execution)), (status, output))

    def time(self, now: int) -> None:
        self.now = now
        due: list[Any] = [
            (wait.at, run.rank(wait.path), run, wait)
            for run in self.runs.values()
            for wait in run.waits
            if wait.at is not None
        ]
        due += [(run.deadline, (0,), run, None) for run in self.runs.values() if run.deadline is not None]
        for at, _, run, wait in sorted(due, key=lambda each: each[:2]):
            if at > now or run.status != "RUNNING":
                continue
            if wait is None:
                run.abort("TIMED_OUT", {"error": TEXT})
            elif wait in run.waits:
                run.tell(wait, TIMEOUT)
