"""Who waits for work, and who gets which step. Lives in the lane; knows nothing that the rows do not say better.

A poll that finds nothing is held. When a step becomes ready in a turn and a held or newly arrived poll wants its
queue, the step is claimed in that same turn (sticky), provided the queue was seen empty: with a backlog the queue's
order decides, so priority and age hold.
"""

from collections import deque
from collections.abc import Collection, Iterable

from stepwell.engine.compensate import UNDO
from stepwell.engine.process import is_closing
from stepwell.model.codec import change
from stepwell.model.step import StepContext
from stepwell.model.work import Claim, QueueName, WorkRequest
from stepwell.runtime.asks import ExchangeAsk
from stepwell.runtime.others import Others
from stepwell.runtime.secrets import Filled
from stepwell.store.port import Taker, Turn

MOST_CLAIMED = 1_000
"""Steps that one statement claims at the most."""
MOST_COUNTED = 100_000
"""Hand-outs that are counted down at the most."""


class Waiting:
    """One poll: what it still has room for, and what it has got in this turn."""

    __slots__ = ("again", "ask", "claim", "client", "deadline", "host", "leases", "poll_id", "requests", "room",
                 "rooms", "steps", "until")  # fmt: skip

    def __init__(self, ask: ExchangeAsk, rooms: dict[int, int], until: int) -> None:
        poll = ask.exchange.poll
        assert poll is not None
        self.ask = ask
        self.rooms = rooms
        """Queue number → how many more steps of it."""
        self.room = poll.limit
        self.client = poll.client
        self.host = poll.host
        self.poll_id = poll.poll_id
        self.until = until
        """When an empty poll is answered, epoch ms."""
        self.claim = 0
        self.deadline = 0
        self.steps: list[StepContext] = []
        self.requests: list[WorkRequest] = []
        self.again: list[StepContext] = []
        """What a lost answer to the same poll said and still stands."""

    @property
    def gone(self) -> bool:
        return self.ask.gone.gone

    def wants(self, queue: int) -> int:
        """How many more steps of a queue. Nothing beside what a lost answer said already."""
        return 0 if self.again else min(self.room, self.rooms.get(queue, 0))

    def rollback(self) -> None:
        """What it got in a turn that was rolled back was never handed out."""
        for step in self.steps:
            self.room += 1
            self.rooms[step.queue] += 1
        self.claim = self.deadline = 0
        self.steps.clear()
        self.requests.clear()

    def give(self, step: StepContext) -> None:
        self.room -= 1
        self.rooms[step.queue] -= 1
        self.steps.append(step)
        deadline = step.hand_out.deadline
        self.deadline = min(self.deadline or deadline, deadline)


