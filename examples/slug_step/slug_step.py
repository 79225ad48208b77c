import re
from typing import Any

from stepwell.model.codec import decode, encode
from stepwell.model.definition import StepType
from stepwell.model.errors import Problem
from stepwell.steps.step import BuiltIn, Completed, Failed, Outcome, StepCall


def slug() -> BuiltIn:
    return BuiltIn(type=StepType.BUILTIN, name="slug", run=run, check=check)


async def run(call: StepCall) -> Outcome:
    text = decode(call.request.input).get("text")
    if not isinstance(text, str):
        return Failed(encode({"error": "text must be a text"}))
    return Completed(encode({"slug": "-".join(re.findall(r"[a-z0-9]+", text.lower()))}))


def check(given: dict[str, Any], at: str) -> list[Problem]:
    """The definition's input, templates still in it."""
    return [] if "text" in given else [Problem(f"{at}.text", "is missing", "MISSING")]
