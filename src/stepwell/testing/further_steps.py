"""Random steps of the kinds beside the plain ones: choices, loops by script, waits, families, limits."""

from collections.abc import Sequence
from random import Random
from typing import Any

from stepwell.model.codec import change
from stepwell.model.definition import StepConfiguration, StepDefinition, StepType
from stepwell.testing.asking_steps import WEIGHTS as ASKING

SIGNALS = ("go", "paid")
ROOM = 2
"""Every concurrency limit that is drawn: so many steps at a time."""
RATE = 2
"""Every rate limit that is drawn: so many starts …"""
WINDOW_S = 3
"""… in so many seconds."""
GATE = "gate"
"""The key that steps of all definitions share."""
COUNTED = ("a", "b")
"""Persisted values that are only read and upserted: each write is one version."""
LOOSE = ("x", "y")
"""Persisted values to which anything may happen."""

BUILT_IN = (StepType.HTTP, StepType.JAVASCRIPT, StepType.PYTHON, StepType.JQ)
LIMITED = (*BUILT_IN, StepType.WORKER, StepType.NOOP, StepType.WAIT, StepType.SUB_PROCESS)
CHOICE = "(steps, context) => 1"

WEIGHTS = {
    StepType.SWITCH: 1.5,
    StepType.WHILE: 1.5,
    StepType.WAIT: 2.5,
    StepType.SUB_PROCESS: 2.5,
    StepType.PERSISTED_STATE: 1.5,
    StepType.UPDATE_STEP: 1.0,
    **ASKING,
    **dict.fromkeys(BUILT_IN, 0.7),
}

QUICK = {
    **dict.fromkeys(BUILT_IN, 1.5),
    StepType.NOOP: 2.0,
    StepType.PARALLEL: 2.0,
    StepType.LIST: 1.0,
    StepType.SWITCH: 1.5,
    StepType.WHILE: 0.7,
    StepType.SEND_RESPONSE: 0.4,
}
"""Of what a run is made that stays in memory for a while."""


def draw_input(
    random: Random, kind: StepType, children: Sequence[StepDefinition], processes: Sequence[str]
) -> dict[str, Any]:
    """The input of a step of one of these kinds; `processes` may be started by it."""
    match kind:
        case StepType.SWITCH:
            mapping: list[dict[str, Any]] = [
                {"value": str(n), "targetRef": child.ref} for n, child in enumerate(children)
            ]
            mapping[-1] |= {"defaultBranch": True} if random.random() < 0.7 else {}
            how = {"value": str(random.randint(0, 3))} if random.random() < 0.4 else {"script": CHOICE}
            return {**how, "responseMapping": mapping}
        case StepType.WHILE:
            return {"script": CHOICE, "maxIterations": random.choice((1, 3, 4))}
        case StepType.WAIT:
            return _wait(random)
        case StepType.SUB_PROCESS:
            waits = {} if random.random() < 0.85 else {"waitForCompletion": False}
            return {"processName": random.choice(processes), **waits}
        case StepType.PERSISTED_STATE:
            return _persisted(random)
        case _:
            return {"script": CHOICE}


def _wait(random: Random) -> dict[str, Any]:
    match random.choice(("duration", "until", "signal", "signal", "signal", "script")):
        case "duration":
            return {"durationMs": random.choice((0, 1, 700, 9_000))}
        case "until":
            return {"until": random.choice(("2020-01-01T00:00:00Z", "1970-01-01T00:00:01+00:00"))}
        case "signal":
            ends = {"timeoutMs": random.choice((300, 9_000, 40_000))} if random.random() < 0.6 else {}
            then = {"onTimeout": random.choice(("FAIL", "CONTINUE"))} if ends else {}
            return {"forSignal": random.choice(SIGNALS), **ends, **then}
        case _:
            return {"script": CHOICE}


def _persisted(random: Random) -> dict[str, Any]:
    value = "{{ context.id }}"
    if random.random() < 0.6:
        action = random.choice(("UPSERT", "UPSERT", "READ"))
        return {"action": action, "name": random.choice(COUNTED), "value": value}
    if random.random() < 0.2:
        return {"action": "READ_BULK", "names": [*COUNTED, *LOOSE]}
    action = random.choice(("INSERT", "UPDATE", "UPSERT", "DELETE"))
    return {"action": action, "name": random.choice(LOOSE), "value": value}


def update_input(random: Random, refs: Sequence[str]) -> dict[str, Any]:
    action = random.choice(("COMPLETE", "COMPLETE", "FAIL", "FEED"))
    return {"targetRef": random.choice(refs), "action": action, "output": {"by": "update"}}


def with_gateway(random: Random, ref: str, steps: tuple[StepDefinition, ...]) -> tuple[StepDefinition, ...]:
    """A FLOW_GATEWAY somewhere among the steps of a sequence, with a way back and one forward."""
    targets = [*(step.ref for step in steps), "EXIT"]
    rules = [
        {"condition": random.choice((CHOICE, CHOICE, True, False)), "targetRef": target}
        for target in random.sample(targets, min(2, len(targets)))
        if target != "EXIT" or random.random() < 0.3
    ]
    gateway = StepDefinition(
        type=StepType.FLOW_GATEWAY,
        name="gate",
        ref=ref,
        optional=random.random() < 0.6,
        input={"rules": rules, "maxExecutions": random.choice((1, 2, 3))},
    )
    at = random.randint(1, len(steps))
    return (*steps[:at], gateway, *steps[at:])


def configured(random: Random, kind: StepType, given: StepConfiguration) -> StepConfiguration:
    """Now and then a limit, the cache or a script beside the step's work."""
    chance = random.random()
    if kind not in LIMITED or chance > 0.4:
        return given
    if chance < 0.2 and kind is not StepType.SUB_PROCESS:
        key = GATE if random.random() < 0.7 else None
        return change(given, concurrency_limit=ROOM, concurrency_key=key)
    if chance < 0.3:
        return change(
            given,
            rate_limit_max_requests=RATE,
            rate_limit_window_seconds=WINDOW_S,
            rate_limit_key=GATE if random.random() < 0.7 else None,
        )
    if kind in (StepType.NOOP, StepType.WAIT, StepType.SUB_PROCESS) or chance < 0.34:
        return change(given, pre_execution_script=CHOICE)
    if chance < 0.37:
        return change(given, use_cache=True, cache_timeout_seconds=60, cache_key="same")
    return change(given, jq_transformer=".")
