"""Signs that a hub had a trail before, beside the trail: files that come after its first record, times that it knows.

Whoever removes or exchanges a trail has to think of all of them, and take along what users would miss.
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
"""How far the trail's times may be from others: a clock may be set, and what is done follows its record."""

_COLUMNS = (
    "SELECT t.name, c.name FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c"
    " WHERE t.type = 'table' AND c.name IN ('created_at', 'used_at')"
)
"""The columns of the hub's database that say when somebody did something, which was in the trail before it was done."""


_SHAPE = "GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-*Z'"
"""Damaged rows may hold anything."""


class Signs(NamedTuple):
    """What there is beside a trail."""

    files: tuple[str, ...] = ()
    first: str = ""
    last: str = ""
    """The earliest and the latest time at which something was done that is in the hub's database; empty for none."""

    def of_before(self, begin: str) -> bool:
        """Whether something was done before a trail that begins at that time."""
        return bool(self.first) and _is_before(self.first, begin)

    def of_after(self, end: str) -> bool:
        """Whether something was done after a trail that ends at that time."""
        return bool(self.last) and _is_before(end, self.last)


NO_SIGNS = Signs()


def signs_beside(directory: Path) -> Signs:
    """Look at a state directory, before anything is made there. Raises `ConfigException` for a damaged database."""
    files = tuple(name for name in STATE_NAMES if name != AUDIT_FILE and (directory / name).exists())
    if STATE_FILE not in files:
        return Signs(files)
    # Not for reading alone: what a hub that was killed left half done is undone first.
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
        # The names are from the file: what somebody made of them is quoted.
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
