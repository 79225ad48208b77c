"""A world that looks after every decision whether what must always hold still holds."""

from typing import Any

from stepwell.engine.decide import decide
from stepwell.engine.effects import Decision, Reply, Snapshot
from stepwell.engine.events import AnyEvent, ResumeRequested, ReviewRequested, StepReported
from stepwell.model.codec import change, decode
from stepwell.model.definition import StepType
from stepwell.model.due import DueKind
from stepwell.model.error_policy import ErrorPolicy, Reaction, StepErrorAction
from stepwell.model.step import StepContext, StepStatus
from stepwell.model.work import Acceptance, WorkStatus
from tests.engine.play import MOST_ROUNDS, World


class WatchedWorld(World):
    """Every event is decided three times (twice from the same snapshot, once from an empty one), then checked."""

    def __init__(self, written: dict[str, Any], policies: list[dict[str, Any]]) -> None:
        super().__init__(written, policies=policies)
        self.taken: set[tuple[int, DueKind]] = set()
        """Due rows (by step and kind) that a turn has taken and not decided yet."""
        self._accepted: set[tuple[int, int]] = set()
        self._closed_in: dict[int, int] = {}
        """Step id → how often the process had been resumed when it closed."""
        self._passes: dict[int, int] = {}
        """Step id → its execution with which the current pass began."""

    def take(self, event: AnyEvent) -> Reply:
        before = dict(self.rows)
        was = self.process
        executions = dict(self.executions)
        reply = super().take(event)
        closed_rows_stay(self, event, before)
        self._note_passes(before)
        ended_processes_stay(self, event, was, before, executions)
        outputs_belong_to_their_executions(self)
        self._token_is_accepted_once(event, reply)
        executions_follow_the_policy(self, event, reply, before)
        counters_equal_a_recount(self)
        loops_keep_to_their_room(self)
        timers_belong_to_who_waits(self)
        somebody_moves_every_open_step(self)
        ended_processes_are_at_rest(self)
        executions_leave_no_gap(self)
        times_never_go_back(self, before)
        return reply

    def _decide(self, snapshot: Snapshot, event: AnyEvent) -> Decision:
        decision = super()._decide(snapshot, event)
        assert decide(snapshot, event, self.now) == decision, "the same arguments, another answer"
        assert self._decide_cold(snapshot, event) == decision, "what is known already decides too"
        return decision

    def _decide_cold(self, warm: Snapshot, event: AnyEvent) -> Decision:
        """The same, by an engine that has to ask for everything."""
        snapshot = change(
            warm, steps={}, complete=self.process is None, policies={}, open_steps=None, memo={}
        )
        for _ in range(MOST_ROUNDS):
            answer = decide(snapshot, event, self.now)
            if isinstance(answer, Decision):
                return answer
            for key in answer.keys:
                self._load(snapshot, key)
        raise AssertionError(f"{event} asked for more than {MOST_ROUNDS} times, at last for {answer}")

    def _note_passes(self, before: dict[int, StepContext]) -> None:
        resumed = self.now_process.resumed
        for id, row in self.rows.items():
            old = before.get(id)
            if old is None or (not old.status.is_open and row.execution > old.execution):
                self._passes[id] = row.execution
            if not row.status.is_open and row != old:
                self._closed_in[id] = resumed

    def closed_in(self, id: int) -> int:
        """How often the process had been resumed when the step closed."""
        return self._closed_in[id]

    def retries_of(self, step: StepContext) -> int:
        """How many retries this record of a step has had, counted from executions, not from what the engine notes."""
        return step.execution - self._passes[step.id]

    def policy_of(self, step: StepContext) -> ErrorPolicy | None:
        name = self.plan.steps[str(step.path[0])].policy
        return next((policy for policy in self.policies if policy.name == name), None)

    def _token_is_accepted_once(self, event: AnyEvent, reply: Reply) -> None:
        if isinstance(event, StepReported) and reply is Acceptance.ACCEPTED:
            key = (event.step_id, event.token)
            assert key not in self._accepted, f"{key} was accepted twice"
            self._accepted.add(key)


def closed_rows_stay(world: WatchedWorld, event: AnyEvent, before: dict[int, StepContext]) -> None:
    """A closed row never changes, but by a resume: its own event or, deeper down, what follows from it."""
    for id, old in before.items():
        if old.status.is_open or world.rows[id] == old:
            continue
        assert world.closed_in(id) < world.now_process.resumed, (
            f"{old.ref} was {old.status}, {event} changed it"
        )
        assert old.status is not StepStatus.COMPLETED, f"{old.ref} was COMPLETED, {event} changed it"


def ended_processes_stay(
    world: WatchedWorld, event: AnyEvent, was: Any, before: dict[int, StepContext], executions: dict[Any, Any]
) -> None:
    """Nothing changes after the process has ended, but by a resume or a review."""
    if was is None or was.status.is_open or isinstance(event, ResumeRequested | ReviewRequested):
        return
    assert world.process == was, f"the process had ended, {event} changed it"
    assert world.rows == before, f"the process had ended, {event} changed its steps"
    assert world.executions == executions, f"the process had ended, {event} changed its executions"


def outputs_belong_to_their_executions(world: WatchedWorld) -> None:
    """Workers write down what they worked on: it must stand where it belongs."""
    for step in world.rows.values():
        if step.queue:
            mark = decode(step.output).get("worked_on")
            assert mark in (None, [step.id, step.execution]), f"{step.ref} has the output of {mark}"
    for kept in world.executions.values():
        mark = decode(kept.output).get("worked_on")
        assert mark is None or not world.rows[kept.step_id].queue or mark == [kept.step_id, kept.id], (
            f"execution {kept.id} of {kept.step_id} has the output of {mark}"
        )


