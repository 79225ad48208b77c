"""A second opinion: a small interpreter of process definitions, written from the specification and not from the engine.

A step is a generator that yields what it waits for; what happened (answers, scripts, signals, time, operations) is told
to it in order, and it goes on. No rows, no counters, no events, no loading: only what must come out.

    reference = Reference({"story": definition}, policies)
    reference.start("story", {"order": 7}, now=0)
    reference.answer("root", "charge", 1, "COMPLETED", {"n": 1})
    reference.settle()
    reference.runs["root"].status
"""

import json
import re
from collections import deque
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

Path = tuple[Any, ...]
Step = dict[str, Any]
Said = tuple[str, Any]
Body = Generator["Wait", Any, Said]


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
TIMEOUT = object()
BAD = ("FAILED", "TIMED_OUT", "CANCELLED")
WORK = ("WORKER", "HTTP", "JAVASCRIPT", "PYTHON", "JQ", "BUILTIN")


class Ended(Exception):
    """The process has ended under the step that runs."""


class Own(tuple[str, Any]):
    """How a step ends that fails by itself, and not because of a child."""


class Record:
    """A step context."""

    def __init__(self, step: Step, path: Path, made_by: int, input: Any) -> None:
        self.step, self.path, self.made_by, self.input = step, path, made_by, input
        self.status, self.execution = "RUNNING", 1
        self.output: Any = {}
        self.kept: dict[int, Any] = {}
        self.forget()

    def forget(self) -> None:
        """What a new pass knows nothing of."""
        self.passes: int | None = None
        self.inside = False
        self.chosen: Step | None = None
        self.total = 0
        self.child: Run | None = None
        self.goto: int | None = None

    def renew(self) -> None:
        """A further execution."""
        self.kept[self.execution] = self.output
        self.execution += 1
        self.output = {}

    @property
    def goes_on(self) -> bool:
        """Resumed, it takes up what it has begun; others begin a further execution."""
        begun = self.chosen is not None or self.child is not None
        return begun or self.step["type"] in ("LIST", "PARALLEL", "FOREACH", "WHILE")

    @property
    def stops(self) -> bool:
        """Does its end stop what follows it?"""
        return self.status in BAD and not (self.step.get("optional") and self.status != "CANCELLED")


class Wait:
    """What a step waits for: `kind` with `path` and `execution`, or a moment `at`, or both."""

    def __init__(self, kind: str, about: Any = None, at: int | None = None) -> None:
        self.kind, self.about, self.at = kind, about, at
        self.task: Task | None = None


class Task:
    """A branch: a generator, and who hears of its end."""

    def __init__(self, run: "Run", body: Generator[Wait, Any, Any]) -> None:
        self.run, self.body = run, body
        self.done = False
        self.result: Any = None
        self.parent: Task | None = None

    def advance(self, value: Any = None) -> None:
        outer, self.run.current = self.run.current, self
        try:
            wait = self.body.send(value)
        except StopIteration as stop:
            self.done, self.result = True, stop.value
        else:
            wait.task = self
            self.run.waits.append(wait)
        finally:
            self.run.current = outer
        if self.done and self.parent is not None:
            self.run.deliver(next(wait for wait in self.run.waits if wait.task is self.parent), self.result)

    def close(self) -> None:
        self.run.waits = [wait for wait in self.run.waits if wait.task is not self]
        self.body.close()


