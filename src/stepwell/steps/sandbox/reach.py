"""What of the context a script can reach, read off its text.

The input of a process may be megabytes, and a loop may run a script 100,000 times: sending it along each time would be
quadratic. So `input`, `output` and `state` of the context stay behind where the text shows that the script cannot look
at them. Whatever is not plain to see counts as reached.
"""

import re

PAYLOADS = frozenset({"input", "output", "state"})
MEMBERS = PAYLOADS | {
    "id", "processId", "namespace", "name", "version", "processType", "triggerType", "status", "requestId",
    "correlationId", "created", "createdBy", "tags",
}  # fmt: skip
"""What the context has. Another name, `hasOwnProperty` perhaps, may look at anything."""
_ATTEMPTS = re.compile(r"xecution")

_NAME = r"[A-Za-z_$][\w$]*"
_ARROW = rf"\(\s*((?:{_NAME}\s*,?\s*)*)\)\s*=>|({_NAME})\s*=>"
_FUNCTION = rf"function\s*\*?\s*(?:{_NAME})?\s*\(\s*((?:{_NAME}\s*,?\s*)*)\)\s*\{{"
_JAVASCRIPT = re.compile(rf"\s*(?:async\s+)?(?:{_ARROW}|{_FUNCTION})")
_PYTHON = re.compile(r"^(?:async\s+)?def\s+main\s*\(([^()]*)\)", re.MULTILINE)
_OTHERS = re.compile(rf"\(\s*{_NAME}\s*,[^()]*\)\s*(?:=>|\{{)|\bfunction\b")
"""Functions of several parameters, which might be the script itself."""
_MEMBER = rf"\s*\??\.\s*({_NAME})"
_PYTHON_MEMBER = r"\s*\[\s*['\"](\w+)['\"]\s*\]|\s*\.get\(\s*['\"](\w+)['\"]"
_HIDDEN = re.compile(r"\\u|\b(?:arguments|eval|Function|exec|locals|globals|vars|main)\b")
"""Ways to a parameter that do not name it."""


def payloads(text: str, *, python: bool) -> frozenset[str]:
    """Which payloads of the context are to be sent with a script."""
    name, body = (_python if python else _javascript)(text)
    if body is None or _HIDDEN.search(body):
        return PAYLOADS
    named = re.compile(
        rf"(?<![\w$]){re.escape(name or '')}(?![\w$])(?:{_PYTHON_MEMBER if python else _MEMBER})?"
    )
    found = [(match[1] or match[2]) if python else match[1] for match in named.finditer(body)] if name else []
    return PAYLOADS.intersection(found) if MEMBERS.issuperset(found) else PAYLOADS


def attempts(text: str) -> bool:
    """Does a script speak of the executions of steps?"""
    return _ATTEMPTS.search(text) is not None


def _javascript(text: str) -> tuple[str | None, str | None]:
    """The name of the second parameter, and the text behind the parameters; no text when they are not plain."""
    found = _JAVASCRIPT.match(text)
    if found is None:
        return None, None
    body = text[found.end() :]
    return (None, None) if _OTHERS.search(body) else (_second(found[1] or found[2] or found[3] or ""), body)


def _python(text: str) -> tuple[str | None, str | None]:
    found = list(_PYTHON.finditer(text))
    if len(found) != 1 or not re.fullmatch(r"[\w\s,]*", found[0][1]):
        return None, None
    return _second(found[0][1]), text[: found[0].start()] + text[found[0].end() :]


def _second(parameters: str) -> str | None:
    names = [name.strip() for name in parameters.split(",") if name.strip()]
    return names[1] if len(names) > 1 else None
