"""A small disk of the server's own, to be filled: a tmpfs in a mount namespace that ends with its holder."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

SIZE = "24m"
_PIECE = 64 * 1024


class NoDisk(Exception):
    """Why there is none here."""


class SmallDisk:
    """`prefix` goes before the server's command; there the disk is `folder`, from here it is `outside`."""

    def __init__(self, folder: Path) -> None:
        """Raises NoDisk."""
        folder.mkdir(parents=True, exist_ok=True)
        if not (shutil.which("unshare") and shutil.which("nsenter")):
            raise NoDisk("unshare and nsenter (util-linux) are not installed")
        if os.geteuid() != 0:
            raise NoDisk("mounting a tmpfs needs root here")
        self.folder = folder
        script = f'mount -t tmpfs -o size={SIZE} none "$1" && echo mounted && exec sleep 86400'
        self._holder = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", script, "sh", str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline().strip() != "mounted":
            self.close()
            raise NoDisk("a tmpfs cannot be mounted here")

    @property
    def prefix(self) -> list[str]:
        return ["nsenter", "-t", str(self._holder.pid), "-m"]

    @property
    def outside(self) -> Path:
        return Path(f"/proc/{self._holder.pid}/root{self.folder.resolve()}")

    def fill(self) -> int:
        """Take all that is free; how many bytes that were."""
        count = 0
        with contextlib.suppress(OSError), (self.outside / "filler").open("ab", buffering=0) as file:
            while True:
                count += file.write(bytes(_PIECE))
        with contextlib.suppress(OSError), (self.outside / "filler").open("ab", buffering=0) as file:
            while True:
                count += file.write(bytes(512))
        return count

    def free(self) -> None:
        (self.outside / "filler").unlink(missing_ok=True)

    def close(self) -> None:
        self._holder.send_signal(signal.SIGKILL)
        self._holder.wait()
        if self._holder.stdout is not None:
            self._holder.stdout.close()
