"""The metrics page: its format, and figures that say what has happened."""

import re
from pathlib import Path
from typing import Any

import pytest

from stepwell.model.client import Permission
from stepwell.model.codec import change
from stepwell.runtime.counts import TURN_BOUNDS_S, Counts
from stepwell.store.port import Changes
from tests.server.conftest import ONE_STEP, Site, bearer

pytestmark = pytest.mark.anyio

_SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="[^"\\\n]*",?)*)\})? (-?[0-9.e+-]+)')


def read_page(text: str) -> dict[str, float]:
    """Samples by name with labels. Fails where the text is not what the format allows."""
    assert text.endswith("\n")
    kinds: dict[str, str] = {}
    samples: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, f"{name} comes twice"
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            found = _SAMPLE.fullmatch(line)
            assert found, line
            family = next(reversed(kinds))
            behind = found[1].removeprefix(family)
            assert behind in (("_bucket", "_sum", "_count") if kinds[family] == "histogram" else ("",)), line
            assert kinds[family] != "counter" or family.endswith("_total")
            key = line.rsplit(" ", 1)[0]
            assert key not in samples
            samples[key] = float(found[3])
    return samples


async def figures(site: Site) -> dict[str, float]:
    answer = await site.raw("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {name.removeprefix("stepwell_"): value for name, value in read_page(answer.text).items()}


async def done(site: Site, **more: Any) -> None:
    (work,) = await site.poll(size=1)
    ids = {key: work[key] for key in ("processId", "stepId", "stepExecutionId")}
    item = ids | {"status": "COMPLETED", "output": {}} | more
    await site.report(item)


async def test_they_say_what_has_happened(site: Site) -> None:
    await site.call("POST", "/api/processDefinitions", ONE_STEP)
    before = await figures(site)
    assert before["processes_started_total"] == before["steps_handed_out_total"] == 0
    for _ in range(3):
        await site.run()
    await done(site)
    await done(site, status="FAILED")
    await site.report(
        {"processId": 1, "stepId": 7, "stepExecutionId": 1, "status": "COMPLETED", "output": {}}
    )
    now = await figures(site)
    assert now["processes_started_total"] == 3
    assert now['processes_ended_total{status="COMPLETED"}'] == 1
    assert now['processes_ended_total{status="FAILED"}'] == 1
    assert now['processes_ended_total{status="TERMINATED"}'] == 0
    assert now["steps_handed_out_total"] == 2
    assert now['steps_reported_total{outcome="ACCEPTED"}'] == 2
    assert now['steps_reported_total{outcome="UNKNOWN"}'] == 1
    assert now["turn_seconds_count"] > before["turn_seconds_count"]
    assert now["turns_rolled_back_total"] == now["asks_waiting"] == now["polls_open"] == 0
    assert now["due_rows_late"] == now["stretches"] == now["leases_expired_total"] == 0


async def test_a_turn_counts_in_one_bucket_and_those_above(site: Site) -> None:
    counts = Counts()
    for seconds in (0.0001, TURN_BOUNDS_S[0], TURN_BOUNDS_S[1] * 1.01, 99.0):
        counts.turn(seconds)
    assert counts.turn_buckets == [2, 0, 1, *[0] * (len(TURN_BOUNDS_S) - 3), 1]
    now = await figures(site)
    buckets = [value for name, value in now.items() if name.startswith("turn_seconds_bucket")]
    assert buckets == sorted(buckets) and buckets[-1] == now["turn_seconds_count"]
    assert len(buckets) == len(TURN_BOUNDS_S) + 1


async def test_stuck_processes_are_told_when_all_have_been_looked_at(site: Site) -> None:
    await site.call("POST", "/api/processDefinitions", ONE_STEP)
    process = await site.run()
    assert "stuck_processes" not in await figures(site)
    await site.runtime.liveness.look_once()
    now = await figures(site)
    assert (now["stuck_processes"], now["processes_open"]) == (0, 1)
    assert now["liveness_look_timestamp_seconds"] > 0

    def lose(turn: Any, _now: int) -> None:
        step = next(s for s in turn.step_range(process["processId"], process["processId"] + 63, 64))
        turn.save(Changes(withdrawn=[step]))

    await site.runtime.write(lose)
    site.runtime.liveness.again_s = 0.0
    await site.runtime.liveness.look_once()
    assert (await figures(site))["stuck_processes"] == 1
    assert [one.process_id for one in site.runtime.liveness.stuck] == [process["processId"]]


async def test_who_may_not_read_gets_none(site: Site) -> None:
    await site.create_client("worker", "w", Permission.WORK)
    assert (await site.raw("GET", "/metrics", headers=bearer("worker", "w"))).status_code == 403
    assert (await site.raw("GET", "/metrics", headers={"Authorization": ""})).status_code == 401


async def test_late_rows_are_counted(site: Site) -> None:
    waits = {"type": "WAIT", "name": "t", "ref": "t", "input": {"durationMs": 60_000}}
    await site.call("POST", "/api/processDefinitions", {**ONE_STEP, "name": "sleep", "steps": [waits]})
    await site.run("sleep")
    (row,) = site.runtime.store.reads.table("due")
    with site.runtime.store.turn() as turn:
        turn.save(Changes(due=[change(row, at=1)]))
    assert (await figures(site))["due_rows_late"] == 1


async def test_the_documentation_names_each_of_them(site: Site) -> None:
    await site.runtime.liveness.look_once()
    text = (await site.raw("GET", "/metrics")).text
    shown = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    page = (Path(__file__).parents[2] / "docs/reference/metrics.md").read_text()
    assert set(re.findall(r"^\| `(stepwell_\w+)", page, re.MULTILINE)) >= shown
    assert set(re.findall(r"`(stepwell_\w+)(?:\{\w+\})?` \| (?:gauge|counter|histogram)", page)) == shown
