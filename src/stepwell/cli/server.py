"""`stepwell server`: put the rooms together and serve."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from stepwell.cli.console import say
from stepwell.settings import SETTINGS, Settings, database_path, from_environment, is_postgres

if TYPE_CHECKING:
    from stepwell.runtime.vault import Vault
    from stepwell.store.port import Store

SWITCH_INTERVAL_S = 0.002
"""How long one thread may keep the interpreter while another waits: the lane answers callers in the loop."""

GC_THRESHOLDS = (50_000, 20, 100)
"""The youngest generation is looked at after this many new objects; measured 10 % of a turn at Python's default."""


def setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """One flag for every setting. The environment stands behind them, so their defaults stay None."""
    for setting in reversed(SETTINGS):
        flag = "--" + setting.field.replace("_", "-")
        about = f"{setting.about} [{setting.variable}]"
        command = click.option(flag, setting.field, metavar="VALUE", help=about)(command)
    return command


@click.command()
@setting_options
def server(**flags: str | None) -> None:
    """Run the server. One line says when it is ready; SIGTERM or Ctrl-C drains and stops it."""
    import logging

    from stepwell.runtime.move import check_may_serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    settings = from_environment(os.environ, **flags)
    _settle_interpreter()
    store = open_store(settings.database, blob_threshold=settings.blob_threshold)
    try:
        for name in store.migrate():
            say(f"migrated: {name}")
        _check_durability(store, settings)
        check_may_serve(store.reads)
        _run(_serve(store, settings))
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}"
        ) from error
    finally:
        store.close()


def _settle_interpreter() -> None:
    """A server makes many short-lived records and few cycles: collect seldom, and never what was there at the start."""
    import gc

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def open_store(url: str, *, exclusive: bool = True, blob_threshold: int = 8_192) -> "Store":
    """The store of a database. Raises Conflict when another server holds its file, Busy when it cannot be reached."""
    if is_postgres(url):
        from stepwell.store.postgres.store import PostgresStore

        return PostgresStore.open(url, exclusive=exclusive)
    path = database_path(url)
    if path is None:
        from stepwell.store.memory import MemoryStore

        return MemoryStore()
    from stepwell.store.sqlite.store import SqliteStore

    return SqliteStore.open(path, exclusive=exclusive, blob_threshold=blob_threshold)


def _check_durability(store: "Store", settings: Settings) -> None:
    """What a database would lose with its machine although it was confirmed is not served, unless that is accepted."""
    risks = ", ".join(f"{what} is {found}" for what, well, found in store.durability() if not well)
    if not risks:
        return
    told = f"the database may lose what it has confirmed when its machine goes: {risks}"
    if not settings.accept_unsafe_database:
        raise click.ClickException(
            f"{told}. Turn it on, or accept it with STEPWELL_ACCEPT_UNSAFE_DATABASE=yes"
        )
    say(f"warning: {told}")


def _vault(store: "Store", settings: Settings) -> "Vault":
    """The keys of secrets. A file that is missing is made, unless there are secrets that only it can open."""
    from stepwell.model.entry import EntryKind
    from stepwell.runtime.clock import WallClock
    from stepwell.runtime.installation import check_key
    from stepwell.runtime.vault import Vault, open_vault

    path = settings.key_path
    if path is None:
        return Vault()
    vault = open_vault(path, may_make=not store.reads.entries(EntryKind.SECRET))
    if store.shared:
        check_key(store, vault, WallClock().now())
    return vault


async def _serve(store: "Store", settings: Settings) -> None:
    from stepwell.cli.steps import Steps
    from stepwell.runtime.installation import installation_id
    from stepwell.runtime.node import RuntimeSettings
    from stepwell.runtime.retention import Retention
    from stepwell.runtime.runner import LocalRunner
    from stepwell.runtime.runtime import Runtime
    from stepwell.server.serve import serve

    runtime = Runtime(
        store,
        node=_node_name() if store.shared else "node",
        vault=_vault(store, settings),
        settings=RuntimeSettings(
            lease_ms=settings.lease_ms,
            lease_max_ms=settings.lease_max_ms,
            max_deliveries=settings.max_deliveries,
            most_waiting=settings.most_waiting,
        ),
    )
    steps = Steps(settings, installation_id(store, runtime.clock.now()))
    await steps.start()
    try:
        runner = LocalRunner(runtime, steps.table)
        await serve(
            runtime,
            settings,
            runner=runner,
            work=steps.checks,
            retention=Retention(runtime, settings.keep_days * 86_400_000, settings.archive),
            say=lambda line: print(line, flush=True),
        )
    finally:
        await steps.stop()


def _node_name() -> str:
    """Of this run of this server: its host for people, and what tells it from every other run."""
    import socket
    from secrets import token_hex

    return f"{socket.gethostname()[:60]}-{token_hex(4)}"


def _run(serving: Any) -> None:
    if sys.platform == "win32":
        asyncio.run(serving)
        return
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving)
