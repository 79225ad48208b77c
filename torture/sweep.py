"""The exact-syscall kill sweep: a fixed work, and the server killed at its n-th write, truncate or sync, for every n.

The count begins with the first byte of a new file, so it also goes through the migration and the first start. Two
passes: death before the n-th call, and death within it (half of a write has reached the file; a sync is done, and
nobody is told).

Why a preloaded shim, and neither ptrace nor a file system layer of SQLite's driver: it counts the calls of the real,
unchanged server, also those of the library inside the driver; it needs no privilege; and it dies by SIGKILL in the very
call.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torture import truth
from torture.api import Api
from torture.check import findings
from torture.crew import Crew
from torture.drive import Driver
from torture.findings import STUCK, Finding
from torture.history import load
from torture.ledger import Ledger, Line
from torture.node import CLIENT_ID, DEFAULT_DATABASE, DEFAULT_SERVER, TOKEN, Node, NotReady
from torture.shim import Shim, build
from torture.stage import SETTINGS, define

WORK = ("bank", "fan", "storm")
FIRST = 4
"""A transfer that is undone (n = 4), a fan with five items, a process that is terminated."""
PASSES = ("before", "within")
BOUND_S = 60.0
MOST = 20_000
"""More calls than any work makes."""


@dataclass
class Point:
    """What became of one kill point."""

    at: str
    """before or within."""
    n: int
    fired: bool = False
    """False: the work was over before there was an n-th call."""
    calls: int = 0
    """Of the life that was killed."""
    acknowledged: int = 0
    findings: tuple[str, ...] = ()

    def line(self) -> Line:
        return {**self.__dict__, "findings": list(self.findings)}


class Attempt:
    """One point: killed there, started again, ended, checked."""

    def __init__(self, folder: Path, at: str, n: int, server: str, database: str) -> None:
        self._folder = folder
        self._ledgers = folder / "ledgers"
        self._ledgers.mkdir(parents=True)
        self._ledger = Ledger(self._ledgers / "nemesis.ledger")
        self._shim = Shim(build(folder.parent), folder, "stepwell.db")
        self._node = Node(folder / "server", command=server, database=database, settings=SETTINGS)
        self._node.environment |= self._shim.environment
        self.point = Point(at, n)

    def run(self) -> Point:
        point = self.point
        self._shim["kill_at"] = point.n if point.at == "before" else -point.n
        self._ledger.write({"kind": "plan", "starts": len(WORK), "kills": 0})
        driver = Driver(
            [self._node.url], Ledger(self._ledgers / "driver.ledger"), "sweep", list(WORK), 1, FIRST
        )
        crew = Crew([self._node.url], self._ledgers, self._ledger, 1, 1)
        found: list[Finding] = []
        try:
            self._raise()
            driver.start()
            crew.start()
            driver.allow(len(WORK))
            found += self._finish(driver)
        except (NotReady, truth.Unreadable) as error:
            found.append(Finding(STUCK, "server", str(error)))
        finally:
            crew.close()
            driver.stop()
            self._node.stop()
        history = load(self._ledgers)
        point.acknowledged = sum(bool(start.processes) for start in history.starts)
        point.findings = tuple(str(finding) for finding in (*found, *findings(history)))
        return point

    def _raise(self) -> None:
        """Start, and define what is needed; if it is killed on the way, once more from the beginning."""
        for _ in range(2):
            try:
                self._node.start()
                define(Api([self._node.url], CLIENT_ID, TOKEN), WORK)
                return
            except NotReady:
                if not self._fell():
                    raise
        raise NotReady(f"killed once, it did not come back: {self._node.log}")

    def _fell(self) -> bool:
        """Whether the kill has fired, now or before. No second one follows."""
        if self._shim["kill_at"] and abs(self._shim["kill_at"]) <= self._shim["calls"]:
            self.point.fired, self.point.calls = True, self._shim["calls"]
            self._shim["kill_at"] = 0
            self._node.kill()
            return True
        return False

    def _finish(self, driver: Driver) -> list[Finding]:
        api = Api([self._node.url], CLIENT_ID, TOKEN)
        give_up = time.monotonic() + BOUND_S
        while time.monotonic() < give_up:
            if self._fell():
                self._node.start()
            elif driver.is_done and self._is_over(api):
                self.point.calls = self.point.calls or self._shim["calls"]
                self._shim["kill_at"] = 0
                truth.keep(api, self._ledgers / "truth.jsonl")
                return []
            time.sleep(0.02)
        truth.keep(api, self._ledgers / "truth.jsonl")
        return [Finding(STUCK, "driver", "not over within the bound")]

    def _is_over(self, api: Api) -> bool:
        try:
            return not truth.open_processes(api)
        except truth.Unreadable:
            return False


def points(
    folder: Path, done: set[tuple[str, int]], server: str = DEFAULT_SERVER, database: str = DEFAULT_DATABASE
) -> Iterator[Point]:
    """Every point that is not in `done`, until in each pass one no longer fires. A clean point leaves no file behind.

    Raises NoShim."""
    folder.mkdir(parents=True, exist_ok=True)
    build(folder)
    for at in PASSES:
        n = 0
        while n < MOST:
            n += 1
            if (at, n) in done:
                continue
            here = folder / f"{at}-{n}"
            shutil.rmtree(here, ignore_errors=True)
            point = Attempt(here, at, n, server, database).run()
            if not point.findings:
                shutil.rmtree(here)
            yield point
            if not point.fired:
                break
