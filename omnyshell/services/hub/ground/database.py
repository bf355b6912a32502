"""The hub's SQLite files (docs/architecture.md#state-is-on-disk-and-whole): private, and safe in a crash."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from omnyshell.security.files import make_private_directory

LOCKED_WAIT = 5.0
"""Seconds to wait for another process that holds a lock on the file."""


def open_database(path: Path | None, schema: str, pragmas: Sequence[str] = ()) -> sqlite3.Connection:
    """Open or create a file and its directory; if `path` is None, the database is in memory.

    Statements commit automatically. A connection may move between threads, but must not be used by two at once. Raises
    `OSError` and `sqlite3.Error`.
    """
    if path is not None:
        make_private_directory(path.parent)
        path.touch(mode=0o600)
    database = sqlite3.connect(
        path if path is not None else ":memory:", isolation_level=None, timeout=LOCKED_WAIT, check_same_thread=False
    )
    # FULL syncs the log at every commit, so that acknowledged changes survive a loss of power too.
    for pragma in (*pragmas, "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        database.execute(f"PRAGMA {pragma}")
    database.executescript(schema)
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Make the changes within take effect together, or not at all; a nested transaction is part of the outer one.

    Any exception rolls back, also one of the commit, as on a full disk. Raises `sqlite3.Error`.
    """
    if database.in_transaction:
        yield
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        # This has no effect if SQLite has already rolled back because of the error.
        database.rollback()
        raise
