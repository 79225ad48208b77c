"""Rows and records. Tuples stand in the order of the columns in `queries.sql`; this is the hot path.

Payloads go in and come out as BLOB: they are bytes on both sides, nobody pays for decoding (TEXT measured the
same), and a text that is not UTF-8 cannot stop a turn. People read them as text through the views. A payload
that stands in `blob` is a TEXT in its column, its hash: that is how a row tells the two apart.
"""

import array
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any

import apsw

from stepwell.model.audit import Audit
from stepwell.model.client import ClientApplication, Permission
from stepwell.model.codec import EMPTY, Json, decode_as, encode
from stepwell.model.definition import ProcessType, StoredDefinition, TagValue
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.liveness import OpenProcess
from stepwell.model.process import ProcessContext, ProcessStatus, TriggerType
from stepwell.model.retention import Finished
from stepwell.model.step import (
    Children,
    HandOut,
    Phase,
    StepContext,
    StepExecution,
    StepStatus,
    parse_path,
    render_path,
)
from stepwell.model.work import Claim
from stepwell.store.port import SetAside

Row = tuple[Any, ...]
Spill = Callable[[int, Json], str]
"""Keep a large payload of a process elsewhere; the reference for its column."""
Fetch = Callable[[int, str], Json]
"""The payload that a reference stands for."""

_STEP_STATUS = {status.value: status for status in StepStatus}
_PHASE = {phase.value: phase for phase in Phase}
_PROCESS_STATUS = {status.value: status for status in ProcessStatus}
_PROCESS_TYPE = {kind.value: kind for kind in ProcessType}
_TRIGGER_TYPE = {kind.value: kind for kind in TriggerType}
_DUE_KIND = {kind.value: kind for kind in DueKind}
_ENTRY_KIND = {kind.value: kind for kind in EntryKind}


def left_apart(process_id: int, reference: str) -> Json:
    """A large payload that nobody asked for."""
    return EMPTY


def ids_of(ids: Iterable[int]) -> Any:
    """Ids as one parameter, for `carray(?)`."""
    return apsw.carray(array.array("q", ids))


def hash_of(payload: Json) -> str:
    return blake2b(payload, digest_size=20).hexdigest()


# -- processes

_NO_SIGNALS: Json = b"[]"
"""Kept as null, as are the two payloads that most processes never have: binding nothing costs least."""


def process_row(p: ProcessContext, limit: int, spill: Spill) -> Row:
    return (
        p.id,
        p.namespace,
        p.name,
        p.version,
        p.definition_id,
        p.type,
        p.trigger,
        p.status,
        p.priority,
        p.input if len(p.input) <= limit else spill(p.id, p.input),
        p.output if len(p.output) <= limit else spill(p.id, p.output),
        p.state if len(p.state) <= limit else spill(p.id, p.state),
        p.request_id,
        p.correlation_id,
        p.created,
        p.updated,
        p.ended,
        p.created_by,
        _tags_text(p.tags) if p.tags else "[]",
        p.rerun_of,
        p.step_count,
        p.deadline,
        p.reason,
        p.marked,
        p.parent_id,
        p.parent_step_id,
        p.depth,
        p.paused,
        None if p.signals == _NO_SIGNALS else _to_column(p.id, p.signals, limit, spill),
        _to_column(p.id, p.secret_state, limit, spill) if p.secret_state else None,
        _to_column(p.id, p.response, limit, spill) if p.response else None,
        p.resumed,
        p.revision,
        _numbering_text(p.numbering) if p.numbering else None,
        _to_column(p.id, p.compensating, limit, spill) if p.compensating else None,
    )


def process_update(p: ProcessContext, limit: int, spill: Spill) -> Row:
    return (
        p.version,
        p.definition_id,
        _numbering_text(p.numbering) if p.numbering else None,
        _to_column(p.id, p.compensating, limit, spill) if p.compensating else None,
        p.priority,
        p.output if len(p.output) <= limit else spill(p.id, p.output),
        p.state if len(p.state) <= limit else spill(p.id, p.state),
        p.updated,
        p.ended,
        _tags_text(p.tags) if p.tags else "[]",
        p.step_count,
        p.deadline,
        p.reason,
        p.marked,
        p.paused,
        None if p.signals == _NO_SIGNALS else _to_column(p.id, p.signals, limit, spill),
        _to_column(p.id, p.secret_state, limit, spill) if p.secret_state else None,
        _to_column(p.id, p.response, limit, spill) if p.response else None,
        p.resumed,
        p.revision,
        p.status,
        p.id,
    )


