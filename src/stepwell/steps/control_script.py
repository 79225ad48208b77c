"""The scripts of control steps (SWITCH, WHILE, WAIT …): their input's `script`, evaluated as it is."""

from typing import Any

from stepwell.model.codec import Raw, decode, encode, raw
from stepwell.model.definition import StepType
from stepwell.model.errors import Problem
from stepwell.steps.gateway_rules import compose
from stepwell.steps.sandbox.sandbox import Sandbox
from stepwell.steps.sandbox.script import Language, Script
from stepwell.steps.step import BuiltIn, Completed, Failed, Outcome, StepCall

LANGUAGES = {"PYTHON": Language.PYTHON, "JAVASCRIPT": Language.JAVASCRIPT}


class ControlScript:
    """Runs in the same sandbox as script steps. `scriptLanguage` in the input says which language, JAVASCRIPT if none."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def built_in(self) -> BuiltIn:
        return BuiltIn(type=StepType.JAVASCRIPT, run=self.run, check=self.check)

    async def run(self, call: StepCall) -> Outcome:
        given = decode(call.request.input)
        text = (
            compose(given["rules"]) if given.get("rules") and not given.get("script") else given.get("script")
        )
        if not isinstance(text, str) or not text.strip():
            return Failed(encode({"error": "this step needs a script", "logs": []}))
        language = LANGUAGES.get(
            str(given.get("scriptLanguage") or "JAVASCRIPT").upper(), Language.JAVASCRIPT
        )
        evaluation = await self._sandbox.evaluate(Script(language, text), call.view)
        if evaluation.error is not None:
            return Failed(encode({"error": evaluation.error, "logs": evaluation.logs}))
        result: Raw | None = None if evaluation.result is None else raw(evaluation.result)
        return Completed(encode({"result": result, "logs": evaluation.logs}))

    def check(self, given: dict[str, Any], at: str) -> list[Problem]:
        return []
