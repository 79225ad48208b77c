"""The figures that are published: added up over runs, with an honest bound."""

from pathlib import Path
from typing import Any

from torture import campaign
from torture.nemesis import KINDS
from torture.play import Report
from torture.reports import Reports, bound, most_likely


def line(seed: int, **more: Any) -> dict[str, Any]:
    report = Report(f"kills-{seed}", "kills", seed, "sqlite", ready_ms=[700, 900, 800], **more)
    return report.line()


def test_without_a_loss_the_bound_is_the_rule_of_three() -> None:
    assert round(most_likely(0), 2) == 3.0
    assert round(most_likely(1), 2) == 4.74  # tables of the Poisson distribution
    assert round(most_likely(5), 2) == 10.51
    assert bound(0, 1_000) == "0.30%"
    assert bound(0, 0) == "–"


def test_runs_are_added_up_and_findings_stay_listed(tmp_path: Path) -> None:
    reports = Reports(tmp_path, "sqlite")
    reports.add_play(line(1, server_kills=20, server_kills_starting=5, worker_kills=40))
    bad = {"lost": 1, "findings": ["lost/start process 64: kills-2-chain-0 is not there"]}
    Reports(tmp_path, "sqlite").add_play(line(2, server_kills=1_000, **bad))
    text = (tmp_path / "torture-sqlite.md").read_text()
    assert "**1,025 kills of the server, 40 of workers; 1 lost, 0 doubled, 0 stuck, 0 wrong.**" in text
    assert "lost/start process 64" in text
    assert "0.8 s (median), at most 0.9 s" in text
    assert campaign.kills(reports) == 1_025


def test_a_sweep_goes_on_behind_the_points_that_are_done(tmp_path: Path) -> None:
    reports = Reports(tmp_path, "sqlite")
    for n, fired in ((1, True), (2, True), (3, False)):
        reports.add_point({"at": "before", "n": n, "fired": fired, "findings": []})
    reports.add_point({"at": "within", "n": 1, "fired": True, "findings": []})
    done = campaign.done(reports.points)
    assert ("before", 4) in done and ("within", 1) in done and ("within", 2) not in done
    reports.summarize()
    text = (tmp_path / "torture-sqlite.md").read_text()
    assert "2 kills before a call (every one), 0 with findings; 1 kills within a call (not yet all)" in text


def test_kinds_take_turns_and_none_is_left_out() -> None:
    turns = {campaign.next_kind(seed, set()) for seed in range(len(campaign.ORDER))}
    assert turns == set(KINDS)
    assert "disk-full" not in {campaign.next_kind(seed, {"disk-full"}) for seed in range(20)}
