"""The steps that the server runs itself, put together: the sandbox, the script steps, HTTP, what packages add."""

from collections.abc import Collection, Mapping
from typing import Any

from stepwell.definition.step_inputs import Check
from stepwell.model.codec import decode
from stepwell.model.definition import StepType
from stepwell.model.errors import Invalid, Problem
from stepwell.model.work import QueueName
from stepwell.settings import Settings
from stepwell.steps.control_script import ControlScript
from stepwell.steps.http import Http
from stepwell.steps.http_.options import HttpOptions
from stepwell.steps.http_.repeat import ConditionFailed
from stepwell.steps.javascript import javascript
from stepwell.steps.jq import jq
from stepwell.steps.python import python
from stepwell.steps.registry import SERVER, registry
from stepwell.steps.sandbox.sandbox import Sandbox
from stepwell.steps.sandbox.script import Language, Script
from stepwell.steps.step import MOST_ATTEMPTS, BuiltIn, ProcessView, StepCall


class Steps:
    """What runs them, made once and closed at the end."""

    def __init__(self, settings: Settings, installation: str) -> None:
        """Raises Invalid when a setting cannot be read."""
        self.sandbox = Sandbox()
        options = HttpOptions(
            allow=settings.http_allow,
            ports=settings.http_ports,
            response_limit=settings.http_response_limit,
            installation=installation,
        )
        try:
            self._http = Http(options, self._holds)
        except ValueError as error:
            problem = Problem("STEPWELL_HTTP_ALLOW", str(error), "BAD_SETTING")
            raise Invalid(problems=(problem,), code="BAD_SETTING") from error
        scripts = ControlScript(self.sandbox)
        ours = registry(
            (javascript(self.sandbox), python(self.sandbox), jq(self.sandbox), self._http.built_in())
        )
        self.table: Mapping[QueueName, BuiltIn] = {
            **ours,
            QueueName(SERVER, "SCRIPT", ""): scripts.built_in(),
        }
        self.checks: Mapping[tuple[StepType, str], Check] = {
            (step.type, step.name): step.check for step in ours.values()
        }
        """What checks their inputs when a definition is stored, by type and name."""

    async def start(self) -> None:
        await self.sandbox.start()

    async def stop(self) -> None:
        await self._http.close()
        await self.sandbox.stop()

    async def _holds(self, text: str, call: StepCall, output: dict[str, Any]) -> bool:
        """A repeat-until condition: it sees this try's output as `steps.__self.output`."""
        script = Script(Language.JAVASCRIPT, text, "condition")
        evaluation = await self.sandbox.evaluate(script, _WithOutput(call.view, output))
        if evaluation.error is not None:
            raise ConditionFailed(evaluation.error)
        return decode(evaluation.result or b"null") is True


class _WithOutput:
    """A view in which the step itself has an output that is not stored yet."""

    def __init__(self, view: ProcessView, output: dict[str, Any]) -> None:
        self._view = view
        self._output = output

    async def context(self, payloads: Collection[str] = ("input", "output", "state")) -> dict[str, Any]:
        return await self._view.context(payloads)

    async def step(self, ref: str, attempts: int = MOST_ATTEMPTS) -> dict[str, Any] | None:
        found = await self._view.step(ref, attempts)
        return {**found, "output": self._output} if found is not None and ref == "__self" else found
