"""Planted mistakes: each is a context manager that makes one part of the real engine, runtime or store wrong.

They are the mistakes that engines of this kind are really made with. A simulation that does not find one of them is
asleep, so `test_planted.py` wants every one to be found within a stated number of seeds.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from stepwell.definition import decision_table, depends_on
from stepwell.engine import (
    climb,
    compensate,
    error_policy,
    graph,
    hooks,
    limits,
    process,
    reactions,
    rerun,
    signals,
    steps,
)
from stepwell.engine.control import foreach, process_tracker, table
from stepwell.engine.draft import Draft
from stepwell.engine.effects import Mark
from stepwell.model.codec import change, encode
from stepwell.model.definition import StepType
from stepwell.model.due import DueKind
from stepwell.model.errors import Busy
from stepwell.model.step import HandOut, StepStatus
from stepwell.model.work import Acceptance
from stepwell.runtime import idempotency, retention
from stepwell.runtime.clockwork import Clockwork
from stepwell.runtime.dispatch import Dispatch
from stepwell.runtime.fold import Fold
from stepwell.runtime.folds import Folds
from stepwell.runtime.handing import Handing
from stepwell.runtime.lane import Lane
from stepwell.runtime.node import Node
from stepwell.runtime.retention import Retention
from stepwell.runtime.starts import Starts
from stepwell.runtime.stretch import Stretch, Stretches
from stepwell.runtime.surroundings import Surroundings
from stepwell.runtime.turn import OneTurn
from stepwell.store.memory import MemoryTurn
from stepwell.store.port import Changes
from stepwell.testing.simulation import Focus

Mistake = Callable[[], AbstractContextManager[None]]


@contextmanager
def patched(owner: Any, name: str, wrong: Any) -> Iterator[None]:
    right = getattr(owner, name)
    setattr(owner, name, wrong)
    try:
        yield
    finally:
        setattr(owner, name, right)


@contextmanager
def everywhere(right: Callable[..., Any], wrong: Callable[..., Any]) -> Iterator[None]:
    """Put `wrong` in the place of a function in every room that has imported it."""
    places = [
        (module, name)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith("stepwell.")
        for name, value in list(vars(module).items())
        if value is right
    ]
    assert places, right
    for module, name in places:
        setattr(module, name, wrong)
    try:
        yield
    finally:
        for module, name in places:
            setattr(module, name, right)


@contextmanager
def control(kind: StepType, **answers: Callable[..., Any]) -> Iterator[None]:
    """A control step with other answers."""
    controls: Any = table.CONTROLS
    right = controls[kind]
    controls[kind] = change(right, **answers)
    try:
        yield
    finally:
        controls[kind] = right


# -- fencing


def token_is_not_compared() -> AbstractContextManager[None]:
    def wrong(draft: Draft, step: Any, token: int) -> Acceptance | None:
        return right(draft, step, token if step is None else step.hand_out.token)

    right = reactions._refuse
    return everywhere(right, wrong)


def accepted_twice() -> AbstractContextManager[None]:
    def wrong(draft: Draft, step: Any, token: int) -> Acceptance | None:
        refused = right(draft, step, token)
        return None if refused is Acceptance.DUPLICATE and draft.process.status.is_open else refused

    right = reactions._refuse
    return everywhere(right, wrong)


def token_is_not_raised() -> AbstractContextManager[None]:
    def wrong(self: HandOut, *given: Any) -> HandOut:
        return change(right(self, *given), token=max(self.token, 1))

    right = HandOut.taken
    return patched(HandOut, "taken", wrong)


def deliveries_not_counted_at_the_claim() -> AbstractContextManager[None]:
    def wrong(self: HandOut, *given: Any) -> HandOut:
        return change(right(self, *given), deliveries=1)

    right = HandOut.taken
    return patched(HandOut, "taken", wrong)


def expiry_without_condition() -> AbstractContextManager[None]:
    """Whoever is late is judged by the claim's deadline, whatever was extended or handed out since."""

    def wrong(self: Clockwork, turn: Any, claim: Any, now: int) -> Any:
        held = [step for step in turn.steps(claim.steps) if step.hand_out.claim is not None]
        late = [change(s, hand_out=change(s.hand_out, claim=claim.id, deadline=now)) for s in held]
        turn.drop_claims([claim.id])
        return [(step, reactions.DeliveryExpired(step_id=step.id, token=step.hand_out.token,
                                                 max_deliveries=self._max_deliveries)) for step in late]  # fmt: skip

    return patched(Clockwork, "_look_at", wrong)


