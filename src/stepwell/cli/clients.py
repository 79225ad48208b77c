"""`stepwell client`: client applications, the machine identities of workers and apps.

With a database named, or without credentials, the commands work on the file itself as long as no server
holds it; otherwise they ask the server, which takes the permission `admin`.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stepwell.cli.connection import Server, connection_options
from stepwell.cli.console import emit, output_option, print_table, say, when
from stepwell.model.client import GRANTABLE, ClientApplication, Permission
from stepwell.model.errors import Conflict
from stepwell.settings import from_environment

if TYPE_CHECKING:
    from stepwell.store.port import Store

T = TypeVar("T")

USUAL = (Permission.WORK, Permission.RUN, Permission.READ)
DAY_MS = 86_400_000

database_option = click.option(
    "--database",
    metavar="URL",
    help="Work on this file while no server holds it: sqlite:///path [STEPWELL_DATABASE]",
)


@click.group()
def client() -> None:
    """Client applications: the machine identities of workers and apps."""


@client.command()
@click.argument("name", metavar="CLIENT_ID")
@click.option(
    "--permission",
    "-p",
    "permissions",
    multiple=True,
    type=click.Choice([p.value for p in GRANTABLE]),
    help="May be repeated.  [default: work, run, read]",
)
@click.option("--all", "everything", is_flag=True, help="Every permission.")
@click.option(
    "--expires", "days", type=click.FloatRange(min=0, min_open=True), metavar="DAYS", help="Ends then."
)
@database_option
@output_option
@connection_options
def create(
    server: Server,
    name: str,
    permissions: tuple[str, ...],
    everything: bool,
    days: float | None,
    database: str | None,
    form: str,
) -> None:
    """Create a client application and print its token, which is shown only this once."""
    granted = [p.value for p in GRANTABLE] if everything else list(permissions) or [p.value for p in USUAL]
    expires = int(time.time() * 1_000 + days * DAY_MS) if days else 0

    def in_file(store: "Store") -> dict[str, Any]:
        return _create_in(store, name, granted, expires)

    def by_server() -> dict[str, Any]:
        return server.client.create_client(name, granted, expires or None)

    made = _somewhere(server, database, in_file, by_server, may_make=True)
    if form == "json":
        emit(made)
        return
    say(f"created {name}, which may {', '.join(made['permissions'])}; its token, shown only this once:")
    click.echo(made["token"])


@client.command("list")
@database_option
@output_option
@connection_options
def list_(server: Server, database: str | None, form: str) -> None:
    """All client applications."""
    found: list[dict[str, Any]] = _somewhere(
        server,
        database,
        lambda store: [_data(c) for c in store.reads.clients()],
        lambda: server.client.clients(),
    )
    if form == "json":
        emit(found)
        return
    print_table(
        ["client id", "may", "created", "expires", "revoked"],
        [
            (
                c["clientId"],
                ", ".join(c["permissions"]),
                when(c["created"]),
                when(c.get("expires") or 0) or "never",
                when(c.get("revoked") or 0),
            )
            for c in found
        ],
    )


@client.command()
@click.argument("name", metavar="CLIENT_ID")
@database_option
@output_option
@connection_options
def revoke(server: Server, name: str, database: str | None, form: str) -> None:
    """Take a client application's access away, for good."""
    revoked = _somewhere(
        server,
        database,
        lambda store: _revoke_in(store, name),
        lambda: server.client.revoke_client(name),
    )
    if form == "json":
        emit(revoked)
    else:
        say(f"revoked {name}")


def _somewhere(
    server: Server,
    database: str | None,
    in_file: Callable[["Store"], T],
    by_server: Callable[[], T],
    may_make: bool = False,
) -> T:
    """In the file if it is free and was asked for (or there are no credentials), else by the server."""
    named = database or os.environ.get("STEPWELL_DATABASE")
    settings = from_environment(os.environ, database=database)
    path = settings.database_path
    if settings.database == "memory://" or (server.has_credentials and not named):
        return by_server()
    if path is not None and not may_make and not Path(path).is_file():
        raise click.ClickException(
            f"there is no database {path}, and no credentials were given to ask a server"
        )
    try:
        return _with_store(settings.database, in_file)
    except Conflict as error:
        if error.code != "DATABASE_IN_USE":
            raise
        if not server.has_credentials:
            raise click.ClickException(
                f"a server holds {path}; to ask it, give the credentials of a client that may `admin`"
                " (STEPWELL_CLIENT_ID and STEPWELL_TOKEN)"
            ) from error
    return by_server()


def _with_store(url: str, errand: Callable[["Store"], T]) -> T:
    from stepwell.cli.server import open_store

    store = open_store(url)
    try:
        store.migrate()
        return errand(store)
    finally:
        store.close()


def _create_in(store: "Store", name: str, permissions: list[str], expires: int) -> dict[str, Any]:
    import secrets

    from stepwell.runtime.catalog import create_client

    token = secrets.token_urlsafe(32)
    with store.turn() as turn:
        made = create_client(
            turn,
            int(time.time() * 1_000),
            client_id=name,
            token=token,
            permissions=[Permission(p) for p in permissions],
            expires=expires,
        )
    return {**_data(made), "token": token}


def _revoke_in(store: "Store", name: str) -> dict[str, Any]:
    from stepwell.runtime.catalog import revoke_client

    with store.turn() as turn:
        return _data(revoke_client(turn, int(time.time() * 1_000), name))


def _data(client: ClientApplication) -> dict[str, Any]:
    """The same members as the server's answer."""
    return {
        "clientId": client.client_id,
        "permissions": sorted(p.value for p in client.permissions),
        "created": client.created,
        "expires": client.expires or None,
        "revoked": client.revoked or None,
    }
