"""A world for one process: the engine with rows in dicts and time that only moves when it is told to.

    world = play(definition(worker("a"), noop("b")), done("a", x=1))
    assert world.status("b") is StepStatus.COMPLETED

`World` is what shell and store are to the engine, small enough to read: it answers needs, applies decisions row by
row the way the store's statements do, hands out ready steps by rank and fires what is due.
"""

from collections.abc import Callable, Iterable
from typing import Any

from stepwell.definition.compile import build_plan
from stepwell.engine.decide import decide
from stepwell.engine.effects import (
    Decision,
    DefinitionByName,
    EntryByName,
    Ids,
    Key,
    KnownDefinition,
    KnownProcess,
    Mark,
    NewestProcess,
    OpenSteps,
    PolicyById,
    PolicyByName,
    ProcessById,
    Reply,
    Snapshot,
    StepsById,
    WaitsFor,
    Write,
)
from stepwell.engine.events import (
    AnyEvent,
    DeliveryExpired,
    ProcessStarted,
    ResumeRequested,
    ReviewRequested,
    StepReported,
    TerminateRequested,
    TimerFired,
)
from stepwell.engine.hooks import StartBody
from stepwell.engine.signals import takes
from stepwell.engine.texts import Memo
from stepwell.model.codec import change, decode, decode_as, encode
from stepwell.model.definition import ProcessDefinition, ProcessType, StepType
from stepwell.model.due import Due, DueKind
from stepwell.model.entry import Entry
from stepwell.model.error_policy import ErrorPolicy
from stepwell.model.process import Block, ProcessContext, ProcessStatus, TriggerType
from stepwell.model.step import Children, StepContext, StepExecution, StepStatus
from stepwell.model.work import WorkStatus

START = 1_000_000
"""When every story begins, epoch ms."""
PROCESS = 6_400
LEASE_MS = 600_000
MAX_DELIVERIES = 10
MOST_ROUNDS = 16