# -- the turn


def answered_before_the_commit() -> AbstractContextManager[None]:
    def wrong(self: Lane, asks: Any, answers: Any, ended: Any) -> None:
        early: list[Any] = []
        right_run = OneTurn.run

        def note(one: OneTurn) -> None:
            right_run(one)
            early.extend(one.answers)

        with patched(OneTurn, "run", note):
            right(self, asks, answers, ended)
        answered = {id(ask) for ask, _ in early}
        answers[:] = [pair for pair in answers if id(pair[0]) not in answered] + early

    right = Lane._run_together
    return patched(Lane, "_run_together", wrong)


def next_step_in_a_second_transaction() -> AbstractContextManager[None]:
    """New steps of processes that run already are written after the commit."""
    later: list[Any] = []

    def save(self: Any, changes: Changes) -> Any:
        fresh = {row.id for row in changes.new_processes}
        later[:] = [step for step in changes.new_steps if step.process_id not in fresh]
        changes.new_steps = [step for step in changes.new_steps if step.process_id in fresh]
        return right_save(self, changes)

    def committed(self: OneTurn) -> None:
        right_committed(self)
        if later:
            with suppress(Busy), self._turn_again() as turn:  # type: ignore[attr-defined]
                right_save(turn, Changes(new_steps=list(later)))
            later.clear()

    def run_together(self: Lane, *given: Any) -> None:
        with patched(OneTurn, "committed", committed):
            OneTurn._turn_again = lambda one: self._store.turn()  # type: ignore[attr-defined]
            right_together(self, *given)

    right_save, right_committed, right_together = MemoryTurn.save, OneTurn.committed, Lane._run_together

    @contextmanager
    def both() -> Iterator[None]:
        with patched(MemoryTurn, "save", save), patched(Lane, "_run_together", run_together):
            yield

    return both()


def memory_kept_after_a_rollback() -> AbstractContextManager[None]:
    def wrong(self: Node) -> None:
        with patched(self.cache, "clear", lambda: None):
            right(self)

    right = Node.forget
    return patched(Node, "forget", wrong)


def hand_outs_trusted_from_memory() -> AbstractContextManager[None]:
    return patched(Fold, "_stale", lambda self, decision: [])


def polls_keep_what_a_rollback_took_back() -> AbstractContextManager[None]:
    return patched(Dispatch, "forget", lambda self: self._seen_empty.clear())


def claims_counted_through_a_rollback() -> AbstractContextManager[None]:
    def wrong(self: Dispatch) -> None:
        counted = dict(self._open_in_claim)
        right(self)
        self._open_in_claim = counted

    right = Dispatch.forget
    return patched(Dispatch, "forget", wrong)


def known_steps_taken_for_fresh() -> AbstractContextManager[None]:
    """A step that is in memory counts as read in this turn, although its hand-out is an old one."""

    def wrong(self: Fold, found: Any) -> None:
        known = {step.id for step in found if self.snapshot.steps.get(step.id) is not None}
        self._fresh.update(known)
        right(self, [step for step in found if step.id not in known])

    right = Fold._add
    return patched(Fold, "_add", wrong)


def failed_giving_back_fails_the_turn() -> AbstractContextManager[None]:
    """The turn is committed, but its answers go down with a second transaction that is not."""

    def wrong(self: Lane, lost: Any) -> None:
        with self._store.turn() as turn:
            for waiting in lost:
                turn.release([(s.id, s.hand_out.token, s.schedule) for s in waiting.steps])
                turn.drop_claims([waiting.claim])

    return patched(Lane, "_release", wrong)


# -- handing out


def repeated_poll_gets_what_is_not_its_own() -> AbstractContextManager[None]:
    """What it got before is not looked at again after this turn's own changes."""
    return patched(Dispatch, "repeated", lambda self: [])


def extension_may_shorten() -> AbstractContextManager[None]:
    def wrong(self: MemoryTurn, leases: Any) -> list[bool]:
        return right(self, [(id, token, until - 5_000) for id, token, until in leases])

    right = MemoryTurn.extend
    return patched(MemoryTurn, "extend", wrong)


