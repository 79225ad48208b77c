"""Numbered scripts that bring the schema up to date, each in its own transaction, none twice."""

from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

from stepwell.model.errors import Conflict, StepwellError
from stepwell.store.postgres.link import Link

_TABLE = """
create table if not exists migration (
  number   bigint      not null primary key,
  name     text        not null,
  checksum text        not null,
  at       timestamptz not null default now()
);
create table if not exists migration_lock (
  one      integer     not null primary key
);
insert into migration_lock values (1) on conflict do nothing;
"""
_TRIES = 5


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
        for entry in files("stepwell.store.postgres").joinpath("migrations").iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found)


def migrate(link: Link, migrations: Sequence[Migration]) -> list[str]:
    """The names of those that ran. Raises Conflict when the database holds one that is unknown or has changed.

    Whoever comes second waits for the row that the first has locked, and then finds the work done. A row and not an
    advisory lock: every engine that speaks this protocol has rows."""
    link.connect()
    if not _is_prepared(link):
        _prepare(link)
    done: list[str] = []
    for migration in migrations:
        link.execute("begin; set local lock_timeout = '120s'; select one from migration_lock for update")
        try:
            applied = _applied(link)
            _refuse_strangers(applied, migrations)
            if migration.number not in applied:
                link.execute(migration.script)
                link.fetch(
                    "insert into migration (number, name, checksum) values ($1, $2, $3)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                )
                done.append(migration.name)
            link.execute("commit")
        except BaseException:
            # Its transaction goes with it.
            link.drop()
            link.connect()
            raise
    return done


def _is_prepared(link: Link) -> bool:
    return link.fetch("select to_regclass('migration_lock') is not null")[0][0] is True


def _prepare(link: Link) -> None:
    """Two nodes may create the very first table at once; then one of them is refused, and finds it made."""
    for attempt in range(_TRIES):
        try:
            link.execute(_TABLE)
            return
        except StepwellError:
            if attempt == _TRIES - 1:
                raise


def _applied(link: Link) -> dict[int, tuple[str, str]]:
    rows = link.fetch("select number, name, checksum from migration")
    return {number: (name, checksum) for number, name, checksum in rows}


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
                f"migration {name} has another text than the one that made this database. Released migrations "
                "never change: put its text back and add a new migration with the next number.",
                code="MIGRATION_CHANGED",
            )
