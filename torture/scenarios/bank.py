"""Transfers between accounts. Money leaves one and reaches the other, or comes back: the sum never changes.

The bank stands outside: it is the workers' effects, and it knows a movement by its process and step, as any receiver of
at-least-once calls must. So a repeated effect moves no money; a step that nobody should have asked for does.
"""

from collections.abc import Sequence

from torture.findings import DOUBLED, LOST, Finding, Findings
from torture.history import History, Process
from torture.scenarios.base import PATIENT, THRICE, Json, Plain, definition, expect, work

ACCOUNTS = 10
FROZEN = 4
"""Every fourth receiver cannot take money: the transfer fails, at the third try for good, and is undone."""


def amount_of(n: int) -> int:
    return 1 + n % 97


def is_frozen(n: int) -> bool:
    return n % FROZEN == 0


class Bank(Plain):
    name = "bank"
    process = "torture-bank"

    def definitions(self) -> Sequence[Json]:
        withdraw = work("withdraw", "move", account="{{ input.from }}", amount="{{ input.out }}")
        withdraw["compensate"] = {
            "type": "WORKER",
            "name": withdraw["name"],
            "input": {"do": "move", "account": "{{ input.from }}", "amount": "{{ input.in }}"},
            "configuration": {"errorPolicyName": PATIENT},
        }
        deposit = work("deposit", "{{ input.deposit }}", 2, account="{{ input.to }}", amount="{{ input.in }}")
        deposit["configuration"] = {"errorPolicyName": THRICE}
        return [definition(self.process, withdraw, work("approve", "flaky", 1, values=[1]), deposit)]

    def input_of(self, n: int) -> Json:
        amount = amount_of(n)
        return {
            "from": n % ACCOUNTS,
            "to": (n * 7 + 3) % ACCOUNTS,
            "out": -amount,
            "in": amount,
            "deposit": "fail" if is_frozen(n) else "move",
        }

    def judge(self, n: int, process: Process, history: History) -> Findings:
        right = {"withdraw": -amount_of(n), "withdraw~undo" if is_frozen(n) else "deposit": amount_of(n)}
        yield from expect(process, "status", process.status, "FAILED" if is_frozen(n) else "COMPLETED")
        moved = {ref: process.value(ref) for ref in right}
        yield from expect(process, "books", moved, right)
        tries = len(process.by_ref["deposit"].earlier) + 1 if "deposit" in process.by_ref else 0
        yield from expect(process, "tries", tries, 3 if is_frozen(n) else 1)
        done = self._done(process, history)
        for ref, amount in right.items():
            if done.pop(ref, None) != amount:
                yield Finding(LOST, "money", f"the bank knows no {ref} of {amount}", process.id)
        for ref, amount in done.items():
            yield Finding(DOUBLED, "money", f"the bank was told of {ref} {amount} too", process.id)

    def _done(self, process: Process, history: History) -> dict[str, int]:
        """What the bank has moved for this process, each movement once."""
        return {
            effect.ref: effect.value
            for step in process.steps
            for effect in history.effects_of.get(step.id, ())
            if effect.input.get("do") == "move" and not effect.is_lie
        }
