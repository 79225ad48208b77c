"""What a script may look at: its own process, as far as it is decided for good, under their documented names."""

from collections.abc import Collection
from typing import Any

from stepwell.definition.plan import Plan
from stepwell.model.codec import members
from stepwell.model.errors import NotFound
from stepwell.model.process import ProcessContext
from stepwell.model.step import Phase, StepContext, StepPath, parse_path
from stepwell.runtime.documented import PAYLOADS, documented_process, documented_step
from stepwell.runtime.runtime import Runtime
from stepwell.runtime.stretch import ProcessRows
from stepwell.steps.sandbox.script import Language, Script, is_python
from stepwell.steps.step import MOST_ATTEMPTS


class RowView:
    """One script's look at its process: loaded when it is asked for, once."""

    def __init__(self, runtime: Runtime, process_id: int, step_id: int) -> None:
        self._runtime = runtime
        self._process_id = process_id
        self._step_id = step_id
        self._process: ProcessContext | None = None
        self._own: StepContext | None = None

    async def plan(self) -> Plan:
        return await self._runtime.plan_of((await self._loaded())[0])

    async def context(self, payloads: Collection[str] = PAYLOADS) -> dict[str, Any]:
        process, _ = await self._loaded()
        if payloads:
            found = await self._runtime.look(process.id, lambda rows: rows.process(self._process_id))
            process = found or process
        return documented_process(process, payloads)

    async def step(self, ref: str, attempts: int = MOST_ATTEMPTS) -> dict[str, Any] | None:
        process, own = await self._loaded()
        plan = await self._runtime.plan_of(process)

        def look(reads: ProcessRows) -> dict[str, Any] | None:
            found = own if ref == "__self" else find_step(reads, plan, process, own.path, ref)
            if found is None:
                return None
            return documented_step(found, plan, reads.executions([found.id], attempts).get(found.id, []))

        return await self._runtime.look(self._process_id, look)

    async def script(self) -> Script | None:
        """The script of its configuration that the step waits for; None when it waits for one of its input."""
        process, own = await self._loaded()
        plan = await self._runtime.plan_of(process)
        given = plan.steps[str(own.path[0])].definition.configuration
        if own.phase is Phase.PREPARING:
            language = Language.PYTHON if is_python(given.script_language) else Language.JAVASCRIPT
            return Script(language, given.pre_execution_script or "", "preExecutionScript")
        if own.phase is Phase.TRANSFORMING:
            result = bytes(members(own.output)["result"])
            return Script(Language.JQ, given.jq_transformer or "", "jqTransformer", result)
        return None

    async def _loaded(self) -> tuple[ProcessContext, StepContext]:
        if self._process is None or self._own is None:
            ids = (self._process_id, self._step_id)
            self._process, self._own = await self._runtime.look(
                ids[0], lambda rows: (rows.process(ids[0], large=False), rows.step(ids[1]))
            )
        if self._process is None or self._own is None:
            raise NotFound(f"no step {self._step_id}")
        return self._process, self._own


def find_step(
    reads: ProcessRows, plan: Plan, process: ProcessContext, around: StepPath, ref: str
) -> StepContext | None:
    """The step a ref means at `around` (`()`: outside of every step): indexes that are not written come from there."""
    try:
        name, *written = parse_path(ref)
    except ValueError:
        return None
    step = plan.steps.get(str(name))
    if step is None or len(written) > len(step.loops):
        return None
    implied = len(step.loops) - len(written)
    if step.loops[:implied] != (plan.steps[str(around[0])].loops[:implied] if around else ()):
        return None
    indices = [int(index) for index in (*around[1 : 1 + implied], *written)]
    id = process.id + step.number if not indices else _id_inside(reads, plan, process, str(name), indices)
    return None if id is None else reads.step(id)


def _id_inside(
    reads: ProcessRows, plan: Plan, process: ProcessContext, name: str, indices: list[int]
) -> int | None:
    loops = plan.steps[name].loops
    id = process.id + plan.steps[loops[0]].number
    for depth, index in enumerate(indices):
        around = reads.step(id)
        if around is None or around.children is None or not 0 <= index < around.children.total:
            return None
        inner = plan.steps[loops[depth + 1]] if depth + 1 < len(loops) else plan.steps[name]
        id = around.children.base + index * plan.steps[loops[depth]].iteration_size + inner.number
    return id
