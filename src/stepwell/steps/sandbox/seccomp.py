"""A system call filter: a few lines of BPF, put on with prctl. Nothing is taken off again.

A filter is a list of rules, tried in order; the first that fits decides. What no rule names kills the process.
Filters stack: a later one can only take more away.
"""

import ctypes
import os
import platform
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000
_KILL = 0x80000000
_EPERM = 1
_ENOSYS = 38

_LOAD, _EQUAL, _GREATER_EQUAL, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_X32 = 0x40000000

_SET_SECCOMP, _MODE_FILTER = 22, 2
_SET_MODE_FILTER, _EVERY_THREAD = 1, 1

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP_CALL = {"x86_64": 317, "aarch64": 277}

CALLS: dict[str, tuple[int | None, int | None]] = {
    # name: number on (x86_64, aarch64)
    "access": (21, None), "arch_prctl": (158, None), "brk": (12, 214), "clock_getres": (229, 114),
    "clock_gettime": (228, 113), "clock_nanosleep": (230, 115), "clone": (56, 220), "clone3": (435, 435),
    "close": (3, 57), "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21), "epoll_pwait": (281, 22), "epoll_pwait2": (441, 441), "epoll_wait": (232, None),
    "eventfd2": (290, 19), "execve": (59, 221), "exit": (60, 93), "exit_group": (231, 94),
    "faccessat": (269, 48), "faccessat2": (439, 439), "fadvise64": (221, 223), "fcntl": (72, 25),
    "fork": (57, None), "fstat": (5, 80), "futex": (202, 98), "getcwd": (79, 17), "getdents64": (217, 61),
    "getegid": (108, 177), "geteuid": (107, 175), "getgid": (104, 176), "getpid": (39, 172), "getppid": (110, 173),
    "getrandom": (318, 278), "getrusage": (98, 165), "gettid": (186, 178), "gettimeofday": (96, 169),
    "getuid": (102, 174), "ioctl": (16, 29), "lseek": (8, 62), "lstat": (6, None), "madvise": (28, 233),
    "membarrier": (324, 283), "mmap": (9, 222), "mprotect": (10, 226), "mremap": (25, 216), "munmap": (11, 215),
    "nanosleep": (35, 101), "newfstatat": (262, 79), "open": (2, None), "openat": (257, 56), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "pipe2": (293, 59), "poll": (7, None), "ppoll": (271, 73), "prctl": (157, 167),
    "pread64": (17, 67), "prlimit64": (302, 261), "read": (0, 63), "readlink": (89, None), "readlinkat": (267, 78),
    "readv": (19, 65), "restart_syscall": (219, 128), "rseq": (334, 293), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124), "seccomp": (317, 277), "set_robust_list": (273, 99), "set_tid_address": (218, 96),
    "sigaltstack": (131, 132), "socketpair": (53, 199), "stat": (4, None), "statx": (332, 291), "sysinfo": (99, 179),
    "tgkill": (234, 131), "time": (201, None), "times": (100, 153), "uname": (63, 160), "vfork": (58, None),
    "wait4": (61, 260), "waitid": (247, 95), "write": (1, 64), "writev": (20, 66),
}  # fmt: skip


class Test(NamedTuple):
    """The 32-bit `word` of the call's arguments (two words each, the lower first), masked, must equal `value`."""

    word: int
    mask: int
    value: int


class Rule(NamedTuple):
    call: str
    tests: tuple[Test, ...] = ()
    action: int = _ALLOW


class SeccompError(OSError):
    """The filter could not be put on."""


def allow(calls: str) -> list[Rule]:
    return [Rule(call) for call in calls.split()]


def allow_if(call: str, *tests: Test) -> Rule:
    return Rule(call, tests)


def refuse(calls: str, errno: int = _EPERM) -> list[Rule]:
    """Not done, but no reason to kill: interpreters look for files and get on without them."""
    return [Rule(call, (), _REFUSE | errno) for call in calls.split()]


_WRITING = 0o3 | 0o100 | 0o1000  # O_ACCMODE, O_CREAT, O_TRUNC
_NEW_NAMESPACE = 0x7E020000
_THREAD, _VFORK = 0x00010000, 0x00004000
_ALL = 0xFFFFFFFF


def _low(argument: int, mask: int, value: int) -> Test:
    return Test(2 * argument, mask, value)


_NOT_EXECUTABLE = _low(2, 0x4, 0)
_SETS_NOTHING = (Test(4, _ALL, 0), Test(5, _ALL, 0))
_LOCAL = _low(0, _ALL, 1)

