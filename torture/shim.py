"""Building and steering the preloaded shim (shim.c). Needs a C compiler and Linux; without them, says so."""

import mmap
import platform
import shutil
import struct
import subprocess
from pathlib import Path

FIELDS = ("calls", "kill_at", "delay_us", "fail_syncs", "fail_writes", "error", "clock_ms", "failed")
_SIZE = 8 * len(FIELDS)
SOURCE = Path(__file__).with_name("shim.c")


class NoShim(Exception):
    """Why there is none here."""


def build(folder: Path) -> Path:
    """The shared library, compiled into `folder`. Raises NoShim."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if platform.system() != "Linux":
        raise NoShim(f"the shim is for Linux, this is {platform.system()}")
    if compiler is None:
        raise NoShim("no C compiler (cc) is installed")
    library = folder / "shim.so"
    if not library.exists():
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise NoShim(f"the compiler refuses shim.c: {done.stderr[-400:]}")
    return library


class Shim:
    """`shim["delay_us"] = 50_000`. The server that runs with `environment` obeys at its next call."""

    def __init__(self, library: Path, folder: Path, files: str) -> None:
        """`files`: only files whose path holds this are touched."""
        path = folder / "shim.control"
        path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)
        self.environment = {
            "LD_PRELOAD": str(library.resolve()),
            "TORTURE_SHIM": str(path.resolve()),
            "TORTURE_SHIM_FILES": files,
        }

    def __getitem__(self, field: str) -> int:
        value: int = struct.unpack_from("q", self._map, 8 * FIELDS.index(field))[0]
        return value

    def __setitem__(self, field: str, value: int) -> None:
        struct.pack_into("q", self._map, 8 * FIELDS.index(field), value)

    def heal(self) -> None:
        """Everything well again, but for the clock, which must not go back before what it has said."""
        for field in ("kill_at", "delay_us", "fail_syncs", "fail_writes"):
            self[field] = 0
