"""The torture suite is a stranger: it imports nothing of ours, nothing that must be installed, and speaks HTTP only."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "torture").rglob("*.py"))
ALLOWED = {"torture", *sys.stdlib_module_names}


def imported(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield "anything"


def test_it_imports_the_standard_library_and_itself() -> None:
    assert len(SOURCES) > 20
    for source in SOURCES:
        strange = set(imported(source.read_text())) - ALLOWED
        assert not strange, f"{source} imports {strange}"


def test_nobody_of_ours_imports_it() -> None:
    for source in sorted((ROOT / "src").rglob("*.py")):
        assert "torture" not in set(imported(source.read_text())), source


def test_the_rule_sees_what_it_forbids() -> None:
    for text in (
        "import stepwell",
        "from stepwell.client import Client",
        "import aiohttp",
        "__import__('x')",
    ):
        assert set(imported(text)) - ALLOWED, text
