"""What may be a name or a ref."""

import re

from stepwell.definition.plan import SERVER
from stepwell.model.errors import Problem

MAX_NAME = 255

_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_REF = re.compile(r"[\[\]{}.]")

SELF = "__self"
"""What scripts call the current step; no step can have it as its ref."""


def name_problems(name: str, at: str, *, slash: bool = False) -> list[Problem]:
    """What is wrong with a name. `slash`: may it contain one, being no part of an address."""
    if not name.strip():
        return [Problem(at, "is missing or empty", "MISSING")]
    if len(name) > MAX_NAME:
        return [Problem(at, f"has {len(name)} characters, {MAX_NAME} are possible", "BAD_NAME")]
    if _CONTROL.search(name):
        return [Problem(at, "contains a control character", "BAD_NAME")]
    if "/" in name and not slash:
        return [Problem(at, "contains a slash", "BAD_NAME")]
    return []


def namespace_problems(name: str, at: str) -> list[Problem]:
    if name == SERVER:
        return [Problem(at, f"{SERVER} is the server's own namespace", "RESERVED")]
    return name_problems(name, at)


def ref_problems(ref: str, at: str) -> list[Problem]:
    problems = name_problems(ref, at, slash=True)
    if problems:
        return problems
    if ref == SELF:
        return [Problem(at, f"{SELF} means the current step and cannot be a ref", "BAD_REF")]
    if _REF.search(ref):
        return [Problem(at, "contains one of [ ] { } . which templates need for themselves", "BAD_REF")]
    if ref != ref.strip():
        return [Problem(at, "begins or ends with a blank", "BAD_REF")]
    return []
