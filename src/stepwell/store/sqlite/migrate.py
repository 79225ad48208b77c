"""Numbered scripts that bring the schema up to date, each in its own transaction, none twice."""

from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

import apsw

from stepwell.model.errors import Conflict
from stepwell.store.sqlite.connection import transaction

_TABLE = """
create table if not exists migration (
  number   integer primary key,
  name     text    not null,
  checksum text    not null,
  at       integer not null default (cast(unixepoch('subsec') * 1000 as integer))
) strict
"""


class Migration(NamedTuple):
    number: int
    name: str
    script: str

    @property
    def checksum(self) -> str:
        return sha256(self.script.encode()).hexdigest()


def shipped() -> list[Migration]:
    """The scripts in `migrations/`, by number."""
    found = [
        Migration(int(entry.name.split("_")[0]), entry.name, entry.read_text(encoding="utf-8"))
        for entry in files("stepwell.store.sqlite").joinpath("migrations").iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found)


def migrate(connection: apsw.Connection, migrations: Sequence[Migration]) -> list[str]:
    """The names of those that ran. Raises Conflict when the file holds one that is unknown or has changed.

    Whoever comes second waits for the first's transaction and then finds the work done.
    """
    with transaction(connection):
        connection.execute(_TABLE)
    done: list[str] = []
    for migration in migrations:
        with transaction(connection):
            applied = _applied(connection)
            _refuse_strangers(applied, migrations)
            if migration.number not in applied:
                connection.execute(migration.script)
                connection.execute(
                    "insert into migration (number, name, checksum) values (?, ?, ?)",
                    (migration.number, migration.name, migration.checksum),
                )
                done.append(migration.name)
    return done


def missing(connection: apsw.Connection, migrations: Sequence[Migration]) -> list[str]:
    """The names of those that have not run yet. Only reads. Raises Conflict as `migrate` does."""
    known = connection.execute("select 1 from sqlite_schema where name = 'migration'").fetchall()
    applied = _applied(connection) if known else {}
    _refuse_strangers(applied, migrations)
    return [migration.name for migration in migrations if migration.number not in applied]


def _applied(connection: apsw.Connection) -> dict[int, tuple[str, str]]:
    rows = connection.execute("select number, name, checksum from migration").fetchall()
    return {int(str(number)): (str(name), str(checksum)) for number, name, checksum in rows}


def _refuse_strangers(applied: dict[int, tuple[str, str]], migrations: Sequence[Migration]) -> None:
    ours = {migration.number: migration for migration in migrations}
    for number, (name, checksum) in applied.items():
        if number not in ours:
            raise Conflict(
                f"the database holds migration {name}, which this Stepwell does not know: a newer version "
                "wrote it. Start that version, or restore a backup made before the upgrade.",
                code="MIGRATION_UNKNOWN",
            )
        if ours[number].checksum != checksum:
            raise Conflict(
                f"migration {name} has another text than the one that made this file. Released migrations "
                "never change: put its text back and add a new migration with the next number.",
                code="MIGRATION_CHANGED",
            )
