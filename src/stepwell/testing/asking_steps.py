"""Random steps that ask what is outside of their process: decision tables, other processes, the caller who waits."""

from collections.abc import Sequence
from random import Random
from typing import Any

from stepwell.model.decision_table import Column, DecisionTable, Rule
from stepwell.model.definition import StepDefinition, StepType

TABLE = "rates"
STEPS = (1, 3, 5)
"""Where the rules of the table begin; below the first there is none."""
LIKELY = (64, 128, 192, 256, 448, 1_024)
"""Ids that processes of a run often have."""
INTERVAL_S = 2

WEIGHTS = {
    StepType.DECISION_ENGINE: 0.8,
    StepType.DEPENDSON: 0.8,
    StepType.PROCESS_TRACKER: 0.8,
    StepType.SEND_RESPONSE: 1.0,
}


def draw_table(random: Random) -> DecisionTable:
    """Rules that say from which score on they hold, the highest first."""
    rules = tuple(
        Rule(conditions={"score": f">= {least}"}, outputs={"from": least, "rate": random.randint(0, 99)})
        for least in sorted(STEPS, reverse=True)
    )
    columns = (Column(name="from"), Column(name="rate"))
    return DecisionTable(name=TABLE, inputs=(Column(name="score"),), outputs=columns, rules=rules)


def asking_input(
    random: Random, kind: StepType, before: Sequence[StepDefinition], processes: Sequence[str]
) -> dict[str, Any]:
    match kind:
        case StepType.DECISION_ENGINE:
            version = {"version": random.choice((1, 2))} if random.random() < 0.3 else {}
            return {"table": TABLE, "input": {"score": random.randint(0, 6)}, **version}
        case StepType.DEPENDSON:
            return {
                "dependsOnStatement": _statement(random, processes),
                "intervalSeconds": INTERVAL_S,
                **({"windowSeconds": 30} if random.random() < 0.3 else {}),
            }
        case StepType.PROCESS_TRACKER:
            children = [step for step in before if step.type is StepType.SUB_PROCESS]
            known = f"{{{{ steps.{children[-1].ref}.output.subProcessId }}}}" if children else None
            waits = {"waitForCompletion": True} if random.random() < 0.5 else {}
            return {
                "processId": known or random.choice(LIKELY),
                "intervalSeconds": INTERVAL_S,
                **waits,
            }
        case _:
            return {"body": {"of": "{{ context.id }}"}, "statusCode": random.choice((200, 202))}


def _statement(random: Random, processes: Sequence[str]) -> str:
    def term() -> str:
        name, status = random.choice(processes), random.choice(("COMPLETED", "COMPLETED", "RUNNING"))
        if random.random() < 0.3:
            return f"STEP('{name}', 's{random.randint(1, 3)}', '{status}')"
        return f"PROCESS('{name}', '{status}')"

    if random.random() < 0.5:
        return term()
    return f"{term()} {random.choice(('AND', 'OR', 'OR'))} {term()}"
