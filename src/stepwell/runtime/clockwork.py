"""Time becoming events: due rows, ended leases. Only looks; the turn takes the rows in the transaction that acts."""

from stepwell.engine.events import DeliveryExpired
from stepwell.model.due import Due
from stepwell.model.step import StepContext
from stepwell.model.work import Claim
from stepwell.runtime.others import OWN_HANDS as OWN_HANDS
from stepwell.runtime.others import Others, held_by
from stepwell.store.port import Turn

DUE_AT_ONCE = 500
CLAIMS_AT_ONCE = 100
ENTRIES_AT_ONCE = 200
SWEEP_MS = 600_000
"""How long expired entries may stand before they are looked for again; they count as absent all the while."""
NEVER = 1 << 62
ALL_CLAIMS = 100_000


class Clockwork:
    """Knows when the next row wants attention, so that an idle server asks the store nothing."""

    def __init__(
        self, lease_ms: int, lease_max_ms: int, max_deliveries: int, others: Others | None = None
    ) -> None:
        self._others = others
        self._looked_due: list[Due] | None = None
        self._looked_claims: list[Claim] | None = None
        """What `look` has found in this turn."""
        self._lease_ms = lease_ms
        self._lease_max_ms = lease_max_ms
        self._max_deliveries = max_deliveries
        self._next_due = 0
        self._next_claim = 0
        self._recovered = False
        self._recovery_kept = False
        """The turn that recovered was committed."""
        self.dropped: list[int] = []
        """Claims whose rows the last look has deleted."""
        self.caught_up = False
        """Every row that was due when the lane began, or lost its memory, has been looked at."""
        self._next_sweep = 0
        self._alive: dict[tuple[str, str], int] = {}

    def next_at(self) -> int:
        """When to look again, epoch ms. 0 at first: whatever a restart finds is looked at once."""
        return min(self._next_due, self._next_claim)

    def note_due(self, at: int) -> None:
        self._next_due = min(self._next_due, at)

    def note_claim(self, deadline: int) -> None:
        self._next_claim = min(self._next_claim, deadline)

    def look_again(self) -> None:
        """After a rollback nothing that was noted can be trusted."""
        self._next_due = self._next_claim = 0
        self._recovered = self._recovery_kept
        self.caught_up = False
        self._looked_due = self._looked_claims = None

    def committed(self) -> None:
        """What the last look has found is acted on for good."""
        self._recovery_kept = self._recovered

    def sign_of_life(self, client: str, host: str, now: int) -> None:
        self._alive[(client, host)] = now
        if self._others is not None:
            self._others.sign_of_life(client, host, now)

    def look(self, turn: Turn, now: int) -> tuple[list[Due], list[Claim]]:
        """What `due` and `expired` are going to act on in this turn: its processes are to be locked first."""
        if self._others is not None and self._others.takes_sweep(now):
            # Others may have noted what this node knows nothing of.
            self._next_due = self._next_claim = 0
        self._looked_due = turn.due(now, DUE_AT_ONCE) if now >= self._next_due else []
        self._looked_claims = turn.claims_due(now, CLAIMS_AT_ONCE) if now >= self._next_claim else []
        return self._looked_due, self._looked_claims

    def due(self, turn: Turn, now: int) -> list[Due]:
        """Rows whose time has come and that still stand: taken, in this transaction."""
        if now < self._next_due:
            return []
        looked, self._looked_due = self._looked_due, None
        rows = turn.due(now, DUE_AT_ONCE) if looked is None else looked
        taken = turn.take_due(rows)
        following = turn.next_due_at()
        self._next_due = NEVER if following is None else following
        self.caught_up = self.caught_up or self._next_due > now
        return taken

    def recovered(self, turn: Turn, now: int) -> list[tuple[StepContext, DeliveryExpired]]:
        """Steps that the server's own hands held when it died: no lease must be waited for. Looked for once."""
        if self._others is not None:
            return self._freed(turn, self._others, now)
        if self._recovered:
            return []
        self._recovered = True
        events: list[tuple[StepContext, DeliveryExpired]] = []
        for claim in turn.claims_due(NEVER, ALL_CLAIMS):
            if claim.client.startswith(OWN_HANDS):
                held = [step for step in turn.steps(claim.steps) if step.hand_out.claim == claim.id]
                events += [(step, self._expiry(step, lost=step.hand_out.deadline > now)) for step in held]
                turn.drop_claims([claim.id])
        return events

    def _freed(self, turn: Turn, others: Others, now: int) -> list[tuple[StepContext, DeliveryExpired]]:
        """What nodes held that do not live any more."""
        claims = others.claims_of_dead(turn)
        if not claims:
            return []
        steps = {step.id: step for step in turn.steps([id for claim in claims for id in claim.steps])}
        turn.drop_claims([claim.id for claim in claims])
        held = held_by(claims, steps)
        return [(step, self._expiry(step, lost=step.hand_out.deadline > now)) for step in held]

    def sweep(self, turn: Turn, now: int) -> None:
        """Delete some of the entries that are over. Nothing waits for it, so no turn is made for its sake."""
        if now >= self._next_sweep:
            dropped = turn.drop_expired_entries(now, ENTRIES_AT_ONCE)
            self._next_sweep = now + (SWEEP_MS if dropped < ENTRIES_AT_ONCE else 1)

    def expired(self, turn: Turn, now: int) -> list[tuple[StepContext, DeliveryExpired]]:
        """Leases that have ended. A worker that shows signs of life keeps a step that has no clock of its own."""
        if now < self._next_claim:
            return []
        events: list[tuple[StepContext, DeliveryExpired]] = []
        looked, self._looked_claims = self._looked_claims, None
        for claim in turn.claims_due(now, CLAIMS_AT_ONCE) if looked is None else looked:
            events += self._look_at(turn, claim, now)
        following = turn.next_claim_deadline()
        self._next_claim = NEVER if following is None else following
        return events

    def _look_at(self, turn: Turn, claim: Claim, now: int) -> list[tuple[StepContext, DeliveryExpired]]:
        held = [step for step in turn.steps(claim.steps) if step.hand_out.claim == claim.id]
        kept = [step for step in held if step.hand_out.deadline > now]
        over = [step for step in held if step.hand_out.deadline <= now]
        until = self._extended(turn, claim, now)
        if until:
            spared = [step for step in over if not step.lease_ms]
            turn.extend([(step.id, step.hand_out.token, until) for step in spared])
            over = [step for step in over if step.lease_ms]
        deadlines = [step.hand_out.deadline for step in kept] + (
            [until] if until and len(held) > len(over) else []
        )
        if deadlines:
            turn.postpone_claim(claim.id, min(deadlines))
        else:
            turn.drop_claims([claim.id])
            self.dropped.append(claim.id)
        return [(step, self._expiry(step)) for step in over]

    def _expiry(self, step: StepContext, *, lost: bool = False) -> DeliveryExpired:
        token = step.hand_out.token
        return DeliveryExpired(step_id=step.id, token=token, max_deliveries=self._max_deliveries, lost=lost)

    def _extended(self, turn: Turn, claim: Claim, now: int) -> int:
        """The new deadline when the claim's worker was heard of within the last lease; 0 when it was not."""
        seen = self._alive.get((claim.client, claim.host), 0)
        if self._others is not None:
            seen = max(seen, self._others.seen(turn, claim.client, claim.host))
        until = min(now + self._lease_ms, claim.created + self._lease_max_ms)
        heard = seen > claim.created and now - seen < min(self._lease_ms, 60_000)
        return until if heard and until > now else 0
