"""Our own worker under the kill test; it writes down, durably, what became of every result that it sent.

`python kill_worker.py FILE`: one JSON object a line, {"step", "token", "outcome", "status", "output"}.
"""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from kill_work import add, fails_first, marked, square, total

from stepwell.worker import StepFailed, Worker, WorkRequest, connection
from stepwell.worker.call import Call
from stepwell.worker.handler import handler_for
from stepwell.worker.session import Options, Session
from stepwell.worker.wire import Answer

connection.MOST_DELAY_S = 0.02  # it should be back at work before the next kill


class Witness(Session):
    """A session that writes down every outcome before it acts on it."""

    file = -1

    def _settle(self, call: Call, answer: Answer) -> None:
        sent = {finished.key: json.loads(finished.item) for finished in call.results}
        for told in answer.results:
            item = sent[told.key]
            line = {"step": told.step_id, "token": told.token, "outcome": told.outcome}
            line |= {"status": item["status"], "output": item["output"]}
            os.write(self.file, json.dumps(line).encode() + b"\n")
        os.fsync(self.file)
        super()._settle(call, answer)


_failed: set[int] = set()


def flaky(n: int, request: WorkRequest) -> dict[str, Any]:
    if fails_first(n) and request.step_id not in _failed:
        _failed.add(request.step_id)
        raise StepFailed("not yet", output=marked(n))
    return marked(n)


async def added(input: dict[str, Any]) -> dict[str, Any]:
    return add(input)


async def main(path: str) -> None:
    Witness.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    functions = {"add": added, "square": square, "flaky": flaky, "total": total}
    handlers = [handler_for(function, name, "default", 20) for name, function in functions.items()]
    session = Witness(Worker().target(), handlers, Options(hold_ms=5_000))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, session.stop)
    await session.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
