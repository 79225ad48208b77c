"""Which seeds agreed already, for this very code: a campaign that was cut off goes on where it stopped."""

from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
JUDGED = ("src/stepwell/model", "src/stepwell/definition", "src/stepwell/engine", "tests/property")
"""What decides whether a seed agrees. When a line of it changes, the count begins again."""


class Agreed:
    """The chunks that agreed, one line each in `.property/<digest of the code>`; git does not track them."""

    def __init__(self, folder: Path = ROOT / ".property") -> None:
        digest = sha256()
        for source in sorted(file for part in JUDGED for file in (ROOT / part).rglob("*.py")):
            digest.update(source.relative_to(ROOT).as_posix().encode() + b"\0" + source.read_bytes())
        folder.mkdir(exist_ok=True)
        self._file = folder / digest.hexdigest()[:16]
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        self._chunks = {(int(first), int(past)) for first, past in map(str.split, lines)}

    def __contains__(self, chunk: range) -> bool:
        return (chunk.start, chunk.stop) in self._chunks

    def add(self, chunk: range) -> None:
        self._chunks.add((chunk.start, chunk.stop))
        with self._file.open("a") as file:
            file.write(f"{chunk.start} {chunk.stop}\n")
