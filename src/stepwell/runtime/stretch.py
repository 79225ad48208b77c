"""Stretches: synchronous runs of API_ORCHESTRATION that are in memory only, until they must be saved. Spec 0.4.

Such a run is first saved when it waits for anything from outside, when it has an effect outside of itself, at its end,
after 64 transitions, after 250 ms, or when its caller's wait is over, whichever comes first. Until then nobody but the
server's own hands knows of it, and what they report goes to the fold that is kept here. A crash, or a turn that is
rolled back, forgets it: its caller has not been answered.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from stepwell.model.due import DueKind
from stepwell.model.process import ProcessContext
from stepwell.model.step import HandOut, StepContext, StepExecution
from stepwell.model.work import Claim
from stepwell.runtime.asks import StartAsk
from stepwell.runtime.clockwork import NEVER, OWN_HANDS
from stepwell.runtime.fold import Fold

MOST_TRANSITIONS = 64
LONGEST_MS = 250


class Stretch:
    """One run that has no rows yet."""

    __slots__ = ("ask", "disturbed", "fold", "until")

    def __init__(self, ask: StartAsk, fold: Fold, now: int) -> None:
        self.ask = ask
        """Answered with the first save."""
        self.fold = fold
        self.until = now + min(LONGEST_MS, ask.patience_ms)
        if self.process.deadline:
            self.until = min(self.until, self.process.deadline)
        self.disturbed = False
        """An event came that is no report of the server's own hands."""

    @property
    def process(self) -> ProcessContext:
        process = self.fold.snapshot.process
        assert process is not None
        return process

    def goes_on(self, now: int) -> bool:
        """May it stay in memory? Asked when its turn has handed out what could be handed out."""
        fold = self.fold
        if self.disturbed or fold.ended or fold.responded or fold.wrote_entries or self.process.marked:
            return False
        if now >= self.until or fold.transitions >= MOST_TRANSITIONS:
            return False
        own_clock = (self.process.id, 0, DueKind.PROCESS_TIMEOUT)
        return self._runs_here() and all(due is None or key == own_clock for key, due in fold.due.items())

    def _runs_here(self) -> bool:
        """Is every open step in the server's own hands, or around one that is?"""
        plans = self.fold.snapshot.plan.steps
        running = False
        for step in self.open_steps():
            if is_in_own_hands(step):
                running = True
            elif step.hand_out.ready is not None or not plans[str(step.path[0])].children:
                return False
        return running

    def open_steps(self) -> Iterator[StepContext]:
        return (
            step for step in self.fold.snapshot.steps.values() if step is not None and step.status.is_open
        )


def is_in_own_hands(step: StepContext) -> bool:
    hand_out = step.hand_out
    return hand_out.claim is not None and hand_out.worker.startswith(OWN_HANDS)


class ProcessRows(Protocol):
    """What one process is made of: `Reads` has all of it, and so has a stretch."""

    def process(self, id: int, large: bool = True) -> ProcessContext | None: ...

    def step(self, id: int) -> StepContext | None: ...

    def executions(self, step_ids: Sequence[int], limit: int) -> Mapping[int, list[StepExecution]]: ...


class StretchRows:
    """A stretch as its scripts see it, from any thread: what `Reads` would answer if it had rows."""

    def __init__(self, stretch: Stretch) -> None:
        self._fold = stretch.fold

    def process(self, id: int, large: bool = True) -> ProcessContext | None:
        process = self._fold.snapshot.process
        return process if process is not None and process.id == id else None

    def step(self, id: int) -> StepContext | None:
        return self._fold.snapshot.steps.get(id)

    def executions(self, step_ids: Sequence[int], limit: int) -> dict[int, list[StepExecution]]:
        found: dict[int, list[StepExecution]] = {id: [] for id in step_ids}
        for decision in tuple(self._fold.executions):
            for execution in decision.executions:
                if execution.step_id in found:
                    found[execution.step_id].append(execution)
        return {id: executions[-limit:] for id, executions in found.items()}


class Stretches:
    """All that a lane keeps. Written by its thread only; `rows` may be called from any."""

    def __init__(self) -> None:
        self._by_process: dict[int, Stretch] = {}
        self._process_of: dict[int, int] = {}
        """Steps in the server's own hands."""
        self._steps_of: dict[int, list[int]] = {}
        """The same by process. Not to be read off its fold, which forgets closed iterations."""
        self._claims: dict[int, Claim] = {}
        """Hand-outs of which no step has a row yet."""

    def __len__(self) -> int:
        return len(self._by_process)

    def get(self, process_id: int) -> Stretch | None:
        return self._by_process.get(process_id)

    def all(self) -> Mapping[int, Stretch]:
        """Each by the id of its process."""
        return self._by_process

    def rows(self, process_id: int) -> StretchRows | None:
        stretch = self._by_process.get(process_id)
        return None if stretch is None else StretchRows(stretch)

    def next_until(self) -> int:
        """When the first of them must be saved, epoch ms."""
        return min((stretch.until for stretch in self._by_process.values()), default=NEVER)

    def over(self, now: int) -> list[Stretch]:
        return [stretch for stretch in self._by_process.values() if stretch.until <= now]

    def hurry(self) -> None:
        """The server stops: all of them are to be saved now."""
        for stretch in self._by_process.values():
            stretch.until = 0

    def hand_outs(self, step_ids: Iterable[int]) -> dict[int, tuple[int, HandOut]]:
        """As `Turn.hand_outs`, for steps without a row."""
        found = {}
        for id in step_ids:
            process_id = self._process_of.get(id)
            if process_id is not None:
                step = self._by_process[process_id].fold.snapshot.steps[id]
                assert step is not None
                found[id] = (process_id, step.hand_out)
        return found

    # -- after a commit

    def keep(self, stretch: Stretch) -> None:
        self._forget_steps(stretch)
        id = stretch.process.id
        self._by_process[id] = stretch
        held = [step.id for step in stretch.open_steps() if step.hand_out.claim is not None]
        self._process_of.update(dict.fromkeys(held, id))
        self._steps_of[id] = held

    def saved(self, stretch: Stretch) -> None:
        self._forget_steps(stretch)
        self._by_process.pop(stretch.process.id, None)

    def _forget_steps(self, stretch: Stretch) -> None:
        for id in self._steps_of.pop(stretch.process.id, ()):
            self._process_of.pop(id, None)

    def forget(self) -> list[Stretch]:
        """A turn was rolled back, and they may have moved on in it: they are gone, their callers hear that."""
        gone = list(self._by_process.values())
        self._by_process.clear()
        self._process_of.clear()
        self._steps_of.clear()
        self._claims.clear()
        return gone

    # -- claims

    def keep_claim(self, claim: Claim) -> None:
        self._claims[claim.id] = claim

    def claims_for(self, stretch: Stretch) -> list[Claim]:
        """Those that must have a row now because this stretch gets rows. Each is answered once."""
        held = {step.hand_out.claim for step in stretch.open_steps() if step.hand_out.claim is not None}
        return [self._claims.pop(claim) for claim in sorted(held & self._claims.keys())]

    def drop_claims(self, claims: Iterable[int]) -> None:
        for claim in claims:
            self._claims.pop(claim, None)
