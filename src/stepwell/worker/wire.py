"""The bytes of `POST /api/clients/exchange`: results, lease extensions and the next poll in one call."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stepwell.model.codec import Record, decode_as, encode
from stepwell.model.work import QueueName

EXCHANGE_PATH = "/api/clients/exchange"
HOST_HEADER = "UNMESHED_HOST_NAME"

_REQUEST_NAMES = {
    "process_id": "processId",
    "step_id": "stepId",
    "token": "stepExecutionId",
    "run_count": "runCount",
    "name": "stepName",
    "namespace": "stepNamespace",
    "ref": "stepRef",
    "input": "inputParam",
    "optional": "isOptional",
    "lease_ms": "leaseMs",
}


class WorkRequest(Record, frozen=True, kw_only=True, rename=_REQUEST_NAMES):
    """One step handed to this worker. Times are epoch milliseconds."""

    process_id: int
    step_id: int
    token: int
    """The delivery token: only an answer with the token handed out last is accepted."""
    name: str
    namespace: str = "default"
    ref: str = ""
    run_count: int = 1
    """How often this execution was handed out, this time included."""
    input: dict[str, Any] = msgspec.field(default_factory=dict)
    optional: bool = False
    polled: int = 0
    scheduled: int = 0
    updated: int = 0
    priority: int = 0
    lease_ms: int | None = None
    deadline: int = 0
    """When the lease ends by the server's clock; 0 = not told."""

    @property
    def key(self) -> "StepKey":
        return (self.step_id, self.token)

    @property
    def lease_length_ms(self) -> int:
        """How long the lease lasts from the hand-out, by the server's clock alone; 0 = not told."""
        if self.lease_ms:
            return self.lease_ms
        return max(0, self.deadline - self.polled) if self.deadline and self.polled else 0


StepKey = tuple[int, int]
"""Step id and delivery token: names one hand-out."""


class Extension(Record, frozen=True, kw_only=True, rename="camel"):
    """A wish to keep a step for `lease_ms` from now."""

    step_id: int
    token: int = msgspec.field(name="stepExecutionId")
    lease_ms: int

    @property
    def key(self) -> StepKey:
        return (self.step_id, self.token)


class Outcome(Record, frozen=True, kw_only=True, rename="camel"):
    """What became of one result."""

    step_id: int
    token: int = msgspec.field(name="stepExecutionId")
    outcome: str
    error_message: str | None = None

    @property
    def key(self) -> StepKey:
        return (self.step_id, self.token)


class Answer(Record, frozen=True, kw_only=True):
    results: list[Outcome] = msgspec.field(default_factory=list)
    extended: list[bool] = msgspec.field(default_factory=list)
    """One for each extension asked for, in that order."""
    work: list[WorkRequest] = msgspec.field(default_factory=list)


def exchange_body(
    *,
    poll_id: str,
    results: Sequence[bytes],
    extensions: Sequence["Extension"],
    asked: Mapping[QueueName, int],
    size: int,
    wait_ms: int,
) -> bytes:
    """`results` are JSON objects already; without queues in `asked` the call takes no work."""
    body: dict[str, Any] = {"results": [msgspec.Raw(result) for result in results]}
    if extensions:
        body["extend"] = extensions
    if asked:
        body["pollId"] = poll_id
        body["queues"] = [
            {"namespace": queue.namespace, "name": queue.name, "size": count}
            for queue, count in asked.items()
        ]
        body["size"] = size
        body["waitMs"] = wait_ms
    return encode(body)


def read_answer(body: bytes) -> Answer:
    """Raises CodecError when the text is no answer to an exchange."""
    return decode_as(body, Answer)
