"""What a lane looks up again and again: plans, queue numbers, error policies. By id for ever, by name until a write."""

from stepwell.definition.compile import build_plan
from stepwell.definition.plan import SCRIPTS, Plan
from stepwell.definition.renumber import follow
from stepwell.engine.effects import Mark
from stepwell.model.codec import decode, decode_as
from stepwell.model.definition import DEFAULT_NAMESPACE, ProcessDefinition
from stepwell.model.entry import EntryKind
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.errors import NotFound
from stepwell.model.process import ProcessContext
from stepwell.model.step import Phase
from stepwell.model.work import QueueName
from stepwell.runtime.plans import Numbering, Plans
from stepwell.store.port import Turn

_SCRIPTED = (Phase.EVALUATING, Phase.PREPARING, Phase.TRANSFORMING)
MOST_NAMES = 100_000
"""How much is remembered of each kind. Definitions that come with their runs may have ever new names."""


class Lookups:
    """Belongs to the lane. A stored definition never changes, so a plan never grows old; names do."""

    def __init__(self) -> None:
        self._plans = Plans()
        self._found: dict[tuple[str, str, int | None], Plan] = {}
        self._step_queues: dict[tuple[int, str, Phase], int] = {}
        self._queues: dict[QueueName, int] = {}
        self._queue_names: dict[int, QueueName] = {}
        self._policies: dict[tuple[str, str], ErrorPolicy | None] = {}
        self._marks: dict[tuple[str, str], dict[str, Mark]] = {}

    def forget(self) -> None:
        """A turn was rolled back. Numbers of queues are never given twice, and held polls still know theirs."""
        self._plans.clear()
        self._step_queues.clear()
        self._queues.clear()
        self.forget_names()

    def by_id(self, turn: Turn, id: int) -> Plan:
        plan = self._plans.get(id)
        if plan is None:
            stored = turn.definition(id)
            if stored is None:
                raise NotFound(f"no stored definition {id}")
            plan = self.keep(id, stored.content)
        return plan

    def of(self, turn: Turn, process: ProcessContext) -> Plan:
        """The plan that a process follows."""
        return self.numbered(turn, process.definition_id, process.numbering)

    def numbered(self, turn: Turn, id: int, numbering: Numbering) -> Plan:
        """The plan of a stored definition for a process that followed others before. Raises Conflict, NotFound."""
        if not numbering:
            return self.by_id(turn, id)
        plan = self._plans.get(id, numbering)
        if plan is None:
            plan = follow([self.by_id(turn, each) for each in (*numbering, id)])
            self._plans.put(plan, numbering)
        return plan

    def keep(self, id: int, content: bytes) -> Plan:
        return self._plans.put(build_plan(id, decode_as(content, ProcessDefinition)))

    def find(self, turn: Turn, namespace: str, name: str, version: int | None) -> Plan:
        """The plan of that version, or of the newest. Raises NotFound."""
        key = (namespace, name, version)
        plan = self._found.get(key)
        if plan is None:
            stored = turn.find_definition(namespace, name, version)
            if stored is None:
                which = "" if version is None else f" version {version}"
                raise NotFound(f"no process definition {namespace}/{name}{which}")
            plan = self._found[key] = self._plans.get(stored.id) or self.keep(stored.id, stored.content)
        return plan

    def forget_names(self) -> None:
        """The catalog was written: what was found by name must be looked up again."""
        self._found.clear()
        self._policies.clear()
        self._marks.clear()

    def policy(self, turn: Turn, namespace: str, name: str) -> ErrorPolicy | None:
        """The newest policy of that name, in the namespace or else in the default one."""
        key = (namespace, name)
        if key not in self._policies:
            found = turn.policy(namespace, name) or turn.policy(DEFAULT_NAMESPACE, name)
            self._policies[key] = found
        return self._policies[key]

    def marks(self, turn: Turn, namespace: str, name: str) -> dict[str, Mark]:
        """Operators' marks on the steps of a definition, by ref. Remembered until the catalog is written."""
        key = (namespace, name)
        found = self._marks.get(key)
        if found is None:
            prefix = f"{name}/"
            rows = turn.entries(EntryKind.HOLD, namespace, prefix)
            if len(self._marks) >= MOST_NAMES:
                self._marks.clear()
            found = self._marks[key] = {
                row.name[len(prefix) :]: Mark(decode(row.body)["mark"]) for row in rows
            }
        return found

    def queue_of(self, turn: Turn, plan: Plan, ref: str, phase: Phase) -> int:
        """The number of the queue that a step stands in while it is offered; 0 when nobody takes it."""
        key = (plan.id, ref, phase)
        number = self._step_queues.get(key)
        if number is None:
            if len(self._step_queues) >= MOST_NAMES:
                self._step_queues.clear()
            scripted = phase in _SCRIPTED
            name = SCRIPTS if scripted else plan.steps[ref].queue
            number = self._step_queues[key] = 0 if name is None else self.queue(turn, name)
        return number

    def queue(self, turn: Turn, name: QueueName) -> int:
        number = self._queues.get(name)
        if number is None:
            number = self._queues[name] = turn.queue(name)
            self._queue_names[number] = name
        return number

    def queue_name(self, number: int) -> QueueName:
        """Of a queue that `queue` has answered before."""
        return self._queue_names[number]