def ended_process_still_hands_out() -> AbstractContextManager[None]:
    """Steps of a terminated process stay where they are until somebody reports them."""

    def wrong(draft: Draft) -> None:
        return None

    return everywhere(process.cancel_open_steps, wrong)


def closing_process_hands_out() -> AbstractContextManager[None]:
    return patched(OneTurn, "_note_closing", lambda self, *given: None)


def poll_id_ignored() -> AbstractContextManager[None]:
    return patched(Handing, "_give_again", lambda self, *given: None)


def claim_without_a_row() -> AbstractContextManager[None]:
    return patched(Handing, "_save_claim", lambda self, claim, steps: None)


def queue_believed_empty() -> AbstractContextManager[None]:
    """A step left in the queue is not looked for again."""
    return patched(Dispatch, "left_in_queue", lambda self, queue: None)


# -- time


def timers_not_dropped() -> AbstractContextManager[None]:
    def wrong(draft: Draft, step: Any, status: Any, output: Any) -> Any:
        return right(draft, change(step, timers=0), status, output)

    right = steps.close
    return everywhere(right, wrong)


def due_row_taken_before_it_is_acted_on() -> AbstractContextManager[None]:
    """In a transaction of its own: a crash between the two loses the timer."""
    taken: list[Any] = []

    def run_together(self: Lane, *given: Any) -> None:
        try:
            with self._store.turn() as turn:
                taken[:] = right_due(self.node.clockwork, turn, self._clock.now())
            self._store.fates.pop()  # type: ignore[attr-defined]
        except Busy:
            self._store.fates.pop()  # type: ignore[attr-defined]
            taken.clear()
        right_together(self, *given)

    right_due, right_together = Clockwork.due, Lane._run_together

    def due(self: Clockwork, turn: Any, now: int) -> Any:
        return list(taken)

    @contextmanager
    def both() -> Iterator[None]:
        with patched(Lane, "_run_together", run_together), patched(Clockwork, "due", due):
            yield

    return both()


def clock_forgotten_after_a_rollback() -> AbstractContextManager[None]:
    return patched(Clockwork, "look_again", lambda self: None)


# -- policies, state, containers


def one_retry_too_many() -> AbstractContextManager[None]:
    def wrong(policy: Any, trouble: Any, retries: int, step_id: int) -> Any:
        return right(policy, trouble, max(retries - 1, 0), step_id)

    right = error_policy.judge
    return everywhere(right, wrong)


def one_retry_too_few() -> AbstractContextManager[None]:
    def wrong(policy: Any, trouble: Any, retries: int, step_id: int) -> Any:
        return right(policy, trouble, retries + 1, step_id)

    right = error_policy.judge
    return everywhere(right, wrong)


def state_of_a_failed_attempt_applies() -> AbstractContextManager[None]:
    def wrong(draft: Draft, step: Any, output: Any) -> Any:
        reactions._apply(draft, reactions.split(output)[1])
        return right(draft, step, output)

    right = reactions._failed
    return everywhere(right, wrong)


def optional_is_ignored() -> AbstractContextManager[None]:
    return everywhere(steps.fails_parent, lambda plan, step: step.status.is_failed)


def list_goes_on_after_a_failure() -> AbstractContextManager[None]:
    def wrong(draft: Draft, plan: Any, step: Any, child: Any) -> Any:
        at = draft.plan_of(child).position + 1
        return right.go_on(draft, plan, step, encode(at))

    right: Any = table.CONTROLS[StepType.LIST]
    return control(StepType.LIST, child_closed=wrong)


def foreach_counts_wrong() -> AbstractContextManager[None]:
    """A child that fails is not counted as closed."""

    def wrong(draft: Draft, plan: Any, step: Any, child: Any) -> Any:
        counters = step.children
        if steps.fails_parent(draft.plan_of(child), child):
            step = draft.put(change(step, children=change(counters, open=counters.open + 1)))
        return right(draft, plan, step, child)

    right = foreach.child_closed
    return control(StepType.FOREACH, child_closed=wrong)


def resume_runs_good_steps_again() -> AbstractContextManager[None]:
    def wrong(draft: Draft, ref: str, indices: Any, parent: Any) -> Any:
        if draft.process.resumed:
            before = draft.find(draft.id_at((ref, *indices)))
            if before is not None and not before.status.is_open:
                plan = draft.plan.steps[ref]
                return draft.controls[plan.type].resume(draft, plan, before)
        return right(draft, ref, indices, parent)

    right = climb.open_child
    return everywhere(right, wrong)


