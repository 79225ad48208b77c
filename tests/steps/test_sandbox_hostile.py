"""Scripts that want out, or want everything: each ends with an error or a harmless value, and the next script runs.

A file, an environment variable and a listening socket stand by as bait; none of them may notice anything.
"""

import asyncio
import ctypes
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from stepwell.model.codec import decode
from stepwell.steps.sandbox import seccomp
from stepwell.steps.sandbox.sandbox import Sandbox
from stepwell.steps.sandbox.script import Evaluation, Language, Limits, SandboxSettings, Script
from tests.steps.hostile import JAVASCRIPT, JQ, PYTHON
from tests.steps.script_views import Written

LIMITS = Limits(time_ms=120, memory=24 * 2**20, output=64 * 1024, logs=4096, rounds=8)
ROOMY = Limits(time_ms=20_000)
SECRET = "canary-5e9d1f"
AFTER = {
    Language.JAVASCRIPT: (
        Script(Language.JAVASCRIPT, "(steps) => steps.a.n + [1].length + JSON.parse('1')"),
        b"3",
    ),
    Language.PYTHON: (
        Script(Language.PYTHON, "def main(steps, context):\n    return steps['a']['n'] + len([1])"),
        b"2",
    ),
    Language.JQ: (Script(Language.JQ, ". + 1", input=b"1"), b"2"),
}
CASES = [
    (language, name, text)
    for language, scripts in (
        (Language.JAVASCRIPT, JAVASCRIPT),
        (Language.PYTHON, PYTHON),
        (Language.JQ, JQ),
    )
    for name, text in scripts.items()
]


class Bait(NamedTuple):
    folder: Path
    said: dict[tuple[Language, str], Evaluation]
    after: dict[tuple[Language, str], Evaluation]
    visited: bool
    left: list[int]
    """Processes of ours that are still there when the sandbox has stopped."""


@pytest.fixture(scope="module")
def bait(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bait]:
    """Every script has run, two at a time, each followed by a good one."""
    folder = tmp_path_factory.mktemp("bait")
    (folder / "file").write_text(SECRET)
    (folder / "program").write_text(f"#!/bin/sh\necho pwned > {folder}/pwned\n")
    (folder / "program").chmod(0o755)
    os.environ["STEPWELL_BAIT"] = SECRET
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        said, after = asyncio.run(play(folder, listening.getsockname()[1]))
        try:
            listening.accept()
            visited = True
        except BlockingIOError:
            visited = False
    yield Bait(folder, said, after, visited, children_of(os.getpid()))
    del os.environ["STEPWELL_BAIT"]


async def play(folder: Path, port: int) -> tuple[dict[tuple[Language, str], Evaluation], ...]:
    sandbox = Sandbox(SandboxSettings(children=2, limits=Limits(memory=LIMITS.memory)))
    await sandbox.start()
    said: dict[tuple[Language, str], Evaluation] = {}
    after: dict[tuple[Language, str], Evaluation] = {}
    waiting = iter(CASES)

    async def worker() -> None:
        for language, name, text in waiting:
            text = (
                text.replace("%FOLDER%", str(folder))
                .replace("%PORT%", str(port))
                .replace("%PID%", str(os.getpid()))
            )
            script = Script(language, text, input=b'{"a":[1,2,3]}')
            said[language, name] = await sandbox.evaluate(script, Written({"a": {"n": 1}}), LIMITS)
            after[language, name] = await sandbox.evaluate(
                AFTER[language][0], Written({"a": {"n": 1}}), ROOMY
            )

    await asyncio.gather(worker(), worker())
    await sandbox.stop()
    return said, after


