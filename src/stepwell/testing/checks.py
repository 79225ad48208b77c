"""The invariants. Each has a name; every turn of a simulated run is held against all of them.

Nothing in here asks the engine what it thinks: what must hold is said again, in other words, from the rows and from
what workers and callers were told.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from stepwell.definition.compile import build_plan
from stepwell.definition.plan import Plan, StepPlan
from stepwell.model.codec import change, decode, decode_as
from stepwell.model.definition import ProcessDefinition, StepType
from stepwell.model.due import DueKind
from stepwell.model.error_policy import ErrorPolicy, StepErrorAction
from stepwell.model.errors import Busy, StepwellError
from stepwell.model.process import ProcessContext, ProcessStatus
from stepwell.model.step import HandOut, StepContext, StepStatus
from stepwell.model.work import Acceptance, WorkRequest, WorkResult, WorkStatus
from stepwell.runtime.asks import Ask, ExchangeAsk, StartAsk
from stepwell.runtime.lane import Answer, Lane, answer_of
from stepwell.runtime.requests import Exchanged
from stepwell.runtime.turn import RuntimeSettings
from stepwell.testing.clients import Ledger
from stepwell.testing.faults import FaultyStore
from stepwell.testing.mirror import Delta, Mirror
from stepwell.testing.workers import STATE_PUT
from stepwell.testing.world import World

Reports = Mapping[int, Sequence[WorkResult]]
NO_HAND_OUT = HandOut()


class Violation(AssertionError):
    """An invariant does not hold. The text names it and says what was found."""


class Checks:
    """Holds every turn against the invariants, and counts the interesting situations that came up."""

    def __init__(self, world: World, store: FaultyStore, settings: RuntimeSettings, ledger: Ledger) -> None:
        self.mirror = Mirror()
        self.world = world
        self._store = store
        self._settings = settings
        self._ledger = ledger
        self._plans: dict[int, Plan] = {}
        self._policies: dict[int, ErrorPolicy] = {}
        self._policies_of: dict[int, dict[int, None]] = {}
        """Step → the versions of policies that its executions were scheduled under."""
        self._accepted: dict[tuple[int, int], None] = {}
        self._handed: dict[tuple[int, int], tuple[str, str | None]] = {}
        self._resumed_at_close: dict[int, int] = {}
        """Step → how often its process had been resumed when the step ended, at least."""
        self._resumed_before: dict[int, int] = {}
        self._state: dict[int, dict[str, Any]] = {}
        self._request_ids: dict[str, int] = {}
        self.hooks_owed: dict[int, list[int]] = {}
        """Process → how many hook processes it must have started at least, and at most."""
        self.hooks_seen: dict[int, int] = {}

    # -- the entrance

    def after_turn(
        self, lane: Lane | None, asks: Sequence[Ask], answers: Sequence[Answer], *, committed: bool
    ) -> None:
        for error in self._store.errors:
            if not isinstance(error, StepwellError):
                self.broken("a turn never raises", f"{type(error).__name__}: {error}")
        before = self._held_by_poll(asks)
        delta = self.mirror.refresh(self._store)
        reports = self._accepted_in(asks) if committed else {}
        self._resumed_before = {new.id: old.resumed for old, new in delta.processes if old is not None}
        old_steps = {new.id: old for old, new in delta.steps}
        for step_id, results in reports.items():
            self._check_reports(step_id, results, old_steps, delta)
        for old, new in delta.steps:
            self._check_step(old, new, reports.get(new.id, ()))
        for claim, after in delta.claims:
            self._check_claim(claim.steps if claim else (), after.steps if after else ())
        for was, process in delta.processes:
            self._check_process(was, process)
        touched = sorted({step.process_id for _, step in delta.steps} | {p.id for _, p in delta.processes}
                         | {(a or b).process_id for a, b in delta.due if a or b})  # type: ignore[union-attr]  # fmt: skip
        for id in touched:
            if id in self.mirror.processes:
                self._check_shape(self.mirror.processes[id])
        if lane is not None:
            self._check_cache(lane, touched)
        self._check_answers(answers, before)

    def broken(self, name: str, found: str) -> NoReturn:
        raise Violation(f"{name}: {found}")

    def see(self, what: str) -> None:
        self.world.sightings[what] += 1

    def plan(self, process: ProcessContext) -> Plan:
        plan = self._plans.get(process.definition_id)
        if plan is None:
            stored = self._store.reads.definition(process.definition_id)
            assert stored is not None
            plan = build_plan(stored.id, decode_as(stored.content, ProcessDefinition))
            self._plans[process.definition_id] = plan
        return plan

    def step_plan(self, step: StepContext) -> StepPlan:
        return self.plan(self.mirror.processes[step.process_id]).steps[str(step.path[0])]

    def policy(self, id: int) -> ErrorPolicy | None:
        if id and id not in self._policies:
            with self._store.inner.turn() as turn:
                found = turn.policy_by_id(id)
            assert found is not None
            self._policies[id] = found
        return self._policies.get(id)

    def check_set_aside(self) -> None:
        found = self._store.reads.set_aside()
        if found:
            self.broken("the engine never raises", f"{found[0].error} on {found[0].event!r}")

    # -- what workers said

    def _accepted_in(self, asks: Sequence[Ask]) -> dict[int, list[WorkResult]]:
        accepted: dict[int, list[WorkResult]] = {}
        for ask in asks:
            if not isinstance(ask, ExchangeAsk):
                continue
            for result, outcome in zip(ask.exchange.results, ask.outcomes, strict=True):
                self.see(f"result {outcome}")
                if outcome is Acceptance.ACCEPTED:
                    accepted.setdefault(result.step_id, []).append(result)
                elif outcome is Acceptance.SET_ASIDE:
                    self.check_set_aside()
                elif outcome is Acceptance.STALE:
                    step = self.mirror.steps.get(result.step_id)
                    if step is not None and step.status.is_open and 0 < result.token < step.hand_out.token:
                        self.see("late result after another hand-out")
        return accepted

    def _check_reports(
        self, step_id: int, results: Sequence[WorkResult], old: Mapping[int, StepContext | None], delta: Delta
    ) -> None:
        if step_id not in old:
            self.broken("an accepted result is stored", f"nothing of step {step_id} changed")
        if len(results) > 1:
            self.broken(
                "a hand-out is reported once", f"{len(results)} results of step {step_id} in one turn"
            )
        before, after, result = old[step_id], self.mirror.steps[step_id], results[0]
        key = (step_id, result.token)
        if key in self._accepted:
            self.broken("a hand-out is reported once", f"step {step_id} token {result.token} again")
        self._accepted[key] = None
        if before is None or not before.status.is_open:
            self.broken("only open steps take results", f"step {step_id} was {before and before.status}")
            return
        if before.hand_out.token != result.token:
            self.broken(
                "only the last token counts", f"{result.token} was taken, last was {before.hand_out.token}"
            )
        if before.hand_out.claim is None:
            self.see("late result, nobody else had it")
        self._check_stored(before, after, result, delta)

    def _check_stored(
        self, before: StepContext, after: StepContext, result: WorkResult, delta: Delta
    ) -> None:
        """The output of the accepted result, and of no other, is where it belongs."""
        output = decode(result.output)
        put = output.pop(STATE_PUT, None)
        same = after.execution == before.execution
        resumed = self.mirror.processes[after.process_id].resumed
        moved_on = after.execution > before.execution + (result.status is WorkStatus.FAILED)
        state = self._state.setdefault(after.process_id, {})
        match result.status:
            case WorkStatus.COMPLETED:
                if after.status is not StepStatus.COMPLETED or decode(after.output) != output:
                    self.broken("an accepted result is stored", f"{output} became {_shown(after)}")
                state.update(put or {})
            case WorkStatus.RUNNING:
                if same and after.status.is_open and decode(after.output) != output:
                    self.broken("an accepted result is stored", f"{output} became {_shown(after)}")
                state.update(put or {})
                self.see("kept running")
            case WorkStatus.FAILED:
                kept = after.output if same else None
                if not same and (execution := delta.executions.get((after.id, before.execution))):
                    kept = execution.output
                if kept is None or decode(kept) != output:
                    self.broken("an accepted result is stored", f"{output} became {_shown(after)}")
                closed = same and not after.status.is_open
                last = closed or moved_on or (not same and after.retries == 0 and resumed > 0)
                if last and self.step_plan(after).optional:
                    state.update(put or {})
                elif put:
                    self.see("state keys of a failed attempt dropped")
                if closed:
                    self._check_given_up(before, after)

    def _check_given_up(self, before: StepContext, after: StepContext) -> None:
        """Failing earlier than the policy says is as wrong as failing later."""
        if self.step_plan(after).optional:
            self.see("an optional step failed")
        policy = self.policy(before.policy_id)
        reaction = policy.failure if policy else None
        if reaction and reaction.action is StepErrorAction.RETRY and before.retries < reaction.retry_count:
            self.broken(
                "retries as the policy says", f"{_shown(after)} gave up after {before.retries} retries"
            )

    # -- one step's row

    def _check_step(self, old: StepContext | None, new: StepContext, results: Sequence[WorkResult]) -> None:
        process = self.mirror.processes[new.process_id]
        hand_out = new.hand_out
        if old is None:
            self._check_new(new)
        else:
            self._check_closed_stays(old, new, process)
            self._check_token(old, new, results)
            self._check_lease(old, new, results)
            self._check_executions(old, new, process)
        if old is not None and old.hand_out.claim is not None and new.status is StepStatus.CANCELLED:
            self.see("ended while a worker held a step")
        if not new.status.is_open:
            before = self._resumed_before.get(process.id, process.resumed)
            self._resumed_at_close[new.id] = before
        if hand_out.ready is not None:
            closing = not process.status.is_open and self._is_closing(process)
            if not new.status.is_open or not new.queue or not (process.status.is_open or closing):
                self.broken("ready means claimable", f"{_shown(new)} of a {process.status} process is ready")
            if hand_out.claim is not None:
                self.broken("ready means claimable", f"{_shown(new)} is ready and held")
        if hand_out.claim is not None:
            claim = self.mirror.claims.get(hand_out.claim)
            if (claim is None or new.id not in claim.steps) and process.status.is_open:
                self.broken("what is held has a claim", f"{_shown(new)} has none ({hand_out})")
            if not new.status.is_open:
                self.broken("nobody holds a closed step", f"{_shown(new)} {hand_out}")
        if hand_out.deliveries > self._settings.max_deliveries and not new.lease_ms:
            self.broken("deliveries are bounded", f"{_shown(new)} {hand_out}")
        if new.policy_id:
            self._policies_of.setdefault(new.id, {})[new.policy_id] = None
        if new.queue and (old is None or old.status is not new.status):
            self._check_cause(old, new, results)
        elif new.id in self.mirror.children_of and (old is None or old.status is not new.status):
            self._check_container_end(new)

    def _check_new(self, new: StepContext) -> None:
        plan = self.step_plan(new)
        if new.hand_out.claim is not None:
            self.see("handed out in the turn that made it ready")
        given, wanted = decode(new.input), plan.definition.input
        if new.status is StepStatus.SKIPPED or plan.type is not StepType.WORKER:
            return
        if "from" in wanted:
            source = self._sibling(new, wanted["from"])
            value = decode(source.output).get("n") if source is not None else None
            if given != {**given, "from": wanted["from"], "value": value}:
                self.broken("templates see what was stored", f"{_shown(new)} got {given}, {value} was right")
            self.see("a template used an output")
        if "index" in wanted and given["index"] != new.path[-1]:
            self.broken("templates see what was stored", f"{_shown(new)} got {given}")

    def _sibling(self, step: StepContext, ref: str) -> StepContext | None:
        for id in self.mirror.steps_of[step.process_id]:
            other = self.mirror.steps[id]
            if other.path == (ref, *step.path[1:]):
                return other
        return None

    def _check_closed_stays(self, old: StepContext, new: StepContext, process: ProcessContext) -> None:
        if old.status.is_open:
            return
        if old.status.is_complete:
            self.broken("what went well stays", f"{_shown(old)} became {_shown(new)}")
        if process.resumed <= self._resumed_at_close[old.id]:
            self.broken("a closed step never changes", f"{_shown(old)} became {_shown(new)} {new.hand_out}")
        if new.execution == old.execution and new.container_runs == old.container_runs:
            self.broken("a closed step never changes", f"{_shown(old)} became {_shown(new)} without a run")
        if self.step_plan(new).type is StepType.FOREACH:
            self.see("a FOREACH was resumed")

    def _check_token(self, old: StepContext, new: StepContext, results: Sequence[WorkResult]) -> None:
        before, after = old.hand_out, new.hand_out
        if after.token < before.token:
            self.broken("the token never goes down", f"{_shown(new)}: {before.token} → {after.token}")
        if after.token == before.token or results or old.execution != new.execution:
            return
        given_back = after.claim is None and after.ready is not None
        if given_back:
            self.see("given back for a caller who hung up")
        elif (after.deliveries, after.runs) != (before.deliveries + 1, before.runs + 1):
            self.broken("every hand-out counts", f"{_shown(new)}: {before} → {after}")
        if before.ready is not None and after.claim is not None:
            self.see("handed out from the queue")

    def _check_lease(self, old: StepContext, new: StepContext, results: Sequence[WorkResult]) -> None:
        """Who holds a step keeps it until the lease is over, unless it is reported or its end comes otherwise."""
        before, after = old.hand_out, new.hand_out
        if before.claim is None or results or not new.status.is_open:
            return
        if after.claim == before.claim:
            if after.deadline > before.deadline:
                self.see("lease extended")
            if after.deadline < before.deadline:
                self.broken("a lease is kept", f"{_shown(new)}: {before} → {after}")
            return
        resumed = self.mirror.processes[new.process_id].resumed > self._resumed_at_close.get(new.id, 0)
        if before.deadline > self.world.now and not resumed:
            self.broken("a lease is kept", f"{_shown(new)}: {before} → {after} at {self.world.now}")
        self.see("lease over")

    def _check_executions(self, old: StepContext, new: StepContext, process: ProcessContext) -> None:
        if new.execution < old.execution:
            self.broken("executions go up", f"{_shown(new)}: {old.execution} → {new.execution}")
        for id in range(old.execution, new.execution):
            if (new.id, id) not in self.mirror.executions:
                self.broken("a finished execution is kept", f"{_shown(new)} has no execution {id}")
        if new.retries > old.retries:
            policy = self.policy(old.policy_id)
            reactions = (policy.failure, policy.start_timeout, policy.response_timeout) if policy else ()
            most = max(
                (r.retry_count for r in reactions if r and r.action is StepErrorAction.RETRY), default=0
            )
            if new.retries > most or new.retries > old.retries + 1:
                self.broken("retries as the policy says", f"{_shown(new)} has {new.retries} of {most}")
            self.see("retried by its policy")

    def _check_cause(self, old: StepContext | None, new: StepContext, results: Sequence[WorkResult]) -> None:
        """A polled step ends for a reason."""
        status = new.status
        said = results[0].status if results else None
        if status is StepStatus.COMPLETED and said is not WorkStatus.COMPLETED:
            self.broken("no invented results", f"{_shown(new)} without a result")
        if status is StepStatus.FAILED and said is not WorkStatus.FAILED:
            if old is None or old.hand_out.deliveries < self._settings.max_deliveries:
                self.broken("no invented results", f"{_shown(new)} without a result")
            self.see("handed out too often")
        if status is StepStatus.TIMED_OUT:
            policies = [self.policy(id) for id in self._policies_of[new.id]]
            first = self.mirror.executions.get((new.id, 1))
            clocks = [
                pair
                for policy in policies
                if policy is not None
                for pair in (
                    (policy.start_timeout, new.scheduled),
                    (policy.completion_timeout, first.scheduled if first else new.scheduled),
                    (policy.response_timeout, new.hand_out.polled),
                )
            ]
            if not any(clock and new.updated >= began + clock.duration for clock, began in clocks):
                self.broken("clocks ring in time", f"{_shown(new)} before any of its own")
            self.see("a step timed out")

    def _check_container_end(self, step: StepContext) -> None:
        """A container ends as its children did."""
        children = [self.mirror.steps[id] for id in self.mirror.children_of[step.id]]
        bad = [child for child in children if _stops(self.step_plan(child), child)]
        if step.status is StepStatus.COMPLETED and bad:
            self.broken(
                "a container ends as its children did", f"{_shown(step)} in spite of {_shown(bad[0])}"
            )
        if step.status is StepStatus.FAILED and not bad:
            self.broken("a container ends as its children did", f"{_shown(step)}, but no child failed")
        if step.status is StepStatus.COMPLETED and self.step_plan(step).type is StepType.FOREACH:
            wanted = [None] * len(children)
            for child in children:
                if child.status is StepStatus.COMPLETED:
                    wanted[int(child.path[-1])] = decode(child.output)
            if decode(step.output) != {"results": wanted}:
                self.broken("results stand in the order of items", f"{_shown(step)}: {step.output!r}")

    def _check_claim(self, before: Sequence[int], after: Sequence[int]) -> None:
        """A claim that is gone leaves nobody behind."""
        for id in before:
            step = self.mirror.steps[id]
            process = self.mirror.processes[step.process_id]
            if id in after or not process.status.is_open:
                continue
            if step.hand_out.claim not in (None, *self.mirror.claims):
                self.broken("what is held has a claim", f"{_shown(step)} lost its own")

    # -- one process's row, and how its rows fit together

    def _check_process(self, old: ProcessContext | None, new: ProcessContext) -> None:
        if old is None:
            if new.request_id is not None and new.rerun_of is None and not new.request_id.startswith("hook"):
                if new.request_id in self._request_ids:
                    self.broken("a start starts once", f"{new.request_id} is {new.id} as well")
                self._request_ids[new.request_id] = new.id
            self._note_hook(new)
        if new.marked:
            self.check_set_aside()
        if old is not None and new.revision <= old.revision:
            self.broken("every change raises the revision", f"process {new.id} at {new.revision}")
        resumed = old is not None and new.resumed > old.resumed
        if old is not None and not old.status.is_open and not resumed:
            reviewed = new.status is ProcessStatus.REVIEWED and old.status.is_resumable
            if not reviewed and new.status is not old.status:
                self.broken("an end is an end", f"process {new.id} {old.status} became {new.status}")
            if new.output != old.output or new.ended != old.ended:
                self.broken("an end is an end", f"process {new.id} changed after it was {old.status}")
        if resumed:
            self.see("a process was resumed")
        if not new.status.is_open and (old is None or old.status.is_open or resumed):
            self._check_end(new)
        if old is not None and resumed:
            # Ends between two resumes of one turn: nobody saw which hook they had.
            self._owe_hook(new, 0, new.resumed - old.resumed - (not old.status.is_open))
        state = {key: value for key, value in decode(new.state).items() if key.startswith("k")}
        if state != self._state.get(new.id, {}):
            self.broken("state as its writers left it", f"{state} is not {self._state.get(new.id)}")

    def _check_end(self, process: ProcessContext) -> None:
        self.see(f"a process ended {process.status}")
        plan = self.plan(process)
        configuration = plan.definition.configuration
        hooks = {
            ProcessStatus.COMPLETED: configuration.on_complete_process,
            ProcessStatus.FAILED: configuration.on_fail_process,
            ProcessStatus.TIMED_OUT: configuration.on_timeout_process,
        }
        sure = hooks.get(process.status) is not None and process.trigger.value != "STEP"
        self._owe_hook(process, int(sure), int(sure))
        if process.status is ProcessStatus.TIMED_OUT and process.ended < process.deadline:
            self.broken("clocks ring in time", f"process {process.id} before its deadline")
        by_ref = {self.mirror.steps[id].path: self.mirror.steps[id] for id in self._steps_of(process)}
        if any(plan.steps[str(path[0])].type is StepType.EXIT and not step.status.is_open
               and step.status is not StepStatus.SKIPPED for path, step in by_ref.items()):  # fmt: skip
            self.see("ended by EXIT")
            return
        top = [by_ref.get((ref,)) for ref in plan.top]
        bad = [step for step in top if step is not None and _stops(self.step_plan(step), step)]
        if process.status is ProcessStatus.FAILED and not bad:
            self.broken("a process fails for a reason", f"process {process.id}: all top-level steps are fine")
        if process.status is ProcessStatus.COMPLETED:
            if bad or any(step is None or step.status.is_open for step in top):
                self.broken("completed means all done", f"process {process.id}: {[_shown(s) for s in bad]}")
            self._check_output(process, plan, [step for step in top if step is not None])

    def _check_output(self, process: ProcessContext, plan: Plan, top: Sequence[StepContext]) -> None:
        done = [step for step in top if step.status is StepStatus.COMPLETED]
        wanted = {**plan.definition.default_output, **(decode(done[-1].output) if done else {})}
        if decode(process.output) != wanted:
            self.broken("output of the last step that completed", f"{process.output!r} is not {wanted}")

    def _steps_of(self, process: ProcessContext) -> Sequence[int]:
        return self.mirror.steps_of.get(process.id, ())

    def _is_closing(self, process: ProcessContext) -> bool:
        return (process.id, 0, int(DueKind.GO_ON)) in self.mirror.due_of.get(process.id, {})

    def _check_shape(self, process: ProcessContext) -> None:
        """Somebody always has the next move, counters count, and what is over leaves nothing behind."""
        due = self.mirror.due_of.get(process.id, {})
        steps = [self.mirror.steps[id] for id in self._steps_of(process)]
        if process.status.is_open:
            self._check_moves(process, steps, due)
        else:
            self._check_over(process, steps, due)
        for row in due.values():
            step = self.mirror.steps.get(row.step_id)
            if step is not None and row.kind is not DueKind.GO_ON and not step.timers & row.kind:
                self.broken("timers are known to their step", f"{_shown(step)} does not know {row.kind.name}")
            if row.kind is DueKind.GO_ON and row.at <= self.world.now:
                self.see("a decision went on in a further turn")

    def _check_over(
        self, process: ProcessContext, steps: Sequence[StepContext], due: Mapping[Any, Any]
    ) -> None:
        if self._is_closing(process):
            self.see("an ended process was closed in slices")
            if len(due) > 1:
                self.broken("an end takes its timers along", f"process {process.id} left {list(due)}")
            return
        left = [step for step in steps if step.status.is_open]
        if left:
            self.broken("an end closes everything", f"process {process.id} left {_shown(left[0])}")
        rows = [row for row in due.values() if row.kind is not DueKind.START_PROCESS]
        if rows:
            self.broken("an end takes its timers along", f"process {process.id} left {rows[0]}")

    def _check_moves(
        self, process: ProcessContext, steps: Sequence[StepContext], due: Mapping[Any, Any]
    ) -> None:
        open_top = 0
        for step in steps:
            timer = (process.id, step.id, int(DueKind.READY))
            if not step.status.is_open:
                # A GO_ON row may outlive its container for a moment: it fires at once and does nothing.
                timers = (kind for kind in DueKind if kind is not DueKind.GO_ON)
                if any((process.id, step.id, int(kind)) in due for kind in timers):
                    self.broken("an end takes its timers along", f"{_shown(step)} left one")
                continue
            open_top += step.parent_id is None
            if step.queue:
                moves = (step.hand_out.ready is not None) + (step.hand_out.claim is not None) + (timer in due)
                if moves != 1:
                    self.broken(
                        "an open step is ready, held or delayed", f"{_shown(step)} has {moves} {step}"
                    )
            else:
                self._check_container(process, step, (process.id, step.id, int(DueKind.GO_ON)) in due)
        if open_top > 1 or (not open_top and (process.id, 0, int(DueKind.GO_ON)) not in due):
            self.broken("a running process has one next move", f"process {process.id} has {open_top}")
        if bool(process.deadline) != ((process.id, 0, int(DueKind.PROCESS_TIMEOUT)) in due):
            self.broken("a deadline has its timer", f"process {process.id}")

    def _check_container(self, process: ProcessContext, step: StepContext, goes_on: bool) -> None:
        plan = self.step_plan(step)
        children = [self.mirror.steps[id] for id in self.mirror.children_of.get(step.id, ())]
        running = [child for child in children if child.status.is_open]
        if not running and not goes_on:
            self.broken("a container waits for somebody", f"{_shown(step)} waits for nobody")
        if plan.type is StepType.LIST:
            if len(running) > 1:
                self.broken("a list goes one by one", f"{_shown(step)} runs {len(running)}")
            return
        counters = step.children
        assert counters is not None
        foreach = plan.type is StepType.FOREACH

        def place(child: StepContext) -> int:
            index = child.path[-1] if foreach else self.step_plan(child).position
            assert isinstance(index, int)
            return index

        seen = [child for child in children if place(child) < counters.next]
        failed = sum(_stops(self.step_plan(child), child) for child in seen)
        opened = sum(child.status.is_open for child in seen)
        if (counters.open, counters.failed, counters.next) != (opened, failed, len(seen)):
            self.broken(
                "counters count", f"{_shown(step)} says {counters}, it is {opened} open, {failed} failed"
            )
        if foreach and opened > (decode(step.input).get("concurrency") or 1):
            self.broken("concurrency is a limit", f"{_shown(step)} runs {opened}")

    # -- hooks

    def _note_hook(self, process: ProcessContext) -> None:
        source = decode(process.input).get("__source")
        if source is None or process.rerun_of is not None:
            return
        if "stepId" in source:
            self.see("a policy started a process")
        else:
            self.see("a hook started a process")
            self.hooks_seen[source["processId"]] = self.hooks_seen.get(source["processId"], 0) + 1

    def _owe_hook(self, process: ProcessContext, least: int, most: int) -> None:
        owed = self.hooks_owed.setdefault(process.id, [0, 0])
        owed[0] += least
        owed[1] += most

    # -- what the lane remembers, and what it says

    def _check_cache(self, lane: Lane, touched: Sequence[int]) -> None:
        cached = lane.node.cache
        for id in touched:
            snapshot = cached.peek(id)
            stored = self.mirror.processes.get(id)
            if snapshot is None or snapshot.process is None:
                continue
            if stored is None or snapshot.process.revision != stored.revision:
                if stored is None or snapshot.process.revision > stored.revision:
                    self.broken("memory is never ahead of the store", f"process {id}")
                continue
            if snapshot.process != stored:
                self.broken("what is remembered is what is stored", f"{snapshot.process} is not {stored}")
            for step_id, step in snapshot.steps.items():
                row = self.mirror.steps.get(step_id)
                if _engines_half(step) != _engines_half(row):
                    self.broken("what is remembered is what is stored", f"{step} is not {row}")
            if snapshot.complete:
                for step_id in self._steps_of(stored):
                    if 0 < step_id - id < snapshot.plan.size and step_id not in snapshot.steps:
                        self.broken("what is remembered is what is stored", f"step {step_id} is not known")

    def _held_by_poll(self, asks: Sequence[Ask]) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """What each repeated poll got before, as (step, token): it must get that again while it still stands."""
        wanted = set()
        for ask in asks:
            if isinstance(ask, ExchangeAsk) and ask.exchange.poll and ask.exchange.poll.poll_id:
                wanted.add((ask.exchange.poll.client, ask.exchange.poll.poll_id))
        found: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for claim in self.mirror.claims.values():
            if claim.poll_id is not None and (claim.client, claim.poll_id) in wanted:
                held = [self.mirror.steps[id] for id in claim.steps]
                found[claim.client, claim.poll_id] = [
                    (step.id, step.hand_out.token) for step in held if step.hand_out.claim == claim.id
                ]
        return found

    def _check_answers(
        self, answers: Sequence[Answer], before: Mapping[tuple[str, str], list[tuple[int, int]]]
    ) -> None:
        for ask, answer in answers:
            value = answer_of(ask, answer)
            if isinstance(ask, ExchangeAsk) and isinstance(value, Exchanged):
                for work in value.work:
                    self._check_handed(ask, work)
                if ask.exchange.poll is not None and not ask.gone.gone:
                    self._check_repeated(ask, value, before)
            elif isinstance(ask, StartAsk):
                self._check_started(ask, value)

    def _check_handed(self, ask: ExchangeAsk, work: WorkRequest) -> None:
        poll = ask.exchange.poll
        assert poll is not None
        step = self.mirror.steps.get(work.step_id)
        if step is None:
            self.broken("nothing is handed out before it is durable", f"{work} has no row")
        process = self.mirror.processes[step.process_id]
        if not process.status.is_open:
            self.broken("an ended process hands out nothing", f"{_shown(step)} of a {process.status} process")
        if step.hand_out.token != work.token or step.hand_out.claim is None:
            self.broken("nothing is handed out before it is durable", f"{work} but {step.hand_out}")
        if (work.input, work.execution, work.ref) != (step.input, step.execution, step.ref):
            self.broken("a worker gets what is stored", f"{work} but {step}")
        key, to = (work.step_id, work.token), (poll.client, poll.poll_id)
        if self._handed.setdefault(key, to) != to:
            self.broken("a token goes to one worker", f"{key} went to {self._handed[key]} and to {to}")

    def _check_repeated(
        self, ask: ExchangeAsk, value: Exchanged, before: Mapping[tuple[str, str], list[tuple[int, int]]]
    ) -> None:
        poll = ask.exchange.poll
        assert poll is not None
        if poll.poll_id is None:
            return
        got = {(work.step_id, work.token) for work in value.work}
        for step_id, token in before.get((poll.client, poll.poll_id), ()):
            hand_out = self.mirror.steps[step_id].hand_out
            process = self.mirror.processes[self.mirror.steps[step_id].process_id]
            if hand_out.token == token and hand_out.claim is not None and process.status.is_open:
                if (step_id, token) not in got:
                    self.broken(
                        "the same poll gets the same work",
                        f"{poll.poll_id} did not get step {step_id} {hand_out}",
                    )
                self.see("the same poll was answered again")

    def _check_started(self, ask: StartAsk, value: Any) -> None:
        if isinstance(value, ProcessContext):
            if value.id not in self.mirror.processes:
                self.broken("an acknowledged start exists", f"process {value.id} does not")
        elif isinstance(value, Busy) and ask.request is not None:
            if ask.request.request_id in self._request_ids:
                self.broken("busy means nothing happened", f"{ask.request.request_id} was started")
            self.see("a start met a busy store")


def _stops(plan: StepPlan, step: StepContext) -> bool:
    """Ended badly in a way that its surroundings must not pass over."""
    if step.status in (StepStatus.FAILED, StepStatus.TIMED_OUT):
        return not plan.optional
    return step.status is StepStatus.CANCELLED


def _engines_half(step: StepContext | None) -> StepContext | None:
    """Without what claims write: the queue columns of a polled step are not remembered."""
    return change(step, hand_out=NO_HAND_OUT) if step is not None and step.queue else step


def _shown(step: StepContext | None) -> str:
    return (
        "nothing" if step is None else f"step {step.id} {step.ref} {step.status} execution {step.execution}"
    )
