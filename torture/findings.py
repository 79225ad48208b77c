"""What the checker can say. The first three are what the guarantees are about."""

from collections.abc import Iterator
from dataclasses import dataclass

LOST, DOUBLED, STUCK, WRONG, IDLE = "lost", "doubled", "stuck", "wrong", "idle"
"""Acknowledged and not there · counted twice · not ended in time · any other broken promise · too little work done."""


@dataclass(frozen=True)
class Finding:
    kind: str
    name: str
    text: str
    process: int = 0

    def __str__(self) -> str:
        where = f" process {self.process}" if self.process else ""
        return f"{self.kind}/{self.name}{where}: {self.text}"


Findings = Iterator[Finding]
