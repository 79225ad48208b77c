"""The command line as people and scripts use it: real commands against a real server."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stepwell.cli import main
from stepwell.client.calls import Call
from tests.journeys.harness import PATIENCE_S, ServerProcess

EXAMPLES = Path(__file__).parents[2] / "examples"
CLEAN = ("STEPWELL_DATABASE", "STEPWELL_CLIENT_ID", "STEPWELL_TOKEN", "STEPWELL_URL", "STEPWELL_OUTPUT")


class Ran:
    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def stepwell(*arguments: object, env: Mapping[str, str], stdin: str = "", cwd: Path | None = None) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "stepwell.cli", *map(str, arguments)],
        env=dict(env),
        input=stdin,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ran(done)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def env(server: ServerProcess) -> Mapping[str, str]:
    return server.environment


def nobody(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of somebody who was told nothing."""
    return {name: value for name, value in env.items() if name not in CLEAN}


NOOP = {
    "name": "echo",
    "steps": [{"ref": "said", "name": "said", "type": "NOOP", "input": {"it": "{{ input.it }}"}}],
}


@pytest.fixture(scope="module", autouse=True)
def echo(server: ServerProcess) -> None:
    with server.client() as client:
        client.put_definition(NOOP)


def test_help_names_every_command(env: Mapping[str, str]) -> None:
    ran = stepwell("--help", env=env)
    assert ran.code == 0
    for command in ("server", "demo", "client", "definition", "run", "process", "worker", "doctor"):
        assert f"\n  {command} " in ran.out


