"""A play: a server, workers and a driver, some rounds of faults, then peace; and what the checker says of it."""

import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torture import scenarios, truth
from torture.api import Api
from torture.check import findings
from torture.crew import Crew
from torture.disk import NoDisk, SmallDisk
from torture.drive import Driver
from torture.findings import STUCK, Finding
from torture.history import History, load
from torture.ledger import Ledger
from torture.nemesis import KINDS, Nemesis
from torture.node import CLIENT_ID, DEFAULT_DATABASE, DEFAULT_SERVER, TOKEN, Node, NotReady
from torture.proxy import Proxy
from torture.shim import NoShim, Shim, build

SETTINGS = {"lease_ms": 1_500, "lease_max_ms": 6_000, "max_deliveries": 1_000, "poll_hold_ms": 300}
"""Short leases, because workers die all the time; and no limit of deliveries, which would end steps by design."""
BOUND_S = 60.0
"""From the last fault on, everything must have ended within this."""
WORKERS = 3


class Impossible(Exception):
    """This kind of play cannot be had on this machine: why."""


@dataclass(frozen=True)
class Plan:
    kind: str
    seed: int
    rounds: int = 25
    starts_per_round: int = 6
    longest_s: float = 1.2
    """A server lives this long at most before something happens to it."""
    server: str = DEFAULT_SERVER
    database: str = DEFAULT_DATABASE
    """A store that lies elsewhere (postgresql://…) is given as it is; `{folder}` is the play's own."""

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.seed}"


@dataclass
class Report:
    """One line of the published ledger of plays."""

    play: str
    kind: str
    seed: int
    store: str
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
        self._data = folder / "server"
        self._data.mkdir()
        self._ledger = Ledger(self.ledgers / "nemesis.ledger")
        self._disk = self._shim = self._proxy = None
        try:
            if self.kind.disk:
                self._disk = SmallDisk(folder / "disk")
            if self.kind.needs_shim:
                self._shim = Shim(build(folder), folder, "stepwell.db")
        except (NoDisk, NoShim) as error:
            raise Impossible(str(error)) from error
        self._node = Node(
            self._data,
            command=plan.server,
            database=plan.database,
            settings=SETTINGS,
            prefix=self._disk.prefix if self._disk else (),
            data=self._disk.folder.resolve() if self._disk else None,
        )
        if self._shim is not None:
            self._node.environment |= self._shim.environment
        if self.kind.proxy.lose_answer:
            self._proxy = Proxy(self._node.port, plan.seed)
        self.report = Report(plan.name, plan.kind, plan.seed, plan.database.partition(":")[0])

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
        plan, node = self.plan, self._node
        self._ledger.write(
            {"kind": "plan", "starts": plan.rounds * plan.starts_per_round, "kills": plan.rounds}
        )
        node.start()
        names = [scenario.name for scenario in scenarios.ALL]
        define(Api(node.url, CLIENT_ID, TOKEN), names)
        url = node.url
        if self._proxy is not None:
            self._proxy.start()
            url = self._proxy.url
        driver = Driver(url, Ledger(self.ledgers / "driver.ledger"), plan.name, names, plan.seed)
        crew = Crew(url, self.ledgers, self._ledger, WORKERS, plan.seed)
        nemesis = Nemesis(
            self.kind,
            node,
            self._ledger,
            plan.seed,
            self._progress,
            proxy=self._proxy,
            disk=self._disk,
            shim=self._shim,
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
        api = Api(self._node.url, CLIENT_ID, TOKEN)
        while time.monotonic() - began < BOUND_S:
            if driver.is_done and not truth.open_processes(api):
                break
            time.sleep(0.25)
        self.report.healed_s = round(time.monotonic() - began, 1)
        driver.stop()
        self.report.processes = truth.keep(api, self.ledgers / "truth.jsonl")
        return (
            []
            if driver.is_done
            else [Finding(STUCK, "driver", f"requests unanswered {BOUND_S} s after the faults")]
        )

    def _end(self) -> None:
        if self._node.is_running and self._node.stop() != 0:
            self._ledger.write({"kind": "trouble", "call": "SIGTERM", "status": 500})
        self._node.kill()
        self.report.ready_ms = self._node.ready_ms
        if self._proxy is not None and self._proxy.port:
            self._proxy.stop()
        if self._disk is not None:
            self._disk.close()

    # -- figures

    def _count(self, nemesis: Nemesis, crew: Crew, driver: Driver) -> None:
        report = self.report
        report.server_kills, report.server_kills_at_work = nemesis.kills, nemesis.kills_at_work
        report.server_kills_starting = nemesis.kills_starting
        report.worker_kills, report.worker_stops = crew.kills, crew.stops
        report.answers_503 = driver.unavailable
        report.faulty_calls = self._shim["failed"] if self._shim else 0
        report.faults = dict(nemesis.faults) | (dict(self._proxy.counts) if self._proxy else {})

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


def define(api: Api, names: Iterable[str]) -> None:
    """Store what these scenarios need. Asking again makes no difference. Raises NotReady."""
    asked = [("/api/errorPolicies", policy) for policy in scenarios.POLICIES]
    for name in names:
        asked += [("/api/processDefinitions", each) for each in scenarios.named(name).definitions()]
    for path, body in asked:
        answer = api.post(path, body, 20)
        if not answer.is_ok:
            raise NotReady(f"{path} {body.get('name')} was answered {answer.status}: {answer.body}")


def acknowledged_results(history: History) -> int:
    return len({report.mark for report in history.reports if report.outcome in ("ACCEPTED", "TAKEN")})


def summary(report: Report) -> str:
    return (
        f"{report.play}: {report.seconds} s, {report.server_kills} server kills ({report.server_kills_at_work} at "
        f"work, {report.server_kills_starting} more while starting), {report.worker_kills} worker kills; "
        f"acknowledged: {report.starts_acknowledged} starts, {report.results_acknowledged} results; "
        f"lost {report.lost}, doubled {report.doubled}, stuck {report.stuck}, wrong {report.wrong}"
        + (", TOO LITTLE DONE" if report.idle else "")
    )


def run(plan: Plan, folder: Path, *, keep: bool = False) -> Report:
    """Plays in `folder`, which must not exist. It is removed when all is well, and kept when not.

    Raises Impossible."""
    try:
        report = Play(plan, folder).run()
    except Impossible:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if report.is_clean and not keep:
        shutil.rmtree(folder)
    return report
