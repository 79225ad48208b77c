"""What `doctor` asks of a database file."""

import apsw

Check = tuple[str, bool, str]

OLDEST = (3, 51, 3)
"""Earlier versions of SQLite can damage a database in WAL mode in a rare race of checkpoints."""

_PRAGMAS = (("journal mode", "journal_mode", "wal"), ("integrity", "quick_check", "ok"))

_COUNTS = (
    (
        "steps without a process",
        "select count(*) from step s where not exists (select 1 from process where id = s.process)",
    ),
    (
        "due rows late by more than a minute",
        "select count(*) from due where at < unixepoch('subsec') * 1000 - 60000",
    ),
    (
        # Before its deadline such a row is only waiting to be looked at: after a crash nobody counts it down.
        "claims past their deadline whose steps are all closed",
        """
        select count(*) from claim c where c.deadline < unixepoch('subsec') * 1000 - 60000 and not exists (
          select 1 from json_each(c.steps) e join step s on s.id = e.value
           where s.status in ('PENDING', 'SCHEDULED', 'RUNNING', 'PAUSED'))
        """,
    ),
    ("events set aside", "select count(*) from set_aside"),
)


def checks(connection: apsw.Connection, *, writer: bool) -> list[Check]:
    """(what, is it well, what was found). Reads whole tables.

    `synchronous` belongs to a connection, so only a writer can tell; 2 = full.
    """
    version = apsw.sqlite_lib_version()
    found = [("sqlite version", tuple(map(int, version.split("."))) >= OLDEST, version)]
    for what, pragma, wanted in _PRAGMAS:
        value = str(connection.pragma(pragma))
        found.append((what, value == wanted, value))
    if writer:
        value = str(connection.pragma("synchronous"))
        found.append(("synchronous", value == "2", value))
    for what, statement in _COUNTS:
        count = connection.execute(statement).fetchall()[0][0]
        found.append((what, count == 0, str(count)))
    return found
