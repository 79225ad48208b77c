"""A step that is a script: what JAVASCRIPT, PYTHON and JQ have in common."""

from typing import Any

from stepwell.model.codec import Json, decode, encode, raw
from stepwell.model.errors import Problem
from stepwell.steps.sandbox.sandbox import Sandbox
from stepwell.steps.sandbox.script import Evaluation, Language, Script
from stepwell.steps.step import Completed, Failed, Outcome, StepCall

SCRIPT_LIMIT = 64 * 1024


async def run_script(sandbox: Sandbox, language: Language, call: StepCall) -> Outcome:
    """`{result, logs}`, or Failed with `{error, logs}`."""
    given = decode(call.request.input)
    problems = check_script(given, "input")
    if problems:
        said = "; ".join(f"{problem.path}: {problem.message}" for problem in problems)
        return Failed(encode({"error": said, "logs": []}))
    what = encode(given.get("input")) if language is Language.JQ else b"null"
    return _outcome(await sandbox.evaluate(Script(language, given["script"], input=what), call.view))


def check_script(given: dict[str, Any], at: str) -> list[Problem]:
    """`script` must be there: text of 64 KiB at most. Its syntax shows when it runs."""
    path = f"{at}.script" if at else "script"
    script = given.get("script")
    if script is None or script == "":
        return [Problem(path, "is required", "MISSING")]
    if not isinstance(script, str):
        return [Problem(path, "must be text", "WRONG_KIND")]
    if len(script.encode("utf-8", "replace")) > SCRIPT_LIMIT:
        return [Problem(path, f"is larger than {SCRIPT_LIMIT} bytes", "LIMIT")]
    return []


def _outcome(evaluation: Evaluation) -> Outcome:
    if evaluation.result is None:
        return Failed(encode({"error": evaluation.error, "logs": evaluation.logs}))
    return Completed(_completed(evaluation.result, evaluation.logs))


def _completed(result: Json, logs: list[str]) -> Json:
    return encode({"result": raw(result), "logs": logs})
