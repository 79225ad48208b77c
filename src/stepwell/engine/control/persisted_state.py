"""PERSISTED_STATE: values that outlive a process and are shared by the processes of a namespace.

    {"type": "PERSISTED_STATE", "name": "remember", "ref": "remember",
     "input": {"action": "UPSERT", "name": "last_run", "value": "{{ context.id }}"}}

Input: `action` INSERT, UPDATE, UPSERT, READ, DELETE (with `name`, and `value` to write) or READ_BULK (with `names`).
INSERT on a name that exists and UPDATE on one that does not fail. Output: `{name, value, found}`: the value as it is
now (of DELETE: as it was), and whether the name was there before; of READ_BULK `{values}`, null for a name that is not
there. What is written is committed together with the step's end.
"""

from enum import StrEnum
from typing import Any

from stepwell.definition.names import MAX_NAME
from stepwell.definition.plan import StepPlan
from stepwell.engine.control.outcome import refuse
from stepwell.engine.draft import HEAVY, Control, Draft
from stepwell.engine.steps import begin, close, run_again
from stepwell.model.codec import decode, encode
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.step import StepContext, StepStatus

MOST_NAMES = 1_000


class Action(StrEnum):
    INSERT = "INSERT"
    UPDATE = "UPDATE"
    UPSERT = "UPSERT"
    READ = "READ"
    DELETE = "DELETE"
    READ_BULK = "READ_BULK"

    @property
    def writes(self) -> bool:
        return self in (Action.INSERT, Action.UPDATE, Action.UPSERT)


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    problem = _problem(given)
    if problem:
        return refuse(draft, step, problem)
    draft.transitions += HEAVY
    action = Action(given["action"])
    if action is Action.READ_BULK:
        return _read_bulk(draft, step, given["names"])
    return _one(draft, step, action, given["name"], given.get("value"))


def _problem(given: dict[str, Any]) -> str:
    if given.get("action") not in tuple(Action):
        return f"action must be one of {', '.join(Action)}, not {given.get('action')!r}"
    action = Action(given["action"])
    if action is Action.READ_BULK:
        names = given.get("names")
        if not isinstance(names, list) or not all(_is_name(name) for name in names):
            return f"READ_BULK needs a list of names, each a text of 1 to {MAX_NAME} characters"
        return "" if len(names) <= MOST_NAMES else f"{len(names)} names, {MOST_NAMES} are possible"
    if not _is_name(given.get("name")):
        return f"{action} needs a name: a text of 1 to {MAX_NAME} characters"
    if action.writes and "value" not in given:
        return f"{action} needs a value"
    return ""


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME and "\0" not in name


def _one(draft: Draft, step: StepContext, action: Action, name: str, value: Any) -> StepContext:
    namespace = draft.process.namespace
    entry = draft.own_entries(EntryKind.STATE, namespace, [name])[0]
    if action is Action.INSERT and entry is not None:
        return refuse(draft, step, f"there is a persisted value {name!r} already")
    if action is Action.UPDATE and entry is None:
        return refuse(draft, step, f"there is no persisted value {name!r} to update")
    if action.writes:
        draft.put_entry(EntryKind.STATE, namespace, name, _written(draft, name, value, entry))
    elif entry is not None:
        value = decode(entry.body)
        if action is Action.DELETE:
            draft.put_entry(EntryKind.STATE, namespace, name, None)
    else:
        value = None
    output = {"name": name, "value": value, "found": entry is not None}
    return close(draft, step, StepStatus.COMPLETED, encode(output))


def _written(draft: Draft, name: str, value: Any, before: Entry | None) -> Entry:
    return Entry(
        kind=EntryKind.STATE,
        namespace=draft.process.namespace,
        name=name,
        body=encode(value),
        version=before.version + 1 if before else 1,
        created=before.created if before else draft.now,
        updated=draft.now,
        updated_by=f"process {draft.process.id}",
    )


def _read_bulk(draft: Draft, step: StepContext, names: list[str]) -> StepContext:
    entries = draft.own_entries(EntryKind.STATE, draft.process.namespace, names)
    values = {
        name: None if entry is None else decode(entry.body)
        for name, entry in zip(names, entries, strict=True)
    }
    return close(draft, step, StepStatus.COMPLETED, encode({"values": values}))


PERSISTED_STATE = Control(open=begin_step, resume=run_again)
