"""A server with a planted mistake, to see whether the torture finds it: `python -m tests.torture.flawed MISTAKE`.

Mistakes of the simulation that also show in a server of its own, and some that take a real file and a real death.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from stepwell.cli import main
from stepwell.runtime.lane import LaneThread
from stepwell.runtime.turn import OneTurn
from stepwell.store.port import Changes
from stepwell.store.sqlite.turn import SqliteTurn
from tests.simulation import mistakes
from tests.simulation.mistakes import patched


@contextmanager
def answered_before_the_commit() -> Iterator[None]:
    """What does not wait for a hand-out is told while the turn still commits."""
    threads: list[LaneThread] = []

    def keep(self: LaneThread) -> None:
        threads.append(self)
        right_thread(self)

    def tell(self: OneTurn) -> None:
        right_run(self)
        threads[0]._deliver(list(self.answers), [])
        self.answers.clear()

    right_thread, right_run = LaneThread.run, OneTurn.run
    with patched(LaneThread, "run", keep), patched(OneTurn, "run", tell):
        yield


@contextmanager
def next_step_in_a_second_transaction() -> Iterator[None]:
    """New steps of processes that run already are written with the next turn."""
    later: list[Any] = []

    def save(self: SqliteTurn, changes: Changes) -> Any:
        fresh = {row.id for row in changes.new_processes}
        changes.new_steps, later[:] = (
            [*later, *(step for step in changes.new_steps if step.process_id in fresh)],
            [step for step in changes.new_steps if step.process_id not in fresh],
        )
        return right(self, changes)

    right = SqliteTurn.save
    with patched(SqliteTurn, "save", save):
        yield


MISTAKES: tuple[Callable[[], AbstractContextManager[None]], ...] = (
    answered_before_the_commit,
    next_step_in_a_second_transaction,
    mistakes.token_is_not_compared,
    mistakes.accepted_twice,
    mistakes.token_is_not_raised,
    mistakes.expiry_without_condition,
    mistakes.ended_process_still_hands_out,
    mistakes.claim_without_a_row,
    mistakes.timers_not_dropped,
    mistakes.due_row_taken_before_it_is_acted_on,
    mistakes.one_retry_too_few,
    mistakes.state_of_a_failed_attempt_applies,
    mistakes.optional_is_ignored,
    mistakes.list_goes_on_after_a_failure,
    mistakes.foreach_counts_wrong,
    mistakes.childs_news_are_dropped,
    mistakes.order_is_not_written,
    mistakes.wake_is_not_written,
    mistakes.signal_is_kept_although_taken,
)


def serve(name: str) -> None:
    mistake = next(mistake for mistake in MISTAKES if mistake.__name__ == name)
    with mistake():
        main(["server"])


if __name__ == "__main__":
    serve(sys.argv[1])
