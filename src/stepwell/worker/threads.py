"""Threads for synchronous step functions.

They are daemons on purpose: a function that outlives the drain time must not keep the program from ending,
which `concurrent.futures` would do. Its step is offered to another worker when the lease ends.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], None]


class Threads:
    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0

    def submit(self, job: Job) -> None:
        """Called from one thread only. Jobs must not raise."""
        self._jobs.put(job)
        if not self._idle.acquire(blocking=False) and self._started < self._most:
            self._started += 1
            threading.Thread(target=self._work, name=f"step-{self._started}", daemon=True).start()

    def close(self) -> None:
        """Idle threads end now, busy ones after their job. Nobody waits for them."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            self._idle.release()