class Dispatch:
    """The polls that wait at this node. Used by the lane's thread only."""

    def __init__(self, lease_ms: int, others: Others | None = None) -> None:
        self._lease_ms = lease_ms
        self._others = others
        self._waiting: dict[int, Waiting] = {}
        self._by_queue: dict[int, deque[Waiting]] = {}
        self._seen_empty: set[int] = set()
        self._open_in_claim: dict[int, int] = {}
        self._polled: dict[int, int] = {}
        self.closing: set[int] = set()
        """Processes that ended with more open steps than one decision cancels: none of theirs is handed out."""

    def __bool__(self) -> bool:
        """Does anybody wait?"""
        return bool(self._waiting)

    # -- polls come and go

    def add(self, waiting: Waiting, now: int) -> None:
        self._drop_repeated(waiting)
        self._polled.update(dict.fromkeys(waiting.rooms, now))
        self._waiting[id(waiting)] = waiting
        for queue in waiting.rooms:
            self._by_queue.setdefault(queue, deque()).append(waiting)

    def _drop_repeated(self, waiting: Waiting) -> None:
        """A client that polls again under the same id no longer listens to the earlier call."""
        if waiting.poll_id is not None:
            for other in self._waiting.values():
                if other.poll_id == waiting.poll_id and other.client == waiting.client:
                    other.ask.gone.gone = True

    def polls(self, queue: int) -> tuple[int, int]:
        """When the queue was polled last, epoch ms (0 = never), and how many polls wait for it. From any thread."""
        return self._polled.get(queue, 0), len(self._by_queue.get(queue, ()))

    def __len__(self) -> int:
        """How many polls wait. From any thread."""
        return len(self._waiting)

    def remove(self, waiting: Waiting) -> None:
        self._waiting.pop(id(waiting), None)
        for queue in waiting.rooms:
            line = self._by_queue.get(queue)
            if line is not None and waiting in line:
                line.remove(waiting)

    def drop(self, asks: set[int]) -> list[Waiting]:
        """Polls whose asks (by identity) were part of a turn that was rolled back. They leave."""
        dropped = [waiting for waiting in self._waiting.values() if id(waiting.ask) in asks]
        for waiting in dropped:
            self.remove(waiting)
        return dropped

    def next_until(self) -> int | None:
        """When the first empty poll must be answered, epoch ms."""
        return min((waiting.until for waiting in self._waiting.values()), default=None)

    def finished(self, now: int) -> list[Waiting]:
        """Polls to answer now: they got something, their time is over, or nobody listens. They leave."""
        done = [w for w in self._waiting.values() if w.steps or w.again or w.until <= now or w.gone]
        for waiting in done:
            self.remove(waiting)
        return done

    def repeated(self) -> list[Waiting]:
        """Polls whose earlier answer was lost."""
        return [waiting for waiting in self._waiting.values() if waiting.again]

    def served(self) -> list[Waiting]:
        """Polls that have got something in this turn."""
        return [waiting for waiting in self._waiting.values() if waiting.steps or waiting.again]

    def drain(self) -> list[Waiting]:
        """The server stops: every held poll is answered empty."""
        done = list(self._waiting.values())
        for waiting in done:
            self.remove(waiting)
        return done

    # -- handing out

    def stick(self, step: StepContext, turn: Turn, now: int) -> StepContext:
        """A new ready step: claimed for a poll that waits for its queue, or left for the queue."""
        queue = step.queue
        if queue not in self._seen_empty:
            return step
        waiting = self._first(queue)
        if waiting is None:
            self._seen_empty.discard(queue)
            return step
        taken = self._take(step, waiting, turn, now)
        waiting.give(taken)
        return taken

    def _take(self, step: StepContext, waiting: Waiting, turn: Turn, now: int) -> StepContext:
        deadline = now + (step.lease_ms or self._lease_ms)
        claim = self._claim_of(waiting, turn)
        hand_out = step.hand_out.taken(claim, now, deadline, waiting.host, waiting.client)
        return change(step, hand_out=hand_out)

    def _first(self, queue: int) -> Waiting | None:
        line = self._by_queue.get(queue)
        while line:
            waiting = line[0]
            if not waiting.gone and waiting.wants(queue):
                return waiting
            line.popleft()
        return None

    def is_waited_for(self, queue: int) -> bool:
        return bool(self._by_queue.get(queue))

    def is_empty(self, queue: int) -> bool:
        """Was the queue seen empty, and nothing put into it since?"""
        return queue in self._seen_empty

    def left_in_queue(self, queue: int) -> None:
        """A step was made ready by a statement that hands nothing out."""
        self._seen_empty.discard(queue)

    def claim(self, turn: Turn, now: int) -> None:
        """Fill polls from queues that may hold something. Runs in the turn, after its changes are saved."""
        if self._others is not None:
            self._look_again(turn, self._others, now)
            for queue in sorted(self._asked() - self._seen_empty):
                self._claim_for_all(turn, queue, now)
            return
        for waiting in list(self._waiting.values()):
            if waiting.gone:
                continue
            for queue in waiting.rooms:
                if queue not in self._seen_empty:
                    self._claim_queue(turn, waiting, queue, now)

    def _claim_queue(self, turn: Turn, waiting: Waiting, queue: int, now: int) -> None:
        while wanted := waiting.wants(queue):
            claim = self._claim_of(waiting, turn)
            rows = turn.claim(queue, wanted, claim, now, self._lease_ms, waiting.host, waiting.client)
            closing = self.closing_of(turn, [step.process_id for step in rows])
            for step in rows:
                if step.process_id not in closing:
                    waiting.give(step)
            if len(rows) < wanted:
                self._seen_empty.add(queue)
                return

    def _asked(self) -> set[int]:
        """Queues that somebody waits for."""
        return {queue for waiting in self._waiting.values() if not waiting.gone for queue in waiting.rooms}

    def _claim_for_all(self, turn: Turn, queue: int, now: int) -> None:
        """One statement for all polls that want the queue: each costs a round trip."""
        while line := self._line(queue):
            takers = []
            for waiting, wanted in line:
                claim = self._claim_of(waiting, turn)
                takers.append(Taker(wanted, claim, waiting.host, waiting.client))
            rows = turn.claim_for_all(queue, takers, now, self._lease_ms)
            closing = self.closing_of(turn, [step.process_id for step in rows])
            by_claim = {waiting.claim: waiting for waiting, _ in line}
            for step in rows:
                if step.process_id not in closing and step.hand_out.claim is not None:
                    by_claim[step.hand_out.claim].give(step)
            if len(rows) < sum(wanted for _, wanted in line):
                self._seen_empty.add(queue)
                return

    def _line(self, queue: int) -> list[tuple[Waiting, int]]:
        """Who waits for the queue, first come first, with how many steps; as many as one statement may take."""
        line, room = [], MOST_CLAIMED
        for waiting in self._waiting.values():
            wanted = 0 if waiting.gone else min(waiting.wants(queue), room)
            if wanted:
                line.append((waiting, wanted))
                room -= wanted
        return line

    def _look_again(self, turn: Turn, others: Others, now: int) -> None:
        """Others may have filled queues that were seen empty, and emptied others. One look tells of all of them."""
        if self._waiting and others.takes_look(now):
            self._seen_empty.clear()
        unknown = sorted(self._asked() - self._seen_empty)
        if unknown:
            filled = turn.filled_queues(unknown)
            self._seen_empty.update(set(unknown) - filled)
            if filled:
                others.found_work()

    def closing_of(self, turn: Turn, process_ids: Collection[int]) -> Collection[int]:
        """Those of these processes of which nothing is handed out any more."""
        if self._others is None or not process_ids:
            return self.closing
        rows = turn.going_on(sorted(set(process_ids)))
        return {row.process_id for row in rows if row.body == UNDO or is_closing(row.body)}

    def _claim_of(self, waiting: Waiting, turn: Turn) -> int:
        if not waiting.claim:
            waiting.claim = turn.next_claim_id()
        return waiting.claim

    def claim_row(self, waiting: Waiting, now: int) -> Claim:
        """The row of what this poll has got in this turn. Counted from now on."""
        self._open_in_claim[waiting.claim] = len(waiting.steps)
        if len(self._open_in_claim) > MOST_COUNTED:
            # Reported to other nodes, perhaps: their rows go at their deadlines.
            del self._open_in_claim[next(iter(self._open_in_claim))]
        return Claim(
            id=waiting.claim,
            client=waiting.client,
            host=waiting.host,
            poll_id=waiting.poll_id,
            created=now,
            deadline=waiting.deadline,
            steps=tuple(step.id for step in waiting.steps),
        )

    def claims_gone(self, claims: list[int]) -> None:
        """Their rows were deleted: nobody holds a step of theirs any more. Empties the list."""
        for claim in claims:
            self._open_in_claim.pop(claim, None)
        claims.clear()

    def reported(self, claims: Iterable[int]) -> list[int]:
        """Steps of these claims were reported; the claims that nobody holds a step of any more.

        A claim from before a restart is not counted here; its row goes when its deadline is looked at."""
        done = []
        for claim in claims:
            left = self._open_in_claim.get(claim)
            if left is None:
                continue
            if left > 1:
                self._open_in_claim[claim] = left - 1
            else:
                del self._open_in_claim[claim]
                done.append(claim)
        return done

    def forget(self) -> None:
        """The turn was rolled back: what it handed out was not; queues must be looked at again."""
        self._seen_empty.clear()
        self.closing.clear()
        # Counted down by reports that count for nothing now: such a claim's row goes at its deadline instead.
        self._open_in_claim.clear()
        for waiting in self._waiting.values():
            waiting.rollback()


def work_request(step: StepContext, queue: QueueName, optional: bool, filled: Filled) -> WorkRequest:
    """What a worker is told of a step it got, its input filled with secrets."""
    hand_out = step.hand_out
    return WorkRequest(
        process_id=step.process_id,
        step_id=step.id,
        token=hand_out.token,
        run_count=hand_out.runs,
        execution=step.execution,
        name=queue.name,
        namespace=queue.namespace,
        type=queue.type,
        ref=step.ref,
        input=filled.input,
        optional=optional,
        polled=hand_out.polled,
        scheduled=step.scheduled,
        updated=step.updated,
        priority=step.priority,
        deadline=hand_out.deadline,
        secrets=filled.used,
    )
