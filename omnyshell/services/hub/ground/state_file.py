"""The hub's state file. It is read in such a way that a damaged row affects only itself."""

import json
import logging
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from omnyshell.errors import ConfigException, OmnyShellException
from omnyshell.printable import printable
from omnyshell.services.hub.ground.database import create_tables, open_database, transaction

STATE_FILE = "hub.sqlite3"

LOOP_WAIT = 0.2
"""Seconds that a running hub waits for another process that holds a lock on the file. Its own threads hold one for as
long as a disk takes to sync."""

T = TypeVar("T")

_SHOWN = 64
"""Characters of a damaged row's key that are logged."""

logger = logging.getLogger("omnyshell.hub")


class StateFile:
    """One connection for all tables that the hub's loop uses, so that one transaction can change several of them.

    A change is on disk when the call returns. All methods raise `ConfigException` if the file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        """Open the file; if `path` is None, the tables are in memory."""
        self.path = path
        self._told: set[tuple[str, str]] = set()
        with translated():
            self._db = open_database(path, "")
            # Text that cannot be decoded is returned as bytes, and fails only its own row, not the whole query.
            self._db.text_factory = _text

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for functions that need one within a `transaction`."""
        return self._db

    def serve_loop(self) -> None:
        """Wait only `LOOP_WAIT` for another process from now on, as an event loop and all of its peers wait too."""
        self.run(f"PRAGMA busy_timeout = {round(LOOP_WAIT * 1000)}")

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._db.close()

    def create(self, schema: str) -> None:
        """Create missing tables."""
        with translated():
            create_tables(self._db, schema)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Have the changes inside take effect together, or not at all; one inside another is part of that."""
        with translated(), transaction(self._db):
            yield

    def run(self, statement: str, *values: object) -> list[Any]:
        """Run a statement; return its rows."""
        with translated():
            return self._db.execute(statement, values).fetchall()

    def read(self, what: str, make: Callable[..., T], query: str, *values: object) -> list[T]:
        """Return the result of `make` for each row.

        A row for which it raises `ValueError` is damaged: it is left out and logged.

        `what` describes a row in the log; its first column is logged as its key.
        """
        found: list[T] = []
        for row in self.run(query, *values):
            try:
                found.append(make(*row))
            except (ValueError, TypeError, RecursionError, OmnyShellException):
                self._tell(what, row[0])
        return found

    def _tell(self, what: str, key: object) -> None:
        """Log a damaged row, once."""
        shown = printable(str(key))[:_SHOWN]
        if (what, shown) not in self._told:
            self._told.add((what, shown))
            logger.error("%s: %s %s is damaged, and is left out", self.path, what, shown)


@contextmanager
def translated() -> Iterator[None]:
    """Translate a database's exceptions to `ConfigException`."""
    try:
        yield
    except (OSError, sqlite3.Error) as exc:
        raise ConfigException(f"cannot use the hub's state file: {exc}") from exc


# Checks of columns' values, whose types SQLite does not enforce. All raise `ValueError`.


def text(value: object) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise ValueError("no text")
    return value


def blob(value: object) -> bytes:
    """Return bytes."""
    if not isinstance(value, bytes):
        raise ValueError("no bytes")
    return value


def number(value: object, least: int = 0, most: int = sys.maxsize) -> int:
    """Return a whole number."""
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError("no number")
    return value


def texts(value: object) -> frozenset[str]:
    """Return the members of a JSON list of texts."""
    found = json.loads(text(value))
    if not isinstance(found, list):
        raise ValueError("no list")
    return frozenset(map(text, found))


def settings(value: object) -> dict[str, str]:
    """Return a JSON object whose members are texts."""
    found = json.loads(text(value))
    if not isinstance(found, dict):
        raise ValueError("no object")
    return {text(name): text(member) for name, member in found.items()}


def _text(raw: bytes) -> Any:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
