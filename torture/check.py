"""The checker: reads a history and says what does not fit. Pure; it knows the promises, not the engine.

`findings(history)` holds for every scenario; each scenario adds what its own closed form says.
"""

from collections import Counter
from itertools import chain, pairwise

from torture import scenarios
from torture.findings import DOUBLED, IDLE, LOST, STUCK, WRONG, Finding, Findings
from torture.history import CLOSED, ENDED, Effect, History, Process, Report, Start, Step

ACCEPTED, TAKEN, UNKNOWN = "ACCEPTED", "TAKEN", "unknown"
PERHAPS = {ACCEPTED, TAKEN, UNKNOWN, "DUPLICATE", "SET_ASIDE"}
"""Answers after which a result may be on record. DUPLICATE: this one, when an earlier answer to it was lost."""
MOST = 200
"""Findings told of one history; more help nobody."""


def findings(history: History) -> list[Finding]:
    parts = (starts, endings, results, hand_outs, families, looks, troubles, work_done, stories)
    return list(chain.from_iterable(part(history) for part in parts))[:MOST]


# -- starts


def starts(history: History) -> Findings:
    by_key: dict[str, list[Process]] = {}
    for process in history.processes:
        by_key.setdefault(process.request_id or "", []).append(process)
    for start in history.starts:
        there = by_key.get(start.key, [])
        if len(start.processes) > 1:
            yield Finding(DOUBLED, "start", f"{start.key} was acknowledged as {start.processes}")
        if len(there) > 1:
            yield Finding(DOUBLED, "start", f"{start.key} started {[process.id for process in there]}")
        for id in start.processes:
            yield from _acknowledged(history, start, id)


def _acknowledged(history: History, start: Start, id: int) -> Findings:
    process = history.by_id.get(id)
    if process is None:
        yield Finding(LOST, "start", f"{start.key} was acknowledged and is not there", id)
    elif (process.name, process.input, process.request_id) != (start.name, start.input, start.key):
        text = f"{start.key} asked for {start.name} {start.input}, there is {process.name} {process.input}"
        yield Finding(WRONG, "start", text, id)


# -- ends


def endings(history: History) -> Findings:
    """Everything ends within the bound after the faults; whoever ended holds nothing open."""
    for process in history.processes:
        if process.marked:
            yield Finding(WRONG, "set-aside", "the engine stumbled over an event of it", process.id)
        if process.status not in ENDED:
            waits = [f"{step.ref} {step.status}" for step in process.steps if step.status not in CLOSED]
            yield Finding(STUCK, "process", f"{process.status}: {waits}", process.id)
            continue
        steps = {step.id: step for step in process.steps}
        for step in process.steps:
            if step.status not in CLOSED:
                text = f"it is {process.status}, and {step.ref} still {step.status}"
                yield Finding(WRONG, "open-step", text, process.id)
            yield from _before_container(process, step, steps.get(step.parent or 0))


def _before_container(process: Process, step: Step, container: Step | None) -> Findings:
    if container is not None and container.status == "COMPLETED" and 0 < container.completed < step.completed:
        text = f"{container.ref} ended at {container.completed}, {step.ref} in it at {step.completed}"
        yield Finding(WRONG, "early-end", text, process.id)


# -- results


def results(history: History) -> Findings:
    """What was accepted is on record, once; what was refused, or made up, is not."""
    steps = {step.id: (process, step) for process in history.processes for step in process.steps}
    for id in {*history.reports_of, *history.effects_of}:
        if id not in steps:
            yield from _no_such_step(history, id)
    for process, step in steps.values():
        yield from _step_results(history, process, step)


def _no_such_step(history: History, id: int) -> Findings:
    accepted = [report.mark for report in history.reports_of.get(id, ()) if report.outcome == ACCEPTED]
    if accepted:
        yield Finding(LOST, "step", f"step {id} is not there, results {accepted} of it were accepted")


def _step_results(history: History, process: Process, step: Step) -> Findings:
    reports = [report for report in history.reports_of.get(step.id, ()) if report.status != "RUNNING"]
    recorded = Counter(step.marks)
    accepted = Counter(report.mark for report in reports if report.outcome == ACCEPTED)
    for mark, times in accepted.items():
        if times > 1:
            yield Finding(DOUBLED, "result", f"{step.ref}: {mark} was accepted {times} times", process.id)
        if not recorded[mark]:
            yield Finding(LOST, "result", f"{step.ref}: {mark} was accepted and is not on record", process.id)
    for mark, times in recorded.items():
        if times > 1:
            yield Finding(DOUBLED, "result", f"{step.ref}: {mark} is on record {times} times", process.id)
    completed = {
        report.mark for report in reports if report.outcome == ACCEPTED and report.status == "COMPLETED"
    }
    if len(completed) > 1:
        yield Finding(DOUBLED, "result", f"{step.ref}: {len(completed)} results were accepted", process.id)
    yield from _on_record(history, process, step, reports)


