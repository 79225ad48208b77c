"""The simulated server's own hands: they run scripts and built-in steps, with results by chance, and die with it."""

from typing import Any

from stepwell.definition.plan import SCRIPTS, SERVER
from stepwell.model.codec import encode
from stepwell.model.definition import StepType
from stepwell.model.errors import Busy
from stepwell.model.step import Phase, StepContext
from stepwell.model.work import QueueName, WorkRequest, WorkResult, WorkStatus
from stepwell.runtime.asks import ExchangeAsk, Gone
from stepwell.runtime.clockwork import OWN_HANDS
from stepwell.runtime.requests import Exchange, Exchanged, Poll
from stepwell.testing.evidence import Evidence
from stepwell.testing.further_steps import BUILT_IN
from stepwell.testing.world import LOST, Server, World

QUEUES = (SCRIPTS, *(QueueName(SERVER, kind.value, "") for kind in BUILT_IN))
HOLD_MS = 5_000
SLOTS = 8


class OwnHands:
    """Polls without a poll id and without a line in between, as the server's runner does."""

    def __init__(self, world: World, server: Server, evidence: Evidence) -> None:
        self._world = world
        self._server = server
        self._evidence = evidence
        self._life = 0
        """Raised when the server dies: what an earlier one began is nobody's business any more."""
        self._held = 0
        self._well = False

    def begin(self) -> None:
        self._poll()

    def heal(self) -> None:
        self._well = True

    def _poll(self) -> None:
        life = self._life
        if self._server.lane is None or self._held >= SLOTS:
            self._world.after(100, self._poll)
            return

        def heard(value: Any) -> None:
            if value is LOST:
                self._life, self._held = life + 1, 0
                self._world.after(50, self._poll)
                return
            for work in value.work if isinstance(value, Exchanged) else ():
                self._held += 1
                self._begin_work(work, life)
            self._world.after(200 if isinstance(value, Busy) else 0, self._poll)

        room = SLOTS - self._held
        poll = Poll(
            queues=tuple((name, room) for name in QUEUES),
            limit=room,
            client=f"{OWN_HANDS}sim",
            host="sim",
            wait_ms=HOLD_MS,
        )
        self._server.receive(ExchangeAsk(heard, Exchange(poll=poll), Gone()))

    def _begin_work(self, work: WorkRequest, life: int) -> None:
        # As it is now: what is in memory only may be forgotten while it is worked on.
        step = self._evidence.find_step(work.process_id, work.step_id)
        plan = self._evidence.plan(self._evidence.find_process(step.process_id)).steps[str(step.path[0])]
        self._world.after(
            self._world.random.choice((0, 1, 30, 1_000)), lambda: self._do(work, step, plan.type, life)
        )

    def _do(self, work: WorkRequest, step: StepContext, kind: StepType, life: int) -> None:
        if life == self._life:
            self._report(self._result(work, step, kind), life)

    def _report(self, result: WorkResult, life: int) -> None:
        def heard(value: Any) -> None:
            if isinstance(value, Busy):
                self._world.after(200, lambda: self._report(result, life))
            elif value is not LOST:
                self._held = max(0, self._held - 1)

        if life == self._life:
            self._server.receive(ExchangeAsk(heard, Exchange(results=(result,)), Gone()))

    def _result(self, work: WorkRequest, step: StepContext, kind: StepType) -> WorkResult:
        random = self._world.random
        failed = not self._well and random.random() < 0.15
        unique = random.getrandbits(50)
        status, wait = WorkStatus.COMPLETED, 0
        output: dict[str, Any] = {"n": unique, "by": "sim", "token": work.token}
        if failed:
            status, output = WorkStatus.FAILED, {**output, "error": f"no luck {unique}"}
        elif work.type == SCRIPTS.type:
            output = {"result": self._answer(step, kind), "logs": [unique]}
        elif not self._well and random.random() < 0.15:
            # An HTTP step that asks again later, with nothing held meanwhile.
            status, wait = WorkStatus.RUNNING, random.choice((0, 500))
        return WorkResult(
            step_id=work.step_id, token=work.token, status=status, output=encode(output), reschedule_ms=wait
        )

    def _answer(self, step: StepContext, kind: StepType) -> Any:
        """What the script of this step returns: mostly something that fits."""
        random = self._world.random
        if step.phase is Phase.TRANSFORMING or (not self._well and random.random() < 0.05):
            return {"made": random.getrandbits(20)}
        if step.phase is Phase.PREPARING:
            return random.choice((None, {"seen": True}))
        match kind:
            case StepType.WHILE:
                return random.random() < 0.5
            case StepType.SWITCH:
                return str(random.randint(0, 3))
            case StepType.WAIT:
                return {"waitUntil": self._world.now + random.choice((-5, 40, 6_000))}
            case _:
                return random.choice((-1, -1, 0, 1))
