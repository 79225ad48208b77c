"""What `doctor` asks of a database file."""

from collections.abc import Sequence

import apsw

from stepwell.model.errors import Conflict
from stepwell.store.sqlite.migrate import missing, shipped

Check = tuple[str, bool, str]

OLDEST = (3, 51, 3)
"""Earlier versions of SQLite can damage a database in WAL mode in a rare race of checkpoints."""

_PRAGMAS = (("journal mode", "journal_mode", "wal"), ("integrity", "quick_check", "ok"))

# A wide process is dropped in bites: its row goes first, and until the last bite an entry says which one it was.
_ORPHANS = """
select count(*) from {table} t where not exists (select 1 from process where id = t.process)
   and t.process not in (select cast(name as integer) from entry where kind = 'LEFT_OVER')
"""

_COUNTS = tuple(
    (f"{rows} without a process", _ORPHANS.format(table=table))
    for rows, table in (
        ("steps", "step"),
        ("executions", "execution"),
        ("large payloads", "blob"),
        ("runs of ids", "block"),
    )
)

_LATE = (
    (
        "due rows late by more than a minute",
        "select count(*) from due where at < unixepoch('subsec') * 1000 - 60000",
    ),
    (
        "leases over for more than a minute",
        "select count(*) from claim where deadline < unixepoch('subsec') * 1000 - 60000",
    ),
)


def checks(connection: apsw.Connection, *, writer: bool, served: bool) -> list[Check]:
    """(what, is it well, what was found). Reads whole tables.

    `writer`: `synchronous` belongs to a connection, so only a writer can tell; 2 = full. `served`: a server has the
    file; without one nothing can be expected to be in time.
    """
    version = apsw.sqlite_lib_version()
    found = [("sqlite version", tuple(map(int, version.split("."))) >= OLDEST, version)]
    for what, pragma, wanted in _PRAGMAS:
        value = str(connection.pragma(pragma))
        found.append((what, value == wanted, value))
    if writer:
        value = str(connection.pragma("synchronous"))
        found.append(("synchronous", value == "2", value))
    schema = _schema(connection)
    found.append(schema)
    if schema[1]:
        found += _counted(connection, _COUNTS)
        found += [(what, well or not served, said if well or served else f"{said}; they wait for a server")
                  for what, well, said in _counted(connection, _LATE)]  # fmt: skip
    return found


def _schema(connection: apsw.Connection) -> Check:
    try:
        behind = missing(connection, shipped())
    except Conflict as error:
        return ("schema", False, error.message)
    if behind:
        return ("schema", False, f"without {', '.join(behind)}: a server brings it up to date when it starts")
    return ("schema", True, "up to date")


def _counted(connection: apsw.Connection, counts: Sequence[tuple[str, str]]) -> list[Check]:
    found = []
    for what, statement in counts:
        count = connection.execute(statement).fetchall()[0][0]
        found.append((what, count == 0, str(count)))
    return found
