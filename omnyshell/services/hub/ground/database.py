"""The hub's SQLite files (docs/architecture.md#state-is-on-disk-and-whole): private, and safe in a crash."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from omnyshell.security.files import make_private_directory

LOCKED_WAIT = 5.0
"""Seconds to wait for another process that holds a lock on the file."""

_PAUSE = 0.005
_PRIMARY = 0xFF
"""Of an error's code, what says its kind."""


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
    try:
        for pragma in pragmas:
            database.execute(f"PRAGMA {pragma}")
        _write_ahead(database)
        # FULL syncs the log at every commit, so that acknowledged changes survive a loss of power too.
        for pragma in ("synchronous = FULL", "foreign_keys = ON"):
            database.execute(f"PRAGMA {pragma}")
        if schema:
            create_tables(database, schema)
    except BaseException:
        database.close()
        raise
    return database


def create_tables(database: sqlite3.Connection, schema: str) -> None:
    """Create missing tables, in one transaction: each of its own would be synced to the disk alone.

    Raises `sqlite3.Error`.
    """
    with transaction(database):
        for statement in _statements(schema):
            database.execute(statement)


def _statements(script: str) -> Iterator[str]:
    """Split a script whose statements end with their lines: `executescript` would commit what is under way."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement:
        yield statement


def _write_ahead(database: sqlite3.Connection) -> None:
    """Have a file be written by way of a log, also where others do the same to a new file at this moment.

    Two that have read it and want to write would wait for each other for ever, so SQLite waits for neither.
    """
    deadline = monotonic() + LOCKED_WAIT
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY or monotonic() >= deadline:
                raise
        sleep(_PAUSE)


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
