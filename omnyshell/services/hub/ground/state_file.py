"""The hub's state file, as all of its tables are used: read so that a damaged row harms nothing but what it says."""

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
from omnyshell.services.hub.ground.database import open_database, transaction

STATE_FILE = "hub.sqlite3"

T = TypeVar("T")

_SHOWN = 64
"""Characters of a damaged row's key that are logged."""

logger = logging.getLogger("omnyshell.hub")


class StateFile:
    """One connection for all tables that the hub's loop uses, so that one transaction may change several of them.

    A change is on disk when it returns. All raise `ConfigException` where the file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        """Open the file; without one, everything ends with the process."""
        self.path = path
        self._told: set[tuple[str, str]] = set()
        with translated():
            self._db = open_database(path, "")
            # What is no text comes as bytes, which nothing takes for text, instead of failing for all rows.
            self._db.text_factory = _text

    @property
    def connection(self) -> sqlite3.Connection:
        """For what works on a connection, inside a `transaction`."""
        return self._db

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._db.close()

    def create(self, schema: str) -> None:
        """Make tables that are not there yet."""
        with translated():
            self._db.executescript(schema)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Have the changes inside take effect together, or not at all; one inside another is part of that."""
        with translated(), transaction(self._db):
            yield

    def run(self, statement: str, *values: object) -> list[Any]:
        """Run a statement; returns its rows."""
        with translated():
            return self._db.execute(statement, values).fetchall()

    def read(self, what: str, make: Callable[..., T], query: str, *values: object) -> list[T]:
        """Return what `make` makes of each row. One for which it raises `ValueError` is damaged: left out, and logged.

        `what` is what a row tells of, for people; the first column names it.
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
    """Have what a database raises be a `ConfigException`."""
    try:
        yield
    except (OSError, sqlite3.Error) as exc:
        raise ConfigException(f"cannot use the hub's state file: {exc}") from exc


# What a column holds, which SQLite does not check. All raise `ValueError`.


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
