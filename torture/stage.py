"""Where a play takes place: servers, proxies before them, perhaps a disk of their own and a shim."""

import os
import shlex
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torture import scenarios
from torture.api import Api
from torture.disk import NoDisk, SmallDisk
from torture.nemesis import KINDS
from torture.node import CLIENT_ID, DEFAULT_DATABASE, DEFAULT_DOCTOR, DEFAULT_SERVER, TOKEN, Node, NotReady
from torture.proxy import Proxy
from torture.shim import NoShim, Shim, build

SETTINGS = {"lease_ms": 1_500, "lease_max_ms": 6_000, "max_deliveries": 1_000, "poll_hold_ms": 300}
"""Short leases, because workers die all the time; and as many deliveries as may be, which end steps by design."""


class Impossible(Exception):
    """This kind of play cannot be had on this machine: why."""


@dataclass(frozen=True)
class Plan:
    kind: str
    seed: int
    rounds: int = 25
    starts_per_round: int = 6
    longest_s: float = 1.2
    """A server lives this long at most before something happens to one."""
    server: str = DEFAULT_SERVER
    database: str = DEFAULT_DATABASE
    """`{folder}` is the play's own folder, `{name}` its name in letters, digits and `_`: each play wants a database of
    its own, such as `postgresql://localhost/torture_{name}`."""
    before: str = ""
    """A command that makes it, such as `createdb torture_{name}`; none for a file."""
    after: str = ""
    """And one that takes it away."""
    nodes: int = 1
    """Servers over the same database, for stores that allow more than one."""
    doctor: str = DEFAULT_DOCTOR
    """A command that looks at the database in the end, and ends with 0 if it is well. Empty: none."""

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.seed}"

    def filled(self, text: str, folder: Path | str = "") -> str:
        return text.format(folder=folder, name=self.name.replace("-", "_"))

    @property
    def store(self) -> str:
        return self.database.partition(":")[0]


class Stage:
    def __init__(self, plan: Plan, folder: Path) -> None:
        """`folder` is not that of the ledgers. Raises Impossible."""
        kind = KINDS[plan.kind]
        self._plan = plan
        self.disk: SmallDisk | None = None
        self.shim: Shim | None = None
        self._data = folder / "server"
        self._data.mkdir(parents=True)
        if kind.disk and plan.store != "sqlite":
            raise Impossible("the small disk is for a database that is a file")
        try:
            if kind.disk:
                self.disk = SmallDisk(folder / "disk")
            if kind.needs_shim:
                self.shim = Shim(build(folder), folder, "stepwell.db")
        except (NoDisk, NoShim) as error:
            raise Impossible(str(error)) from error
        self.nodes = [self._node(plan, number) for number in range(plan.nodes)]
        self.proxies = [Proxy(node.port, plan.seed) for node in self.nodes] if kind.proxy.lose_answer else []

    def _node(self, plan: Plan, number: int) -> Node:
        data = self.disk.folder.resolve() if self.disk else self._data
        node = Node(
            self._data,
            command=plan.server,
            database=plan.filled(plan.database, data),
            settings=SETTINGS,
            prefix=self.disk.prefix if self.disk else (),
            log=self._data / f"server-{number + 1}.log",
        )
        node.environment |= self.shim.environment if self.shim else {}
        return node

    @property
    def urls(self) -> list[str]:
        """Where everybody who takes part sends requests."""
        return [proxy.url for proxy in self.proxies] or self.direct

    @property
    def direct(self) -> list[str]:
        return [node.url for node in self.nodes]

    @property
    def ready_ms(self) -> list[int]:
        return [ms for node in self.nodes for ms in node.ready_ms]

    def open(self, names: Iterable[str]) -> None:
        """Start everything, and define what these scenarios need. Raises NotReady."""
        self._run(self._plan.before)
        for node in self.nodes:
            node.start()
        define(Api(self.direct, CLIENT_ID, TOKEN), names)
        for proxy in self.proxies:
            proxy.start()

    def stop(self) -> list[int]:
        """SIGTERM to all; their exit codes. The disk stays."""
        return [node.stop() for node in self.nodes if node.is_running]

    def examined(self, doctor: str) -> str:
        """What a command says that looks at the resting database; nothing if it ends with 0."""
        node = self.nodes[0]
        command = [*node.prefix, *shlex.split(doctor)]
        done = subprocess.run(command, env=os.environ | node.environment, capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def close(self) -> None:
        for node in self.nodes:
            node.kill()
        for proxy in self.proxies:
            if proxy.port:
                proxy.stop()
        if self.disk is not None:
            self.disk.close()
        self._run(self._plan.after)

    def _run(self, command: str) -> None:
        """Raises NotReady when it fails."""
        words = shlex.split(self._plan.filled(command, self._data))
        done = subprocess.run(words, capture_output=True, text=True) if words else None
        if done is not None and done.returncode:
            raise NotReady(f"{command}: {done.stdout}{done.stderr}")


def define(api: Api, names: Iterable[str]) -> None:
    """Store what these scenarios need. Asking again makes no difference. Raises NotReady."""
    asked = [("/api/errorPolicies", policy) for policy in scenarios.POLICIES]
    for name in names:
        asked += [("/api/processDefinitions", each) for each in scenarios.named(name).definitions()]
    for path, body in asked:
        answer = api.post(path, body, 20)
        if not answer.is_ok:
            raise NotReady(f"{path} {body.get('name')} was answered {answer.status}: {answer.body}")