def process_of(row: Row, fetch: Fetch) -> ProcessContext:
    input, output, state = row[9], row[10], row[11]
    signals, secret_state, response = row[28], row[29], row[30]
    return ProcessContext(
        id=row[0],
        namespace=row[1],
        name=row[2],
        version=row[3],
        definition_id=row[4],
        type=_PROCESS_TYPE[row[5]],
        trigger=_TRIGGER_TYPE[row[6]],
        status=_PROCESS_STATUS[row[7]],
        priority=row[8],
        input=fetch(row[0], input) if type(input) is str else input,
        output=fetch(row[0], output) if type(output) is str else output,
        state=fetch(row[0], state) if type(state) is str else state,
        request_id=row[12],
        correlation_id=row[13],
        created=row[14],
        updated=row[15],
        ended=row[16],
        created_by=row[17],
        tags=() if row[18] == "[]" else decode_as(row[18], tuple[TagValue, ...]),
        rerun_of=row[19],
        step_count=row[20],
        deadline=row[21],
        reason=row[22],
        marked=row[23] == 1,
        parent_id=row[24],
        parent_step_id=row[25],
        depth=row[26],
        paused=row[27] == 1,
        signals=_NO_SIGNALS if signals is None else _from_column(row[0], signals, fetch),
        secret_state=b"" if secret_state is None else _from_column(row[0], secret_state, fetch),
        response=b"" if response is None else _from_column(row[0], response, fetch),
        resumed=row[31],
        revision=row[32],
        numbering=() if row[33] is None else decode_as(row[33], tuple[int, ...]),
        compensating=b"" if row[34] is None else _from_column(row[0], row[34], fetch),
    )


def open_process_of(row: Row) -> OpenProcess:
    numbering = () if row[2] is None else decode_as(row[2], tuple[int, ...])
    return OpenProcess(row[0], row[1], numbering, row[3], row[4] == 1)


def set_aside_of(row: Row) -> SetAside:
    return SetAside(id=row[0], process_id=row[1], event=row[2], error=row[3], created=row[4])


def finished_of(row: Row) -> Finished:
    return Finished(
        id=row[0],
        namespace=row[1],
        name=row[2],
        definition_id=row[3],
        numbering=() if row[4] is None else decode_as(row[4], tuple[int, ...]),
        ended=row[5],
        revision=row[6],
        is_free=row[7] == 1,
    )


def _to_column(process_id: int, payload: Json, limit: int, spill: Spill) -> Json | str:
    """What is seldom there may pay for a call; the payloads of every row are written out."""
    return payload if len(payload) <= limit else spill(process_id, payload)


def _from_column(process_id: int, column: Json | str, fetch: Fetch) -> Json:
    return fetch(process_id, column) if isinstance(column, str) else column


def _numbering_text(numbering: tuple[int, ...]) -> str:
    return encode(numbering).decode()


def _tags_text(tags: tuple[TagValue, ...]) -> str:
    return encode(tags).decode()


# -- steps


def step_row(s: StepContext, limit: int, spill: Spill) -> Row:
    h = s.hand_out
    return (
        s.id,
        s.process_id,
        render_path(s.path),
        s.status,
        s.parent_id,
        s.parent_execution_id,
        s.queue,
        s.priority,
        s.policy_id,
        s.lease_ms,
        s.schedule,
        s.updated,
        s.execution,
        s.scheduled,
        s.container_runs,
        s.retries,
        s.phase,
        s.timers,
        None if s.children is None else encode(s.children).decode(),
        h.ready,
        h.token,
        h.claim,
        h.deadline,
        h.deliveries,
        h.runs,
        h.polled,
        h.start,
        h.first_start,
        h.executor,
        h.worker,
        s.warning,
        s.input if len(s.input) <= limit else spill(s.process_id, s.input),
        s.output if len(s.output) <= limit else spill(s.process_id, s.output),
        s.secrets or None,
    )


def step_update(s: StepContext, limit: int, spill: Spill) -> Row:
    return (
        s.status,
        s.parent_execution_id,
        s.priority,
        s.policy_id,
        s.lease_ms,
        s.schedule,
        s.updated,
        s.execution,
        s.scheduled,
        s.container_runs,
        s.retries,
        s.phase,
        s.timers,
        None if s.children is None else encode(s.children).decode(),
        s.warning,
        s.output if len(s.output) <= limit else spill(s.process_id, s.output),
        s.id,
        s.hand_out.token,
    )


def offer_row(s: StepContext, limit: int, spill: Spill) -> Row:
    h = s.hand_out
    return (
        *step_update(s, limit, spill)[:-2],
        s.queue,
        h.ready,
        h.claim,
        h.deadline,
        h.deliveries,
        h.runs,
        h.polled,
        h.start,
        h.first_start,
        h.executor,
        h.worker,
        s.id,
        h.token,
    )


def take_row(s: StepContext) -> Row:
    h = s.hand_out
    return (
        h.token,
        h.claim,
        h.deadline,
        h.deliveries,
        h.runs,
        h.polled,
        h.start,
        h.first_start,
        h.executor,
        h.worker,
        s.id,
    )


