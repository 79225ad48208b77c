"""What a turn of the memory store writes about processes, and which columns each kind of write may touch."""

from collections.abc import Sequence

from stepwell.model.codec import change
from stepwell.model.process import ProcessContext
from stepwell.model.step import StepContext
from stepwell.store.memory_tables import MemoryTables, insert
from stepwell.store.port import Changes
from stepwell.store.tables import due_key


def save(tables: MemoryTables, changes: Changes) -> Sequence[int]:
    """The processes of which a step's token did not match."""
    for process in changes.new_processes:
        insert(tables.process, process.id, process, "process")
    for process in changes.processes:
        old = tables.process.rows.get(process.id)
        if old is not None:
            tables.process.put(process.id, _updated_process(old, process))
    for step in changes.new_steps:
        insert(tables.step, step.id, step, "step")
    missed = _save_steps(tables, changes)
    for execution in changes.executions:
        insert(tables.execution, (execution.step_id, execution.id), execution, "execution")
    for block in changes.blocks:
        insert(tables.block, (block.process_id, block.first), block, "block")
    _save_due(tables, changes)
    _save_entries(tables, changes)
    _append(tables, changes)
    return sorted(missed)


def _save_steps(tables: MemoryTables, changes: Changes) -> set[int]:
    table, missed = tables.step, set()
    for steps, update in (
        (changes.steps, _updated_step),
        (changes.withdrawn, _withdrawn_step),
        (changes.offered, _offered_step),
    ):
        for step in steps:
            old = table.rows.get(step.id)
            if old is None or old.hand_out.token != step.hand_out.token:
                missed.add(step.process_id)
            else:
                table.put(step.id, update(old, step))
    for step in changes.inputs:
        old = table.rows.get(step.id)
        if old is not None:
            table.put(step.id, change(old, input=step.input, secrets=step.secrets))
    return missed


def _save_due(tables: MemoryTables, changes: Changes) -> None:
    table = tables.due
    for process_id, step_id, kind in changes.undue:
        table.delete((process_id, step_id, int(kind)))
    for process_id in changes.ended:
        for key in list(table.of_process.get(process_id, ())):
            table.delete(key)
    for row in changes.due:
        table.put(due_key(row), row)


def _save_entries(tables: MemoryTables, changes: Changes) -> None:
    for key in changes.dropped_entries:
        tables.entry.delete(key)
    for entry in changes.entries:
        tables.entry.put((entry.kind, entry.namespace, entry.name), entry)


def _append(tables: MemoryTables, changes: Changes) -> None:
    for number in changes.settled:
        tables.set_aside.delete(number)
    for event in changes.set_aside:
        id = max(tables.set_aside.rows, default=0) + 1
        tables.set_aside.put(id, change(event, id=id))
    for line in changes.audit:
        id = len(tables.audit.rows) + 1
        tables.audit.put(id, change(line, id=id))


def _updated_process(old: ProcessContext, new: ProcessContext) -> ProcessContext:
    return change(
        old,
        version=new.version,
        definition_id=new.definition_id,
        numbering=new.numbering,
        compensating=new.compensating,
        status=new.status,
        priority=new.priority,
        output=new.output,
        state=new.state,
        updated=new.updated,
        ended=new.ended,
        tags=new.tags,
        step_count=new.step_count,
        deadline=new.deadline,
        reason=new.reason,
        marked=new.marked,
        paused=new.paused,
        signals=new.signals,
        secret_state=new.secret_state,
        response=new.response,
        resumed=new.resumed,
        revision=new.revision,
    )


def _updated_step(old: StepContext, new: StepContext) -> StepContext:
    return change(
        new,
        process_id=old.process_id,
        path=old.path,
        parent_id=old.parent_id,
        queue=old.queue,
        input=old.input,
        secrets=old.secrets,
        hand_out=old.hand_out,
    )


def _withdrawn_step(old: StepContext, new: StepContext) -> StepContext:
    return change(_updated_step(old, new), hand_out=old.hand_out.released())


def _offered_step(old: StepContext, new: StepContext) -> StepContext:
    return change(_updated_step(old, new), queue=new.queue, hand_out=new.hand_out)
