"""The command line of the torture suite."""

import argparse
import sys
import tempfile
from pathlib import Path

from torture import play
from torture.check import findings
from torture.history import load
from torture.nemesis import KINDS
from torture.node import DEFAULT_DATABASE, DEFAULT_SERVER
from torture.sweep import PASSES, points


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m torture", description="A black-box crash test.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("play", help="one play, or one of each kind")
    one.add_argument("--kind", choices=[*KINDS, "each"], default="each")
    one.add_argument("--seed", type=int, default=1)
    one.add_argument("--rounds", type=int, default=12, help="server kills in a play")
    one.add_argument("--keep", type=Path, help="keep ledgers and server files in this new folder")
    _about_server(one)
    one.set_defaults(run=_play)

    sweep = commands.add_parser("sweep", help="kill the server at every write and sync of a fixed work")
    sweep.add_argument("--pass", dest="at", choices=["before", "within"], help="only this pass")
    sweep.add_argument("--every", type=int, default=1, help="only every so-manieth point")
    _about_server(sweep)
    sweep.set_defaults(run=_sweep)

    check = commands.add_parser("check", help="check the ledgers that a play has left")
    check.add_argument("folder", type=Path)
    check.set_defaults(run=_check)
    return parser


def _about_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--server", default=DEFAULT_SERVER, help="the command that starts a server")
    parser.add_argument("--database", default=DEFAULT_DATABASE, help="{folder} is the play's own")


def _play(options: argparse.Namespace) -> int:
    is_clean = True
    with tempfile.TemporaryDirectory(prefix="torture-") as scratch:
        for kind in KINDS if options.kind == "each" else [options.kind]:
            plan = play.Plan(
                kind, options.seed, rounds=options.rounds, server=options.server, database=options.database
            )
            folder = (options.keep or Path(scratch)) / plan.name
            is_clean = _told(plan, folder, keep=options.keep is not None) and is_clean
    return 0 if is_clean else 1


def _told(plan: play.Plan, folder: Path, *, keep: bool) -> bool:
    try:
        report = play.run(plan, folder, keep=keep)
    except play.Impossible as error:
        say(f"{plan.name}: not possible here: {error}")
        return True
    say(summary(report))
    for finding in report.findings[:20]:
        say(f"  {finding}")
    return report.is_clean


def summary(report: play.Report) -> str:
    return (
        f"{report.play}: {report.seconds} s, {report.server_kills} server kills ({report.server_kills_at_work} at "
        f"work, {report.server_kills_starting} more while starting), {report.worker_kills} worker kills; "
        f"acknowledged: {report.starts_acknowledged} starts, {report.results_acknowledged} results; "
        f"lost {report.lost}, doubled {report.doubled}, stuck {report.stuck}, wrong {report.wrong}"
        + (", TOO LITTLE DONE" if report.idle else "")
    )


def _sweep(options: argparse.Namespace) -> int:
    skipped = {(at, n) for at in PASSES for n in range(1, 20_000) if n % options.every}
    skipped |= {(at, n) for at in PASSES for n in range(1, 20_000) if options.at not in (None, at)}
    fired, bad = 0, 0
    with tempfile.TemporaryDirectory(prefix="torture-") as scratch:
        for point in points(Path(scratch), skipped, options.server, options.database):
            fired += point.fired
            bad += bool(point.findings)
            say(
                f"{point.at} {point.n}: {'killed' if point.fired else 'over'}, {point.calls} calls {point.findings or ''}"
            )
    say(f"{fired} kills, {bad} with findings")
    return 1 if bad else 0


def _check(options: argparse.Namespace) -> int:
    found = findings(load(options.folder))
    for finding in found:
        print(finding)
    print(f"{len(found)} findings")
    return 1 if found else 0
