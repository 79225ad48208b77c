"""Limits: so many starts in a window, so many steps open at a time. What is counted stands in entries of kind LIMIT.

A rate limit is booked ahead: one entry holds the last window that has starts in it and how many. A step takes the next
free place and knows at once when its window begins, however many are before it; nobody is woken to look again.

A concurrency limit is a room: one entry names the steps inside; those that wait stand in a line, kept in slices, so
that a long line costs no more than a short one. Who leaves calls the next one in, with a READY row to its process.
"""

from collections.abc import Iterable

from stepwell.definition.plan import StepPlan
from stepwell.definition.template import Template
from stepwell.engine.draft import Draft
from stepwell.engine.inputs import key_of
from stepwell.model.codec import Json, Record, change, decode_as, encode
from stepwell.model.due import DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.step import Phase, StepContext

SLICE = 500
"""How many waiting steps one entry of a line holds."""


class Window(Record, frozen=True):
    start: int
    """Epoch ms."""
    used: int


class Room(Record, frozen=True):
    inside: tuple[int, ...] = ()
    """Steps that have a place."""
    first: int = 0
    last: int = 0
    """The slices of the line, from the one whose turn is next to the one that newcomers join."""
    waiting: int = 0


Line = tuple[tuple[int, int], ...]
"""(process, step) in the order of their coming."""


# -- so many starts in a window


def book(draft: Draft, plan: StepPlan, step: StepContext) -> int:
    """Take the next free place. Answers when its window begins, epoch ms; now or earlier = it may start."""
    preparation = plan.preparation
    assert preparation is not None
    name = f"rate:{_key(draft, plan, step, preparation.rate_key)}"
    entry = _read(draft, [name])[0]
    window = Window(draft.now, 0) if entry is None else decode_as(entry.body, Window)
    if window.used >= preparation.rate:
        window = Window(window.start + preparation.window_ms, 0)
    window = change(window, used=window.used + 1)
    _write(draft, name, entry, encode(window), window.start + preparation.window_ms)
    return window.start


# -- so many open at a time


def come_in(draft: Draft, plan: StepPlan, step: StepContext) -> bool:
    """Has the step a place, or does it get one now? Else it stands in line from now on."""
    assert plan.preparation is not None
    name = _room_name(draft, plan, step)
    entry, room = _room(draft, name)
    if step.id in room.inside:
        return True
    if not room.waiting and len(room.inside) < plan.preparation.concurrency:
        _write(draft, name, entry, encode(change(room, inside=(*room.inside, step.id))))
        return True
    tail, line = _line(draft, name, room.last)
    if len(line) >= SLICE:
        room = change(room, last=room.last + 1)
        tail, line = _line(draft, name, room.last)
    _write(draft, _slice(name, room.last), tail, encode((*line, (step.process_id, step.id))))
    _write(draft, name, entry, encode(change(room, waiting=room.waiting + 1)))
    return False


def leave(draft: Draft, plan: StepPlan, step: StepContext) -> None:
    """The step has ended: its place goes to the next in line, or it stands in line no more."""
    assert plan.preparation is not None
    name = _room_name(draft, plan, step)
    entry, room = _room(draft, name)
    if step.id in room.inside:
        rest = tuple(id for id in room.inside if id != step.id)
        room = _call_in(draft, name, change(room, inside=rest), plan.preparation.concurrency)
    elif step.phase is Phase.CROWDED:
        room = _step_aside(draft, name, room, step)
    else:
        return
    _write(draft, name, entry, encode(room) if room.inside or room.waiting else None)


def look_ahead(draft: Draft, steps: Iterable[StepContext]) -> None:
    """Ask at once for what these steps need to leave, or each of them costs a round."""
    plans = [(draft.plan_of(step), step) for step in steps]
    limited = [(plan, step) for plan, step in plans if plan.preparation and plan.preparation.concurrency]
    names = list(dict.fromkeys(_room_name(draft, plan, step) for plan, step in limited))
    slices = []
    for name, entry in zip(names, _read(draft, names), strict=True):
        if entry is not None:
            room = decode_as(entry.body, Room)
            slices += [_slice(name, number) for number in range(room.first, room.last + 1)]
    _read(draft, slices)


def _call_in(draft: Draft, name: str, room: Room, most: int) -> Room:
    while room.waiting and len(room.inside) < most:
        head, line = _line(draft, name, room.first)
        if not line:
            _write(draft, _slice(name, room.first), head, None)
            room = change(room, first=room.first + 1)
            continue
        process_id, step_id = line[0]
        _write(draft, _slice(name, room.first), head, encode(line[1:]) if len(line) > 1 else None)
        draft.set_due(DueKind.READY, draft.now, step_id=step_id, process_id=process_id)
        room = change(room, inside=(*room.inside, step_id), waiting=room.waiting - 1)
    return room


def _step_aside(draft: Draft, name: str, room: Room, step: StepContext) -> Room:
    own = (step.process_id, step.id)
    numbers = range(room.first, room.last + 1)
    entries = _read(draft, [_slice(name, number) for number in numbers])
    for number, entry in zip(numbers, entries, strict=True):
        line = () if entry is None else decode_as(entry.body, Line)
        if own in line:
            rest = tuple(one for one in line if one != own)
            _write(draft, _slice(name, number), entry, encode(rest) if rest else None)
            return change(room, waiting=room.waiting - 1)
    return room


def _room(draft: Draft, name: str) -> tuple[Entry | None, Room]:
    entry = _read(draft, [name])[0]
    return entry, Room() if entry is None else decode_as(entry.body, Room)


def _line(draft: Draft, name: str, number: int) -> tuple[Entry | None, Line]:
    entry = _read(draft, [_slice(name, number)])[0]
    return entry, () if entry is None else decode_as(entry.body, Line)


def _room_name(draft: Draft, plan: StepPlan, step: StepContext) -> str:
    assert plan.preparation is not None
    return f"open:{_key(draft, plan, step, plan.preparation.concurrency_key)}"


def _slice(room_name: str, number: int) -> str:
    return f"line:{number}:{room_name}"


# -- their entries


def _key(draft: Draft, plan: StepPlan, step: StepContext, template: Template | None) -> str:
    if template is None:
        return f"step/{draft.process.name}/{plan.ref}"
    return f"key/{key_of(draft, template, step)}"


def _read(draft: Draft, names: list[str]) -> list[Entry | None]:
    return draft.own_entries(EntryKind.LIMIT, draft.process.namespace, names)


def _write(draft: Draft, name: str, before: Entry | None, body: Json | None, expires: int = 0) -> None:
    """`body` None: nothing is left to remember."""
    namespace = draft.process.namespace
    if body is None:
        draft.put_entry(EntryKind.LIMIT, namespace, name, None)
        return
    entry = Entry(
        kind=EntryKind.LIMIT,
        namespace=namespace,
        name=name,
        body=body,
        version=1 if before is None else before.version + 1,
        created=draft.now if before is None else before.created,
        updated=draft.now,
        expires=expires,
    )
    draft.put_entry(EntryKind.LIMIT, namespace, name, entry)
