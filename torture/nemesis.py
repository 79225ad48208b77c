"""The nemesis of the server: what is done to it, round for round, from a seed. Every fault stands in a ledger.

A *kind* of play is a small table of faults; a play has one kind, so that faults do not hide each other.
"""

import errno
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torture.api import Api
from torture.disk import SmallDisk
from torture.ledger import Ledger
from torture.node import CLIENT_ID, TOKEN, Node, NotReady
from torture.proxy import QUIET, STORMY, Proxy, Rates
from torture.shim import Shim


@dataclass(frozen=True)
class Kind:
    """A kind of play. Times are seconds; 0 = never."""

    name: str
    kill_worker_every: float = 1.2
    stop_worker_every: float = 0.0
    proxy: Rates = QUIET
    pause: bool = False
    disk: bool = False
    sync: bool = False
    clock: bool = False

    @property
    def needs_shim(self) -> bool:
        return self.sync or self.clock


KINDS = {
    kind.name: kind
    for kind in (
        Kind("kills", kill_worker_every=0.5),
        Kind("network", proxy=STORMY),
        Kind("pauses", stop_worker_every=2.0, pause=True),
        Kind("disk-full", disk=True),
        Kind("bad-sync", sync=True),
        Kind("clock", clock=True),
    )
}
STARTING = 0.15
"""How often a server is killed again before it is ready."""
WRITES_AGAIN_S = 10.0
JUMPS_MS = (3_600_000, -1_800_000, 60_000, -60_000, 5_000, -5_000)


class Nemesis:
    """Everything here happens in the caller's thread, one fault after the other."""

    def __init__(
        self,
        kind: Kind,
        nodes: Sequence[Node],
        ledger: Ledger,
        seed: int,
        progress: Callable[[], int],
        *,
        proxies: Sequence[Proxy] = (),
        disk: SmallDisk | None = None,
        shim: Shim | None = None,
    ) -> None:
        """`progress` grows with whatever the ledgers say: a kill of an idle server proves little."""
        self._kind = kind
        self._nodes = nodes
        self._node = nodes[0]
        """The victim of this round."""
        self._ledger = ledger
        self._chance = random.Random(f"{seed}/nemesis")
        self._progress = progress
        self._proxies = proxies
        self._disk = disk
        self._shim = shim
        self._latest_ms = 0
        self.kills = 0
        self.kills_at_work = 0
        self.kills_starting = 0
        self.faults: dict[str, int] = {}

    def round(self, longest_s: float) -> None:
        """Let them work for a while, hurt one, kill it, start it again. Raises NotReady."""
        self._node = self._chance.choice(self._nodes)
        for proxy in self._proxies:
            proxy.rates = self._kind.proxy
        before = self._progress()
        time.sleep(self._chance.uniform(0.03, longest_s))
        if self._kind.pause and self._chance.random() < 0.6:
            self._pause()
        if self._kind.pause and self._chance.random() < 0.3:
            self._ask_to_end()
        if self._disk is not None and self._chance.random() < 0.5:
            self._fill(self._disk)
        if self._shim is not None and self._kind.sync:
            self._harm_disk(self._shim)
        if self._shim is not None and self._kind.clock:
            self._jump(self._shim)
        self._see_that_it_lives()
        self._kill(self._progress() > before)
        if self._disk is not None:
            self._disk.free()
        if self._shim is not None:
            self._shim.heal()
        self._restart()

    def heal(self) -> None:
        """No more faults; all servers are up. Raises NotReady."""
        for proxy in self._proxies:
            proxy.rates = QUIET
        if self._disk is not None:
            self._disk.free()
        if self._shim is not None:
            self._shim.heal()
            if self._kind.clock:
                self._shim["clock_ms"] = self._latest_ms
        for node in self._nodes:
            node.signal(signal.SIGCONT)
            if self._kind.clock:  # a clock that went back would let everything wait for it
                node.kill()
            if not node.is_running:
                node.reap()
                node.start()

    # -- faults

    def _note(self, fault: str, **more: object) -> None:
        self.faults[fault] = self.faults.get(fault, 0) + 1
        self._ledger.write({"kind": fault, **more})

    def _see_that_it_lives(self) -> None:
        """Nothing so far was meant to end it."""
        code = self._node.reap()
        if code is not None:
            self._ledger.write(
                {"kind": "trouble", "call": f"the server ended by itself ({code})", "status": 500}
            )

    def _see_that_it_writes_again(self) -> None:
        """The disk is well: without a restart, something must soon be acknowledged that takes a commit."""
        api = Api([self._node.url], CLIENT_ID, TOKEN)
        give_up = time.monotonic() + WRITES_AGAIN_S
        while time.monotonic() < give_up:
            if api.ask("PUT", "/api/variables/default/torture", {"value": time.time_ns()}).is_ok:
                self._note("wrote-again")
                return
            time.sleep(0.05)
        self._ledger.write(
            {"kind": "trouble", "call": f"a write {WRITES_AGAIN_S} s after a bad disk", "status": 500}
        )

    def _kill(self, is_at_work: bool) -> None:
        self.kills += 1
        self.kills_at_work += is_at_work
        self._note("kill-server", at_work=is_at_work)
        self._node.kill()

    def _restart(self) -> None:
        while self._chance.random() < STARTING:
            self._node.launch()
            time.sleep(self._chance.uniform(0.0, 1.0))
            if self._node.is_running:
                self.kills_starting += 1
                self._note("kill-starting-server")
            self._node.kill()
        self._node.start()

    def _pause(self) -> None:
        seconds = self._chance.uniform(0.1, 3.0)
        self._note("stop-server", seconds=round(seconds, 2))
        self._node.signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._node.signal(signal.SIGCONT)
        time.sleep(self._chance.uniform(0.0, 0.8))

    def _ask_to_end(self) -> None:
        """SIGTERM under load: it must end by itself, well, and come back."""
        self._note("end-server")
        code = self._node.stop()
        if code:
            self._ledger.write(
                {"kind": "trouble", "call": f"SIGTERM was answered by exit {code}", "status": 500}
            )
        self._node.start()
        time.sleep(self._chance.uniform(0.0, 0.8))

    def _fill(self, disk: SmallDisk) -> None:
        self._note("disk-full", bytes=disk.fill())
        time.sleep(self._chance.uniform(0.1, 1.0))
        if self._chance.random() < 0.7:  # else it is killed on the full disk
            disk.free()
            self._see_that_it_writes_again()
            time.sleep(self._chance.uniform(0.0, 0.8))

    def _harm_disk(self, shim: Shim) -> None:
        shim["error"] = self._chance.choice((errno.EIO, errno.ENOSPC))
        fault = self._chance.choice(("slow-sync", "failing-sync", "failing-write"))
        self._note(fault)
        if fault == "slow-sync":
            shim["delay_us"] = self._chance.choice((20_000, 200_000, 1_000_000))
        else:
            shim["fail_syncs" if fault == "failing-sync" else "fail_writes"] = self._chance.choice(
                (1, 1, 3, 40)
            )
        time.sleep(self._chance.uniform(0.2, 1.5))
        if self._chance.random() < 0.5:
            shim.heal()
            self._see_that_it_writes_again()
            time.sleep(self._chance.uniform(0.0, 0.6))

    def _jump(self, shim: Shim) -> None:
        offset = self._chance.choice(JUMPS_MS)
        self._latest_ms = max(self._latest_ms, offset)
        self._note("clock", offset_ms=offset)
        shim["clock_ms"] = offset
        time.sleep(self._chance.uniform(0.1, 1.0))


__all__ = ["KINDS", "Kind", "Nemesis", "NotReady"]