def hook_starts_twice() -> AbstractContextManager[None]:
    def wrong(draft: Draft) -> None:
        right(draft)
        for row in [row for row in draft._due.values() if row and row.kind is DueKind.START_PROCESS]:
            draft.set_due(row.kind, row.at, process_id=row.process_id + 1, body=row.body)

    right = hooks.on_end
    return everywhere(right, wrong)


# -- families, waits, limits, operations


def childs_news_are_dropped() -> AbstractContextManager[None]:
    return everywhere(process.tell_parent, lambda draft: None)


def order_is_not_written() -> AbstractContextManager[None]:
    """The end of a parent does not go down."""
    return everywhere(steps.end_child, lambda draft, step: None)


def wake_is_not_written() -> AbstractContextManager[None]:
    def wrong(draft: Draft, step: Any, kind: DueKind, *given: Any) -> Any:
        return step if kind is DueKind.WAKE else right(draft, step, kind, *given)

    right = steps.set_timer
    return everywhere(right, wrong)


def place_is_not_given_back() -> AbstractContextManager[None]:
    return everywhere(limits.leave, lambda draft, plan, step: None)


def next_in_line_is_not_called() -> AbstractContextManager[None]:
    return everywhere(limits._call_in, lambda draft, name, room, most: room)


def room_is_one_too_large() -> AbstractContextManager[None]:
    def wrong(draft: Draft, plan: Any, step: Any) -> bool:
        larger = change(plan.preparation, concurrency=plan.preparation.concurrency + 1)
        return right(draft, change(plan, preparation=larger), step)

    right = limits.come_in
    return patched(limits, "come_in", wrong)


def window_is_not_advanced() -> AbstractContextManager[None]:
    """Whoever finds the window full starts all the same."""

    def wrong(draft: Draft, plan: Any, step: Any) -> int:
        right(draft, plan, step)
        return draft.now

    right = limits.book
    return patched(limits, "book", wrong)


def signal_is_kept_although_taken() -> AbstractContextManager[None]:
    def wrong(draft: Draft, name: str, correlation: Any) -> Any:
        kept = draft.process.signals
        found = right(draft, name, correlation)
        draft.put_process(signals=kept)
        return found

    right = signals.take_early
    return everywhere(right, wrong)


def pause_is_ignored_by_what_follows() -> AbstractContextManager[None]:
    """Only what was ready at that moment is held."""

    def wrong(draft: Draft, ref: str) -> bool:
        return draft.snapshot.marks.get(ref) is Mark.HOLD

    return everywhere(steps.is_held, wrong)


def rerun_takes_siblings_along() -> AbstractContextManager[None]:
    """Everything beside the step begins anew, also what is before it."""

    def wrong(draft: Draft, plan: Any) -> list[str]:
        if plan.parent is None:
            return [ref for ref in draft.plan.top if ref != plan.ref]
        return [ref for ref in draft.plan.steps[plan.parent].children if ref != plan.ref]

    def run_all(draft: Draft, event: Any) -> Any:
        refused = right(draft, event)
        if refused is None:
            process.run_top(draft, 0)
        return refused

    right: Any = rerun.rerun_from_requested

    @contextmanager
    def both() -> Iterator[None]:
        with patched(rerun, "_refs_behind", wrong), everywhere(right, run_all):
            yield

    return both()


def own_hands_are_not_recovered() -> AbstractContextManager[None]:
    """What they held when the server died waits for its lease."""
    return patched(Clockwork, "recovered", lambda self, turn, now: [])


def recovery_forgotten_after_a_rollback() -> AbstractContextManager[None]:
    def wrong(self: Clockwork) -> None:
        recovered = self._recovered
        right(self)
        self._recovered = recovered

    right = Clockwork.look_again
    return patched(Clockwork, "look_again", wrong)


def persisted_value_is_written_by_the_last_only() -> AbstractContextManager[None]:
    """Two processes of one turn do not see each other's entries."""

    def wrong(self: Surroundings, key: Any) -> Any:
        return self._turn.entry(key.kind, key.namespace, key.name)

    return patched(Surroundings, "entry", wrong)


# -- late reports, counters, own hands


