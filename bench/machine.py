"""What the machine can do, printed beside every result, and the CPU time of other processes."""

import os
import tempfile
import time
from pathlib import Path

TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")


def cpu_us(pid: int) -> float:
    """User and system time of a process so far, all threads, in microseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_US


def rss_mib(pid: int) -> int:
    """Memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def fsync_ms(rounds: int = 60) -> float:
    """Median of an appended 4 KiB write made durable, in milliseconds: the floor of every durable answer."""
    times = []
    with tempfile.NamedTemporaryFile(dir=".") as file:
        for _ in range(rounds):
            start = time.perf_counter()
            os.write(file.fileno(), b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return sorted(times)[rounds // 2] * 1000


def spin_ms() -> float:
    """A fixed pure-Python loop: tells a quiet machine from a busy one."""
    best = 1e9
    for _ in range(5):
        start = time.perf_counter()
        total = 0
        for number in range(200_000):
            total += number
        best = min(best, time.perf_counter() - start)
    return best * 1000