class World:
    """One process and everything around it."""

    def __init__(
        self, written: dict[str, Any], *, policies: Iterable[dict[str, Any]] = (), cold: bool = False
    ) -> None:
        """`cold`: the engine is told nothing that it does not ask for, as after a restart in a wide process."""
        self.plan = build_plan(1, decode_as(encode(written), ProcessDefinition))
        self.policies: list[ErrorPolicy] = []
        for policy in policies:
            self.add_policy(policy)
        self.entries: list[Entry] = []
        self.others: list[tuple[int, KnownProcess]] = []
        """Processes beside this one, each with the moment it was created."""
        self.sent: list[Due] = []
        """Rows for other processes, in order."""
        self.cold = cold
        self.memo: Memo = {}
        """What the shell keeps of large texts beside the rows that it has in memory."""
        self.marks: dict[str, Mark] = {}
        """Operators' marks on steps of the definition, by ref."""
        self.now = START
        self.process: ProcessContext | None = None
        self.rows: dict[int, StepContext] = {}
        self.executions: dict[tuple[int, int], StepExecution] = {}
        self.blocks: list[Block] = []
        self.dues: dict[tuple[int, int, DueKind], Due] = {}
        self.started: list[StartBody] = []
        """Processes that this one asked to be started, in order."""
        self.starts: list[Due] = []
        """The rows that ask for them."""
        self.find_definition: Callable[[str, int | None], KnownDefinition | None] = _any_definition
        self.decisions: list[tuple[AnyEvent, Decision]] = []
        self.rounds: list[int] = []
        """How often each decision asked for more."""
        self.loaded: list[int] = []
        """How many rows each decision asked for."""
        self.next_id = iter(range(PROCESS + 64 * 64, 2**53, 64 * 4_096)).__next__
        self._claims = 0

    # -- the shell: one event, one decision, its rows

    def take(self, event: AnyEvent) -> Reply:
        snapshot = self.snapshot()
        decision = self._decide(snapshot, event)
        self.decisions.append((event, decision))
        self._apply(decision)
        return decision.reply

    def snapshot(self) -> Snapshot:
        known = {} if self.cold else dict(self.rows)
        whole = not self.cold or self.process is None
        return Snapshot(
            plan=self.plan,
            process=self.process,
            steps=known,
            complete=whole,
            policies={},
            marks=dict(self.marks),
            ids={},
            memo={} if self.cold else self.memo,
        )

    def _decide(self, snapshot: Snapshot, event: AnyEvent) -> Decision:
        loaded = 0
        for rounds in range(MOST_ROUNDS):
            answer = decide(snapshot, event, self.now)
            if isinstance(answer, Decision):
                self.rounds.append(rounds)
                self.loaded.append(loaded)
                return answer
            loaded += sum(self._load(snapshot, key) for key in answer.keys)
        raise AssertionError(f"{event} asked for more than {MOST_ROUNDS} times, at last for {answer}")

    def _load(self, snapshot: Snapshot, key: Key) -> int:
        match key:
            case StepsById(ids):
                assert not set(ids) <= snapshot.steps.keys(), f"asked again for {ids}"
                snapshot.steps.update((id, self.rows.get(id)) for id in ids)
                return len(ids)
            case PolicyByName(_, name):
                same = [policy for policy in self.policies if policy.name == name]
                snapshot.policies[key] = same[-1] if same else None
            case PolicyById(id):
                snapshot.policies[key] = next((p for p in self.policies if p.id == id), None)
            case EntryByName(kind, namespace, name):
                wanted = (kind, namespace, name)
                known = {(entry.kind, entry.namespace, entry.name): entry for entry in self.entries}
                snapshot.entries[key] = known.get(wanted)
            case NewestProcess(namespace, name, since):
                named = [
                    other
                    for created, other in self.others
                    if (other.namespace, other.name) == (namespace, name) and created >= since
                ]
                snapshot.others[key] = max(named, key=lambda other: other.id, default=None)
            case ProcessById(id):
                snapshot.others[key] = next((other for _, other in self.others if other.id == id), None)
            case DefinitionByName(_, name, version):
                snapshot.definitions[key] = self.find_definition(name, version)
            case OpenSteps(limit, after):
                found = [id for id in sorted(self.rows) if id > after and self.rows[id].status.is_open][
                    :limit
                ]
                snapshot.steps.update((id, self.rows[id]) for id in found)
                snapshot.open_steps = tuple(found)
                return len(found)
            case WaitsFor(signal, correlation):
                found = [
                    id for id in sorted(self.rows) if takes(self.plan, self.rows[id], signal, correlation)
                ]
                snapshot.waiting[key] = found[0] if found else None
                snapshot.steps.update((id, self.rows[id]) for id in found[:1])
            case Ids(purpose, count):
                assert count <= 64 * 4_096
                snapshot.ids[purpose] = self.next_id()
        return 0

    def _apply(self, decision: Decision) -> None:
        if decision.process is None:
            return
        assert decision.is_new == (self.process is None)
        self.process = decision.process
        if decision.ended:
            self.dues = {key: due for key, due in self.dues.items() if key[0] != self.process.id}
        for step, write in decision.steps.values():
            self.rows[step.id] = self._written(step, write, step.id in decision.inputs)
        for execution in decision.executions:
            key = (execution.step_id, execution.id)
            assert key not in self.executions, f"execution {key} was kept twice"
            self.executions[key] = execution
        self.blocks += decision.blocks
        for wanted, entry in decision.entries.items():
            kept = [e for e in self.entries if EntryByName(e.kind, e.namespace, e.name) != wanted]
            self.entries = kept if entry is None else [*kept, entry]
        for place, due in decision.due.items():
            if due is None:
                self.dues.pop(place, None)
            elif due.kind is DueKind.START_PROCESS:
                self.started.append(decode_as(due.body, StartBody))
                self.starts.append(due)
            elif due.process_id != self.process.id:
                self.sent.append(due)
            else:
                self.dues[place] = due

    def _written(self, step: StepContext, write: Write, new_input: bool) -> StepContext:
        """The row as the store's statement of that kind leaves it."""
        if write is Write.NEW:
            assert step.id not in self.rows, f"{step.ref} was opened twice"
            queue = 1 if self.plan.steps[str(step.path[0])].type is StepType.WORKER else 0
            return change(step, queue=queue)
        row = self.rows[step.id]
        assert row.hand_out.token == step.hand_out.token, f"{step.ref}: the token is the claim's to write"
        assert new_input or row.input == step.input, f"{step.ref}: the input is written once"
        match write:
            case Write.KEEP:
                return change(step, hand_out=row.hand_out)
            case Write.WITHDRAW:
                return change(step, hand_out=row.hand_out.released())
            case Write.OFFER:
                return step

    def add_policy(self, written: dict[str, Any]) -> None:
        """A new policy, or a new version of one."""
        self.policies.append(change(decode_as(encode(written), ErrorPolicy), id=len(self.policies) + 1))

    # -- what happens to it

    def start(self, **fields: Any) -> "World":
        given = {"process_id": PROCESS, "namespace": "default", "name": "story", "version": 1}
        given |= {"definition_id": 1, "type": ProcessType.STANDARD, "trigger": TriggerType.API}
        given |= {**fields, "input": encode(fields.get("input", {}))}
        self.take(ProcessStarted(**given))
        return self

    def ready(self) -> list[StepContext]:
        """What may be claimed, best first."""
        ready = [step for step in self.rows.values() if step.hand_out.ready is not None]
        return sorted(ready, key=lambda step: (step.hand_out.ready, step.id))

    def claim(self, limit: int = 1_000_000) -> list[StepContext]:
        """Hand out up to `limit` ready steps by rank. Each has its new token."""
        return [self._hand_out(step) for step in self.ready()[:limit]]

    def _hand_out(self, step: StepContext) -> StepContext:
        self._claims += 1
        deadline = self.now + (step.lease_ms or LEASE_MS)
        taken = step.hand_out.taken(self._claims, self.now, deadline, "host", "client")
        self.rows[step.id] = change(step, hand_out=taken)
        return self.rows[step.id]

    def take_one(self, ref: str) -> StepContext:
        """The step in a worker's hands: claimed now if it is ready."""
        step = self.step(ref)
        if step.hand_out.ready is not None:
            return self._hand_out(step)
        assert step.hand_out.claim is not None, f"{ref} is {step.shown_status} and cannot be claimed"
        return step

    def report(
        self,
        step: StepContext,
        status: WorkStatus = WorkStatus.COMPLETED,
        output: dict[str, Any] | None = None,
        reschedule_ms: int = 0,
    ) -> Reply:
        """A worker's answer under the token of this record of the step."""
        return self.take(
            StepReported(
                step_id=step.id,
                token=step.hand_out.token,
                status=status,
                output=encode(output or {}),
                reschedule_ms=reschedule_ms,
            )
        )

    def fire(self, due: Due) -> None:
        self.dues.pop((due.process_id, due.step_id, due.kind), None)
        self.take(TimerFired(kind=due.kind, step_id=due.step_id, body=due.body))

    def expire(self, step: StepContext) -> None:
        """The lease of the hand-out that this record knows is over."""
        token = step.hand_out.token
        self.take(DeliveryExpired(step_id=step.id, token=token, max_deliveries=MAX_DELIVERIES))

    def advance(self, ms: int) -> None:
        """Let time pass: due rows and ended leases become events, each at its moment."""
        until = self.now + ms
        while True:
            dues = [(due.at, 0, due.kind, due.step_id, due) for due in self.dues.values()]
            leases = [
                (step.hand_out.deadline, 1, 0, step.id, step)
                for step in self.rows.values()
                if step.hand_out.claim is not None
            ]
            at, _, _, _, first = min((*dues, *leases), key=lambda item: item[:4], default=(until + 1,) * 5)
            if at > until:
                break
            self.now = max(self.now, at)
            if isinstance(first, Due):
                self.fire(first)
            else:
                self.expire(first)
        self.now = until

    def settle(self) -> None:
        """Let everything happen that is due now, without time passing."""
        self.advance(0)

    # -- looking at it

    @property
    def now_process(self) -> ProcessContext:
        assert self.process is not None
        return self.process

    @property
    def ended_as(self) -> ProcessStatus:
        return self.now_process.status

    @property
    def process_output(self) -> Any:
        return decode(self.now_process.output)

    @property
    def state(self) -> Any:
        return decode(self.now_process.state)

    def find(self, ref: str) -> StepContext | None:
        return next((step for step in self.rows.values() if step.ref == ref), None)

    def step(self, ref: str) -> StepContext:
        found = self.find(ref)
        assert found is not None, f"{ref} has no context"
        return found

    def status(self, ref: str) -> StepStatus | None:
        found = self.find(ref)
        return None if found is None else found.shown_status

    def statuses(self) -> dict[str, str]:
        """Every step that has a context, in id order."""
        return {self.rows[id].ref: self.rows[id].shown_status.value for id in sorted(self.rows)}

    def output(self, ref: str) -> Any:
        return decode(self.step(ref).output)

    def input(self, ref: str) -> Any:
        return decode(self.step(ref).input)

    def counters(self, ref: str) -> Children:
        found = self.step(ref).children
        assert found is not None
        return found

    def earlier(self, ref: str) -> list[StepExecution]:
        """The finished executions of a step that a further one has followed."""
        id = self.step(ref).id
        return [kept for (step_id, _), kept in sorted(self.executions.items()) if step_id == id]

    def due_of(self, ref: str | None = None) -> dict[DueKind, int]:
        """Kind → time from now of the due rows of a step, or of the process itself."""
        step_id = 0 if ref is None else self.step(ref).id
        return {kind: due.at - self.now for (_, id, kind), due in self.dues.items() if id == step_id}