def report_of_a_given_up_attempt_is_taken() -> AbstractContextManager[None]:
    def wrong(draft: Draft, step: Any, token: int) -> Acceptance | None:
        refused = right(draft, step, token)
        late = refused is Acceptance.STALE and step.hand_out.token == token and not step.hand_out.runs
        return None if late and step.status.is_open else refused

    right = reactions._refuse
    return everywhere(right, wrong)


def report_of_a_given_up_attempt_is_called_a_duplicate() -> AbstractContextManager[None]:
    def wrong(draft: Draft, step: Any, token: int) -> Acceptance | None:
        refused = right(draft, step, token)
        late = refused is Acceptance.STALE and step.hand_out.token == token and not step.hand_out.runs
        return Acceptance.DUPLICATE if late else refused

    right = reactions._refuse
    return everywhere(right, wrong)


# -- in memory only


def saved_without_its_claims() -> AbstractContextManager[None]:
    """What the server's own hands hold is not theirs any more after a restart, and nobody notices."""
    return patched(Stretches, "claims_for", lambda self, stretch: [])


def answered_before_it_is_saved() -> AbstractContextManager[None]:
    def wrong(self: Starts, ask: Any) -> Any:
        answer = right(self, ask)
        return list(self._folds)[-1].snapshot.process if answer is None else answer

    right = Starts.asked
    return patched(Starts, "asked", wrong)


def in_memory_through_a_rollback() -> AbstractContextManager[None]:
    return patched(Stretches, "forget", lambda self: [])


def in_memory_for_ever() -> AbstractContextManager[None]:
    def wrong(self: Stretch, now: int) -> bool:
        return right(self, min(now, self.until - 1))

    right = Stretch.goes_on
    return patched(Stretch, "goes_on", wrong)


# -- retention


def dropped_before_its_time() -> AbstractContextManager[None]:
    def wrong(self: Retention, after: Any, before: int) -> Any:
        return right(self, after, before + 15_000)

    right = Retention._finished
    return patched(Retention, "_finished", wrong)


def left_overs_are_not_noted() -> AbstractContextManager[None]:
    """A crash between two bites, or a second bite, and its steps stay for ever."""

    def wrong(turn: Any, now: int, one: Any, size: int) -> bool:
        gone = bool(turn.drop_process(one.id, one.revision))
        if gone:
            turn.drop_steps(one.id, one.id + size - 1, retention.STEPS)
        return gone

    return everywhere(retention._drop_one, wrong)


# -- order: graphs, undoing


def an_edge_is_enough() -> AbstractContextManager[None]:
    def wrong(draft: Draft, ref: str) -> bool:
        edges = draft.plan.edges[ref]
        return not edges or any(graph._is_done(draft, name) for name in edges)

    return everywhere(graph._may_begin, wrong)


def failure_of_a_graph_is_forgotten() -> AbstractContextManager[None]:
    return everywhere(graph._has_failed, lambda draft: False)


def full_graph_is_forgotten() -> AbstractContextManager[None]:
    """When all that a decision opened has ended, the process is taken for done."""

    def wrong(draft: Draft) -> Any:
        with patched(graph, "_may_begin", lambda draft, ref: False):
            return right(draft)

    right = graph._sequel
    return everywhere(right, wrong)


def first_done_is_first_undone() -> AbstractContextManager[None]:
    def wrong(draft: Draft) -> list[tuple[int, int]]:
        last = 2**52
        return sorted((last - completed, id) for completed, id in right(draft))

    right = compensate._order
    return everywhere(right, wrong)


def one_is_not_undone() -> AbstractContextManager[None]:
    def wrong(draft: Draft) -> list[tuple[int, int]]:
        return right(draft)[1:]

    right = compensate._order
    return everywhere(right, wrong)


# -- asking others


def key_is_not_looked_up() -> AbstractContextManager[None]:
    return everywhere(idempotency.first_start, lambda entry, request, now: None)


def key_answers_any_request() -> AbstractContextManager[None]:
    return everywhere(idempotency.fingerprint, lambda request: "same")


def second_response_replaces_the_first() -> AbstractContextManager[None]:
    def wrong(draft: Draft, plan: Any, step: Any) -> Any:
        draft.process = change(draft.process, response=b"")
        return right.open(draft, plan, step)

    right: Any = table.CONTROLS[StepType.SEND_RESPONSE]
    return control(StepType.SEND_RESPONSE, open=wrong)


