"""Evidence beside the trail that a hub had one before.

It is files written after the first record, and times in the database.

To remove or exchange a trail unnoticed, all of them have to be removed, some of which users would miss.
"""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from omnyshell.errors import ConfigException
from omnyshell.model.schema import read_timestamp
from omnyshell.services.hub.ground.database import LOCKED_WAIT
from omnyshell.services.hub.ground.state_file import STATE_FILE
from omnyshell.services.hub.ground.state_names import AUDIT_FILE, STATE_NAMES

SLACK = timedelta(minutes=5)
"""Tolerance between times in the trail and in the database: clocks are adjusted, and an action comes after its
record."""

_COLUMNS = (
    "SELECT t.name, c.name FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c"
    " WHERE t.type = 'table' AND c.name IN ('created_at', 'used_at')"
)
"""The columns of the hub's database with times of actions; each action was recorded in the trail before it was done."""


_SHAPE = "GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-*Z'"
"""Only well-formed times count, as damaged rows may hold anything."""


class Signs(NamedTuple):
    """The evidence beside a trail."""

    files: tuple[str, ...] = ()
    first: str = ""
    last: str = ""
    """The earliest and the latest time of an action in the hub's database; empty if there are none."""

    def of_before(self, begin: str) -> bool:
        """Whether there was an action before the beginning of the trail."""
        return bool(self.first) and _is_before(self.first, begin)

    def of_after(self, end: str) -> bool:
        """Whether there was an action after the end of the trail."""
        return bool(self.last) and _is_before(end, self.last)


NO_SIGNS = Signs()


def signs_beside(directory: Path) -> Signs:
    """Collect the evidence in a state directory. Call it before anything is created there.

    Raises `ConfigException` for a damaged database.
    """
    files = tuple(name for name in STATE_NAMES if name != AUDIT_FILE and (directory / name).exists())
    if STATE_FILE not in files:
        return Signs(files)
    # Opened for writing too, so that SQLite can roll back what a killed hub left half done.
    uri = f"{(directory / STATE_FILE).resolve().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=LOCKED_WAIT)) as database:
            database.text_factory = lambda text: text.decode("utf-8", "replace")
            times = sorted(_times(database))
    except sqlite3.Error as exc:
        raise ConfigException(f"cannot read the hub's state file {directory / STATE_FILE}: {exc}") from exc
    return Signs(files, times[0], times[-1]) if times else Signs(files)


def _times(database: sqlite3.Connection) -> set[str]:
    found: set[str] = set()
    for table, column in database.execute(_COLUMNS).fetchall():
        # The names come from the file, where they may have been altered, so they are quoted.
        place = '"' + table.replace('"', '""') + '"'
        query = f"SELECT min({column}), max({column}) FROM {place} WHERE {column} {_SHAPE}"  # noqa: S608
        found.update(str(end) for end in database.execute(query).fetchone() if _moment(end) is not None)
    return found


def _is_before(one: str, other: str) -> bool:
    first, second = _moment(one), _moment(other)
    return first is not None and second is not None and first + SLACK < second


def _moment(text: object) -> datetime | None:
    try:
        return read_timestamp(text) if isinstance(text, str) else None
    except ValueError:
        return None
