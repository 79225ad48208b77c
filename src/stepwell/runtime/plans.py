"""Plans in memory, by what they were made from. The ones not used for longest go when there are many."""

from collections import OrderedDict

from stepwell.definition.compile import build_plan
from stepwell.definition.plan import Plan
from stepwell.definition.renumber import follow
from stepwell.model.codec import decode_as
from stepwell.model.definition import ProcessDefinition
from stepwell.model.errors import NotFound
from stepwell.store.port import Reads

MOST_STEPS = 100_000
"""Of all plans together. Definitions that come with their runs are without number, so plans cannot all be kept."""

Numbering = tuple[int, ...]
Key = tuple[int, Numbering]
"""A stored definition, and those whose numbers its process keeps (see `ProcessContext.numbering`)."""


class Plans:
    def __init__(self, most_steps: int = MOST_STEPS) -> None:
        self._most_steps = most_steps
        self._plans: OrderedDict[Key, Plan] = OrderedDict()
        self._steps = 0

    def get(self, id: int, numbering: Numbering = ()) -> Plan | None:
        plan = self._plans.get((id, numbering))
        if plan is not None:
            self._plans.move_to_end((id, numbering))
        return plan

    def put(self, plan: Plan, numbering: Numbering = ()) -> Plan:
        before = self._plans.pop((plan.id, numbering), None)
        self._steps += len(plan.steps) - (0 if before is None else len(before.steps))
        self._plans[plan.id, numbering] = plan
        while self._steps > self._most_steps and len(self._plans) > 1:
            self._steps -= len(self._plans.popitem(last=False)[1].steps)
        return plan

    def clear(self) -> None:
        self._plans.clear()
        self._steps = 0

    def __len__(self) -> int:
        return len(self._plans)


class StoredPlans:
    """Plans of stored definitions, for who goes through many processes beside a runtime, or without one."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._plans = Plans()

    def of(self, definition_id: int, numbering: Numbering) -> Plan:
        """Raises NotFound."""
        plan = self._plans.get(definition_id, numbering)
        if plan is None:
            plans = [self._built(id) for id in (*numbering, definition_id)]
            plan = self._plans.put(follow(plans) if numbering else plans[0], numbering)
        return plan

    def _built(self, id: int) -> Plan:
        stored = self._reads.definition(id)
        if stored is None:
            raise NotFound(f"no stored definition {id}")
        return build_plan(stored.id, decode_as(stored.content, ProcessDefinition))