class Run:
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

    # -- its life

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
                    ends.append((yield Wait("child")))
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
            run, _ = self.parent
            self.world.post(lambda: run.tell(run.find("news", self.key), (self.status, self.output)))

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
            "error": said if isinstance(said, str | Some) else _json(said),
            "failedStepRef": leaf or render(record.path),
            "failedStepId": NUMBER,
        }

    def put_state(self, output: Any) -> Any:
        """The output without reserved keys, which have had their effect on the state."""
        self.state.update(output.get("__statePut", {}))
        for key in (*output.get("__stateRemove", ()), *output.get("__statePutRemove", ())):
            self.state.pop(key, None)
        return stripped(output)

    # -- steps

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
            yield self.sleep(self.world.now + interval)

    def policy(self, step: Step) -> tuple[int, int]:
        """How many retries a failure of the step has, and the time between them."""
        named = self.world.policies.get(step.get("configuration", {}).get("errorPolicyName"), {})
        failure = named.get("failure", {})
        return (
            (failure["retryCount"], failure["retryInterval"]) if failure.get("action") == "RETRY" else (0, 0)
        )

    def sleep(self, at: int) -> Wait:
        wait = Wait("sleep", at=at)
        if at <= self.world.now:
            self.world.post(lambda: self.tell(wait, None) if wait in self.waits else None)
        return wait

    def skip(self, step: Step, indices: Path, parent: Record | None) -> None:
        path, made_by = (step["ref"], *indices), parent.execution if parent else 1
        record = self.records.get(path)
        if record is None:
            record = self.records[path] = Record(step, path, made_by, {})
        elif record.made_by != made_by or record.status != "SKIPPED":
            record.renew()
        record.status, record.made_by = "SKIPPED", made_by

    def work(self, record: Record) -> Body:
        left, _ = self.policy(record.step)
        while True:
            status, output = yield Wait("answer", (record.path, record.execution))
            if status == "COMPLETED":
                return status, self.put_state(output)
            if status == "RUNNING":
                record.output = self.put_state(output)
            elif left:
                left -= 1
                record.output = stripped(output)
                record.renew()
            else:
                return status, self.put_state(output) if record.step.get("optional") else stripped(output)

    def ask(self, record: Record) -> Generator[Wait, Any, tuple[bool, Any]]:
        """Have its script evaluated: (did it go well, what it reported)."""
        status, output = yield Wait("answer", (record.path, record.execution))
        return status == "COMPLETED", output

    def noop(self, record: Record) -> Said:
        return "COMPLETED", self.put_state(record.input)

    def fail(self, record: Record) -> Said:
        said = record.input.get("message")
        said = "failed on purpose" if said is None else said if isinstance(said, str | Some) else _json(said)
        extra = record.input.get("output")
        return "FAILED", {**(extra if isinstance(extra, dict) else {}), "error": said}

    def exit(self, record: Record) -> Said:
        status, own = record.input.get("status", "COMPLETED") or "COMPLETED", record.input.get("output")
        if status not in ("COMPLETED", "FAILED", "TERMINATED") or not isinstance(own, dict | None):
            return "FAILED", {"error": TEXT}
        cause = {"error": TEXT} if status == "FAILED" else {}
        record.status = "FAILED" if status == "FAILED" else "COMPLETED"
        record.output = cause if own is None else own
        self.skip_siblings(record)
        if own is None:
            own = self.why(record) if status == "FAILED" else self.regular_output()
        self.end(status, self.filled_up(own))
        raise Ended

    def siblings(self, record: Record) -> list[Step]:
        around, _ = self.places[record.path[0]]
        return around["children"] if around else self.definition["steps"]

    def skip_siblings(self, record: Record) -> None:
        """Those behind an exit that have not begun; in a graph, where nothing is behind anything, all of them."""
        siblings, parent = self.siblings(record), self.around(record.path)
        behind = siblings if parent is None and self.edges else siblings[siblings.index(record.step) + 1 :]
        for step in behind:
            if (step["ref"], *record.path[1:]) not in self.records:
                self.skip(step, record.path[1:], parent)

    def gateway(self, record: Record) -> Body:
        given, parent = record.input, self.around(record.path)
        rules, logs = given.get("rules") or [], []
        if not all(isinstance(rule["condition"], str | bool) for rule in rules):
            return refused()
        index = next((n for n, rule in enumerate(rules) if rule["condition"]), -1)
        if any(isinstance(rule["condition"], str) for rule in rules):
            well, said = yield from self.ask(record)
            if not well:
                return Own(("FAILED", said))
            index, logs = said["result"], said["logs"]
            if not whole(index) or not -1 <= index < len(rules):
                return refused()
        ref = given.get("defaultTargetRef") if index < 0 else rules[int(index)]["targetRef"]
        output = {"target": ref, "logs": logs}
        if ref == "EXIT":
            record.status, record.output = "COMPLETED", output
            self.skip_siblings(record)
            self.end("COMPLETED", self.regular_output())
            raise Ended
        if ref is None:
            return "COMPLETED", output
        in_order = (not self.edges) if parent is None else parent.step["type"] in ("LIST", "WHILE")
        refs = [step["ref"] for step in self.siblings(record)] if in_order else []
        if ref not in refs or ref == record.path[0]:
            return refused()
        here, there = refs.index(record.path[0]), refs.index(ref)
        if there < here and record.execution >= given.get("maxExecutions", 10_000):
            return refused()
        for step in self.siblings(record)[min(here + 1, there) : len(refs) if there < here else there]:
            if there > here:
                self.skip(step, record.path[1:], parent)
            elif (step["ref"], *record.path[1:]) in self.records:
                self.records[step["ref"], *record.path[1:]].made_by = 0
        record.goto = there
        return "COMPLETED", output

    def persisted(self, record: Record) -> Said:
        values, given = self.world.values, record.input
        action, name, value = given["action"], given.get("name"), given.get("value")
        if action == "READ_BULK":
            return "COMPLETED", {"values": {name: values.get(name) for name in given["names"]}}
        found = name in values
        if (action, found) in (("INSERT", True), ("UPDATE", False)):
            return refused()
        if action in ("INSERT", "UPDATE", "UPSERT"):
            values[name] = value
        else:
            value = values.get(name)
        if action == "DELETE":
            values.pop(name, None)
        return "COMPLETED", {"name": name, "value": value, "found": found}

    def around(self, path: Path) -> Record | None:
        step, _ = self.places[path[0]]
        return (
            None
            if step is None
            else self.records[(step["ref"], *path[1 : 1 + len(self.places[step["ref"]][1])])]
        )

    def wait(self, record: Record) -> Body:
        given, logs = record.input, []
        if given.get("forSignal") is not None:
            return (yield from self._signal(given))
        if given.get("durationMs") is not None:
            at = self.world.now + given["durationMs"] if whole(given["durationMs"]) else None
        elif given.get("until") is not None:
            moment = datetime.fromisoformat(given["until"])
            moment = (
                moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(given.get("timeZone", "UTC")))
            )
            at = int(moment.timestamp() * 1000)
        else:
            well, said = yield from self.ask(record)
            if not well:
                return Own(("FAILED", said))
            result, logs = said["result"], said["logs"]
            at = (
                result.get("waitUntil")
                if isinstance(result, dict) and whole(result.get("waitUntil"))
                else None
            )
        if at is None:
            return refused()
        at = int(at)
        record.output = {"result": {"waitUntil": at}, "logs": logs}
        if at > self.world.now:
            yield Wait("sleep", at=at)
        return "COMPLETED", record.output

    def _signal(self, given: Any) -> Body:
        name, wanted, timeout = given["forSignal"], given.get("correlation"), given.get("timeoutMs")
        wanted = wanted if wanted is None or isinstance(wanted, str) else _json(wanted)
        for kept in self.signals:
            if kept[0] == name and wanted in (None, kept[1]):
                self.signals.remove(kept)
                return "COMPLETED", kept[2]
        said = yield Wait("signal", (name, wanted), None if timeout is None else self.world.now + timeout)
        if said is not TIMEOUT:
            return "COMPLETED", said
        return (
            ("COMPLETED", {"timedOut": True})
            if given.get("onTimeout") == "CONTINUE"
            else ("TIMED_OUT", {"error": TEXT})
        )

    def signal(self, name: str, correlation: str | None, payload: Any) -> None:
        for wait in self.waits:
            if wait.kind == "signal" and wait.about[0] == name and wait.about[1] in (None, correlation):
                self.tell(wait, payload)
                return
        self.signals.append((name, correlation, payload))

    def in_order(self, record: Record) -> Body:
        record.output = {}
        children = record.step["children"]
        stopped = yield from self.sequence(children, record.path[1:], record)
        return self._ended(stopped, self.last_output(children, record.path[1:]))

    def _ended(self, stopped: Record | None, output: Any) -> Said:
        return ("COMPLETED", output) if stopped is None else ("FAILED", self.why(stopped))

    def loop(self, record: Record) -> Body:
        record.output = {}
        most = record.input.get("maxIterations")
        most = 1_000 if most is None else most
        if record.passes is None:
            if not whole(most) or most < 1:
                return refused()
            record.passes = 0
        while True:
            if not record.inside:
                well, said = yield from self.ask(record)
                if not well:
                    return Own(("FAILED", said))
                if said["result"] is False:
                    return "COMPLETED", {"passes": record.passes}
                if said["result"] is not True or record.passes >= most:
                    return refused()
                record.passes += 1
                record.inside = True
            stopped = yield from self.sequence(record.step["children"], record.path[1:], record)
            if stopped is not None:
                return "FAILED", self.why(stopped)
            record.inside, record.output = False, {"passes": record.passes}
            record.renew()

    def switch(self, record: Record) -> Body:
        indices, children = record.path[1:], record.step["children"]
        if record.chosen is None:
            given, logs = record.input, []
            case = given.get("value")
            if "value" not in given or given.get("script"):
                well, said = yield from self.ask(record)
                if not well:
                    return Own(("FAILED", said))
                case, logs = said["result"], said["logs"]
            if isinstance(case, dict | list):
                return refused()
            case = case if isinstance(case, str) else _json(case)
            ref = target(given.get("responseMapping", []), case)
            record.chosen = next((child for child in children if child["ref"] == ref), None)
            if record.chosen is None:
                return refused()
            record.output = {"output": case, "logs": logs}
            for child in children:
                if child is not record.chosen:
                    self.skip(child, indices, record)
        record.output = {key: record.output[key] for key in ("output", "logs")}
        child = yield from self.open(record.chosen, indices, record)
        return (
            ("FAILED", {**record.output, **self.why(child)}) if child.stops else ("COMPLETED", record.output)
        )

    def parallel(self, record: Record) -> Body:
        children, given = record.step["children"], record.input
        needed = {"ANY": 1, "N": given.get("joinCount")}.get(given.get("joinPolicy") or "ALL")
        if given.get("joinPolicy") not in (None, "ALL", "ANY", "N"):
            return refused()
        if given.get("joinPolicy") == "N" and not (whole(needed) and 1 <= needed <= len(children)):
            return refused()
        places = [(child, record.path[1:]) for child in children]
        return (yield from self._branches(record, places, len(children), needed))

    def foreach(self, record: Record) -> Body:
        items, room, child = (
            record.input.get("inputArray"),
            record.input.get("concurrency"),
            record.step["children"][0],
        )
        room = 1 if room is None else room
        if not isinstance(items, list) or not whole(room) or room < 1:
            return refused()
        record.total = len(items)
        places = [(child, (*record.path[1:], index)) for index in range(len(items))]
        status, output = yield from self._branches(record, places, room, None)
        if status == "COMPLETED":
            ends = [self.records[child["ref"], *indices] for _, indices in places]
            output = {"results": [end.output if end.status == "COMPLETED" else None for end in ends]}
        return status, output

    def _branches(
        self, record: Record, places: list[tuple[Step, Path]], room: int, needed: int | None
    ) -> Body:
        """Children beside each other, at most `room` at a time, until all are done or `needed` ended well."""
        record.output = {}
        me, tasks = self.current, []
        good = bad = opened = 0
        try:
            while (needed is None or good < needed) and good + bad < len(places):
                if opened < len(places) and opened - good - bad < room:
                    task = Task(self, self.open(*places[opened], record))
                    tasks.append(task)
                    opened += 1
                    task.advance()
                    task.parent = me
                    if not task.done:
                        continue
                    child = task.result
                else:
                    child = yield Wait("child")
                if child.stops:
                    record.output = record.output if bad else self.why(child)
                    bad += 1
                else:
                    good += 1
        finally:
            for task in tasks:
                task.close()
        return ("FAILED", record.output) if bad and (needed is None or good < needed) else ("COMPLETED", {})

    def sub(self, record: Record) -> Body:
        given, child = record.input, record.child
        if child is None:
            definition = self.world.definitions.get(given.get("processName"))
            if definition is None or not isinstance(given.get("input") or {}, dict):
                return refused()
            correlation = given.get("correlationId") or self.correlation
            key = f"{self.key}/{render(record.path)}#{record.execution}"
            child = Run(self.world, key, definition, given.get("input") or {}, correlation)
            self.world.runs[key] = child
            self.world.post(child.begin)
            record.output = {
                "subProcessId": NUMBER,
                "subProcessRequestId": given.get("requestId"),
                "subProcessCorrelationId": correlation,
            }
            if given.get("waitForCompletion") is False:
                return "COMPLETED", record.output
            record.child, child.parent = child, (self, record)
        else:
            self.world.post(child.resume_or_tell)
        ids = record.output = {key: value for key, value in record.output.items() if key in IDS}
        try:
            status, output = yield Wait("news", child.key)
        except GeneratorExit:
            self.world.post(lambda: child.abort("TERMINATED", {}))
            raise
        if status == "COMPLETED":
            return status, {**ids, "subProcessOutput": output}
        said = output.get("error") if isinstance(output, dict) else None
        output = {**ids, "subProcessOutput": output, "error": said if isinstance(said, str) else TEXT}
        return Own(("TIMED_OUT" if status == "TIMED_OUT" else "FAILED", output))

    # -- templates

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