def _any_definition(name: str, version: int | None) -> KnownDefinition | None:
    return KnownDefinition(id=2, version=1, size=2)


Move = Callable[[World], object]


def play(written: dict[str, Any], *moves: Move, cold: bool = False, policies: Iterable[dict[str, Any]] = (),
         **start: Any) -> World:  # fmt: skip
    """Start a process of that definition, let the moves happen, and settle after each."""
    world = World(written, policies=policies, cold=cold).start(**start)
    world.settle()
    for move in moves:
        move(world)
        world.settle()
    return world


# -- moves


def claimed(ref: str) -> Move:
    return lambda world: world.take_one(ref)


def done(ref: str, **output: Any) -> Move:
    return lambda world: world.report(world.take_one(ref), WorkStatus.COMPLETED, output)


def failed(ref: str, error: str = "broken", **output: Any) -> Move:
    return lambda world: world.report(world.take_one(ref), WorkStatus.FAILED, {"error": error, **output})


def running(ref: str, after_ms: int = 0, **output: Any) -> Move:
    return lambda world: world.report(world.take_one(ref), WorkStatus.RUNNING, output, after_ms)


def expired(ref: str) -> Move:
    return lambda world: world.expire(world.take_one(ref))


def passed(ms: int) -> Move:
    return lambda world: world.advance(ms)


