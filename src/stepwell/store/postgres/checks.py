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

_COUNTS = (
    (
        "steps without a process",
        "select count(*) from step s where not exists (select 1 from process where id = s.process)",
    ),
    (
        "due rows late by more than a minute",
        "select count(*) from due where at < extract(epoch from now()) * 1000 - 60000",
    ),
    (
        # Before its deadline such a row is only waiting to be looked at: after a crash nobody counts it down.
        "claims past their deadline whose steps are all closed",
        """
        select count(*) from claim c where c.deadline < extract(epoch from now()) * 1000 - 60000 and not exists (
          select 1 from json_array_elements_text(c.steps::json) e join step s on s.id = e.value::bigint
           where s.status in ('PENDING', 'SCHEDULED', 'RUNNING', 'PAUSED'))
        """,
    ),
    ("events set aside", "select count(*) from set_aside"),
)


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
    return found