IDS = ("subProcessId", "subProcessRequestId", "subProcessCorrelationId")
TEMPLATE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")

BODIES: dict[str, Callable[[Run, Record], Body | Said]] = {
    **dict.fromkeys(WORK, Run.work), "NOOP": Run.noop, "FAIL": Run.fail, "EXIT": Run.exit, "WAIT": Run.wait,
    "LIST": Run.in_order, "PARALLEL": Run.parallel, "FOREACH": Run.foreach, "SWITCH": Run.switch, "WHILE": Run.loop,
    "FLOW_GATEWAY": Run.gateway, "PERSISTED_STATE": Run.persisted,
    "SUB_PROCESS": Run.sub,
}  # fmt: skip


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
        self._post: deque[Callable[[], object]] = deque()

    def post(self, act: Callable[[], object]) -> None:
        """What one process does to another happens behind everything that is said now."""
        self._post.append(act)

    def settle(self) -> None:
        while self._post:
            self._post.popleft()()

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
        due = [
            (wait.at, 1, run, wait) for run in self.runs.values() for wait in run.waits if wait.at is not None
        ]
        due += [(run.deadline, 0, run, None) for run in self.runs.values() if run.deadline is not None]
        for at, _, run, wait in sorted(due, key=lambda each: each[:2]):
            if at > now or run.status != "RUNNING":
                continue
            if wait is None:
                run.abort("TIMED_OUT", {"error": TEXT})
            elif wait in run.waits:
                run.tell(wait, TIMEOUT)


