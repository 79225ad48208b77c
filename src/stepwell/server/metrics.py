"""The metrics page: a few figures for operators, in the text format of Prometheus (version 0.0.4)."""

from collections.abc import Iterable, Mapping
from itertools import accumulate

from stepwell.runtime.counts import TURN_BOUNDS_S, Counts, Figures
from stepwell.runtime.liveness import Liveness

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Samples = Iterable[tuple[str, Mapping[str, str], float]]
"""What goes behind the metric's name, labels, value."""


class Page:
    """A page in the making."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def counter(self, name: str, about: str, value: float) -> None:
        self._family(f"{name}_total", "counter", about, [("", {}, value)])

    def counters(self, name: str, about: str, label: str, values: Mapping[str, float]) -> None:
        self._family(f"{name}_total", "counter", about, (("", {label: key}, n) for key, n in values.items()))

    def gauge(self, name: str, about: str, value: float, **labels: str) -> None:
        self._family(name, "gauge", about, [("", labels, value)])

    def histogram(
        self, name: str, about: str, bounds: Iterable[float], buckets: Iterable[int], total: float
    ) -> None:
        """`buckets`: how many fell in each, not yet added up; one more than there are bounds."""
        counts = list(accumulate(buckets))
        ends = [*(f"{bound:g}" for bound in bounds), "+Inf"]
        samples = [("_bucket", {"le": end}, float(n)) for end, n in zip(ends, counts, strict=True)]
        self._family(name, "histogram", about, [*samples, ("_sum", {}, total), ("_count", {}, counts[-1])])

    def _family(self, name: str, kind: str, about: str, samples: Samples) -> None:
        full = f"stepwell_{name}"
        self._lines += [f"# HELP {full} {about}", f"# TYPE {full} {kind}"]
        self._lines += [f"{full}{behind}{_labels(labels)} {value:.15g}" for behind, labels, value in samples]

    def text(self) -> bytes:
        return "\n".join([*self._lines, ""]).encode()


def _labels(labels: Mapping[str, str]) -> str:
    """All values are words of ours: nothing has to be escaped."""
    return "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else ""


def page(figures: Figures, liveness: Liveness, late: int, database_bytes: int, version: str) -> bytes:
    out = Page()
    out.gauge("build_info", "The version that runs.", 1, version=version)
    _processes(out, figures.counts, liveness)
    _steps(out, figures)
    _turns(out, figures)
    out.gauge("due_rows_late", "Rows of what is to happen later that are late by more than a second.", late)
    out.gauge("database_bytes", "What the database takes up on disk.", database_bytes)
    return out.text()


def _processes(out: Page, counts: Counts, liveness: Liveness) -> None:
    ended = {status.value: float(count) for status, count in counts.ended.items()}
    out.counter("processes_started", "Processes started.", counts.started)
    out.counters("processes_ended", "Processes that ended, by status.", "status", ended)
    out.counter("processes_dropped", "Finished processes that retention dropped.", counts.dropped)
    if liveness.looked_at:
        out.gauge("processes_open", "Open processes, as of the latest look at all of them.", liveness.open)
        about = "Open processes that nothing will ever move, as of the latest look. 0 in good health."
        out.gauge("stuck_processes", about, len(liveness.stuck))
        about = "When the latest look at all open processes ended."
        out.gauge("liveness_look_timestamp_seconds", about, liveness.looked_at / 1000)


def _steps(out: Page, figures: Figures) -> None:
    counts = figures.counts
    outcomes = {outcome.value: float(count) for outcome, count in counts.reported.items()}
    out.counter("steps_handed_out", "Hand-outs of steps, the server's own included.", counts.handed_out)
    out.counters("steps_reported", "Results of steps, by what became of them.", "outcome", outcomes)
    out.counter("leases_expired", "Hand-outs that ended without a report.", counts.expired)
    out.counter("events_set_aside", "Events that made the engine raise.", counts.set_aside)
    out.gauge("polls_open", "Polls that wait for work.", figures.polls)


def _turns(out: Page, figures: Figures) -> None:
    counts = figures.counts
    about = "How long turns took, their commits included."
    out.histogram("turn_seconds", about, TURN_BOUNDS_S, list(counts.turn_buckets), counts.turn_seconds)
    out.counter("turns_rolled_back", "Turns that could not be committed.", counts.rolled_back)
    out.gauge("asks_waiting", "Requests that wait for the next turn.", figures.waiting)
    out.gauge("stretches", "Synchronous runs that are in memory only.", figures.stretches)
