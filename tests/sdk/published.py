"""Starts the published Python SDK in processes of its own and talks to them."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

from tests.journeys.harness import ServerProcess

HERE = Path(__file__).parent


class SdkError(Exception):
    """The SDK raised; the text begins with the name of its exception."""


def sdk(name: str, /, **fields: Any) -> dict[str, Any]:
    """An object of the SDK, `sdk("TagValue", name="a", value="b")`, or a member of one of its enums."""
    return {"$": name, **fields}


def request(name: str, /, **fields: Any) -> dict[str, Any]:
    return sdk("ProcessRequestData", **{"namespace": "default", "name": name} | fields)


def worker_step(name: str, ref: str = "", /, **fields: Any) -> dict[str, Any]:
    fields = {
        "namespace": "default",
        "name": name,
        "ref": ref or name,
        "type": sdk("StepType.WORKER"),
    } | fields
    return sdk("StepDefinition", **fields)


def definition(name: str, *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    plain = {"namespace": "default", "name": name, "version": 1, "type": sdk("ProcessType.API_ORCHESTRATION")}
    return sdk("ProcessDefinition", **plain | {"steps": list(steps)} | fields)


class SdkProcess:
    """A script of this folder under way, its log in `folder`."""

    def __init__(self, server: ServerProcess, script: Path, folder: Path, **variables: str) -> None:
        self._log = (folder / f"{script.stem}.log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, str(script)],
            env=server.environment | {"UNMESHED_HOST_NAME": "sdk-host", "NO_PROXY": "127.0.0.1"} | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=folder,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self._log.close()


class SdkWorker(SdkProcess):
    def __init__(self, server: ServerProcess, folder: Path) -> None:
        super().__init__(server, HERE / "sdk_worker.py", folder)


class SdkClient(SdkProcess):
    """`client.rerun(4)` calls `rerun` of the SDK's client. What it returns has the class's name as `kind`."""

    def __init__(self, server: ServerProcess, folder: Path) -> None:
        super().__init__(server, HERE / "sdk_client.py", folder, DISABLE_SUBMIT_CLIENT="true")

    def __getattr__(self, method: str) -> Any:
        return partial(self._call, method)

    def _call(self, method: str, *arguments: Any, **keywords: Any) -> Any:
        """Raises SdkError when the SDK raises."""
        assert self.process.stdin and self.process.stdout
        call = {"method": method, "arguments": arguments, "keywords": keywords}
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the client ended with {self.process.wait()}"
        answer = json.loads(line)
        if "raised" in answer:
            raise SdkError(answer["raised"])
        return _objects(answer["returned"])


def _objects(value: Any) -> Any:
    if isinstance(value, list):
        return [_objects(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "$" not in value:
        return {key: _objects(each) for key, each in value.items()}
    return SimpleNamespace(kind=value["$"], **{k: _objects(each) for k, each in value.items() if k != "$"})
