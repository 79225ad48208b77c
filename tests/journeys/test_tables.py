"""Decision tables, persisted state and error policies on a real server: brought by the command line, used by
processes."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from stepwell.client import ApiError, Client
from tests.journeys.harness import PATIENCE_S, ServerProcess
from tests.journeys.test_cli import stepwell

TABLE = """
name: loan-rating
inputs: [{name: score, kind: NUMBER}, {name: country, label: Country of residence}]
outputs: [{name: rating}, {name: rate}]
rules:
  - {conditions: {score: "> 750"}, outputs: {rating: PRIME, rate: 0}, description: the best}
  - {conditions: {score: "between(650, 750)", country: "in [NO, SE]"}, outputs: {rating: STANDARD, rate: 4.5}}
"""
RATE_AND_COUNT = {
    "name": "rate-and-count",
    "steps": [
        {
            "ref": "rate",
            "name": "rate",
            "type": "DECISION_ENGINE",
            "input": {
                "table": "loan-rating",
                "input": {"score": "{{ input.score }}", "country": "{{ input.country }}"},
            },
        },
        {
            "ref": "before",
            "name": "before",
            "type": "PERSISTED_STATE",
            "input": {"action": "READ", "name": "ratings/last"},
        },
        {
            "ref": "remember",
            "name": "remember",
            "type": "PERSISTED_STATE",
            "input": {
                "action": "UPSERT",
                "name": "ratings/last",
                "value": "{{ steps.rate.output.result }}",
            },
        },
    ],
    "outputMapping": {
        "answer": "{{ steps.rate.output.result }}",
        "version": "{{ steps.rate.output.version }}",
        "before": "{{ steps.before.output.value }}",
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def env(server: ServerProcess) -> Mapping[str, str]:
    return server.environment


def rated(client: Client, score: int, country: str = "DE") -> Any:
    process = client.run("rate-and-count", {"score": score, "country": country}, timeout=PATIENCE_S)
    assert process["status"] == "COMPLETED", process
    return process["output"]


def test_a_table_from_the_file_to_the_process_and_through_a_spreadsheet(
    server: ServerProcess, env: Mapping[str, str], tmp_path: Path
) -> None:
    text = tmp_path / "loans.yaml"
    text.write_text(TABLE, encoding="utf-8")
    for outcome in ("created", "unchanged"):
        applied = stepwell("table", "apply", text, "-o", "json", env=env)
        assert [(o["outcome"], o["version"]) for o in applied.json] == [(outcome, 1)]

    with server.client() as client:
        client.put_definition(RATE_AND_COUNT)
        prime = {"rating": "PRIME", "rate": 0}
        assert rated(client, 800) == {"answer": prime, "version": 1, "before": None}
        assert rated(client, 700, "NO")["answer"] == {"rating": "STANDARD", "rate": 4.5}
        assert rated(client, 700)["answer"] is None
        assert client.state("ratings/last")["value"] is None

        told = stepwell("table", "test", "loan-rating", "--input", '{"score": 800}', "-o", "json", env=env)
        assert told.json["result"] == prime
        none = stepwell("table", "test", "loan-rating", "--input", '{"score": "800"}', env=env)
        assert none.code == 0 and "no rule of version 1" in none.err and "warning: " in none.err

        for form in ("csv", "xlsx"):
            file = tmp_path / f"loans.{form}"
            assert stepwell("table", "export", "loan-rating", file, env=env).code == 0
            same = stepwell("table", "import", file, "-o", "json", env=env)
            assert same.json == client.table("loan-rating"), same.err

        file = tmp_path / "loans.csv"
        file.write_bytes(file.read_bytes().replace(b"> 750", b"> 900"))
        refused = stepwell("table", "import", file, env=env)
        assert refused.code == 1 and "exists with other content" in refused.err
        assert stepwell("table", "import", file, "--next-version", env=env).code == 0
        assert client.table_versions("loan-rating") == [1, 2]
        assert rated(client, 800) == {"answer": None, "version": 2, "before": None}

        hidden = stepwell("table", "delete", "loan-rating", "--version", "2", env=env)
        assert hidden.code == 0 and "version 2" in hidden.err
        assert rated(client, 800)["version"] == 1
        with pytest.raises(ApiError) as gone:
            client.delete_table("loan-rating", version=2)
        assert gone.value.status == 404
        assert stepwell("table", "import", file, "--next-version", env=env).code == 0

        listed = stepwell("table", "list", env=env)
        assert "loan-rating" in listed.out and "v3" in listed.out and "FIRST_MATCH" in listed.out
        assert stepwell("table", "delete", "loan-rating", env=env).code == 0
        failed = client.run("rate-and-count", {"score": 800}, timeout=PATIENCE_S)
        assert failed["status"] == "FAILED"


def test_what_get_prints_can_be_applied_again(env: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "again.yaml"
    file.write_text(TABLE.replace("loan-rating", "again"), encoding="utf-8")
    assert stepwell("table", "apply", file, env=env).code == 0
    printed = stepwell("table", "get", "again", env=env).out
    assert "rate: 0" in printed and "createdBy" not in printed and "limit" not in printed
    applied = stepwell("table", "apply", "-", "-o", "json", env=env, stdin=printed)
    assert [(o["outcome"], o["version"]) for o in applied.json] == [("unchanged", 1)]
    file.write_text(TABLE.replace("loan-rating", "again").replace("PRIME", "BEST"), encoding="utf-8")
    applied = stepwell("table", "apply", file, env=env)
    assert applied.out.startswith("updated") and "v2" in applied.out
    assert "PRIME" in stepwell("table", "get", "again", "--version", "1", env=env).out


def test_what_is_wrong_with_a_table_is_told(env: Mapping[str, str], tmp_path: Path) -> None:
    text = tmp_path / "bad.yaml"
    text.write_text(TABLE.replace("> 750", "between(3"), encoding="utf-8")
    refused = stepwell("table", "apply", text, env=env)
    assert refused.code == 1 and refused.out.startswith("refused")
    assert "rules[0].conditions.score: " in refused.err
    file = tmp_path / "bad.csv"
    file.write_text("in:a,out:b\nbetween(3,2\n", encoding="utf-8")
    refused = stepwell("table", "import", file, "--name", "bad", env=env)
    assert refused.code == 1 and "A2: " in refused.err
    assert stepwell("table", "import", text, env=env).code == 2
    assert stepwell("table", "import", tmp_path / "none.csv", env=env).code == 1
    assert stepwell("table", "get", "bad", env=env).code == 1


def test_tables_through_pipes(env: Mapping[str, str]) -> None:
    stored = stepwell(
        "table", "import", "-", "--format", "csv", "--name", "piped", env=env, stdin="in:a,out:b\n7,é\n"
    )
    assert stored.code == 0, stored.err
    assert "in:a,out:b,description" in stepwell("table", "export", "piped", env=env).out


def test_persisted_state_between_people_and_processes(
    server: ServerProcess, env: Mapping[str, str], tmp_path: Path
) -> None:
    remember = {
        "name": "count",
        "steps": [
            {
                "ref": ref,
                "name": ref,
                "type": "PERSISTED_STATE",
                "input": {"action": action, "name": "limit", "value": "{{ input.limit }}"},
            }
            for ref, action in (("seen", "READ"), ("written", "UPDATE"))
        ],
        "outputMapping": {"seen": "{{ steps.seen.output.value }}"},
    }
    assert stepwell("state", "set", "limit", '{"orders": 5}', "--why", "a start", env=env).code == 0
    with server.client() as client:
        client.put_definition(remember)
        process = client.run("count", {"limit": [6]}, timeout=PATIENCE_S)
        assert process["output"] == {"seen": {"orders": 5}}
        found = client.state("limit")
        assert (found["value"], found["version"]) == ([6], 2)
        assert found["updatedBy"] == f"process {process['processId']}"
        assert json.loads(stepwell("state", "get", "limit", env=env).out) == [6]
        assert stepwell("state", "set", "other", "--text", env=env, stdin="7").code == 0
        listed = stepwell("state", "list", "--limit", "1", env=env)
        assert "limit" in listed.out and "[6]" in listed.out and '--after "limit"' in listed.err
        rest = stepwell("state", "list", "--after", "limit", "--prefix", "o", "-o", "json", env=env)
        assert [(s["name"], s["value"]) for s in rest.json] == [("other", "7")]
        assert stepwell("state", "delete", "limit", env=env).code == 0
        assert client.run("count", {"limit": 7}, timeout=PATIENCE_S)["status"] == "FAILED"
        assert stepwell("state", "get", "limit", env=env).code == 1
        assert stepwell("state", "delete", "limit", env=env).code == 1
        (line,) = [x for x in client.audit() if x["what"] == "DELETE_STATE"]
        assert (line["who"], line["target"]) == ("test", "default/limit")


def test_state_and_tables_outlive_a_kill(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        with server.client() as client:
            client.put_table(TABLE)
            client.put_state("kept", {"n": 1})
        server.kill()
        server.start()
        with server.client() as client:
            assert client.test_table("loan-rating", {"score": 751})["result"]["rating"] == "PRIME"
            assert client.state("kept")["value"] == {"n": 1}


def test_error_policies(server: ServerProcess, env: Mapping[str, str], tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    text = "name: patient\nfailure: {action: RETRY, retryCount: 2, retryInterval: 0}\n"
    file.write_text(f"{text}---\nname: wrong\nfailure: {{action: MAYBE}}\n", encoding="utf-8")
    applied = stepwell("policy", "apply", file, env=env)
    assert applied.code == 1 and "created" in applied.out and "failure.action: " in applied.err
    printed = stepwell("policy", "get", "patient", env=env).out
    again = stepwell("policy", "apply", "-", "-o", "json", env=env, stdin=printed)
    assert [(o["outcome"], o["version"]) for o in again.json] == [("unchanged", 1)]
    changed = text.replace("2", "3")
    assert stepwell("policy", "apply", "-", env=env, stdin=changed).out.startswith("updated")
    with server.client() as client:
        assert client.policy_versions("patient") == [1, 2]
        assert client.policy("patient")["failure"]["retryCount"] == 3
    listed = stepwell("policy", "list", env=env)
    assert "patient" in listed.out and "failure: RETRY" in listed.out
    assert stepwell("policy", "delete", "patient", env=env).code == 0
    assert stepwell("policy", "delete", "patient", env=env).code == 1
    assert stepwell("policy", "list", "-o", "json", env=env).json == []
