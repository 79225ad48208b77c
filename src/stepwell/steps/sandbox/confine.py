"""What a child gives up before it runs anything: its network, its view of the machine, its rights, its limits.

Namespaces are extra: they are taken where the kernel lets anyone have them. The rest is required, and raises.
"""

import ctypes
import os
import resource
import signal
import struct
import time
from pathlib import Path

_NEW_MOUNTS, _NEW_UTS, _NEW_IPC, _NEW_USER, _NEW_NET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x40000000
_MOUNT_SETATTR = 442
_HERE, _RECURSIVE, _READ_ONLY, _PRIVATE = -100, 0x8000, 0x1, 0x40000
_SET_DEATH_SIGNAL, _SET_NO_NEW_PRIVS, _DROP_BOUNDING = 1, 38, 24
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_V3 = 0x20080522
_NICE = 10
_SESSION = Path("/proc/self/autogroup")
_AGAIN = 20

_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """Be killed when the server is. Raises OSError when it is gone already."""
    _check(_libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0), "death signal")
    if os.getppid() != parent:
        raise ProcessLookupError("the server has gone")


def be_modest() -> None:
    """Scripts use what the server leaves over; files they cannot write would belong to nobody else."""
    os.umask(0o077)
    os.nice(_NICE)
    _be_modest_among_sessions()


def _be_modest_among_sessions() -> None:
    """Where the kernel shares out by sessions, niceness counts inside of one only, and a child leads its own."""
    for _ in range(_AGAIN):
        try:
            _SESSION.write_text(str(_NICE))
            return
        except BlockingIOError:  # ten times a second in all, for whoever is not root
            time.sleep(0.1)
        except OSError:  # it does not share out by sessions
            return


def leave_the_machine() -> tuple[str, ...]:
    """Own user, network, IPC, host name and mount namespaces, the mounts read-only. Says which it got: maybe none."""
    apart = _NEW_MOUNTS | _NEW_NET | _NEW_IPC | _NEW_UTS
    if _libc.unshare(_NEW_USER | apart) != 0 and _libc.unshare(apart) != 0:
        return ()
    attributes = struct.pack("QQQQ", _READ_ONLY, 0, _PRIVATE, 0)
    if _libc.syscall(_MOUNT_SETATTR, _HERE, b"/", _RECURSIVE, attributes, len(attributes)) != 0:
        return ("namespaces",)
    return ("namespaces", "read-only mounts")


def drop_rights() -> None:
    """No capability now, none by starting another program. Raises OSError."""
    highest = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in range(highest + 1):
        _libc.prctl(_DROP_BOUNDING, capability, 0, 0, 0)  # refused to those who have none: nothing to drop
    header, none = struct.pack("Ii", _CAPABILITIES_V3, 0), bytes(24)
    _check(_libc.syscall(_CAPSET[os.uname().machine], header, none), "capabilities")
    _check(_libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")


def limit(cpu_s: int) -> None:
    """Limits that a program it starts inherits; the host adds the rest. Raises OSError or ValueError."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CPU, cpu_s)


def _limit(which: int, value: int) -> None:
    resource.setrlimit(which, (value, value))


def _check(answer: int, what: str) -> None:
    if answer != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
