"""Records for the store's tests: short to write, everything else at its default."""

from typing import Any

from stepwell.model.audit import Audit
from stepwell.model.definition import ProcessType, StoredDefinition
from stepwell.model.entry import Entry, EntryKind
from stepwell.model.process import ProcessContext, ProcessStatus, TriggerType
from stepwell.model.step import HandOut, StepContext, StepStatus
from stepwell.model.work import Claim, QueueName

QUEUE = QueueName("default", "WORKER", "charge")
NOW = 1_700_000_000_000


def process(id: int, **fields: Any) -> ProcessContext:
    given: dict[str, Any] = {
        "namespace": "default",
        "name": "order",
        "version": 1,
        "definition_id": 1,
        "type": ProcessType.STANDARD,
        "trigger": TriggerType.API,
        "status": ProcessStatus.RUNNING,
    }
    return ProcessContext(id=id, **(given | fields))


def step(id: int, process_id: int = 64, **fields: Any) -> StepContext:
    given: dict[str, Any] = {"path": (f"s{id}",), "status": StepStatus.SCHEDULED}
    return StepContext(id=id, process_id=process_id, **(given | fields))


def ready(id: int, queue: int, rank: int, process_id: int = 64, **fields: Any) -> StepContext:
    return step(id, process_id, queue=queue, hand_out=HandOut(ready=rank), **fields)


def claim(id: int, **fields: Any) -> Claim:
    given: dict[str, Any] = {
        "client": "app",
        "host": "h",
        "poll_id": None,
        "created": NOW,
        "deadline": NOW,
        "steps": (),
    }
    return Claim(id=id, **(given | fields))


def definition(name: str, version: int, **fields: Any) -> StoredDefinition:
    given: dict[str, Any] = {
        "id": 0,
        "namespace": "default",
        "content": b"{}",
        "fingerprint": "f",
        "created": 1,
        "updated": 2,
        "created_by": "a",
        "updated_by": "b",
    }
    return StoredDefinition(name=name, version=version, **(given | fields))


def entry(name: str, **fields: Any) -> Entry:
    given: dict[str, Any] = {"kind": EntryKind.VARIABLE, "namespace": "default", "body": b"{}"}
    return Entry(name=name, **(given | fields))


def audit(**fields: Any) -> Audit:
    return Audit(**({"at": NOW, "who": "app", "what": "TERMINATE"} | fields))
