"""HTTP: one call to a URL, its answer as the output. Spec section 3.2."""

from typing import Any

from stepwell.model.codec import CodecError, decode, encode
from stepwell.model.definition import StepType
from stepwell.model.errors import Problem
from stepwell.steps.http_.allowed import read_allowed
from stepwell.steps.http_.answer import Answer, headers_of, output_of, status_text
from stepwell.steps.http_.ask import Ask, read_ask
from stepwell.steps.http_.guard import Guard, Lookup
from stepwell.steps.http_.options import HttpOptions
from stepwell.steps.http_.repeat import Evaluate, after_try
from stepwell.steps.http_.request import Unsendable, build
from stepwell.steps.http_.sender import Sender, SendFailed
from stepwell.steps.step import BuiltIn, Completed, Failed, Outcome, StepCall


class Http:
    """The HTTP step with what it keeps between calls: open connections. Belongs to one event loop."""

    def __init__(self, options: HttpOptions, evaluate: Evaluate, lookup: Lookup | None = None) -> None:
        """`lookup` replaces the system's resolver. Raises ValueError when `options.allow` cannot be read."""
        self._options = options
        self._evaluate = evaluate
        self._guard = Guard(read_allowed(options.allow), options.ports, lookup)
        self._sender: Sender | None = None

    def built_in(self) -> BuiltIn:
        return BuiltIn(type=StepType.HTTP, run=self.run, check=self.check)

    def check(self, given: dict[str, Any], at: str) -> list[Problem]:
        """What is wrong with a definition's input, as far as can be told while its templates are open."""
        return read_ask(given, at, self._options, templates=True)[1]

    async def run(self, call: StepCall) -> Outcome:
        try:
            given = decode(call.request.input)
            ask = _checked(given if isinstance(given, dict) else {}, self._options)
            request = build(ask, call.request, self._options)
        except (CodecError, Unsendable) as error:
            return Failed(encode({"error": f"HTTP input: {error}"}))
        try:
            answer = await self._open().send(request, ask)
        except SendFailed as error:
            return Failed(encode(_broken(error)))
        output = await output_of(answer, ask)
        if ask.repeat is not None:
            return await after_try(ask.repeat, call, output, self._evaluate)
        if _is_good(answer, ask):
            return Completed(encode(output))
        return Failed(
            encode(output | {"error": f"{ask.method}: the server answered {status_text(answer.status)}"})
        )

    async def close(self) -> None:
        """Close the kept connections. The next call opens new ones."""
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()

    def _open(self) -> Sender:
        if self._sender is None:
            self._sender = Sender(self._guard, self._options)
        return self._sender


def _checked(given: dict[str, Any], options: HttpOptions) -> Ask:
    """Raises Unsendable with every problem."""
    ask, problems = read_ask(given, "", options, templates=False)
    wrong = [f"{problem.path} {problem.message}" for problem in problems if not problem.warning]
    if wrong:
        raise Unsendable("; ".join(wrong))
    return ask


def _is_good(answer: Answer, ask: Ask) -> bool:
    """A redirect that the step was told not to follow is the answer it wanted."""
    return 200 <= answer.status < 300 or (not ask.follow and 300 <= answer.status < 400)


def _broken(error: SendFailed) -> dict[str, Any]:
    """The head of the answer, if one came, and what went wrong."""
    if not error.status:
        return {"error": str(error)}
    return {"statusCode": error.status, "headers": headers_of(error.headers), "error": str(error)}
