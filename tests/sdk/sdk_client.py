"""The client half of the published Python SDK behind a pipe: a JSON line in for each call, one out.

In:  {"method": "rerun", "arguments": [4], "keywords": {}}. Objects of the SDK are written with their class under
`$`: {"$": "ProcessRequestData", "name": "one"}; members of its enums as {"$": "ProcessStatus.COMPLETED"}.
Out: {"returned": …} in the same way, or {"raised": "RuntimeError: …"}.
"""

import dataclasses
import json
import sys
from enum import Enum
from typing import Any

from sdk_worker import connected
from unmeshed.sdk.common import (
    process_configuration,
    process_definition,
    process_request_data,
    process_search_request,
    step_configuration,
    step_definition,
    tag_value,
    unmeshed_constants,
)

_MODULES = (
    process_configuration,
    process_definition,
    process_request_data,
    process_search_request,
    step_configuration,
    step_definition,
    tag_value,
    unmeshed_constants,
)


def build(fields: dict[str, Any]) -> Any:
    """Turn an object with `$` into what it stands for; children come first."""
    if "$" not in fields:
        return fields
    name, _, member = fields.pop("$").partition(".")
    kind = next(getattr(module, name) for module in _MODULES if hasattr(module, name))
    return kind[member] if member else kind(**fields)


def show(value: Any) -> Any:
    if isinstance(value, Enum):
        return {"$": str(value)}
    if isinstance(value, list):
        return [show(each) for each in value]
    if not dataclasses.is_dataclass(value):
        return value
    fields = {field.name: show(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return {"$": type(value).__name__, **fields}


def main() -> None:
    client = connected()
    for line in sys.stdin:
        call = json.loads(line, object_hook=build)
        try:
            returned = getattr(client, call["method"])(*call["arguments"], **call["keywords"])
            answer = {"returned": show(returned)}
        except Exception as error:
            answer = {"raised": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
