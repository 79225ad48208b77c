"""What may happen to the row of one step, and to the claims that hold it."""

from collections.abc import Mapping, Sequence

from stepwell.definition.plan import SCRIPTS
from stepwell.engine.events import PauseRequested, RerunFromRequested, UnpauseRequested
from stepwell.model.codec import change, decode
from stepwell.model.definition import StepType
from stepwell.model.error_policy import StepErrorAction
from stepwell.model.process import ProcessContext
from stepwell.model.step import NOT_HANDED_OUT, StepContext, StepPath, StepStatus, parse_path
from stepwell.model.work import WorkResult, WorkStatus
from stepwell.runtime.clockwork import OWN_HANDS
from stepwell.testing.evidence import SCRIPTED, Evidence, Invariants, broken, shown, stops


class StepChecks(Invariants):
    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence)
        self.resumed_before: dict[int, int] = {}
        """Process → how often it had been resumed before this turn."""
        self._resumed_at_close: dict[int, int] = {}
        """Step → how often its process had been resumed when the step ended, at least."""
        self._rerun: dict[int, dict[tuple[str | int, ...], None]] = {}
        """Process → paths of steps that an operator has had run again, and what follows them."""
        self._around_rerun: dict[int, dict[tuple[str | int, ...], None]] = {}
        """Process → paths of the containers around such steps."""
        self._ordered: dict[int, None] = {}
        """Processes in which people, or an UPDATE_STEP, decided about a step: it may be offered once more."""
        self.paused_before: set[int] = set()
        """Processes that were paused when this turn began, of those that it changed."""
        self._policies_of: dict[int, dict[int, None]] = {}
        """Step → the versions of policies that its executions were scheduled under."""

    def check(self, old: StepContext | None, new: StepContext, results: Sequence[WorkResult]) -> None:
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
            before = self.resumed_before.get(process.id, process.resumed)
            self._resumed_at_close[new.id] = before
        if hand_out.ready is not None:
            closing = not process.status.is_open and self.is_closing(process)
            if not new.status.is_open or not self.is_offered(new) or not (process.status.is_open or closing):
                broken("ready means claimable", f"{shown(new)} of a {process.status} process is ready")
            if hand_out.claim is not None:
                broken("ready means claimable", f"{shown(new)} is ready and held")
        if hand_out.claim is not None:
            claim = self.mirror.claims.get(hand_out.claim)
            if (claim is None or new.id not in claim.steps) and process.status.is_open:
                broken("what is held has a claim", f"{shown(new)} has none ({hand_out})")
            if not new.status.is_open:
                broken("nobody holds a closed step", f"{shown(new)} {hand_out}")
        if self.was_ordered(new):
            self._ordered[new.process_id] = None
        ordered = new.process_id in self._ordered
        in_a_row = min(hand_out.deliveries, hand_out.runs)
        if in_a_row > self.settings.max_deliveries and not new.lease_ms and not ordered:
            broken("deliveries are bounded", f"{shown(new)} {hand_out}")
        if new.policy_id:
            self._policies_of.setdefault(new.id, {})[new.policy_id] = None
        if self.is_offered(new) and (old is None or old.status is not new.status):
            self._check_cause(old, new, results)
        elif new.id in self.mirror.children_of and (old is None or old.status is not new.status):
            self._check_container_end(new)

    def _check_new(self, new: StepContext) -> None:
        plan = self.step_plan(new)
        events = self.evidence.orders.get(new.process_id, ())
        if new.process_id in self.paused_before and self.mirror.processes[new.process_id].paused:
            moved = any(isinstance(event, PauseRequested | UnpauseRequested) for event in events)
            if new.status not in (StepStatus.PAUSED, StepStatus.SKIPPED, StepStatus.CANCELLED) and not moved:
                broken("a paused process begins nothing", shown(new))
            self.see("a step was held by a pause")
        if new.hand_out.claim is not None:
            self.see("handed out in the turn that made it ready")
        given, wanted = decode(new.input), plan.definition.input
        if new.status is StepStatus.SKIPPED or plan.type is not StepType.WORKER:
            return
        if "from" in wanted:
            source = self._sibling(new, wanted["from"])
            value = decode(source.output).get("n") if source is not None else None
            if given != {**given, "from": wanted["from"], "value": value}:
                broken("templates see what was stored", f"{shown(new)} got {given}, {value} was right")
            self.see("a template used an output")
        if "index" in wanted and given["index"] != new.path[-1]:
            broken("templates see what was stored", f"{shown(new)} got {given}")

    def _sibling(self, step: StepContext, ref: str) -> StepContext | None:
        for id in self.mirror.steps_of[step.process_id]:
            other = self.mirror.steps[id]
            if other.path == (ref, *step.path[1:]):
                return other
        return None

    def _check_closed_stays(self, old: StepContext, new: StepContext, process: ProcessContext) -> None:
        if old.status.is_open:
            return
        if self._repeats(new):
            if new.execution == old.execution and new.container_runs == old.container_runs:
                same = change(new, parent_execution_id=old.parent_execution_id) == old
                if not same and process.resumed <= self._resumed_at_close[old.id]:
                    broken("a closed step never changes", f"{old} became {new} without a run")
            elif new.execution > old.execution:
                self.see("a closed step began anew")
            return
        if old.status.is_complete and new.path not in self._around_rerun[new.process_id]:
            broken("what went well stays", f"{shown(old)} became {shown(new)}")
        if process.resumed <= self._resumed_at_close[old.id]:
            broken("a closed step never changes", f"{shown(old)} became {shown(new)} {new.hand_out}")
        # The run of a step that asks a script is its hand-out.
        asks = self.step_plan(new).queue == SCRIPTS
        if new.execution == old.execution and new.container_runs == old.container_runs and not asks:
            broken("a closed step never changes", f"{shown(old)} became {shown(new)} without a run")
        if self.step_plan(new).type is StepType.FOREACH:
            self.see("a FOREACH was resumed")

    def _repeats(self, step: StepContext) -> bool:
        """May it begin again although it has ended: in a loop, behind a gateway, or behind a step run again?"""
        plan, indices = self.step_plan(step), step.path[1:]
        if plan.repeats:
            return True
        steps, allowed = self.plan(self.mirror.processes[step.process_id]).steps, self._rerun[step.process_id]
        while (plan.ref, *indices[: len(plan.loops)]) not in allowed:
            if plan.parent is None:
                return False
            plan = steps[plan.parent]
        return True

    def note_reruns(self, process: ProcessContext) -> None:
        """What a step run again takes along: itself, and what follows it and what is around it."""
        steps, top, edges = self.plan(process).steps, self.plan(process).top, self.plan(process).edges
        allowed = self._rerun.setdefault(process.id, {})
        around_it = self._around_rerun.setdefault(process.id, {})
        for event in self.evidence.orders.get(process.id, ()):
            ref = parse_path(event.ref) if isinstance(event, RerunFromRequested) else ()
            plan = steps.get(str(ref[0])) if ref else None
            while plan is not None:
                indices = ref[1 : 1 + len(plan.loops)]
                around = steps[plan.parent] if plan.parent is not None else None
                beside = around.children if around is not None else top
                later = beside[plan.position + 1 :]
                if around is None and edges:
                    later = _downstream(edges, plan.ref)
                in_order = around is None or around.type in (StepType.LIST, StepType.WHILE)
                (allowed if plan.ref == ref[0] else around_it)[plan.ref, *indices] = None
                allowed.update(dict.fromkeys((each, *indices) for each in later if in_order))
                if in_order:
                    ahead = [each for each in beside if each not in later and each != plan.ref]
                    if around is None and edges:
                        waited_for = {dep for deps in edges.values() for dep in deps}
                        ahead = [each for each in ahead if each in waited_for]
                    self._leave_behind(process, [(each, *indices) for each in ahead])
                elif around is not None and around.type is StepType.SWITCH:
                    # Whichever child of it ran last speaks for it.
                    self._leave_behind(process, [(each, *indices) for each in beside if each != plan.ref])
                plan = around

    def _leave_behind(self, process: ProcessContext, paths: Sequence[StepPath]) -> None:
        """Steps before one that was run again: what ended badly stays as it is, and stops nobody any more."""
        for id in self.mirror.steps_of[process.id]:
            step = self.mirror.steps[id]
            if step.path in paths and stops(self.step_plan(step), step):
                self.evidence.left_behind[step.id, step.execution] = None

    def _check_token(self, old: StepContext, new: StepContext, results: Sequence[WorkResult]) -> None:
        before, after = old.hand_out, new.hand_out
        if after.token < before.token:
            broken("the token never goes down", f"{shown(new)}: {before.token} → {after.token}")
        if after.token == before.token or results or old.execution != new.execution:
            return
        given_back = after.claim is None and after.ready is not None
        if given_back:
            self.see("given back for a caller who hung up")
        elif after.runs != before.runs + 1 or (
            after.deliveries != before.deliveries + 1
            and not (new.phase in SCRIPTED and after.deliveries == 1)
        ):
            broken("every hand-out counts", f"{shown(new)}: {before} → {after}")
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
                broken("a lease is kept", f"{shown(new)}: {before} → {after}")
            return
        resumed = self.mirror.processes[new.process_id].resumed > self._resumed_at_close.get(new.id, 0)
        own_hands = self.evidence.recovering and before.worker.startswith(OWN_HANDS)
        freed = own_hands or self.was_ordered(new)
        if own_hands:
            self.see("what its own hands held was offered at the restart")
        if before.deadline > self.world.now and not resumed and not freed:
            broken("a lease is kept", f"{shown(new)}: {before} → {after} at {self.world.now}")
        self.see("lease over")

    def _check_executions(self, old: StepContext, new: StepContext, process: ProcessContext) -> None:
        if new.execution < old.execution:
            broken("executions go up", f"{shown(new)}: {old.execution} → {new.execution}")
        for id in range(old.execution, new.execution):
            if (new.id, id) not in self.mirror.executions:
                broken("a finished execution is kept", f"{shown(new)} has no execution {id}")
        if new.retries > old.retries:
            policies = [self.policy(id) for id in {old.policy_id, new.policy_id}]
            reactions = [r for p in policies if p for r in (p.failure, p.start_timeout, p.response_timeout)]
            most = max(
                (r.retry_count for r in reactions if r and r.action is StepErrorAction.RETRY), default=0
            )
            if new.retries > most or new.retries > old.retries + 1:
                broken("retries as the policy says", f"{shown(new)} has {new.retries} of {most}")
            self.see("retried by its policy")

    def _check_cause(self, old: StepContext | None, new: StepContext, results: Sequence[WorkResult]) -> None:
        """A polled step ends for a reason."""
        status = new.status
        said = results[0].status if results else None
        if self.was_ordered(new):
            self.see("an order ended a step")
            return
        preparation = self.step_plan(new).preparation
        if said is WorkStatus.COMPLETED and (new.phase in SCRIPTED or preparation is not None):
            # What a script returned was no good.
            return
        if status is StepStatus.COMPLETED and preparation is not None and preparation.cache:
            return
        if status is StepStatus.COMPLETED and said is not WorkStatus.COMPLETED:
            broken("no invented results", f"{shown(new)} without a result")
        if status is StepStatus.FAILED and said is not WorkStatus.FAILED:
            hand_out = NOT_HANDED_OUT if old is None else old.hand_out
            if min(hand_out.deliveries, hand_out.runs) < self.settings.max_deliveries:
                broken("no invented results", f"{shown(new)} without a result")
            self.see("handed out too often")
        if status is StepStatus.TIMED_OUT:
            policies = [self.policy(id) for id in self._policies_of.get(new.id, ())]
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
                broken("clocks ring in time", f"{shown(new)} before any of its own")
            self.see("a step timed out")

    def _check_container_end(self, step: StepContext) -> None:
        """A container ends as its children did."""
        rows = [self.mirror.steps[id] for id in self.mirror.children_of[step.id]]
        children = [child for child in rows if child.parent_execution_id in (step.execution, 0)]
        bad = [child for child in children if self.stops(child)]
        if self.was_ordered(step):
            return
        if "joinPolicy" in self.step_plan(step).definition.input:
            self._check_join(step, children)
            return
        if step.status is StepStatus.COMPLETED and bad:
            broken("a container ends as its children did", f"{shown(step)} in spite of {shown(bad[0])}")
        kind = self.step_plan(step).type
        by_itself = kind in (StepType.WHILE, StepType.SWITCH) or (
            kind is StepType.FOREACH and "inputArray" not in decode(step.input)
        )
        if step.status is StepStatus.FAILED and not bad and not by_itself:
            broken("a container ends as its children did", f"{shown(step)}, but no child failed")
        if step.status is StepStatus.COMPLETED and self.step_plan(step).type is StepType.FOREACH:
            wanted = [None] * len(children)
            for child in children:
                if child.status is StepStatus.COMPLETED:
                    wanted[int(child.path[-1])] = decode(child.output)
            if decode(step.output) != {"results": wanted}:
                broken("results stand in the order of items", f"{shown(step)}: {step.output!r}")

    def _check_join(self, step: StepContext, children: Sequence[StepContext]) -> None:
        """ANY and N as they are drawn want one."""
        good = any(child.status is not StepStatus.CANCELLED and not stops(self.step_plan(child), child)
                   for child in children)  # fmt: skip
        if step.status is StepStatus.COMPLETED and children and not good:
            broken("one must end well", f"{shown(step)}: {[shown(child) for child in children]}")
        if step.status is StepStatus.COMPLETED and any(c.status is StepStatus.CANCELLED for c in children):
            self.see("the first child ended the others")

    def check_claim(self, before: Sequence[int], after: Sequence[int]) -> None:
        """A claim that is gone leaves nobody behind."""
        for id in before:
            step = self.mirror.steps.get(id)
            if step is None:
                continue
            process = self.mirror.processes[step.process_id]
            if id in after or not process.status.is_open:
                continue
            if step.hand_out.claim not in (None, *self.mirror.claims):
                broken("what is held has a claim", f"{shown(step)} lost its own")


def _downstream(edges: Mapping[str, Sequence[str]], ref: str) -> tuple[str, ...]:
    """Every step of a graph that waits for this one, directly or not."""
    found = {ref}
    while True:
        more = {other for other, deps in edges.items() if found & set(deps)} | found
        if more == found:
            return tuple(other for other in edges if other in found and other != ref)
        found = more