def step_of(row: Row, fetch: Fetch) -> StepContext:
    children, input, output = row[18], row[31], row[32]
    return StepContext(
        id=row[0],
        process_id=row[1],
        path=parse_path(row[2]),
        status=_STEP_STATUS[row[3]],
        parent_id=row[4],
        parent_execution_id=row[5],
        queue=row[6],
        priority=row[7],
        policy_id=row[8],
        lease_ms=row[9],
        schedule=row[10],
        updated=row[11],
        execution=row[12],
        scheduled=row[13],
        container_runs=row[14],
        retries=row[15],
        phase=_PHASE[row[16]],
        timers=row[17],
        children=None if children is None else decode_as(children, Children),
        hand_out=HandOut(*row[19:30]),
        warning=row[30],
        input=fetch(row[1], input) if type(input) is str else input,
        output=fetch(row[1], output) if type(output) is str else output,
        secrets=row[33] or b"",
    )


def input_row(s: StepContext, limit: int, spill: Spill) -> Row:
    return (
        s.input if len(s.input) <= limit else spill(s.process_id, s.input),
        s.secrets or None,
        s.id,
    )


# -- the rest


def execution_row(e: StepExecution, limit: int, spill: Spill) -> Row:
    output = e.output if len(e.output) <= limit else spill(e.process_id, e.output)
    times = (e.scheduled, e.polled, e.start, e.updated)
    return (e.step_id, e.id, e.process_id, *times, e.executor, e.runs, output)


def execution_of(row: Row, fetch: Fetch) -> StepExecution:
    output = row[9]
    return StepExecution(
        step_id=row[0],
        id=row[1],
        process_id=row[2],
        scheduled=row[3],
        polled=row[4],
        start=row[5],
        updated=row[6],
        executor=row[7],
        runs=row[8],
        output=fetch(row[2], output) if type(output) is str else output,
    )


def due_row(d: Due) -> Row:
    return (d.process_id, d.step_id, d.kind.value, d.at, d.body)


def due_of(row: Row) -> Due:
    return Due(row[0], row[1], _DUE_KIND[row[2]], row[3], row[4])


def claim_row(c: Claim) -> Row:
    return (c.id, c.client, c.host, c.poll_id, c.created, c.deadline, encode(c.steps).decode())


def claim_of(row: Row) -> Claim:
    return Claim(
        id=row[0],
        client=row[1],
        host=row[2],
        poll_id=row[3],
        created=row[4],
        deadline=row[5],
        steps=decode_as(row[6], tuple[int, ...]),
    )


def entry_row(e: Entry) -> Row:
    return (e.kind, e.namespace, e.name, e.version, e.body, e.created, e.updated, e.updated_by, e.expires)


def entry_of(row: Row) -> Entry:
    return Entry(
        kind=_ENTRY_KIND[row[0]],
        namespace=row[1],
        name=row[2],
        version=row[3],
        body=row[4],
        created=row[5],
        updated=row[6],
        updated_by=row[7],
        expires=row[8],
    )


def audit_row(a: Audit) -> Row:
    return (a.at, a.who, a.what, a.process_id, a.target, a.why, a.detail)


def audit_of(row: Row) -> Audit:
    return Audit(
        id=row[0],
        at=row[1],
        who=row[2],
        what=row[3],
        process_id=row[4],
        target=row[5],
        why=row[6],
        detail=row[7],
    )


def definition_row(d: StoredDefinition) -> Row:
    by = (d.created, d.updated, d.created_by, d.updated_by)
    return (d.id, d.namespace, d.name, d.version, d.content, d.fingerprint, *by, d.hidden)


def definition_of(row: Row) -> StoredDefinition:
    return StoredDefinition(
        id=row[0],
        namespace=row[1],
        name=row[2],
        version=row[3],
        content=row[4],
        fingerprint=row[5],
        created=row[6],
        updated=row[7],
        created_by=row[8],
        updated_by=row[9],
        hidden=row[10] == 1,
    )


def policy_row(p: ErrorPolicy) -> Row:
    return (p.id, p.namespace, p.name, p.version, encode(p).decode())


def client_row(c: ClientApplication) -> Row:
    permissions = ",".join(sorted(c.permissions))
    return (c.client_id, c.token_hash, permissions, c.created, c.expires, c.revoked)


def client_of(row: Row) -> ClientApplication:
    return ClientApplication(
        client_id=row[0],
        token_hash=row[1],
        permissions=frozenset(Permission(word) for word in row[2].split(",") if word),
        created=row[3],
        expires=row[4],
        revoked=row[5],
    )


def texts(values: Sequence[object]) -> list[str]:
    """Enum members and texts as plain texts, for a list of parameters."""
    return [str(value) for value in values]
