"""A worker on the published Python SDK, as its users write one. Run by the tests as a process of its own."""

import asyncio
import os
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from unmeshed.sdk.apis.workers.worker import Worker
from unmeshed.sdk.configs.client_config import ClientConfig
from unmeshed.sdk.decorators.worker_function import worker_function
from unmeshed.sdk.schedulers.step_result import StepResult
from unmeshed.sdk.unmeshed_client import UnmeshedClient

_lock = threading.Lock()
_calls: defaultdict[tuple[str, int], int] = defaultdict(int)


def add(input: dict) -> dict:
    return {"sum": input["a"] + input["b"]}


def shapes(input: dict) -> Any:
    """Returns what the input's `kind` names."""
    kinds = {
        "dict": {"a": {"b": [1, None, "ü"]}},
        "list": [1, {"a": 2}, [3, 4]],
        "number": 7,
        "boolean": True,
        "text": "plain",
        "nothing": None,
        "null": StepResult(None),
    }
    return kinds[input["kind"]]


def fail(input: dict) -> dict:
    raise ValueError("deliberate failure")


def fail_once(input: dict) -> dict:
    """Fails when it sees a step for the first time."""
    if _times_seen("fail_once") == 1:
        raise RuntimeError("not yet")
    return {"ok": input.get("n")}


def keep_running(input: dict) -> StepResult:
    """Not done three times, then done."""
    times = _times_seen("keep_running")
    if times <= 3:
        return StepResult({"round": times}, keep_running=True, reschedule_after_seconds=1)
    return StepResult({"rounds": times})


async def wait_a_little(input: dict) -> str:
    await asyncio.sleep(0.05)
    return f"waited for {input['who']}"


def context(input: dict) -> dict:
    """What the SDK tells a worker of the step it works on."""
    work = UnmeshedClient.get_current_work_request()
    return {
        "processId": work.get_process_id(),
        "stepId": work.get_step_id(),
        "name": work.get_step_name(),
        "namespace": work.get_step_namespace(),
        "ref": work.get_step_ref(),
    }


def wait_for_file(input: dict) -> dict:
    """Says that it works on the step by one file, and ends when another one is there."""
    Path(input["begun"]).touch()
    while not Path(input["go_on"]).exists():
        time.sleep(0.01)
    return {"times": _times_seen("wait_for_file")}


@worker_function(name="decorated", namespace="shop", max_in_progress=2)
def decorated(input: dict) -> dict:
    return {"from": "shop", **input}


def _times_seen(function: str) -> int:
    key = (function, UnmeshedClient.get_current_work_request().get_step_id())
    with _lock:
        _calls[key] += 1
        return _calls[key]


def connected() -> UnmeshedClient:
    address = urlsplit(os.environ["STEPWELL_URL"])
    config = ClientConfig()
    config.set_base_url(f"http://{address.hostname}")
    config.set_port(address.port or 80)
    config.set_client_id(os.environ["STEPWELL_CLIENT_ID"])
    config.set_auth_token(os.environ["STEPWELL_TOKEN"])
    config.set_poll_interval_millis(20)
    return UnmeshedClient(config)


def main() -> None:
    client = connected()
    for function in (add, shapes, fail, fail_once, keep_running, wait_a_little, wait_for_file):
        client.register_worker(Worker(function, name=function.__name__))
    client.register_worker(Worker(context, name="unused"), worker_queue_names=["first_name", "second_name"])
    about = decorated.worker_function_metadata
    client.register_worker(
        Worker(
            decorated, about["name"], namespace=about["namespace"], max_in_progress=about["max_in_progress"]
        )
    )
    client.start()


if __name__ == "__main__":
    main()
