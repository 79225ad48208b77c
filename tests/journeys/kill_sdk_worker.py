"""The published Python SDK under the kill test; it writes down every value that it is about to send.

`python kill_sdk_worker.py FILE`: one JSON object a line, {"step", "output"}.
"""

import json
import os
import sys
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from kill_work import JsonObject, add, fails_first, marked, square, total
from unmeshed.sdk.apis.workers.worker import Worker
from unmeshed.sdk.configs.client_config import ClientConfig
from unmeshed.sdk.unmeshed_client import UnmeshedClient

_file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
_failed: set[int] = set()
_lock = threading.Lock()


def _step_id() -> int:
    return UnmeshedClient.get_current_work_request().get_step_id()


def flaky(input: JsonObject) -> JsonObject:
    with _lock:
        if fails_first(input["n"]) and _step_id() not in _failed:
            _failed.add(_step_id())
            raise RuntimeError("not yet")
    return marked(input["n"])


def noted(function: Callable[[JsonObject], JsonObject]) -> Callable[[dict], JsonObject]:
    def work(input: dict) -> JsonObject:
        output = function(input)
        os.write(_file, json.dumps({"step": _step_id(), "output": output}).encode() + b"\n")
        os.fsync(_file)
        return output

    return work


def main() -> None:
    address = urlsplit(os.environ["STEPWELL_URL"])
    config = ClientConfig()
    config.set_base_url(f"http://{address.hostname}")
    config.set_port(address.port or 80)
    config.set_client_id(os.environ["STEPWELL_CLIENT_ID"])
    config.set_auth_token(os.environ["STEPWELL_TOKEN"])
    config.set_poll_interval_millis(10)
    client = UnmeshedClient(config)
    for function in (add, square, flaky, total):
        client.register_worker(Worker(noted(function), name=function.__name__))
    client.start()


if __name__ == "__main__":
    main()
