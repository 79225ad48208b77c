"""Random process definitions and error policies: small ones, in which everything meets everything."""

from random import Random
from typing import Any

from stepwell.model.definition import (
    ProcessConfiguration,
    ProcessDefinition,
    ProcessRequest,
    ProcessType,
    StepConfiguration,
    StepDefinition,
    StepType,
)
from stepwell.model.error_policy import ErrorPolicy, Reaction, StepErrorAction
from stepwell.model.work import QueueName
from stepwell.testing.asking_steps import WEIGHTS as ASKING
from stepwell.testing.asking_steps import asking_input
from stepwell.testing.further_steps import (
    CHOICE,
    QUICK,
    WEIGHTS,
    configured,
    draw_input,
    update_input,
    with_gateway,
)

WORKERS = ("alpha", "beta", "gamma")
QUEUES = tuple(QueueName("default", StepType.WORKER.value, name) for name in WORKERS)
POLICIES = ("strict", "patient", "quick")
HOOK = "hook"
"""The process that hooks and policies start. Has neither, so that there is an end to it."""

WIDE_LOOP = "wide"
CONTAINERS = (StepType.LIST, StepType.PARALLEL, StepType.FOREACH, StepType.SWITCH, StepType.WHILE)

DEEPEST = 3
MOST_STEPS = 14
WIDE = 70
"""More steps than one block of ids holds: such a process is not kept whole in memory."""


def hook_definition() -> ProcessDefinition:
    work = StepDefinition(type=StepType.WORKER, name=WORKERS[0], ref="work")
    note = StepDefinition(
        type=StepType.NOOP, name="note", ref="note", input={"of": "{{ input.__source.processId }}"}
    )
    return ProcessDefinition(name=HOOK, steps=(note, work))


def _wide_loop() -> ProcessDefinition:
    """Many steps that are ready at once."""
    work = StepDefinition(type=StepType.WORKER, name=WORKERS[0], ref="each")
    loop = {"inputArray": list(range(24)), "concurrency": 24}
    return ProcessDefinition(
        name=WIDE_LOOP,
        steps=(StepDefinition(type=StepType.FOREACH, name="all", ref="all", children=(work,), input=loop),),
    )


