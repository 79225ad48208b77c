"""What scripts look at in these tests: a process with a few steps, written down."""

from collections.abc import Collection
from typing import Any

from stepwell.model.codec import encode
from stepwell.model.work import WorkRequest
from stepwell.steps.step import StepCall


class Written:
    """A view of steps that are given; it notes which were asked for."""

    def __init__(
        self, steps: dict[str, dict[str, Any]] | None = None, context: dict[str, Any] | None = None
    ) -> None:
        self._steps = steps or {}
        self._context = context or {}
        self.asked: list[str] = []

    async def context(self, payloads: Collection[str] = ()) -> dict[str, Any]:
        return self._context

    async def step(self, ref: str, attempts: int = 0) -> dict[str, Any] | None:
        self.asked.append(ref)
        return self._steps.get(ref)


def call_of(given: Any, view: Written | None = None) -> StepCall:
    request = WorkRequest(
        process_id=1, step_id=2, token=1, run_count=1, execution=1, name="script", namespace="default", ref="script",
        input=encode(given), optional=False, polled=0, scheduled=0, updated=0, priority=0, deadline=0,
    )  # fmt: skip
    return StepCall(request=request, view=view or Written(), now_ms=0)