def _on_record(history: History, process: Process, step: Step, reports: list[Report]) -> Findings:
    """Each result on record was done by a worker, and not refused to it."""
    effects = {effect.mark: effect for effect in history.effects_of.get(step.id, ())}
    for mark in step.marks:
        if step.type != "WORKER":
            continue  # another step that hands a worker's output on, such as a NOOP
        effect = effects.get(mark)
        answers = {report.outcome for report in reports if report.mark == mark}
        if effect is None:
            text = f"{step.ref}: {mark} is on record, and no worker of it has done that"
            yield Finding(WRONG, "invented-result", text, process.id)
        elif effect.is_lie:
            text = f"{step.ref}: a second, other result of the same hand-out is on record"
            yield Finding(WRONG, "believed-a-liar", text, process.id)
        elif answers and not answers & PERHAPS:
            text = f"{step.ref}: {mark} was answered {sorted(answers)} and is on record"
            yield Finding(WRONG, "refused-result", text, process.id)
        elif step.status == "COMPLETED" and mark == step.output.get("mark") and effect.status != "COMPLETED":
            text = f"{step.ref} is COMPLETED, its worker said {effect.status}"
            yield Finding(WRONG, "status", text, process.id)


# -- hand-outs


def hand_outs(history: History) -> Findings:
    """A token names one hand-out; nothing is handed out of a process whose end was acknowledged."""
    for effects in history.effects_of.values():
        holders: dict[int, set[int]] = {}
        for effect in effects:
            if not effect.is_lie:
                holders.setdefault(effect.token, set()).add(effect.polled)
        for token, moments in holders.items():
            if len(moments) > 1:
                text = f"{effects[0].ref}: token {token} was handed out at {sorted(moments)}"
                yield Finding(DOUBLED, "token", text, effects[0].process)
        if not history.clock_jumped:
            yield from _leases(effects)
    if history.clock_jumped:
        return
    for process, deeds in history.deeds_of.items():
        over = [deed.at for deed in deeds if deed.what == "terminate" and deed.outcome == "ok"]
        if over:
            yield from _after_the_end(history, process, min(over))


def _leases(effects: list[Effect]) -> Findings:
    """Nobody gets a step while another holds it. (One that COMPLETED it gives it back only by ending it.)"""
    held = sorted((effect for effect in effects if not effect.is_lie), key=lambda effect: effect.token)
    for before, after in pairwise(held):
        if before.token < after.token and before.status == "COMPLETED" and after.polled < before.deadline:
            text = (
                f"{after.ref} was handed out again {before.deadline - after.polled} ms before the lease ended"
            )
            yield Finding(WRONG, "stolen-lease", text, after.process)


def _after_the_end(history: History, process_id: int, at: int) -> Findings:
    process = history.by_id.get(process_id)
    for step in process.steps if process else ():
        for effect in history.effects_of.get(step.id, ()):
            if not effect.is_lie and effect.polled > at:
                text = f"{effect.ref} was handed out {effect.polled - at} ms after its end was acknowledged"
                yield Finding(WRONG, "hand-out-after-end", text, process_id)


# -- families


def families(history: History) -> Findings:
    """Whoever waits for a child ends after it, and each SUB_PROCESS step has one child."""
    parents: Counter[int] = Counter()
    for process in history.processes:
        for step in process.steps:
            child_id = step.output.get("subProcessId")
            if step.type != "SUB_PROCESS" or not child_id:
                continue
            parents[child_id] += 1
            yield from _parent_and_child(process, step, history.by_id.get(child_id), child_id)
    for child_id, count in parents.items():
        if count > 1:
            yield Finding(DOUBLED, "child", f"{count} steps call it theirs", child_id)


def _parent_and_child(process: Process, step: Step, child: Process | None, child_id: int) -> Findings:
    if child is None:
        yield Finding(LOST, "child", f"{step.ref} started {child_id}, which is not there", process.id)
    elif step.status == "COMPLETED":
        if child.status != "COMPLETED":
            text = f"{step.ref} is COMPLETED, its child {child.id} {child.status}"
            yield Finding(WRONG, "early-end", text, process.id)
        elif child.completed > step.completed:
            text = f"{step.ref} ended at {step.completed}, its child {child.id} at {child.completed}"
            yield Finding(WRONG, "early-end", text, process.id)


# -- looks and troubles


def looks(history: History) -> Findings:
    """An end that was once read stays; nobody reads a RUNNING process without an open step."""
    for look in history.looks:
        now = history.by_id.get(look.process)
        if look.status not in ENDED:
            if look.open_steps == 0 and not look.is_undoing:
                text = f"it was read {look.status} with no open step at {look.at}"
                yield Finding(WRONG, "torn-read", text, look.process)
        elif now is None:
            yield Finding(LOST, "process", f"it was read {look.status} and is not there", look.process)
        elif now.status != look.status:
            text = f"it was read {look.status} and is {now.status}"
            yield Finding(WRONG, "changed-end", text, look.process)


def troubles(history: History) -> Findings:
    for line in history.troubles:
        name = "server-error" if line["status"] >= 500 else "refusal"
        text = f"{line.get('call')} was answered {line['status']} {line.get('body', '')}"
        yield Finding(WRONG, name, text, line.get("process") or 0)


# -- was anything done at all?


def work_done(history: History) -> Findings:
    """A run in which everything failed to begin would otherwise look perfect."""
    ended = sum(
        1
        for start in history.starts
        for id in start.processes[:1]
        if id in history.by_id and history.by_id[id].status in ENDED
    )
    if ended * 2 < history.planned:
        yield Finding(IDLE, "work", f"{ended} of {history.planned} planned processes ended")
    if history.kills * 2 < history.kills_planned:
        yield Finding(IDLE, "faults", f"{history.kills} of {history.kills_planned} planned kills took place")


# -- what each scenario knows of itself


def stories(history: History) -> Findings:
    for start in history.starts:
        for id in start.processes[:1]:
            process = history.by_id.get(id)
            if process is not None and process.status in ENDED:
                yield from scenarios.named(start.scenario).judge(start.n, process, history)
