"""What `doctor` asks of a PostgreSQL database, and what a server asks before it starts."""

from collections.abc import Sequence

from stepwell.store.postgres.link import Link

Check = tuple[str, bool, str]

OLDEST = 140_000
_DURABLE: tuple[tuple[str, Sequence[str]], ...] = (
    ("fsync", ("on",)),
    ("full_page_writes", ("on",)),
    ("synchronous_commit", ("on", "remote_apply")),
)
"""Each with the values under which a commit that was answered survives a crash."""

# A wide process is dropped in bites: its row goes first, and until the last bite an entry says which one it was.
_ORPHANS = """
select count(*) from {table} t where not exists (select 1 from process where id = t.process)
   and not exists (select 1 from entry where kind = 'LEFT_OVER' and name = lpad(t.process::text, 16, '0'))
"""

_COUNTS = tuple(
    (f"{rows} without a process", _ORPHANS.format(table=table))
    for rows, table in (("steps", "step"), ("executions", "execution"), ("runs of ids", "block"))
)

_LATE = (
    (
        "due rows late by more than a minute",
        "select count(*) from due where at < extract(epoch from now()) * 1000 - 60000",
    ),
    (
        "leases over for more than a minute",
        "select count(*) from claim where deadline < extract(epoch from now()) * 1000 - 60000",
    ),
)
_NODES = (
    "select count(*) from entry where kind = 'NODE' and updated > extract(epoch from now()) * 1000 - 60000"
)
"""Nodes that have said within a minute that they live; without any nothing can be expected to be in time."""


def durability(link: Link) -> list[Check]:
    """Does the server keep what it has confirmed? `synchronous_commit` is that of the database: a server asks for
    no less in its own turns."""
    values = {row[0]: row[1] for row in link.fetch("select name, setting from pg_settings")}
    return [(name, values.get(name) in wanted, str(values.get(name))) for name, wanted in _DURABLE]


def checks(link: Link) -> list[Check]:
    """(what, is it well, what was found). Reads whole tables."""
    version, shown = link.fetch(
        "select current_setting('server_version_num')::int, current_setting('server_version')"
    )[0]
    found = [("postgresql version", version >= OLDEST, str(shown)), *durability(link)]
    for what, statement in _COUNTS:
        count = link.fetch(statement)[0][0]
        found.append((what, count == 0, str(count)))
    served = link.fetch(_NODES)[0][0] > 0
    for what, statement in _LATE:
        count = link.fetch(statement)[0][0]
        said = str(count) if served or not count else f"{count}; they wait for a server"
        found.append((what, count == 0 or not served, said))
    return found
