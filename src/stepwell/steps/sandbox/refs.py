"""The steps that a script names."""

import re

SELF = "__self"
_MOST = 256

_NAMED = re.compile(
    r"\bsteps\s*\.\s*get\(\s*(['\"])((?:(?!\1)[^\\\n])+)\1"
    r"|\bsteps\s*(?:\?\.)?\s*\[\s*(['\"`])((?:(?!\3)[^\\\n])+)\3\s*\]"
    r"|\bsteps\s*(?:\?\.|\.)\s*([A-Za-z_$][\w$]*)"
)


def named(text: str) -> list[str]:
    """Refs that stand in a script literally, and `__self`. One too many costs a look-up, one too few a second run."""
    found = {SELF: None}
    for match in _NAMED.finditer(text):
        found[match[2] or match[4] or match[5]] = None
        if len(found) >= _MOST:
            break
    return list(found)
