"""The steps that a script names."""

import re

SELF = "__self"
_MOST = 256

_NAMED = re.compile(
    r"\bsteps\s*(?:\?\.|\.)\s*([A-Za-z_$][\w$]*)"
    r"|\bsteps\s*(?:\?\.)?\s*\[\s*(['\"`])((?:(?!\2)[^\\\n])+)\2\s*\]"
    r"|\bsteps\s*\.\s*get\(\s*(['\"])((?:(?!\4)[^\\\n])+)\4"
)


def named(text: str) -> list[str]:
    """Refs that stand in a script literally, and `__self`. One too many costs a look-up, one too few a second run."""
    found = {SELF: None}
    for match in _NAMED.finditer(text):
        found[match[1] or match[3] or match[5]] = None
        if len(found) >= _MOST:
            break
    return list(found)