def test_apply_creates_keeps_and_updates(env: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    step = "steps: [{ref: a, name: a, type: NOOP, input: {x: 1}}]"
    file.write_text(f"name: one\n{step}\n---\nname: two\n{step}\n")

    first = stepwell("definition", "apply", file, "-o", "json", env=env)
    again = stepwell("definition", "apply", file, "-o", "json", env=env)
    file.write_text(file.read_text().replace("x: 1", "x: 2", 1))
    changed = stepwell("definition", "apply", file, "-o", "json", env=env)

    assert [(o["name"], o["outcome"], o["version"]) for o in first.json] == [
        ("one", "created", 1),
        ("two", "created", 1),
    ]
    assert [o["outcome"] for o in again.json] == ["unchanged", "unchanged"]
    assert [(o["outcome"], o["version"]) for o in changed.json] == [("updated", 2), ("unchanged", 1)]


def test_apply_lists_every_problem_with_its_path(env: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("name: bad\nsteps: [{name: a, type: NOPE, ref: a}, {name: b, type: NOOP, ref: a}]\n")

    ran = stepwell("definition", "apply", file, env=env)

    assert ran.code == 1
    assert "refused" in ran.out
    assert "steps[0].type: " in ran.err
    assert "steps[1].ref: " in ran.err


def test_diff_shows_only_what_differs(env: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "echo.json"
    file.write_text(json.dumps(NOOP))
    same = stepwell("definition", "diff", file, env=env)
    file.write_text(json.dumps(NOOP).replace("{{ input.it }}", "{{ input.other }}"))
    other = stepwell("definition", "diff", file, env=env)

    assert (same.code, same.out) == (0, "")
    assert other.code == 1
    assert [
        line for line in other.out.splitlines() if line[:1] in "+-" and line[:3] not in ("---", "+++")
    ] == [
        "-    it: '{{ input.it }}'",
        "+    it: '{{ input.other }}'",
    ]


def test_get_prints_what_apply_takes(env: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "echo.yaml"
    file.write_text(stepwell("definition", "get", "echo", env=env).out)
    assert stepwell("definition", "apply", file, "-o", "json", env=env).json[0]["outcome"] == "unchanged"
    assert "echo" in stepwell("definition", "list", env=env).out


def test_run_takes_its_input_in_three_ways(env: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"it": 2}')
    for given, stdin, expected in (('{"it": 1}', "", 1), (f"@{file}", "", 2), ("-", '{"it": 3}', 3)):
        ran = stepwell("run", "echo", "--input", given, "--wait", "-o", "json", env=env, stdin=stdin)
        assert ran.code == 0
        assert (ran.json["status"], ran.json["output"]) == ("COMPLETED", {"it": expected})


def test_run_takes_the_definition_along(env: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "adhoc.yaml"
    file.write_text(
        "name: adhoc\nsteps:\n- {type: NOOP, name: n, ref: n, input: {twice: '{{ input.it }}'}}\n"
    )
    ran = stepwell("run", "--definition", file, "--input", '{"it": 4}', "--wait", "-o", "json", env=env)
    assert (ran.code, ran.json["processType"], ran.json["output"]) == (0, "DYNAMIC", {"twice": 4})
    assert stepwell("definition", "get", "adhoc", env=env).code == 1
    file.write_text("name: adhoc\nsteps:\n- {type: WORKER, name: w}\n")
    ran = stepwell("run", "--definition", file, env=env)
    assert ran.code == 1 and "definition.steps[0].ref" in ran.err
    assert stepwell("run", env=env).code == 2


def test_waiting_draws_the_tree_and_the_output(env: Mapping[str, str]) -> None:
    ran = stepwell("run", "echo", "--input", '{"it": "seen"}', "--wait", env=env)
    lines = [line.split() for line in ran.out.splitlines()]
    assert ran.code == 0
    assert ["ref", "type", "status", "attempts", "duration"] in lines
    assert any(line[:4] == ["said", "NOOP", "COMPLETED", "1"] for line in lines)
    assert '"it": "seen"' in ran.out


def test_resume_with_another_version(env: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "repaired.yaml"
    fail = "- {type: FAIL, name: f, ref: f, input: {message: no}}"
    file.write_text(f"name: repaired\nsteps:\n{fail}\n")
    assert stepwell("definition", "apply", file, env=env).code == 0
    ran = stepwell("run", "repaired", "--input", '{"it": 6}', "--wait", "-o", "json", env=env)
    assert ran.code == 1
    id = ran.json["processId"]
    file.write_text("name: repaired\nsteps:\n- {type: NOOP, name: f, ref: f, input: {n: '{{ input.it }}'}}\n")
    assert stepwell("definition", "apply", file, env=env).code == 0
    assert stepwell("process", "resume", id, env=env).code == 0
    assert stepwell("process", "resume", id, "--version", "soon", env=env).code == 2
    missing = stepwell("process", "resume", id, "--version", 7, env=env)
    assert missing.code == 1 and "version 7" in missing.out
    assert stepwell("process", "resume", id, "--version", "latest", env=env).out.split() == [
        str(id),
        "RUNNING",
    ]
    shown = stepwell("process", "get", id, "-o", "json", env=env).json
    assert (shown["status"], shown["version"], shown["output"]) == ("COMPLETED", 2, {"n": 6})
    assert stepwell("process", "resume", id, "--version", "latest", env=env).code == 1


def test_a_failed_process_fails_the_command(env: Mapping[str, str]) -> None:
    assert stepwell("definition", "apply", EXAMPLES / "step_types" / "fail.yaml", env=env).code == 0
    ran = stepwell("run", "fail_example", "--input", '{"sku": "LAMP"}', "--wait", "-o", "json", env=env)
    assert ran.code == 1
    assert ran.json["status"] == "FAILED"


def test_process_get_search_and_terminate(env: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "long.yaml"
    file.write_text("name: long\nsteps: [{ref: idle, name: nobody_does_this, type: WORKER}]\n")
    stepwell("definition", "apply", file, env=env)
    process_id = int(stepwell("run", "long", "--correlation-id", "c-7", env=env).out)

    drawn = stepwell("process", "get", process_id, env=env)
    found = stepwell("process", "search", "--correlation-id", "c-7", "-o", "json", env=env)
    ended = stepwell(
        "process", "terminate", process_id, 999_999, "--reason", "done with it", "-o", "json", env=env
    )
    steps = stepwell("process", "get", process_id, "--steps", "-o", "json", env=env)

    assert "idle" in drawn.out and "SCHEDULED" in drawn.out
    assert [p["processId"] for p in found.json] == [process_id]
    assert ended.code == 1, "one of them does not exist"
    assert [bool(detail["error"]) for detail in ended.json["details"]] == [False, True]
    assert steps.json["status"] == "TERMINATED"
    assert [s["status"] for s in steps.json["stepRecords"]] == ["CANCELLED"]
    assert str(process_id) in stepwell("process", "search", "--status", "terminated", env=env).out


def test_clients_over_http(env: Mapping[str, str]) -> None:
    made = stepwell("client", "create", "shop", "--permission", "read", "-o", "json", env=env).json
    shop = {**env, "STEPWELL_CLIENT_ID": "shop", "STEPWELL_TOKEN": made["token"]}

    assert stepwell("process", "search", env=shop).code == 0
    refused = stepwell("run", "echo", env=shop)
    listed = stepwell("client", "list", "-o", "json", env=env).json
    assert stepwell("client", "revoke", "shop", env=env).code == 0
    locked_out = stepwell("process", "search", env=shop)

    assert (refused.code, refused.out) == (1, "") and "permission" in refused.err
    assert {c["clientId"]: c["permissions"] for c in listed}["shop"] == ["read"]
    assert locked_out.code == 1 and "credentials" in locked_out.err


def test_clients_in_the_file_when_no_server_holds_it(tmp_path: Path, env: Mapping[str, str]) -> None:
    alone = nobody(env) | {"STEPWELL_DATABASE": f"sqlite:///{tmp_path / 'own.db'}"}
    made = stepwell("client", "create", "ops", "--all", env=alone)
    assert made.code == 0 and len(made.out.strip()) > 20
    with ServerProcess(tmp_path, database=alone["STEPWELL_DATABASE"]) as running:
        ops = nobody(env) | {
            "STEPWELL_URL": running.url,
            "STEPWELL_CLIENT_ID": "ops",
            "STEPWELL_TOKEN": made.out.strip(),
        }
        assert stepwell("definition", "list", env=ops).code == 0
        held = stepwell("client", "list", env=alone)
        assert held.code == 1 and "server" in held.err
        through = stepwell("client", "list", "-o", "json", env=ops | alone)
        assert {"ops", "test"} == {c["clientId"] for c in through.json}
    revoked = stepwell("client", "revoke", "ops", "-o", "json", env=alone)
    assert revoked.json["revoked"]


def test_doctor_looks_while_the_server_runs(
    server: ServerProcess, env: Mapping[str, str], tmp_path: Path
) -> None:
    database = f"sqlite:///{server.folder / 'stepwell.db'}"
    well = stepwell("doctor", "--database", database, "-o", "json", env=env)
    assert well.code == 0, well.out
    assert well.json and all(check["ok"] for check in well.json)

    missing = stepwell("doctor", "--database", f"sqlite:///{tmp_path / 'none.db'}", env=env)
    assert missing.code == 2 and "no database" in missing.err
    assert not (tmp_path / "none.db").exists()


def test_doctor_finds_a_damaged_file(env: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"not a database" * 1_000)
    ran = stepwell("doctor", "--database", f"sqlite:///{tmp_path / 'bad.db'}", env=env)
    assert ran.code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run",), 2, "NAME"),
        (("run", "echo", "--input", "{"), 2, "not JSON"),
        (("run", "echo", "--input", "[1]"), 2, "object"),
        (("run", "nothing_of_that_name"), 1, "nothing_of_that_name"),
        (("process", "get", "12345678"), 1, "12345678"),
        (("definition", "apply", "no/such/file.yaml"), 1, "no/such/file.yaml"),
        (("definition", "get", "nothing_of_that_name"), 1, "nothing_of_that_name"),
        (("worker", "no.such.module"), 1, "no.such.module"),
        (("client", "create", "x", "--permission", "everything"), 2, "everything"),
        (("server", "--port", "many"), 2, "STEPWELL_PORT"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    env: Mapping[str, str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    ran = stepwell(*arguments, env=env)
    assert ran.code == code
    assert words in ran.err
    assert ran.out == ""


def test_without_credentials_or_server(env: Mapping[str, str]) -> None:
    assert stepwell("definition", "list", env=nobody(env)).code == 2
    nowhere = stepwell("definition", "list", "--url", "http://127.0.0.1:9", env=env)
    assert nowhere.code == 1 and "no server answers" in nowhere.err


def test_a_second_server_on_the_same_file_is_refused(server: ServerProcess, env: Mapping[str, str]) -> None:
    ran = stepwell("server", "--port", 0, "--database", f"sqlite:///{server.folder / 'stepwell.db'}", env=env)
    assert ran.code == 1 and "another" in ran.err


def test_the_demo_ends_well_when_nobody_watches(tmp_path: Path, env: Mapping[str, str]) -> None:
    ran = stepwell("demo", env=nobody(env), cwd=tmp_path)
    assert ran.code == 0, ran.err
    lines = [
        line.replace("├─", "").replace("└─", "").replace("│", "").split() for line in ran.out.splitlines()
    ]
    drawn = {
        line[0]: line[2:4]
        for line in lines
        if len(line) > 3 and line[1] in ("WORKER", "PARALLEL", "FOREACH", "LIST")
    }
    assert drawn["charge"] == ["COMPLETED", "2"], "it fails once and is tried again"
    assert drawn["suggestions"] == ["FAILED", "1"]
    assert drawn["pick[2]"] == drawn["ship"] == drawn["prepare"] == ["COMPLETED", "1"]
    assert '"executionList"' in ran.out and "/docs" in ran.out
    assert (tmp_path / ".stepwell-demo" / "stepwell.db").exists()
    assert stepwell("demo", env=nobody(env), cwd=tmp_path).code == 0, "a second time, in the same folder"


def test_the_reference_has_every_route_and_every_command(server: ServerProcess) -> None:
    reference = EXAMPLES.parent / "docs" / "reference"
    api = (reference / "api.md").read_text(encoding="utf-8")
    with server.client() as client:
        paths = client.send(Call(method="GET", path="/docs/openapi.json"))["paths"]
    routes = [f"`{method.upper()} {path}" for path, methods in paths.items() for method in methods]
    assert len(routes) > 30
    assert not [route for route in routes if f"{route}`" not in api and f"{route}?" not in api]

    headings = [
        line for line in (reference / "cli.md").read_text(encoding="utf-8").splitlines() if line[:3] == "## "
    ]
    commands = [f"stepwell {name}" for name in main.commands]
    commands += [name for group in main.commands.values() for name in getattr(group, "commands", ())]
    assert not [command for command in commands if not any(command in heading for heading in headings)]
