"""The house rules, kept by reading the source: who may import whom, and what the pure rooms may not touch."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "stepwell"
DOCS = ROOT / "docs"

MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "definition": {"model"},
    "engine": {"model", "definition"},
    "store": {"model", "definition", "engine"},
    "runtime": {"model", "definition", "engine", "store", "steps"},
    "server": {"model", "definition", "engine", "store", "runtime", "steps", "settings"},
    "settings": {"model"},
    "worker": {"model"},
    "client": {"model"},
    "steps": {"model"},
    "testing": {"model", "definition", "engine", "store", "runtime"},
    "demo": {"worker"},
}
"""Left of each room. `cli` is the composition root and may import them all; nothing imports `cli`."""

PURE = ("model", "definition", "engine")
IMPURE_MODULES = {
    "aiohttp", "apsw", "asyncio", "concurrent", "ctypes", "http", "httpx2", "io", "logging",
    "multiprocessing", "os", "pathlib", "random", "secrets", "select", "shutil", "signal", "socket",
    "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today", "fromtimestamp", "utcfromtimestamp", "astimezone"}
"""Methods of `datetime` that look at the machine's clock or zone. Calculating with given moments is pure."""
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__", "breakpoint"}

SDK_ALIASES = {
    "stepRef", "stepNamespace", "stepExecutionId", "stepQueueNameData", "inputParam", "isOptional", "polling",
    "shardInstanceId", "shardName", "GLOW_GATEWAY", "error_message", "rescheduleAfterSeconds",
    "executionsList",
}  # fmt: skip
"""Names that exist on the wire only. Workers and clients stand on the other side of it."""
INSIDE = ("model", "definition", "engine", "store", "runtime", "server")


def sources(*rooms: str) -> list[Path]:
    found: list[Path] = []
    for room in rooms:
        folder = SOURCE / room
        found += sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    return found


def every_source() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def room_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            yield node.lineno, node.module or ""
            if node.module == "stepwell":
                yield from ((node.lineno, f"stepwell.{alias.name}") for alias in node.names)


def wrong_imports(room: str, tree: ast.AST) -> list[tuple[int, str]]:
    """Imports of rooms that are not left of this one."""
    wrong = []
    for line, module in imported(tree):
        parts = module.split(".")
        if parts[0] != "stepwell" or len(parts) < 2 or parts[1] in {room, "__version__"}:
            continue
        if room != "cli" and parts[1] not in MAY_IMPORT[room]:
            wrong.append((line, module))
    return wrong


def impurities(tree: ast.AST) -> list[tuple[int, str]]:
    """I/O, clocks, chance and async in a source text."""
    found = [(line, module) for line, module in imported(tree) if module.split(".")[0] in IMPURE_MODULES]
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            found.append((node.lineno, "async"))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            found.append((node.lineno, f"{node.func.id}()"))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            found.append((node.lineno, f".{node.func.attr}()"))
    return found


def aliases(tree: ast.AST) -> list[tuple[int, str]]:
    """Wire-only names, as text or as identifiers."""
    found = []
    for node in ast.walk(tree):
        words: set[str] = set()
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value.decode("utf-8", "replace") if isinstance(node.value, bytes) else node.value
            words = set(re.findall(r"\w+", text)) if not is_prose(text) else set()
        elif isinstance(node, ast.Name):
            words = {node.id}
        elif isinstance(node, ast.Attribute):
            words = {node.attr}
        elif isinstance(node, ast.arg | ast.keyword):
            words = {node.arg or ""}
        found += [(getattr(node, "lineno", 0), word) for word in sorted(words & SDK_ALIASES)]
    return found


def is_prose(text: str) -> bool:
    """A docstring may name an alias to explain it; code may not use it."""
    return len(text.split()) > 3


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("room", sorted({room_of(f) for f in every_source()} - {"__init__"}))
def test_imports_go_left_only(room: str) -> None:
    assert room == "cli" or room in MAY_IMPORT, (
        f"{room} is no room of the house: give it a place in MAY_IMPORT"
    )
    for file in sources(room):
        assert not wrong_imports(room, parsed(file)), f"{file} imports to its right"


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_touch_nothing_outside(room: str) -> None:
    for file in sources(room):
        assert not impurities(parsed(file)), file


@pytest.mark.parametrize("room", INSIDE)
def test_wire_names_stay_at_the_wire(room: str) -> None:
    for file in sources(room):
        if file != SOURCE / "server" / "wire.py":
            assert not aliases(parsed(file)), file


def test_the_rules_see_what_they_forbid() -> None:
    """A rule that finds nothing anywhere proves nothing."""
    assert wrong_imports("engine", ast.parse("from stepwell.store.port import Store"))
    assert wrong_imports("worker", ast.parse("from stepwell import engine"))
    assert not wrong_imports("engine", ast.parse("from stepwell.model.step import StepStatus"))
    for text in (
        "import time",
        "from os import path",
        "async def f(): ...",
        "open('x')",
        "print(1)",
        "import random",
    ):
        assert impurities(ast.parse(text)), text
    for text in ("x = {'stepRef': 1}", "f(inputParam=1)", "b'\"polling\":1'", "a.isOptional"):
        assert aliases(ast.parse(text)), text


def test_every_room_says_what_it_is() -> None:
    for package in sorted(SOURCE.rglob("__init__.py")):
        assert ast.get_docstring(parsed(package)), f"{package} has no docstring"


def test_nothing_is_left_for_later() -> None:
    mark = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    for file in [
        *every_source(),
        *sorted((ROOT / "tests").rglob("*.py")),
        *sorted((ROOT / "examples").rglob("*.py")),
    ]:
        assert not mark.search(file.read_text(encoding="utf-8")), file


# -- the documentation keeps up


def docs_text() -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(DOCS.rglob("*.md")))


def error_codes() -> set[str]:
    """Every stable code that the source can answer with."""
    return {
        value.value
        for file in every_source()
        for node in ast.walk(parsed(file))
        for value in code_values(node)
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.isupper()
    }


def code_values(node: ast.AST) -> list[ast.expr]:
    """`code="…"`, `code = "…"`, `…_CODES = {…: "…"}`, and the third argument of `Problem` and `problem`."""
    if isinstance(node, ast.keyword) and node.arg == "code":
        return [node.value]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.lower() == "problem":
        return node.args[2:3]
    if isinstance(node, ast.Module):  # a code that has a name of its own
        assigned = [item for item in node.body if isinstance(item, ast.Assign)]
        return [
            a.value for a in assigned if isinstance(a.value, ast.Constant) and a.value.value in names_of(a)
        ]
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        names = names_of(node)
        if "code" in names:
            return [node.value]
        if any(name.endswith("_CODES") for name in names) and isinstance(node.value, ast.Dict):
            return node.value.values
    return []


def names_of(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def test_every_error_code_is_documented() -> None:
    codes = error_codes()
    assert {"NOT_FOUND", "UNAUTHENTICATED", "DUPLICATE_REF", "NO_SUCH_ROUTE"} <= codes
    text = docs_text()
    assert not [code for code in sorted(codes) if f"`{code}`" not in text]


def test_every_setting_is_documented() -> None:
    text = (SOURCE / "settings.py").read_text(encoding="utf-8")
    settings = set(re.findall(r"STEPWELL_[A-Z_]*[A-Z]", text))
    assert "STEPWELL_DATABASE" in settings
    page = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    assert not [name for name in sorted(settings) if name not in page]
