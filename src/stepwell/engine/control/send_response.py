"""SEND_RESPONSE: answers the synchronous caller before the process ends.

    {"type": "SEND_RESPONSE", "name": "accepted", "ref": "accepted",
     "input": {"statusCode": 202, "body": {"order": "{{ input.id }}"}}}

Input: `body` (any JSON), `statusCode` (200), `headers` (texts by name). Once in a process: a second one fails. Output:
`{statusCode}`. The process goes on; who waits for its response is answered at once, after the commit.
"""

from typing import Any

from stepwell.definition.plan import StepPlan
from stepwell.engine.control.outcome import refuse
from stepwell.engine.draft import Control, Draft
from stepwell.engine.steps import begin, close, run_again
from stepwell.model.codec import encode
from stepwell.model.step import StepContext, StepStatus


def begin_step(draft: Draft, plan: StepPlan, step: StepContext) -> StepContext:
    step = begin(draft, step)
    given = draft.decoded(step, "input")
    if draft.process.response:
        return refuse(draft, step, "this process has sent its response already")
    status, headers = given.get("statusCode"), given.get("headers")
    status = 200 if status is None else status
    problem = _problem(status, headers)
    if problem:
        return refuse(draft, step, problem)
    response = {"statusCode": status, "headers": headers or {}, "body": given.get("body")}
    draft.put_process(response=encode(response))
    return close(draft, step, StepStatus.COMPLETED, encode({"statusCode": status}))


def _problem(status: Any, headers: Any) -> str:
    if type(status) is not int or not 200 <= status <= 599:
        return f"statusCode must be a whole number from 200 to 599, not {encode(status).decode()}"
    if headers is None:
        return ""
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        return "headers must be an object of texts"
    if any(_breaks_a_line(name + value) for name, value in headers.items()):
        return "a header contains a control character"
    return ""


def _breaks_a_line(text: str) -> bool:
    return any(ord(sign) < 32 or ord(sign) == 127 for sign in text)


SEND_RESPONSE = Control(open=begin_step, resume=run_again)