def answered(ref: str, result: Any, *logs: str) -> Move:
    """The server's script runner answers for a control step."""
    return lambda world: world.report(
        world.take_one(ref), WorkStatus.COMPLETED, {"result": result, "logs": list(logs)}
    )


def terminated(reason: str = "") -> Move:
    return lambda world: world.take(TerminateRequested(reason=reason))


def resumed(world: World) -> None:
    world.take(ResumeRequested())


def reviewed(reason: str = "") -> Move:
    return lambda world: world.take(ReviewRequested(reason=reason))


def everything_done(world: World) -> None:
    """Workers complete whatever is ready, until nothing is."""
    while steps := world.claim():
        for step in steps:
            world.report(step, WorkStatus.COMPLETED, {"by": step.ref})
        world.settle()


# -- definitions, short


def definition(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "story", "version": 1, "steps": steps, **fields}


def step(type: str, ref: str, *children: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A step definition; `policy` and `priority` go into its configuration."""
    configuration = {
        written: fields.pop(said)
        for said, written in (("policy", "errorPolicyName"), ("priority", "priority"))
        if said in fields
    }
    return {
        "type": type,
        "ref": ref,
        "name": ref,
        "children": children,
        "configuration": configuration,
        **fields,
    }


def worker(ref: str, **fields: Any) -> dict[str, Any]:
    return step("WORKER", ref, **fields)


def noop(ref: str, **input: Any) -> dict[str, Any]:
    return step("NOOP", ref, input=input)


def fail(ref: str, **fields: Any) -> dict[str, Any]:
    return step("FAIL", ref, **fields)


def exit(ref: str, **input: Any) -> dict[str, Any]:
    return step("EXIT", ref, input=input)


def sequence(ref: str, *children: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return step("LIST", ref, *children, **fields)


def parallel(ref: str, *children: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return step("PARALLEL", ref, *children, **fields)


def foreach(
    ref: str, items: Any, child: dict[str, Any], concurrency: Any = None, **fields: Any
) -> dict[str, Any]:
    input = {"inputArray": items} | ({} if concurrency is None else {"concurrency": concurrency})
    return step("FOREACH", ref, child, input=input, **fields)


def policy(name: str, **reactions: Any) -> dict[str, Any]:
    """An error policy; reactions by their documented names, e.g. `failure={"action": "RETRY"}`."""
    return {"name": name, **reactions}


def retrying(count: int, **fields: Any) -> dict[str, Any]:
    return {"action": "RETRY", "retryCount": count, **fields}