def below(family: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The processes that one of this name may start: those that come after it, so that there is an end."""
    return family[family.index(name) + 1 :] if name in family else family


class Drawing:
    """Draws one definition. With `family`, of all kinds of steps: those are the processes that it may start."""

    def __init__(self, random: Random, family: tuple[str, ...] = (), *, quick: bool = False) -> None:
        """`quick`: of steps that the server runs itself, for somebody who waits."""
        self._quick = quick
        self._waited_for = quick or (bool(family) and random.random() < 0.2)
        self._random = random
        self._family = family
        self._count = 0
        self._left = MOST_STEPS if not family else MOST_STEPS - 4
        self._loops = 0
        """WHILE steps around the one that is being drawn."""
        self._undoes = bool(family) and random.random() < 0.3
        self._graph = bool(family) and random.random() < 0.25
        """The top level is one: no gateway jumps about in it."""

    def definition(self, name: str) -> ProcessDefinition:
        random = self._random
        if name == WIDE_LOOP:
            return _wide_loop()
        steps = self._sequence(1, random.randint(2, 5) if self._graph else random.randint(1, 4), ())
        if random.random() < 0.06 and not self._graph:
            filler = range(WIDE)
            steps += tuple(StepDefinition(type=StepType.NOOP, name="fill", ref=f"f{n}") for n in filler)
            steps += self._sequence(2, 1, steps)
        return ProcessDefinition(
            name=name,
            type=ProcessType.API_ORCHESTRATION if self._waited_for else ProcessType.STANDARD,
            steps=steps,
            configuration=self._configuration(),
            default_input={"items": list(range(random.randint(0, 4)))},
            default_output={"given": True} if random.random() < 0.2 else {},
            metadata={"dependencies": self._edges(steps)} if self._graph else {},
        )

    def _edges(self, steps: tuple[StepDefinition, ...]) -> list[dict[str, str]]:
        """Each waits for some that stand before it, also for all whose output it uses; or for none."""
        edges = []
        for at, step in enumerate(steps):
            used = {step.input["from"]} if "from" in step.input else set()
            used |= {other.ref for other in steps[:at] if f".{other.ref}." in str(step.input)}
            others = {other.ref for other in steps[:at] if self._random.random() < 0.4}
            if self._random.random() < 0.9 or used:
                edges.append({"ref": step.ref, "deps": ",".join(sorted(used | others))})
        return edges

    def _configuration(self) -> ProcessConfiguration:
        random = self._random

        def hook() -> ProcessRequest | None:
            return ProcessRequest(name=HOOK) if random.random() < 0.12 else None

        return ProcessConfiguration(
            completion_timeout=random.randint(2_000, 90_000) if random.random() < 0.2 else None,
            on_timeout_process=hook(),
            on_fail_process=hook(),
            on_complete_process=hook(),
            on_cancel_process=hook(),
        )

    def _sequence(
        self, depth: int, count: int, before: tuple[StepDefinition, ...], loop: bool = False
    ) -> tuple[StepDefinition, ...]:
        """Steps one after the other; each may use the output of an earlier one of the same level."""
        steps: list[StepDefinition] = []
        for _ in range(count):
            steps.append(self._step(depth, (*before, *steps), loop))
        if self._family and steps and self._random.random() < 0.15 and not (self._graph and depth == 1):
            self._count += 1
            return with_gateway(self._random, f"s{self._count}", tuple(steps))
        return tuple(steps)

    def _step(self, depth: int, before: tuple[StepDefinition, ...], loop: bool) -> StepDefinition:
        self._count += 1
        self._left -= 1
        kind = self._kind(depth)
        ref = f"s{self._count}"
        optional = self._random.random() < (0.7 if kind is StepType.FAIL else 0.25)
        children: tuple[StepDefinition, ...] = ()
        given: dict[str, Any] = {}
        name = kind.value.lower()
        match kind:
            case StepType.WORKER:
                name = self._random.choice(WORKERS)
                given = self._work_input(before, loop)
            case StepType.NOOP:
                given = {"n": self._count, **({"at": "{{ foreach.index }}"} if loop else {})}
                if self._random.random() < 0.3:
                    given["__statePut"] = {f"noop_{ref}": self._count}
            case StepType.FAIL:
                given = {"message": "on purpose"}
            case StepType.EXIT:
                given = {"status": self._random.choice(("COMPLETED", "FAILED", "TERMINATED"))}
            case StepType.LIST:
                children = self._sequence(depth + 1, self._random.randint(0, 3), (), loop)
            case StepType.PARALLEL:
                count = self._random.choice((0, 1, 2, 3, 3, 8))
                children = tuple(self._step(depth + 1, (), loop) for _ in range(count))
            case StepType.FOREACH:
                given = self._loop_input(before)
                children = (self._step(depth + 1, (), True),)
            case _:
                children, given = self._further(kind, depth, before, loop)
        if kind is StepType.PARALLEL and self._family and children and self._random.random() < 0.4:
            given = self._random.choice(({"joinPolicy": "ANY"}, {"joinPolicy": "N", "joinCount": 1}))
        configuration = StepConfiguration(
            error_policy_name=self._random.choice(POLICIES) if self._random.random() < 0.6 else None,
            priority=self._random.randint(-3, 3) if self._random.random() < 0.2 else None,
        )
        undo = None
        if self._family:
            configuration = configured(self._random, kind, configuration)
            undo = self._compensation(kind)
        return StepDefinition(
            type=kind,
            name=name,
            ref=ref,
            optional=optional,
            children=children,
            input=given,
            configuration=configuration,
            compensate=undo,
        )

    def _compensation(self, kind: StepType) -> StepDefinition | None:
        """What undoes it, in the definitions of which that is drawn. Inside a WHILE nothing can be undone."""
        if not self._undoes or self._loops or kind in CONTAINERS or self._random.random() < 0.4:
            return None
        type = self._random.choice((StepType.WORKER, StepType.WORKER, StepType.NOOP, StepType.HTTP))
        name = self._random.choice(WORKERS) if type is StepType.WORKER else "undo"
        policy = self._random.choice((None, *POLICIES))
        return StepDefinition(
            type=type,
            name=name,
            input={"script": CHOICE} if type is StepType.HTTP else {"undo": True},
            optional=self._random.random() < 0.3,
            configuration=StepConfiguration(error_policy_name=policy),
        )

    def _further(
        self, kind: StepType, depth: int, before: tuple[StepDefinition, ...], loop: bool
    ) -> tuple[tuple[StepDefinition, ...], dict[str, Any]]:
        """The children and the input of a step of one of the further kinds."""
        children: tuple[StepDefinition, ...] = ()
        if kind is StepType.SWITCH:
            count = self._random.choice((1, 2, 3))
            children = tuple(self._step(depth + 1, (), loop) for _ in range(count))
        elif kind is StepType.WHILE:
            self._loops += 1
            children = self._sequence(depth + 1, self._random.randint(1, 2), (), loop)
            self._loops -= 1
        elif kind is StepType.UPDATE_STEP:
            # Often there is no such step, or it has not begun: then it is refused.
            return (), update_input(self._random, [f"s{n}" for n in range(1, self._count + 6)])
        elif kind in ASKING:
            return (), asking_input(self._random, kind, before, (*self._family, HOOK))
        family = (HOOK,) if loop else self._family
        return children, draw_input(self._random, kind, children, family)

    def _kind(self, depth: int) -> StepType:
        if depth > DEEPEST or self._left <= 0:
            return StepType.WORKER if self._random.random() < 0.8 else StepType.NOOP
        if self._quick and self._random.random() < 0.9:
            return self._random.choices(tuple(QUICK), weights=tuple(QUICK.values()))[0]
        if self._family and self._random.random() < 0.45:
            return self._random.choices(tuple(WEIGHTS), weights=tuple(WEIGHTS.values()))[0]
        kinds = (
            *(StepType.WORKER, StepType.NOOP, StepType.LIST, StepType.PARALLEL),
            *(StepType.FOREACH, StepType.FAIL, StepType.EXIT),
        )
        return self._random.choices(kinds, weights=(10, 2, 2, 3, 3, 0.6, 0.3))[0]

    def _work_input(self, before: tuple[StepDefinition, ...], loop: bool) -> dict[str, Any]:
        given: dict[str, Any] = {}
        sources = [step for step in before if step.type in (StepType.WORKER, StepType.NOOP)]
        if sources and self._random.random() < 0.6:
            source = self._random.choice(sources)
            given |= {"from": source.ref, "value": f"{{{{ steps.{source.ref}.output.n }}}}"}
        if loop:
            given |= {"index": "{{ foreach.index }}", "item": "{{ foreach.value }}"}
        return given

    def _loop_input(self, before: tuple[StepDefinition, ...]) -> dict[str, Any]:
        size = self._random.choice((0, 1, 2, 3) if self._family else (0, 1, 2, 3, 5, 12, 24))
        items: Any = [f"item {n}" for n in range(size)]
        if self._random.random() < 0.25:
            items = "{{ input.items }}"
        return {"inputArray": items, "concurrency": self._random.choice((1, 2, 3, 24))}


def draw_policy(random: Random, name: str) -> ErrorPolicy:
    """Clocks short enough to ring now and then in a run of some minutes."""

    def reaction(
        chance: float, actions: tuple[StepErrorAction, ...], shortest: int, longest: int
    ) -> Reaction | None:
        if random.random() >= chance:
            return None
        return Reaction(
            duration=random.randint(shortest, longest) if longest else 0,
            action=random.choice(actions),
            retry_count=random.choice((0, 1, 1, 2, 3)),
            retry_interval=random.choice((0, 100, 1_000, 4_000)),
            retry_backoff_exponential=random.random() < 0.3,
            run_request=ProcessRequest(name=HOOK) if random.random() < 0.1 else None,
        )

    fail, retry, none = StepErrorAction.FAIL, StepErrorAction.RETRY, StepErrorAction.NONE
    return ErrorPolicy(
        name=name,
        failure=reaction(0.8, (retry, retry, fail), 0, 0),
        start_timeout=reaction(0.3, (retry, fail, none), 1_000, 20_000),
        response_timeout=reaction(0.5, (retry, retry, fail, none), 800, 15_000),
        completion_timeout=reaction(0.2, (fail, none), 5_000, 40_000),
    )
