"""A play: a server, workers and a driver, some rounds of faults, then peace; and what the checker says of it."""

import hashlib
import shutil
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torture import scenarios, truth
from torture.api import Api
from torture.check import findings
from torture.crew import Crew
from torture.drive import Driver
from torture.findings import STUCK, Finding
from torture.history import History, load
from torture.ledger import Ledger
from torture.nemesis import KINDS, Nemesis
from torture.node import CLIENT_ID, TOKEN, NotReady
from torture.stage import Impossible, Plan, Stage

BOUND_S = 60.0
"""From the last fault on, everything must have ended within this."""
WORKERS = 3


@dataclass
class Report:
    """One line of the published ledger of plays."""

    play: str
    kind: str
    seed: int
    store: str
    nodes: int = 1
    seconds: float = 0.0
    server_kills: int = 0
    server_kills_at_work: int = 0
    server_kills_starting: int = 0
    worker_kills: int = 0
    worker_stops: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    answers_503: int = 0
    """To the driver: the server said that it could not."""
    faulty_calls: int = 0
    """Writes and syncs that were made to fail."""
    planned: int = 0
    starts_acknowledged: int = 0
    results_acknowledged: int = 0
    effects: int = 0
    processes: int = 0
    ready_ms: list[int] = field(default_factory=list)
    healed_s: float = 0.0
    lost: int = 0
    doubled: int = 0
    stuck: int = 0
    wrong: int = 0
    idle: int = 0
    findings: list[str] = field(default_factory=list)
    ledgers_sha256: str = ""
    """Of the packed ledgers, that a published line can be held against them."""

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.stuck or self.wrong or self.idle)

    def line(self) -> dict[str, Any]:
        line = asdict(self)
        ready = sorted(line.pop("ready_ms"))
        if ready:
            line["ready_ms"] = {"median": ready[len(ready) // 2], "most": ready[-1]}
        return line


class Play:
    """`run` once. Two folders: the server's own, and that of the ledgers, which no fault touches."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.kind = KINDS[plan.kind]
        self.ledgers = folder / "ledgers"
        self.ledgers.mkdir(parents=True)
        self._ledger = Ledger(self.ledgers / "nemesis.ledger")
        self._stage = Stage(plan, folder)
        self.report = Report(plan.name, plan.kind, plan.seed, plan.store, plan.nodes)

    def run(self) -> Report:
        began = time.monotonic()
        found: list[Finding] = []
        try:
            found += self._play()
        except NotReady as error:
            found.append(Finding(STUCK, "server", str(error)))
        except truth.Unreadable as error:
            found.append(Finding(STUCK, "answers", str(error)))
        finally:
            self._end()
        self._judge(found)
        self.report.seconds = round(time.monotonic() - began, 1)
        return self.report

    # -- acts

    def _play(self) -> list[Finding]:
        plan, stage = self.plan, self._stage
        self._ledger.write(
            {"kind": "plan", "starts": plan.rounds * plan.starts_per_round, "kills": plan.rounds}
        )
        names = [scenario.name for scenario in scenarios.ALL]
        stage.open(names)
        driver = Driver(stage.urls, Ledger(self.ledgers / "driver.ledger"), plan.name, names, plan.seed)
        crew = Crew(stage.urls, self.ledgers, self._ledger, WORKERS, plan.seed)
        nemesis = Nemesis(
            self.kind,
            stage.nodes,
            self._ledger,
            plan.seed,
            self._progress,
            proxies=stage.proxies,
            disk=stage.disk,
            shim=stage.shim,
        )
        try:
            crew.start()
            driver.start()
            crew.torment(self.kind.kill_worker_every, self.kind.stop_worker_every, 4.0)
            for _ in range(plan.rounds):
                driver.allow(plan.starts_per_round)
                nemesis.round(plan.longest_s)
            nemesis.heal()
            crew.heal()
            return self._peace(driver)
        finally:
            self._count(nemesis, crew, driver)
            crew.close()
            driver.stop()

    def _progress(self) -> int:
        return sum(path.stat().st_size for path in self.ledgers.glob("[dw]*.ledger"))

    def _peace(self, driver: Driver) -> list[Finding]:
        """Wait until all has ended, at most as long as the bound; then write down the truth."""
        began = time.monotonic()
        api = Api(self._stage.direct, CLIENT_ID, TOKEN)
        while time.monotonic() - began < BOUND_S:
            if driver.is_done and not truth.open_processes(api):
                break
            time.sleep(0.25)
        self.report.healed_s = round(time.monotonic() - began, 1)
        driver.stop()
        self.report.processes = truth.keep(api, self.ledgers / "truth.jsonl")
        if driver.is_done:
            return []
        return [Finding(STUCK, "driver", f"requests unanswered {BOUND_S} s after the faults")]

    def _end(self) -> None:
        if any(self._stage.stop()):
            self._ledger.write({"kind": "trouble", "call": "SIGTERM", "status": 500})
        elif self.plan.doctor and (told := self._stage.examined(self.plan.doctor)):
            self._ledger.write({"kind": "trouble", "call": "doctor", "status": 500, "body": told})
        self._stage.close()
        self.report.ready_ms = self._stage.ready_ms

    # -- figures

    def _count(self, nemesis: Nemesis, crew: Crew, driver: Driver) -> None:
        report = self.report
        report.server_kills, report.server_kills_at_work = nemesis.kills, nemesis.kills_at_work
        report.server_kills_starting = nemesis.kills_starting
        report.worker_kills, report.worker_stops = crew.kills, crew.stops
        report.answers_503 = driver.unavailable
        report.faulty_calls = self._stage.shim["failed"] if self._stage.shim else 0
        report.faults = dict(sum((proxy.counts for proxy in self._stage.proxies), Counter(nemesis.faults)))

    def _judge(self, found: list[Finding]) -> None:
        history = load(self.ledgers)
        found += findings(history)
        report = self.report
        report.planned = history.planned
        report.starts_acknowledged = sum(bool(start.processes) for start in history.starts)
        report.results_acknowledged = acknowledged_results(history)
        report.effects = sum(not effect.is_lie for effect in history.effects)
        for finding in found:
            setattr(report, finding.kind, getattr(report, finding.kind) + 1)
        report.findings = [str(finding) for finding in found]


def acknowledged_results(history: History) -> int:
    return len({report.mark for report in history.reports if report.outcome in ("ACCEPTED", "TAKEN")})


def _packed(ledgers: Path, name: Path) -> str:
    """`name`.tar.gz; its SHA-256."""
    name.parent.mkdir(parents=True, exist_ok=True)
    packed = Path(shutil.make_archive(str(name), "gztar", ledgers))
    return hashlib.sha256(packed.read_bytes()).hexdigest()


def summary(report: Report) -> str:
    return (
        f"{report.play}: {report.seconds} s, {report.server_kills} server kills ({report.server_kills_at_work} at "
        f"work, {report.server_kills_starting} more while starting), {report.worker_kills} worker kills; "
        f"acknowledged: {report.starts_acknowledged} starts, {report.results_acknowledged} results; "
        f"lost {report.lost}, doubled {report.doubled}, stuck {report.stuck}, wrong {report.wrong}"
        + (", TOO LITTLE DONE" if report.idle else "")
    )


def run(plan: Plan, folder: Path, *, keep: bool = False, archive: Path | None = None) -> Report:
    """Plays in `folder`, which must not exist. It is removed when all is well, and kept when not.

    The ledgers go into `archive`, packed; the report holds their digest.

    Raises Impossible."""
    try:
        report = Play(plan, folder).run()
    except Impossible:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if archive is not None:
        report.ledgers_sha256 = _packed(folder / "ledgers", archive / plan.name)
    if report.is_clean and not keep:
        shutil.rmtree(folder)
    return report


__all__ = ["Impossible", "Plan", "Play", "Report", "run", "summary"]
