"""Statements by name, from a file beside the code that runs them."""

_MARK = "-- name:"


def parse_statements(text: str) -> dict[str, str]:
    """Each `-- name: x` line starts a statement; other comment lines belong to nothing."""
    statements: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith(_MARK):
            name = line.removeprefix(_MARK).strip()
            statements[name] = ""
        elif name and not line.startswith("--"):
            statements[name] += line + "\n"
    return {name: statement.strip() for name, statement in statements.items()}