def children_of(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return [child for child in found if b"sandbox" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_there_are_enough_of_them() -> None:
    assert len(JAVASCRIPT) + len(PYTHON) >= 300
    assert min(len(JAVASCRIPT), len(PYTHON)) >= 120


@pytest.mark.parametrize(("language", "name"), [(language, name) for language, name, _ in CASES])
def test_it_ends_within_its_limits(bait: Bait, language: Language, name: str) -> None:
    said = bait.said[language, name]
    assert (said.result is None) != (said.error is None)
    assert len(said.error or "") < 3000
    assert sum(len(line) for line in said.logs) <= LIMITS.logs + 100
    if said.result is not None:
        assert len(said.result) <= LIMITS.output
        decode(said.result)
    assert SECRET not in f"{said.result!r}{said.error}{said.logs}"
    assert "root:" not in f"{said.result!r}{said.error}{said.logs}"


@pytest.mark.parametrize(("language", "name"), [(language, name) for language, name, _ in CASES])
def test_the_next_script_runs(bait: Bait, language: Language, name: str) -> None:
    assert bait.after[language, name] == Evaluation(AFTER[language][1], [])


@pytest.mark.parametrize(
    ("language", "name"), [(language, name) for language, name, _ in CASES if name.startswith("never: ")]
)
def test_what_never_ends_is_ended(bait: Bait, language: Language, name: str) -> None:
    assert bait.said[language, name].error


def test_nobody_took_the_bait(bait: Bait) -> None:
    assert sorted(file.name for file in bait.folder.iterdir()) == ["file", "program"]
    assert (bait.folder / "file").read_text() == SECRET
    assert not bait.visited
    assert bait.left == []


# -- the filter alone, for the day an interpreter has a hole: native code under it

NATIVE = """
import ctypes, os, sys
from stepwell.steps.sandbox import confine, seccomp
libc = ctypes.CDLL(None, use_errno=True)
folder, pid = sys.argv[1], int(sys.argv[2])
numbers = {name: both[0 if os.uname().machine == "x86_64" else 1] for name, both in seccomp.CALLS.items()}
confine.drop_rights()
seccomp.install(getattr(seccomp, sys.argv[3])())
done = eval(sys.argv[4])
os._exit(0 if done != -1 else 100 + ctypes.get_errno())
"""
EPERM = 100 + 1
ENOSYS = 100 + 38
KILLED = -31  # SIGSYS
DONE = 0

PATH = "(folder + '/new').encode()"
NATIVE_CASES = [
    ("computing", "libc.getpid()", DONE),
    ("computing", "libc.malloc(1 << 24) and 0", DONE),
    ("computing", f"libc.open({PATH}, 0o101, 0o600)", EPERM),
    ("computing", "libc.open((folder + '/file').encode(), 0)", EPERM),
    ("computing", f"libc.creat({PATH}, 0o600)", KILLED),
    ("computing", "libc.unlink((folder + '/file').encode())", KILLED),
    ("computing", f"libc.rename((folder + '/file').encode(), {PATH})", KILLED),
    ("computing", f"libc.mkdir({PATH}, 0o700)", KILLED),
    ("computing", f"libc.symlink(b'/etc', {PATH})", KILLED),
    ("computing", "libc.chmod((folder + '/file').encode(), 0)", KILLED),
    ("computing", "libc.truncate((folder + '/file').encode(), 0)", KILLED),
    ("computing", "libc.socket(2, 1, 0)", KILLED),
    ("computing", "libc.socket(1, 1, 0)", KILLED),
    ("computing", "libc.syscall(numbers['fork'] or numbers['clone'], 17, 0, 0, 0, 0)", EPERM),
    ("computing", "libc.syscall(numbers['clone3'], 0, 0)", ENOSYS),
    ("computing", "libc.execve((folder + '/program').encode(), None, None)", KILLED),
    ("computing", "libc.kill(pid, 9)", KILLED),
    ("computing", "libc.syscall(numbers['tgkill'], pid, pid, 9)", KILLED),
    ("computing", "libc.ptrace(16, pid, 0, 0)", KILLED),
    ("computing", "libc.process_vm_readv(pid, 0, 0, 0, 0, 0)", KILLED),
    ("computing", "libc.mmap(0, 4096, 7, 0x22, -1, 0)", EPERM),
    ("computing", "libc.mount(b'x', b'/', b'tmpfs', 0, 0)", KILLED),
    ("computing", "libc.unshare(0x10000000)", KILLED),
    ("computing", "libc.chroot(folder.encode())", KILLED),
    ("computing", "libc.setuid(0)", KILLED),
    ("computing", "libc.prlimit(pid, 7, ctypes.create_string_buffer(16), 0)", EPERM),
    ("computing", "libc.prctl(22, 1, 0, 0, 0)", EPERM),
    ("computing", "libc.shmget(0, 4096, 0o1600)", KILLED),
    ("computing", "libc.memfd_create(b'x', 0)", KILLED),
    ("computing", "libc.pipe2(ctypes.create_string_buffer(8), 0)", EPERM),
    ("computing", "libc.syscall(0x40000000 | numbers['getpid'])", KILLED),
    ("starting", f"libc.open({PATH}, 0o101, 0o600)", EPERM),
    ("starting", "libc.open((folder + '/file').encode(), 0o2)", EPERM),
    ("starting", "libc.open((folder + '/file').encode(), 0o1000)", EPERM),
    ("starting", "libc.unlink((folder + '/file').encode())", KILLED),
    ("starting", "libc.socket(2, 1, 0)", KILLED),
    ("starting", "libc.socketpair(2, 1, 0, ctypes.create_string_buffer(8))", EPERM),
    ("starting", "libc.kill(pid, 9)", KILLED),
    ("starting", "libc.syscall(numbers['clone'], 17, 0, 0, 0, 0)", EPERM),
    ("starting", "libc.syscall(numbers['clone'], 0x10004011, 0, 0, 0, 0)", EPERM),
    ("starting", "libc.prlimit(pid, 7, ctypes.create_string_buffer(16), 0)", EPERM),
    ("starting", "libc.ptrace(16, pid, 0, 0)", KILLED),
]


@pytest.mark.parametrize(("rules", "call", "end"), NATIVE_CASES)
def test_native_code_under_the_filter(tmp_path: Path, rules: str, call: str, end: int) -> None:
    (tmp_path / "file").write_text(SECRET)
    (tmp_path / "program").write_text("#!/bin/sh\n")
    (tmp_path / "program").chmod(0o755)
    source = Path(seccomp.__file__).parents[3]
    code = f"import sys; sys.path.insert(0, {str(source)!r})\n{NATIVE}"
    command = [sys.executable, "-I", "-S", "-c", code, str(tmp_path), str(os.getpid()), rules, call]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode == end, ended.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "program"]
    assert (tmp_path / "file").read_text() == SECRET


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("rules", [seccomp.computing(), seccomp.starting()])
def test_a_filter_fits_the_kernel(machine: str, rules: list[seccomp.Rule]) -> None:
    program = seccomp.assemble(rules, machine)
    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096


def test_a_filter_on_an_unknown_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(seccomp.SeccompError, match="no system call filter"):
        seccomp.install(seccomp.computing())
    assert ctypes.CDLL(None).prctl(21, 0, 0, 0, 0) == 0
