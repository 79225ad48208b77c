"""Scripts that are no step of their own: the `script` in the input of control steps (SWITCH, WHILE, WAIT …), and what a
step's configuration says, its preExecutionScript and its jqTransformer."""

from typing import Any

from stepwell.model.codec import Raw, decode, encode, raw
from stepwell.model.definition import StepType
from stepwell.model.errors import Problem
from stepwell.steps.gateway_rules import compose
from stepwell.steps.sandbox.sandbox import Sandbox
from stepwell.steps.sandbox.script import Language, Script, is_python
from stepwell.steps.step import BuiltIn, Completed, Failed, Outcome, StepCall


class ControlScript:
    """Runs in the same sandbox as script steps. `scriptLanguage` says which language, JAVASCRIPT if none."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def built_in(self) -> BuiltIn:
        return BuiltIn(type=StepType.JAVASCRIPT, run=self.run, check=self.check)

    async def run(self, call: StepCall) -> Outcome:
        script = call.script or _of_input(decode(call.request.input))
        if not script.text.strip():
            return Failed(encode({"error": "this step needs a script", "logs": []}))
        evaluation = await self._sandbox.evaluate(script, call.view)
        if evaluation.error is not None:
            return Failed(encode({"error": evaluation.error, "logs": evaluation.logs}))
        result: Raw | None = None if evaluation.result is None else raw(evaluation.result)
        return Completed(encode({"result": result, "logs": evaluation.logs}))

    def check(self, given: dict[str, Any], at: str) -> list[Problem]:
        return []


def _of_input(given: dict[str, Any]) -> Script:
    rules = given.get("rules")
    text = compose(rules) if rules and not given.get("script") else given.get("script")
    language = Language.PYTHON if is_python(given.get("scriptLanguage")) else Language.JAVASCRIPT
    return Script(language, text if isinstance(text, str) else "")