def executions_follow_the_policy(
    world: WatchedWorld, event: AnyEvent, reply: Reply, before: dict[int, StepContext]
) -> None:
    """Never more executions than the policy grants, and no end before they are used up."""
    for step in world.rows.values():
        if step.queue:
            policy = world.policy_of(step)
            assert world.retries_of(step) <= _most_retries(policy), f"{step.ref} ran too often"
    if isinstance(event, StepReported) and reply is Acceptance.ACCEPTED and event.status is WorkStatus.FAILED:
        old = before[event.step_id]
        reaction = _failure(world.policy_of(old))
        granted = reaction is not None and reaction.action is StepErrorAction.RETRY
        if granted and reaction is not None and world.retries_of(old) < reaction.retry_count:
            step = world.rows[old.id]
            assert step.status.is_open, f"{old.ref} failed although a retry was left"
            assert step.execution == old.execution + 1
        else:
            assert world.rows[old.id].status is StepStatus.FAILED


def _failure(policy: ErrorPolicy | None) -> Reaction | None:
    return None if policy is None else policy.failure


def _most_retries(policy: ErrorPolicy | None) -> int:
    if policy is None:
        return 0
    reactions = (policy.failure, policy.start_timeout, policy.response_timeout, policy.completion_timeout)
    return max(
        (one.retry_count for one in reactions if one is not None and one.action is StepErrorAction.RETRY),
        default=0,
    )


def counters_equal_a_recount(world: WatchedWorld) -> None:
    """What a container counts is what its children's rows say."""
    for step in world.rows.values():
        plan = world.plan.steps[str(step.path[0])]
        counters = step.children
        if counters is None or not step.status.is_open or plan.type is StepType.LIST:
            continue
        place = (
            (lambda child: child.path[-1])
            if plan.type is StepType.FOREACH
            else (lambda child: world.plan.steps[str(child.path[0])].position)
        )
        children = [child for child in world.rows.values() if child.parent_id == step.id]
        seen = [child for child in children if place(child) < counters.next]
        assert len(seen) == counters.next, f"{step.ref} has opened {len(seen)}, not {counters.next}"
        assert counters.open == sum(child.status.is_open for child in children), f"{step.ref}: open"
        bad = [child for child in seen if _stops(world, child)]
        assert counters.failed == len(bad), f"{step.ref}: failed"


def loops_keep_to_their_room(world: WatchedWorld) -> None:
    """A FOREACH never has more iterations open than its concurrency."""
    for step in world.rows.values():
        if world.plan.steps[str(step.path[0])].type is StepType.FOREACH and step.children is not None:
            assert step.children.open <= decode(step.input)["concurrency"], f"{step.ref}: too many at once"


def timers_belong_to_who_waits(world: WatchedWorld) -> None:
    """A clock of a step stands in `due` only while the step is open and knows of it."""
    for _, step_id, kind in world.dues:
        if kind in (DueKind.READY, DueKind.START_TIMEOUT, DueKind.COMPLETION_TIMEOUT):
            step = world.rows[step_id]
            assert step.status.is_open, f"{step.ref} is {step.status} with a {kind.name} row"
            assert step.timers & kind, f"{step.ref} does not know of its {kind.name} row"


def somebody_moves_every_open_step(world: WatchedWorld) -> None:
    """A worker step that is open is in its queue, in a worker's hands, or has a row that puts it into the queue."""
    due = {(step_id, kind) for _, step_id, kind in world.dues} | world.taken
    for step in world.rows.values():
        if step.queue and step.status.is_open:
            places = [step.hand_out.ready is not None, step.hand_out.claim is not None]
            assert sum(places) + ((step.id, DueKind.READY) in due) >= 1, f"nobody moves {step.ref}"
            assert sum(places) <= 1, f"{step.ref} is in its queue and in a worker's hands"


def _stops(world: WatchedWorld, step: StepContext) -> bool:
    optional = world.plan.steps[str(step.path[0])].optional
    return step.status is StepStatus.CANCELLED or (step.status.is_failed and not optional)


def ended_processes_are_at_rest(world: WatchedWorld) -> None:
    """An ended process has no open step, nothing in the queue, nothing due."""
    if world.now_process.status.is_open:
        return
    still_open = [step.ref for step in world.rows.values() if step.status.is_open]
    assert not still_open, f"{world.ended_as} with {still_open} open"
    assert not world.ready()
    assert not any(step.hand_out.claim for step in world.rows.values())
    assert not world.dues, f"{world.ended_as} and still due: {list(world.dues)}"


def executions_leave_no_gap(world: WatchedWorld) -> None:
    """A context's executions are 1, 2, 3 …; the newest is its own."""
    kept: dict[int, list[int]] = {}
    for step_id, number in sorted(world.executions):
        kept.setdefault(step_id, []).append(number)
    for step in world.rows.values():
        assert kept.get(step.id, []) == list(range(1, step.execution)), f"{step.ref}: {kept.get(step.id)}"
        assert step.process_id == world.now_process.id
    assert world.now_process.step_count == len(world.rows)


def times_never_go_back(world: WatchedWorld, before: dict[int, StepContext]) -> None:
    for id, old in before.items():
        assert world.rows[id].updated >= old.updated
        if old.hand_out.first_start:
            assert world.rows[id].hand_out.first_start == old.hand_out.first_start, f"{old.ref}: start moved"
