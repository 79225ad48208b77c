"""Starts: a process that somebody asked for, that is like another one, or that another process asked for."""

from typing import Any

from stepwell.definition.plan import Plan
from stepwell.engine.events import ProcessStarted
from stepwell.engine.hooks import ChildEnded, StartBody
from stepwell.model.audit import Audit
from stepwell.model.codec import Json, Record, decode_as, encode, members, raw
from stepwell.model.definition import ProcessType
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.errors import NotFound, StepwellError
from stepwell.model.process import ProcessContext, ProcessStatus, TriggerType
from stepwell.runtime.asks import StartAsk
from stepwell.runtime.dynamic import keep_dynamic
from stepwell.runtime.folds import Folds
from stepwell.runtime.idempotency import entry_name, first_start, remembered
from stepwell.runtime.jobs import done_before, receipt_of_rerun
from stepwell.runtime.node import Node
from stepwell.runtime.requests import StartRequest
from stepwell.store.port import BLOCK, Changes, SetAside, Turn


class Lineage(Record, frozen=True):
    """Where a process comes from."""

    process_id: int = 0
    """Its id when that is known already; 0 = a new one."""
    rerun_of: int | None = None
    parent_id: int | None = None
    parent_step_id: int | None = None
    depth: int = 0


class Starts:
    """The processes that begin in one turn."""

    def __init__(self, node: Node, turn: Turn, folds: Folds, changes: Changes, now: int) -> None:
        self._node = node
        self._turn = turn
        self._folds = folds
        self._changes = changes
        self._now = now
        self._keys: dict[tuple[str, str], Entry] = {}
        """Idempotency keys that this turn has seen first."""

    def asked(self, ask: StartAsk) -> ProcessContext | StepwellError | None:
        """Somebody's start or rerun: the process, or why there is none. None: answered when it is first saved."""
        try:
            if ask.request is not None:
                process = self._start_once(ask.request)
                return None if self._is_stretch(ask, process) else process
            process = self._done_before(ask) or self._rerun(ask)
        except StepwellError as error:
            return error
        self._note_rerun(ask, process)
        return process

    def _is_stretch(self, ask: StartAsk, process: ProcessContext) -> bool:
        """Somebody waits for the end of an API_ORCHESTRATION run. One with a key must be found by it at once."""
        assert ask.request is not None
        if process.type is not ProcessType.API_ORCHESTRATION or not ask.patience_ms:
            return False
        if ask.request.idempotency_key is not None:
            return False
        self._folds.begin_stretch(process.id, ask, self._now)
        return True

    def _note_rerun(self, ask: StartAsk, process: ProcessContext) -> None:
        if ask.created_by:
            line = Audit(
                at=self._now,
                who=ask.created_by,
                what="RERUN",
                process_id=ask.rerun_of,
                target=f"process {process.id}",
                why=ask.why,
            )
            self._changes.audit.append(line)
        if ask.receipt is not None:
            self._changes.entries.append(receipt_of_rerun(ask.receipt, process.id))

    def _start_once(self, request: StartRequest) -> ProcessContext:
        """Start it, or answer the process that the same key has started before. Raises Conflict, NotFound."""
        if request.idempotency_key is None:
            return self._start(request, None, Lineage())
        key = (request.namespace, entry_name(request))
        entry = self._keys.get(key) or self._turn.entry(EntryKind.IDEMPOTENCY, *key)
        first = first_start(entry, request, self._now)
        if first is not None:
            return self._process_of_key(first)
        process = self._start(request, None, Lineage())
        self._keys[key] = remembered(request, process.id, entry, self._now)
        self._changes.entries.append(self._keys[key])
        return process

    def _process_of_key(self, process_id: int) -> ProcessContext:
        process = self._folds.process(process_id)
        if process is None:
            raise NotFound(f"process {process_id}, which this key has started, is gone")
        return process

    def _done_before(self, ask: StartAsk) -> ProcessContext | None:
        """What another node that works on the same job has started for it. Raises Conflict."""
        if ask.receipt is None or self._node.others is None:
            return None
        done = done_before(self._turn, ask.receipt)
        return None if done is None else self._process_of_key(done.started)

    def _rerun(self, ask: StartAsk) -> ProcessContext:
        found = self._turn.processes([ask.rerun_of])
        if not found:
            raise NotFound(f"no process {ask.rerun_of}")
        old = found[0]
        lookups = self._node.lookups
        if ask.version is None:
            plan = lookups.by_id(self._turn, old.definition_id)
        else:
            plan = lookups.find(self._turn, old.namespace, old.name, ask.version or None)
        request = StartRequest(
            namespace=old.namespace,
            name=old.name,
            input=old.input,
            request_id=old.request_id,
            correlation_id=old.correlation_id,
            priority=old.priority,
            trigger=old.trigger,
            created_by=ask.created_by,
        )
        return self._start(request, plan, Lineage(rerun_of=old.id))

    def due(self, due: Due) -> None:
        """A hook's or a policy's process. What cannot be started is set aside beside the process that asked."""
        body = decode_as(due.body, StartBody)
        wish = body.request
        request = StartRequest(
            namespace=wish.namespace or "default",
            name=wish.name,
            version=wish.version,
            input=encode(wish.input),
            request_id=wish.request_id,
            correlation_id=wish.correlation_id,
            priority=wish.priority,
            trigger=body.trigger,
            created_by="stepwell",
        )
        lineage = Lineage()
        if body.trigger is TriggerType.SUB_PROCESS:
            lineage = Lineage(due.process_id, None, body.source_id, body.parent_step_id, body.depth)
        try:
            plan = self._node.lookups.by_id(self._turn, body.definition_id) if body.definition_id else None
            self._start(request, plan, lineage)
        except StepwellError as error:
            self._changes.set_aside.append(
                SetAside(process_id=body.source_id, event=due.body, error=error.message, created=self._now)
            )
            self._tell_parent_of_failure(due.process_id, body, error)

    def _tell_parent_of_failure(self, child_id: int, body: StartBody, error: StepwellError) -> None:
        """A step that waits for a process that could not begin must not wait for ever."""
        if body.parent_step_id is not None:
            news = ChildEnded(
                process_id=child_id,
                status=ProcessStatus.FAILED,
                output={"error": error.message},
                began=False,
            )
            row = Due(body.source_id, body.parent_step_id, DueKind.NEWS, self._now, encode(news))
            self._changes.due.append(row)

    def _start(self, request: StartRequest, plan: Plan | None, lineage: Lineage) -> ProcessContext:
        """Raises NotFound for an unknown definition, StepwellError when the engine raised."""
        lookups = self._node.lookups
        if plan is None and request.definition is not None:
            stored = keep_dynamic(self._turn, self._now, request.definition, request.namespace)
            plan = lookups.by_id(self._turn, stored.id)
        if plan is None:
            plan = lookups.find(self._turn, request.namespace, request.name, request.version)
        definition = plan.definition
        fold = self._folds.begin(plan)
        event = ProcessStarted(
            process_id=lineage.process_id or self._turn.reserve(-(-plan.size // BLOCK)),
            namespace=definition.namespace,
            name=definition.name,
            version=definition.version or 1,
            definition_id=plan.id,
            type=definition.type,
            trigger=request.trigger,
            input=_with_defaults(request.input, definition.default_input),
            request_id=request.request_id,
            correlation_id=request.correlation_id,
            priority=request.priority,
            created_by=request.created_by,
            tags=definition.tags,
            rerun_of=lineage.rerun_of,
            parent_id=lineage.parent_id,
            parent_step_id=lineage.parent_step_id,
            depth=lineage.depth,
        )
        try:
            fold.take(event, self._now)
        except StepwellError:
            raise
        except Exception as error:
            raise StepwellError(f"the start could not be decided: {error}", code="INTERNAL") from error
        return self._folds.add(fold)


def _with_defaults(given: Json, defaults: dict[str, Any]) -> Json:
    """The caller's input over the definition's `defaultInput`, member by member."""
    if not defaults:
        return given
    return encode({**{key: raw(encode(value)) for key, value in defaults.items()}, **members(given)})
