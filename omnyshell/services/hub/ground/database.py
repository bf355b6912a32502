"""The hub's SQLite files (docs/architecture.md#state-is-on-disk-and-whole): private, and safe in a crash."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from omnyshell.security.files import make_private_directory

LOCKED_WAIT = 5.0
"""Seconds to wait for another process that has the file locked."""


def open_database(path: Path | None, schema: str, pragmas: Sequence[str] = ()) -> sqlite3.Connection:
    """Open a file, or make it, with its directory; without one everything ends with the process.

    Statements commit by themselves. A connection may go from thread to thread, and is never used by two at once.
    Raises `OSError` and `sqlite3.Error`.
    """
    if path is not None:
        make_private_directory(path.parent)
        path.touch(mode=0o600)
    database = sqlite3.connect(
        path if path is not None else ":memory:", isolation_level=None, timeout=LOCKED_WAIT, check_same_thread=False
    )
    # FULL syncs the log at every commit: what is acknowledged survives the loss of power, too.
    for pragma in (*pragmas, "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        database.execute(f"PRAGMA {pragma}")
    database.executescript(schema)
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Have the changes inside take effect together, or not at all; one inside another is part of that.

    What raises rolls back, the commit too: a full disk. Raises `sqlite3.Error`.
    """
    if database.in_transaction:
        yield
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        # Nothing is done where an error has rolled back already.
        database.rollback()
        raise