_COMPUTE = """
    read readv write writev close lseek fstat brk munmap mremap madvise futex membarrier rseq set_robust_list
    rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack clock_gettime clock_getres clock_nanosleep nanosleep
    gettimeofday time times getrusage getrandom getpid gettid getuid geteuid getgid getegid sched_yield
    sched_getaffinity poll ppoll epoll_wait epoll_pwait epoll_pwait2 epoll_ctl restart_syscall exit exit_group
"""
"""Memory, threads that exist already, time, and the descriptors that are open already."""

_FILES = """
    open openat access faccessat faccessat2 stat lstat newfstatat statx readlink readlinkat getcwd getdents64
"""
_OPENING = "pipe2 dup dup2 dup3 eventfd2 epoll_create1 socketpair pidfd_open fcntl ioctl"
_PROCESSES = "clone fork vfork"


def computing() -> list[Rule]:
    """For a process that has everything it needs: no files, no sockets, no processes, no new code in memory."""
    return [
        *allow(_COMPUTE),
        allow_if("mmap", _NOT_EXECUTABLE),
        allow_if("mprotect", _NOT_EXECUTABLE),
        allow_if("prlimit64", *_SETS_NOTHING),
        *refuse(_FILES),
        *refuse(_OPENING),
        *refuse(_PROCESSES),
        *refuse("mmap mprotect prlimit64 prctl wait4 waitid pidfd_send_signal uname sysinfo"),
        *refuse("clone3", _ENOSYS),
    ]


def starting() -> list[Rule]:
    """For the time in which the Python interpreter starts its own process, which keeps this filter: no writing to
    files, no network, no signals to others. What it still allows beyond `computing` needs new descriptors, and the
    host takes the right to those away (`children.py`) before a script is sent."""
    return [
        *allow(_COMPUTE),
        *allow("mmap mprotect arch_prctl set_tid_address pread64 fadvise64 uname sysinfo getppid"),
        *allow(
            "access faccessat faccessat2 stat lstat newfstatat statx readlink readlinkat getcwd getdents64"
        ),
        allow_if("openat", _low(2, _WRITING, 0)),
        allow_if("open", _low(1, _WRITING, 0)),
        *allow(
            "pipe2 dup dup2 dup3 eventfd2 epoll_create1 pidfd_open fcntl ioctl wait4 waitid execve seccomp prctl"
        ),
        allow_if("socketpair", _LOCAL),
        allow_if("clone", _low(0, _THREAD | _NEW_NAMESPACE, _THREAD)),
        allow_if("clone", _low(0, _VFORK | _NEW_NAMESPACE, _VFORK)),
        allow_if("prlimit64", *_SETS_NOTHING),
        *refuse("openat open socketpair clone fork vfork prlimit64 pidfd_send_signal"),
        *refuse("clone3", _ENOSYS),  # its flags stand in memory, where no filter looks; libc then takes clone
    ]


def install(rules: Sequence[Rule]) -> None:
    """Put the filter on every thread of this process. Raises SeccompError: not Linux, an unknown machine, refused."""
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in _ARCHITECTURES or struct.calcsize("P") != 8:
        raise SeccompError(_ENOSYS, f"no system call filter for {platform.system()} on {machine}")
    program = assemble(rules, machine)
    code = (ctypes.c_char * len(program)).from_buffer_copy(program)
    filter_ = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_SECCOMP_CALL[machine], _SET_MODE_FILTER, _EVERY_THREAD, filter_) != 0:
        error = ctypes.get_errno()
        raise SeccompError(error, f"the kernel refused the system call filter: {os.strerror(error)}")


def assemble(rules: Iterable[Rule], machine: str) -> bytes:
    """The filter's program: check the machine, then rule after rule, then kill."""
    column = list(_ARCHITECTURES).index(machine)
    program = [
        _instruction(_LOAD, _ARCH),
        _instruction(_EQUAL, _ARCHITECTURES[machine], 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
        _instruction(_GREATER_EQUAL, _X32, 0, 1),
        _instruction(_RETURN, _KILL),
    ]
    for rule in rules:
        number = CALLS[rule.call][column]
        if number is not None:
            program += _rule(number, rule)
    program.append(_instruction(_RETURN, _KILL))
    return b"".join(program)


def _rule(number: int, rule: Rule) -> list[bytes]:
    body: list[bytes] = []
    for test in reversed(rule.tests):
        body = [
            _instruction(_LOAD, _ARGUMENTS + 4 * test.word),
            _instruction(_AND, test.mask),
            _instruction(_EQUAL, test.value, 0, len(body) + 1),
            *body,
        ]
        # a test that fails jumps behind the return below
    body.append(_instruction(_RETURN, rule.action))
    if rule.tests:
        body.append(_instruction(_LOAD, _NUMBER))  # the tests loaded something else
        return [_instruction(_EQUAL, number, 0, len(body)), *body]
    return [_instruction(_EQUAL, number, 0, 1), *body]


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
