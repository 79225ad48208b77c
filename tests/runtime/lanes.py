"""A lane over a store, driven turn by turn without any thread."""

from typing import Any

from stepwell.model.codec import decode_as, encode
from stepwell.model.definition import ProcessDefinition
from stepwell.model.work import QueueName, WorkRequest, WorkResult, WorkStatus
from stepwell.runtime.asks import Ask, ErrandAsk, EventAsk, ExchangeAsk, Gone, StartAsk
from stepwell.runtime.catalog import put_definition
from stepwell.runtime.lane import Lane, answer_of
from stepwell.runtime.node import RuntimeSettings
from stepwell.runtime.requests import Exchange, Exchanged, Poll, StartRequest
from stepwell.runtime.vault import Vault
from stepwell.store.port import Store

START = 1_000_000_000_000


class Clock:
    """Epoch ms that only move when they are told to."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1000


class Lanes:
    """One lane; `restart` replaces it by a new one over the same store."""

    def __init__(self, store: Store, name: str = "node") -> None:
        self.store = store
        self.name = name
        self.clock = Clock()
        self.vault = Vault()
        self.restart()

    def restart(self) -> None:
        self.lane = Lane(self.store, self.clock, RuntimeSettings(), self.vault, self.name)

    def turn(self, *asks: Ask) -> list[Any]:
        """One turn; what each ask is answered, in their order."""
        answers = {id(ask): answer_of(ask, value) for ask, value in self.lane.run_turn(asks)[0]}
        return [answers.get(id(ask)) for ask in asks]

    def errand(self, errand: Any) -> Any:
        (answer,) = self.turn(ErrandAsk(_nobody, errand))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def define(
        self, *steps: dict[str, Any], name: str = "p", namespace: str = "default", **more: Any
    ) -> None:
        written = {"name": name, "namespace": namespace, "type": "STANDARD", "steps": list(steps), **more}
        definition = decode_as(encode(written), ProcessDefinition)
        self.errand(lambda turn, now: put_definition(turn, now, definition, "tester", update=False))

    def start(self, name: str = "p", **more: Any) -> Any:
        (process,) = self.turn(start_ask(name, **more))
        return process

    def poll(self, name: str = "work", namespace: str = "default", limit: int = 10) -> list[WorkRequest]:
        queue = QueueName(namespace, "WORKER", name)
        poll = Poll(queues=((queue, limit),), limit=limit, client="c", host="h")
        (answer,) = self.turn(ExchangeAsk(_nobody, Exchange(poll=poll), Gone()))
        assert isinstance(answer, Exchanged)
        return answer.work

    def report(self, work: WorkRequest, status: str = "COMPLETED", **output: Any) -> Any:
        result = WorkResult(
            step_id=work.step_id, token=work.token, status=WorkStatus(status), output=encode(output)
        )
        (answer,) = self.turn(ExchangeAsk(_nobody, Exchange(results=(result,)), Gone()))
        return answer.outcomes[0]

    def process(self, process_id: int) -> Any:
        return self.store.reads.process(process_id)


def start_ask(name: str = "p", namespace: str = "default", input: Any = None, **more: Any) -> StartAsk:
    request = StartRequest(namespace=namespace, name=name, input=encode(input or {}), **more)
    return StartAsk(_nobody, request)


def event_ask(process_id: int, event: Any, actor: Any) -> EventAsk:
    return EventAsk(_nobody, process_id, event, actor)


def worker(ref: str, name: str = "work", **input: Any) -> dict[str, Any]:
    return {"type": "WORKER", "name": name, "ref": ref, "input": input}


def _nobody(_answer: Any) -> None:
    """The answers are read from what the turn says."""