def nobody_hears_of_a_response() -> AbstractContextManager[None]:
    def wrong(self: Folds) -> Any:
        return [process for process in right(self) if not process.status.is_open]

    right = Folds.ended
    return patched(Folds, "ended", wrong)


def dependence_holds_at_once() -> AbstractContextManager[None]:
    return everywhere(depends_on.holds, lambda statement, truth: True)


def tracker_does_not_wait() -> AbstractContextManager[None]:
    def wrong(draft: Draft, step: Any, process: Any) -> Any:
        return steps.close(draft, step, StepStatus.COMPLETED, encode(process_tracker._shown(process)))

    return everywhere(process_tracker._saw, wrong)


def last_rule_wins() -> AbstractContextManager[None]:
    def wrong(compiled: Any, values: Any) -> Any:
        turned = change(compiled.table, rules=compiled.table.rules[::-1])
        return right(decision_table.compile_table(turned), values)

    right = decision_table.decide_table
    return everywhere(right, wrong)


MISTAKES: tuple[Mistake, ...] = (
    token_is_not_compared,
    accepted_twice,
    token_is_not_raised,
    deliveries_not_counted_at_the_claim,
    expiry_without_condition,
    answered_before_the_commit,
    next_step_in_a_second_transaction,
    memory_kept_after_a_rollback,
    hand_outs_trusted_from_memory,
    polls_keep_what_a_rollback_took_back,
    claims_counted_through_a_rollback,
    known_steps_taken_for_fresh,
    failed_giving_back_fails_the_turn,
    repeated_poll_gets_what_is_not_its_own,
    extension_may_shorten,
    ended_process_still_hands_out,
    closing_process_hands_out,
    poll_id_ignored,
    claim_without_a_row,
    queue_believed_empty,
    timers_not_dropped,
    due_row_taken_before_it_is_acted_on,
    clock_forgotten_after_a_rollback,
    one_retry_too_many,
    one_retry_too_few,
    state_of_a_failed_attempt_applies,
    optional_is_ignored,
    list_goes_on_after_a_failure,
    foreach_counts_wrong,
    resume_runs_good_steps_again,
    hook_starts_twice,
    childs_news_are_dropped,
    order_is_not_written,
    wake_is_not_written,
    place_is_not_given_back,
    next_in_line_is_not_called,
    room_is_one_too_large,
    window_is_not_advanced,
    signal_is_kept_although_taken,
    pause_is_ignored_by_what_follows,
    rerun_takes_siblings_along,
    own_hands_are_not_recovered,
    recovery_forgotten_after_a_rollback,
    persisted_value_is_written_by_the_last_only,
    report_of_a_given_up_attempt_is_taken,
    report_of_a_given_up_attempt_is_called_a_duplicate,
    saved_without_its_claims,
    answered_before_it_is_saved,
    in_memory_through_a_rollback,
    in_memory_for_ever,
    dropped_before_its_time,
    left_overs_are_not_noted,
    an_edge_is_enough,
    failure_of_a_graph_is_forgotten,
    full_graph_is_forgotten,
    first_done_is_first_undone,
    one_is_not_undone,
    key_is_not_looked_up,
    key_answers_any_request,
    second_response_replaces_the_first,
    nobody_hears_of_a_response,
    dependence_holds_at_once,
    tracker_does_not_wait,
    last_rule_wins,
)

FOCUS = {
    **dict.fromkeys(
        (
            saved_without_its_claims,
            answered_before_it_is_saved,
            in_memory_through_a_rollback,
            in_memory_for_ever,
            second_response_replaces_the_first,
            nobody_hears_of_a_response,
            own_hands_are_not_recovered,
            recovery_forgotten_after_a_rollback,
        ),
        Focus.MEMORY,
    ),
    **dict.fromkeys((dropped_before_its_time, left_overs_are_not_noted), Focus.RETENTION),
    **dict.fromkeys(
        (
            an_edge_is_enough,
            failure_of_a_graph_is_forgotten,
            full_graph_is_forgotten,
            first_done_is_first_undone,
            one_is_not_undone,
            dependence_holds_at_once,
            tracker_does_not_wait,
            last_rule_wins,
            childs_news_are_dropped,
            order_is_not_written,
            next_in_line_is_not_called,
            window_is_not_advanced,
            persisted_value_is_written_by_the_last_only,
        ),
        Focus.WHOLE,
    ),
}
"""Where a mistake shows in some runs only, those are looked for."""
