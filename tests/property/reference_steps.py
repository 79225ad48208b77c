"""What each step type does, in the reference: one generator each. Yields what it waits for, answers how it ends."""

from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.property.reference_tasks import TIMEOUT, Body, Ended, Own, Record, Task, Wait, refused
from tests.property.reference_values import (
    NUMBER,
    TEXT,
    Path,
    Said,
    Some,
    Step,
    as_json,
    render,
    stripped,
    target,
    whole,
)

WORK = ("WORKER", "HTTP", "JAVASCRIPT", "PYTHON", "JQ", "BUILTIN")
IDS = ("subProcessId", "subProcessRequestId", "subProcessCorrelationId")


class Steps:
    """The part of a process that knows step types."""

    def work(self, record: Record) -> Body:
        left, _ = self.policy(record.step)
        while True:
            status, output = yield Wait("answer", record.path, about=(record.path, record.execution))
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
        status, output = yield Wait("answer", record.path, about=(record.path, record.execution))
        return status == "COMPLETED", output

    def noop(self, record: Record) -> Said:
        return "COMPLETED", self.put_state(record.input)

    def fail(self, record: Record) -> Said:
        said = record.input.get("message")
        said = (
            "failed on purpose" if said is None else said if isinstance(said, str | Some) else as_json(said)
        )
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
            return (yield from self._signal(record))
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
            yield Wait("sleep", record.path, at)
        return "COMPLETED", record.output

    def _signal(self, record: Record) -> Body:
        given = record.input
        name, wanted, timeout = given["forSignal"], given.get("correlation"), given.get("timeoutMs")
        wanted = wanted if wanted is None or isinstance(wanted, str) else as_json(wanted)
        for kept in self.signals:
            if kept[0] == name and wanted in (None, kept[1]):
                self.signals.remove(kept)
                return "COMPLETED", kept[2]
        until = None if timeout is None else self.world.now + timeout
        said = yield Wait("signal", record.path, until, about=(name, wanted))
        if said is not TIMEOUT:
            return "COMPLETED", said
        return (
            ("COMPLETED", {"timedOut": True})
            if given.get("onTimeout") == "CONTINUE"
            else ("TIMED_OUT", {"error": TEXT})
        )

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
            # The word for an open step is not fixed; no mapping of the generator holds one.
            case = case if isinstance(case, str | Some) else as_json(case)
            ref = target(given.get("responseMapping", []), "" if isinstance(case, Some) else case)
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
                    child = yield Wait("child", record.path)
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
            child = type(self)(self.world, key, definition, given.get("input") or {}, correlation)
            self.world.runs[key] = child
            self.world.post(child.begin, (0,))
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
            status, output = yield Wait("news", record.path, about=child.key)
        except GeneratorExit:
            self.world.post(lambda: child.abort("TERMINATED", {}))
            raise
        if status == "COMPLETED":
            return status, {**ids, "subProcessOutput": output}
        said = output.get("error") if isinstance(output, dict) else None
        output = {**ids, "subProcessOutput": output, "error": said if isinstance(said, str) else TEXT}
        return Own(("TIMED_OUT" if status == "TIMED_OUT" else "FAILED", output))


BODIES: dict[str, Callable[["Steps", Record], Body | Said]] = {
    **dict.fromkeys(WORK, Steps.work), "NOOP": Steps.noop, "FAIL": Steps.fail, "EXIT": Steps.exit, "WAIT": Steps.wait,
    "LIST": Steps.in_order, "PARALLEL": Steps.parallel, "FOREACH": Steps.foreach, "SWITCH": Steps.switch,
    "WHILE": Steps.loop,
    "FLOW_GATEWAY": Steps.gateway, "PERSISTED_STATE": Steps.persisted,
    "SUB_PROCESS": Steps.sub,
}  # fmt: skip
