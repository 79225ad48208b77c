"""A worker as a process of its own. It writes down every effect before it reports it, and every answer that it got.

    python -m torture.worker '{"urls": [ … ], "ledger": …, "name": …, "seed": …}'

What a step asks for stands in its input, in `do`:

    add     the sum of `values`, and of the `value`s of `items`
    move    the same as `add` of `amount`: money that leaves or enters `account`
    flaky   fails with `chance`, else add
    again   asks to be offered again until it was handed out `times` times, then add
    fail    always fails

Some workers poll as published clients do (poll, then results, no poll id); the others exchange. A few results are told
twice, the second time with another output: a liar must not be believed.
"""

import json
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from torture.api import Api
from torture.ledger import Ledger, now_ms
from torture.node import CLIENT_ID, TOKEN

QUEUES = ("torture-red", "torture-green", "torture-blue")
WAIT_MS = 400
LEASE_MS = 1_500
"""What is asked for when a lease is to be longer."""
NAPS = 0.03
ITEM = dict[str, Any]


class Worker:
    def __init__(
        self, urls: list[str], ledger: str, name: str, seed: int, *, batch: int = 12, lies: float = 0.03
    ) -> None:
        self._api = Api(urls, CLIENT_ID, TOKEN, name)
        self._ledger = Ledger(Path(ledger))
        self._name = name
        self._chance = random.Random(f"{seed}/{name}")
        self._exchanges = self._chance.random() < 0.7
        self._batch = batch
        self._lies = lies
        self._poll = 0
        self._stopping = False
        self._pause = 0.01

    def stop(self, *_: object) -> None:
        self._stopping = True

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self.stop)
        results: list[ITEM] = []
        while results or not self._stopping:
            work = self._exchange(results) if self._exchanges else self._poll_and_report(results)
            results = self._perform(work)

    # -- talking

    def _exchange(self, results: list[ITEM]) -> list[ITEM]:
        """One call carries results and the next poll; it is repeated under its id until an answer comes."""
        self._poll += 1
        body = {
            "pollId": f"{self._name}-{self._poll}",
            "results": results,
            "queues": [{"namespace": "default", "name": queue, "size": self._batch} for queue in QUEUES],
            "size": 0 if self._stopping else self._batch,
            "waitMs": 0 if self._stopping else WAIT_MS,
        }
        while True:
            answer = self._api.post("/api/clients/exchange", body, WAIT_MS / 1000 + 3)
            if answer.is_ok:
                break
            self._missed(answer.status, results)
            if self._stopping and not results:
                return []
        self._pause = 0.01
        told = {(item["stepId"], item["stepExecutionId"]): item["outcome"] for item in answer.body["results"]}
        self._note(results, {key: str(outcome) for key, outcome in told.items()})
        work: list[ITEM] = answer.body["work"]
        return work

    def _poll_and_report(self, results: list[ITEM]) -> list[ITEM]:
        while results:
            answer = self._api.post("/api/clients/bulkResults", results)
            if answer.is_ok:
                told = {
                    (item["stepId"], item["stepExecutionId"]): _published(
                        answer.body.get(str(item["stepId"]))
                    )
                    for item in results
                }
                self._note(results, told)
                break
            self._missed(answer.status, results)
        if self._stopping:
            return []
        asked = [
            {
                "stepQueueNameData": {"namespace": "default", "stepType": "WORKER", "name": queue},
                "size": self._batch,
            }
            for queue in QUEUES
        ]
        answer = self._api.post("/api/clients/poll", asked, 4, size=self._batch)
        if not answer.is_ok:
            self._missed(answer.status, [])
            return []
        self._pause = 0.01
        work: list[ITEM] = answer.body
        return work

    def _missed(self, status: int, results: list[ITEM]) -> None:
        """No answer: what was reported may have been taken or not."""
        lines = [_report(item, "unknown") for item in results]
        if status not in (0, 503):
            lines.append({"kind": "trouble", "call": "worker", "status": status})
        if lines:
            self._ledger.write(*lines)
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, 0.25)

    def _note(self, results: list[ITEM], told: dict[tuple[int, int], str]) -> None:
        if results:
            self._ledger.write(
                *(
                    _report(item, told.get((item["stepId"], item["stepExecutionId"]), "missing"))
                    for item in results
                )
            )
        for item in results:
            if item["status"] != "RUNNING" and self._chance.random() < self._lies:
                self._lie(item)

    def _lie(self, item: ITEM) -> None:
        """The same hand-out once more, with another output. It was answered already, so nothing may follow."""
        lie = {**item, "status": "COMPLETED", "output": self._output(-1)}
        self._ledger.write({"kind": "lie", **_named(lie)})
        answer = self._api.post("/api/clients/exchange", {"results": [lie]})
        outcome = str(answer.body["results"][0]["outcome"]) if answer.is_ok else "unknown"
        self._ledger.write(_report(lie, outcome))

    # -- working

    def _perform(self, work: list[ITEM]) -> list[ITEM]:
        results = [self._result(request) for request in work]
        if results:
            self._ledger.write(*(_effect(r, i, self._name) for r, i in zip(work, results, strict=True)))
            if self._chance.random() < NAPS:
                self._nap(results)
            time.sleep(self._chance.choice((0, 0, 0, 0.005, 0.02, 0.1)))
        return results

    def _nap(self, results: list[ITEM]) -> None:
        """Take longer than a lease lasts, and ask for more time again and again, as one should."""
        for _ in range(self._chance.randint(3, 8)):
            time.sleep(0.4)
            asked_at = now_ms()
            keys = [
                {"stepId": item["stepId"], "stepExecutionId": item["stepExecutionId"]} for item in results
            ]
            wishes = [key | {"leaseMs": LEASE_MS} for key in keys]
            answer = self._api.post("/api/clients/exchange", {"extend": wishes})
            if answer.is_ok:
                kept = [
                    item for item, is_kept in zip(results, answer.body["extended"], strict=True) if is_kept
                ]
                self._ledger.write(*(_extended(item, asked_at + LEASE_MS) for item in kept))

    def _result(self, request: ITEM) -> ITEM:
        asked = request["inputParam"]
        item = {
            "processId": request["processId"],
            "stepId": request["stepId"],
            "stepExecutionId": request["stepExecutionId"],
        }
        do = asked.get("do", "add")
        if do == "fail" or (do == "flaky" and self._chance.random() < asked["chance"]):
            return {**item, "status": "FAILED", "output": {"error": "on purpose", **self._output(0)}}
        if do == "again" and request["runCount"] < asked["times"]:
            output = self._output(0)
            return {**item, "status": "RUNNING", "output": output, "rescheduleAfterSeconds": 0.05}
        total = asked.get("amount", 0) + sum(asked.get("values", ()))
        return {
            **item,
            "status": "COMPLETED",
            "output": self._output(total + sum(i["value"] for i in asked.get("items", ()))),
        }

    def _output(self, value: int) -> ITEM:
        """`mark` is never given twice: by it an output is known wherever it turns up."""
        return {"value": value, "mark": f"{self._chance.getrandbits(64):016x}"}


def _published(answer: ITEM | None) -> str:
    """What published clients are told of one item: an error, or nothing (taken now or taken before)."""
    if answer is None:
        return "missing"
    return "TAKEN" if answer.get("errorMessage") is None else "STALE"


def _named(item: ITEM) -> ITEM:
    return {
        "step": item["stepId"],
        "token": item["stepExecutionId"],
        "status": item["status"],
        "mark": item["output"]["mark"],
        "value": item["output"]["value"],
    }


def _report(item: ITEM, outcome: str) -> ITEM:
    return {"kind": "report", **_named(item), "outcome": outcome}


def _extended(item: ITEM, until: int) -> ITEM:
    """By our clock at the time of asking: the server's own deadline is no earlier."""
    return {"kind": "extended", "step": item["stepId"], "token": item["stepExecutionId"], "until": until}


def _effect(request: ITEM, item: ITEM, worker: str) -> ITEM:
    return {
        "kind": "effect",
        **_named(item),
        "process": request["processId"],
        "ref": request["stepRef"],
        "run": request["runCount"],
        "polled": request["polled"],
        "deadline": request["deadline"],
        "worker": worker,
        "input": request["inputParam"],
    }


if __name__ == "__main__":
    Worker(**json.loads(sys.argv[1])).run()
