"""The command line of the torture suite."""

import argparse
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from torture import campaign, play
from torture.check import findings
from torture.history import load
from torture.nemesis import KINDS
from torture.node import DEFAULT_DATABASE, DEFAULT_SERVER
from torture.reports import Reports
from torture.shim import NoShim
from torture.sweep import MOST, PASSES, points


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    # Ends like Ctrl-C: servers and workers are ended first, and a play that was broken off leaves no report.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
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

    long = commands.add_parser(
        "long", help="plays and the sweep, added up over runs; goes on where it stopped"
    )
    long.add_argument("--reports", type=Path, default=Path("docs/guarantees"))
    long.add_argument(
        "--scratch", type=Path, default=Path(".torture"), help="where plays lie; findings stay there"
    )
    long.add_argument("--until-kills", type=int, default=1_000, help="of servers, in all runs together")
    long.add_argument("--only", choices=["plays", "sweep"])
    _about_server(long)
    long.set_defaults(run=_long)

    check = commands.add_parser("check", help="check the ledgers that a play has left")
    check.add_argument("folder", type=Path)
    check.set_defaults(run=_check)
    return parser


def _about_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--server", default=DEFAULT_SERVER, help="the command that starts a server")
    parser.add_argument("--nodes", type=int, default=1, help="servers over one database, if it allows that")
    parser.add_argument("--database", default=DEFAULT_DATABASE, help="{folder} and {name} are the play's own")
    parser.add_argument("--before", default="", help="a command that makes the database of a play, {name}")
    parser.add_argument("--after", default="", help="a command that takes it away")


def _plan(options: argparse.Namespace) -> play.Plan:
    return play.Plan(
        "kills",
        1,
        server=options.server,
        database=options.database,
        nodes=options.nodes,
        before=options.before,
        after=options.after,
    )


def _play(options: argparse.Namespace) -> int:
    is_clean = True
    with tempfile.TemporaryDirectory(prefix="torture-") as scratch:
        for kind in KINDS if options.kind == "each" else [options.kind]:
            plan = replace(_plan(options), kind=kind, seed=options.seed, rounds=options.rounds)
            folder = (options.keep or Path(scratch)) / plan.name
            is_clean = _told(plan, folder, keep=options.keep is not None) and is_clean
    return 0 if is_clean else 1


def _told(plan: play.Plan, folder: Path, *, keep: bool) -> bool:
    try:
        report = play.run(plan, folder, keep=keep)
    except play.Impossible as error:
        say(f"{plan.name}: not possible here: {error}")
        return True
    say(play.summary(report))
    for finding in report.findings[:20]:
        say(f"  {finding}")
    return report.is_clean


def _sweep(options: argparse.Namespace) -> int:
    skipped = {(at, n) for at in PASSES for n in range(1, MOST + 1) if n % options.every}
    skipped |= {(at, n) for at in PASSES for n in range(1, MOST + 1) if options.at not in (None, at)}
    fired, bad = 0, 0
    with tempfile.TemporaryDirectory(prefix="torture-") as scratch:
        for point in points(Path(scratch), skipped, options.server, options.database):
            fired += point.fired
            bad += bool(point.findings)
            what = "killed" if point.fired else "over"
            say(f"{point.at} {point.n}: {what}, {point.calls} calls {' '.join(point.findings)}")
    say(f"{fired} kills, {bad} with findings")
    return 1 if bad else 0


def _long(options: argparse.Namespace) -> int:
    reports = Reports(options.reports, options.database.partition(":")[0])
    is_clean = True
    if options.only != "sweep":
        is_clean = campaign.plays(reports, options.scratch, _plan(options), options.until_kills, say)
    if options.only != "plays":
        try:
            is_clean = (
                campaign.sweep(reports, options.scratch, options.server, options.database, say) and is_clean
            )
        except NoShim as error:
            say(f"sweep: not possible here: {error}")
    return 0 if is_clean else 1


def _check(options: argparse.Namespace) -> int:
    found = findings(load(options.folder))
    for finding in found:
        print(finding)
    print(f"{len(found)} findings")
    return 1 if found else 0