def render(path: Path) -> str:
    return path[0] + "".join(f"[{index}]" for index in path[1:])


def refused() -> Said:
    return Own(("FAILED", {"error": TEXT}))


def stripped(output: Any) -> Any:
    return {key: value for key, value in output.items() if not key.startswith("__s")}


def whole(value: Any) -> bool:
    return type(value) is int or (isinstance(value, float) and value.is_integer())


def edges(definition: Step) -> dict[str, list[str]]:
    """Top-level step → those that it waits for; steps without an entry follow each other. Empty: no graph."""
    written: dict[str, list[str]] = {}
    for entry in definition.get("metadata", {}).get("dependencies", []):
        written.setdefault(entry["ref"], []).extend(
            dep.strip() for dep in entry["deps"].split(",") if dep.strip()
        )
    free = [step["ref"] for step in definition["steps"] if step["ref"] not in written]
    return {**written, **{ref: free[n - 1 : n] if n else [] for n, ref in enumerate(free)}} if written else {}


def target(mapping: Any, case: str) -> Any:
    """The ref that a case leads to."""
    for entry in mapping:
        if not entry.get("defaultBranch") and "value" in entry and _as_text(entry["value"]) == case:
            return entry["targetRef"]
    return next((entry["targetRef"] for entry in mapping if entry.get("defaultBranch")), None)


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
    return "" if value is MISSING or value is None else _as_text(value)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
