"""Following a process until it ends, as a picture that moves on a terminal."""

import time
from typing import TYPE_CHECKING

from stepwell.cli.connection import Server
from stepwell.cli.console import console, on_terminal

if TYPE_CHECKING:
    from stepwell.client import Process

LOOK_EVERY_S = 0.15
PLAIN_LOOK_EVERY_S = 0.25


def now_ms() -> int:
    return int(time.time() * 1_000)


def follow(server: Server, process_id: int, timeout_s: float, draw_it: bool = True) -> "Process":
    """The process when it has ended, or as it stands when the time is over."""
    if draw_it and on_terminal():
        return _follow_live(server, process_id, timeout_s)
    until = time.monotonic() + timeout_s
    while True:
        process = server.client.process(process_id, steps=True)
        if process["status"] != "RUNNING" or time.monotonic() > until:
            return process
        time.sleep(PLAIN_LOOK_EVERY_S)


def show(process: "Process") -> None:
    """The tree of a process, once."""
    from stepwell.cli.tree import draw

    screen = console()
    screen.print(draw(screen, process, now_ms()))


def _follow_live(server: Server, process_id: int, timeout_s: float) -> "Process":
    from rich.live import Live

    from stepwell.cli.tree import draw

    screen = console()
    until = time.monotonic() + timeout_s
    process = server.client.process(process_id, steps=True)
    with Live(draw(screen, process, now_ms()), console=screen, refresh_per_second=10) as live:
        while process["status"] == "RUNNING" and time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)
            process = server.client.process(process_id, steps=True)
            live.update(draw(screen, process, now_ms()))
    return process
