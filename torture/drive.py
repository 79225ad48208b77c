"""The driver: starts processes, ends some, signals others, looks at a few, and writes down what it was told.

A request that got no whole answer is repeated: starts under their key, the rest as it is.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from torture import scenarios
from torture.api import Answer, Api
from torture.history import ENDED
from torture.ledger import Ledger, Line
from torture.node import CLIENT_ID, TOKEN
from torture.scenarios.base import Act

HANDS = 4
"""Requests under way at a time."""
AGAIN_S = 0.05
TWICE = 0.08
"""How often a start that was acknowledged is asked for again."""
LOOK_EVERY_S = 0.02
SEEN_AGAIN = 0.3
"""How often a process that was seen ended is looked at once more: an end stays."""


class Driver:
    """`allow(k)` lets it start k more. `done` when everything allowed so far was acknowledged and acted upon."""

    def __init__(
        self, urls: Sequence[str], ledger: Ledger, play: str, names: list[str], seed: int, first: int = 0
    ) -> None:
        """`first` is the number of the first process; the scenarios in `names` take turns."""
        self._api = Api(urls, CLIENT_ID, TOKEN, "driver")
        self._ledger = ledger
        self._play = play
        self._names = names
        self._chance = random.Random(f"{seed}/drive")
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._tasks: deque[tuple[float, Any]] = deque()
        self._open = 0
        self._next = first
        self._closing = False
        self._known: dict[int, None] = {}
        self.acknowledged = 0
        self.unavailable = 0
        """Answers 503."""
        self._threads = [threading.Thread(target=self._hand, daemon=True) for _ in range(HANDS)]
        self._threads.append(threading.Thread(target=self._look_around, daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def allow(self, count: int) -> None:
        with self._lock:
            for _ in range(count):
                n = self._next
                self._next += 1
                self._put(0.0, (self._begin, (self._names[n % len(self._names)], n)))

    @property
    def is_done(self) -> bool:
        with self._lock:
            return self._open == 0

    def stop(self) -> None:
        with self._lock:
            self._closing = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join(20)

    # -- the hands

    def _put(self, after_s: float, task: Any) -> None:
        """Called with the lock."""
        self._tasks.append((time.monotonic() + after_s, task))
        self._open += 1
        self._ready.notify()

    def _hand(self) -> None:
        while (task := self._take()) is not None:
            work, arguments = task
            work(*arguments)
            with self._lock:
                self._open -= 1

    def _take(self) -> Any:
        with self._lock:
            while not self._closing:
                now = time.monotonic()
                for index, (at, task) in enumerate(self._tasks):
                    if at <= now:
                        del self._tasks[index]
                        return task
                self._ready.wait(0.02 if self._tasks else 1.0)
        return None

    # -- what they do

    def _begin(self, name: str, n: int) -> None:
        scenario = scenarios.named(name)
        key = f"{self._play}-{name}-{n}"
        process = scenario.process_of(n)
        body = {"name": process, "requestId": key, "correlationId": key, "input": scenario.input_of(n)}
        asked = {"key": key, "scenario": name, "n": n, "name": process, "input": body["input"]}
        id = self._start(key, body, asked)
        if id is None:
            return
        if self._chance.random() < TWICE:
            self._start(key, body, asked)
        with self._lock:
            self.acknowledged += 1
            self._known[id] = None
            for act in scenario.acts(n):
                self._put(act.after_s, (self._act, (id, act)))

    def _start(self, key: str, body: Line, asked: Line) -> int | None:
        while not self._closing:
            self._ledger.write({"kind": "invoke", **asked})
            answer = self._api.ask("POST", "/api/process/runAsync", body, headers={"Idempotency-Key": key})
            process = answer.body["processId"] if answer.is_ok else None
            self._ledger.write({"kind": "answer", "key": key, "outcome": answer.outcome, "process": process})
            self._complain(answer, "start", process)
            if not answer.is_unknown:
                return process
            time.sleep(AGAIN_S)
        return None

    def _act(self, id: int, act: Act) -> None:
        while not self._closing:
            answer = self._acting(id, act)
            outcome = answer.outcome
            if answer.is_ok and act.what != "signal" and answer.body["details"][0]["error"]:
                outcome = "refused"  # it had ended already
            elif answer.status != 409:
                self._complain(answer, act.what, id)
            self._ledger.write({"kind": "deed", "what": act.what, "process": id, "outcome": outcome})
            if not answer.is_unknown:
                return
            time.sleep(AGAIN_S)

    def _acting(self, id: int, act: Act) -> Answer:
        if act.what == "signal":
            return self._api.post(f"/api/process/{id}/signal/{act.name}", act.body)
        path = {"terminate": "/api/process/bulkTerminate", "cancel": "/api/process/bulkCancel"}[act.what]
        return self._api.post(path, [id], reason="torture")

    def _look_around(self) -> None:
        """Whoever reads at any moment must see a moment: no process between two of its states."""
        chance = random.Random("looks")
        while not self._closing:
            time.sleep(LOOK_EVERY_S)
            with self._lock:
                known = list(self._known)
            if known:
                self._look(chance.choice(known), chance.random() < SEEN_AGAIN)

    def _look(self, id: int, is_kept: bool) -> None:
        answer = self._api.get(f"/api/process/context/{id}", includeSteps=True)
        if not answer.is_ok:
            self._complain(answer, "look", id)
            return
        open_steps = sum(
            record["status"] in ("SCHEDULED", "RUNNING", "PAUSED") for record in answer.body["stepRecords"]
        )
        status, undoing = answer.body["status"], bool(answer.body["compensating"])
        self._ledger.write(
            {"kind": "look", "process": id, "status": status, "open": open_steps, "undoing": undoing}
        )
        if status in ENDED and not is_kept:
            with self._lock:
                self._known.pop(id, None)

    def _complain(self, answer: Answer, call: str, process: int | None) -> None:
        self.unavailable += answer.status == 503
        if not answer.is_ok and not answer.is_unknown:
            told = {"status": answer.status, "body": str(answer.body)[:300]}
            self._ledger.write({"kind": "trouble", "call": call, "process": process, **told})
