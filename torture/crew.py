"""The workers of a play: started, killed, stopped for a while. One that is gone is replaced under another name."""

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from torture.ledger import Ledger
from torture.node import end


class Crew:
    """Each worker has a ledger of its own. Those that keep to `faults` do so in their own thread."""

    def __init__(self, urls: Sequence[str], folder: Path, ledger: Ledger, size: int, seed: int) -> None:
        self._urls = list(urls)
        self._folder = folder
        self._ledger = ledger
        self._size = size
        self._seed = seed
        self._chance = random.Random(f"{seed}/crew")
        self._workers: list[subprocess.Popen[str]] = []
        self._named = 0
        self._healed = threading.Event()
        self._thread: threading.Thread | None = None
        self.kills = 0
        self.stops = 0

    def start(self) -> None:
        for _ in range(self._size):
            self._add()

    def torment(self, kill_every_s: float, stop_every_s: float, stopped_s: float) -> None:
        """From now on, until `heal`: kill or stop one of them now and then. 0 = never."""
        self._thread = threading.Thread(
            target=self._torment, args=(kill_every_s, stop_every_s, stopped_s), daemon=True
        )
        self._thread.start()

    def heal(self) -> None:
        self._healed.set()
        if self._thread is not None:
            self._thread.join()
        for worker in self._workers:
            worker.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.heal()
        for worker in self._workers:
            end(worker, signal.SIGKILL)
        self._workers = []

    def _add(self) -> None:
        self._named += 1
        name = f"worker-{self._named}"
        told = {
            "urls": self._urls,
            "ledger": str(self._folder / f"{name}.ledger"),
            "name": name,
            "seed": self._seed,
        }
        with (self._folder / "workers.log").open("a") as log:
            self._workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "torture.worker", json.dumps(told)],
                    cwd=Path(__file__).parents[1],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    text=True,
                )
            )

    def _torment(self, kill_every_s: float, stop_every_s: float, stopped_s: float) -> None:
        rate = sum(1 / every for every in (kill_every_s, stop_every_s) if every)
        while rate and not self._healed.wait(self._chance.expovariate(rate)):
            victim = self._chance.choice(self._workers)
            if victim.poll() is not None:
                self._ledger.write({"kind": "trouble", "call": "worker ended by itself", "status": 500})
                self._replace(victim)
            elif kill_every_s and self._chance.random() < 1 / kill_every_s / rate:
                self.kills += 1
                self._ledger.write({"kind": "kill-worker"})
                self._replace(victim)
            else:
                self._stop(victim, self._chance.uniform(0.1, stopped_s))

    def _replace(self, victim: "subprocess.Popen[str]") -> None:
        end(victim, signal.SIGKILL)
        self._workers.remove(victim)
        self._add()

    def _stop(self, victim: "subprocess.Popen[str]", seconds: float) -> None:
        """It may sleep past its lease, and then submits what others have done meanwhile."""
        self.stops += 1
        self._ledger.write({"kind": "stop-worker", "seconds": round(seconds, 2)})
        victim.send_signal(signal.SIGSTOP)
        self._healed.wait(seconds)
        victim.send_signal(signal.SIGCONT)
