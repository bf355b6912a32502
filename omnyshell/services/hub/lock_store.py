"""Locks in the hub's SQLite file, also to be removed there while no hub runs."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from omnyshell.errors import ConfigException
from omnyshell.model.admin import LockInfo, LockKind
from omnyshell.model.schema import read_timestamp, write_timestamp
from omnyshell.services.hub.database import open_database, transaction
from omnyshell.services.hub.offline_notes import SCHEMA, note
from omnyshell.services.hub.state_lock import StateLock
from omnyshell.services.hub.store import STATE_FILE

_SCHEMA = """
CREATE TABLE IF NOT EXISTS locks (
    kind       TEXT NOT NULL,
    name       TEXT NOT NULL,
    id         TEXT NOT NULL,
    why        TEXT NOT NULL,
    created_at TEXT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at TEXT,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
"""


class LockStore:
    """The tables. A change is on disk when it returns; all raise `ConfigException` where the file cannot be used."""

    def __init__(self, path: Path | None) -> None:
        """Open the file; without one, everything ends with the process."""
        with _translated():
            self._db = open_database(path, _SCHEMA + SCHEMA)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._db.close()

    def locks(self) -> list[LockInfo]:
        """Return all locks, those too whose time is up."""
        query = "SELECT kind, name, id, why, created_at, created_by, expires_at FROM locks"
        return [
            LockInfo(
                id=id_,
                kind=LockKind(kind),
                name=name,
                why=why,
                created_at=read_timestamp(at),
                created_by=by,
                expires_at=read_timestamp(end) if end is not None else None,
            )
            for kind, name, id_, why, at, by, end in self._run(query)
        ]

    def put(self, lock: LockInfo) -> None:
        """Add a lock, or replace the one of its name."""
        self._run(
            "INSERT OR REPLACE INTO locks VALUES (?, ?, ?, ?, ?, ?, ?)",
            lock.kind,
            lock.name,
            lock.id,
            lock.why,
            write_timestamp(lock.created_at),
            lock.created_by,
            write_timestamp(lock.expires_at) if lock.expires_at is not None else None,
        )

    def remove(self, kind: LockKind, name: str) -> bool:
        """Remove a lock; returns whether there was one."""
        return bool(self._run("DELETE FROM locks WHERE kind = ? AND name = ? RETURNING id", kind, name))

    def remove_offline(self, kind: LockKind, name: str, at: datetime, by: str) -> bool:
        """Remove a lock, and note that for the hub that starts next; returns whether there was one."""
        with _translated(), transaction(self._db):
            is_removed = self.remove(kind, name)
            if is_removed:
                note(self._db, "lock.remove", f"{kind} {name}, offline at {write_timestamp(at)} by {by}")
        return is_removed

    def _run(self, statement: str, *values: object) -> list[Any]:
        with _translated():
            return self._db.execute(statement, values).fetchall()


@contextmanager
def offline_locks(directory: Path) -> Iterator[LockStore]:
    """Open the locks of a hub that does not run, and keep it from starting meanwhile.

    Raises `ConfigException` where it runs, or where the directory is none of a hub.
    """
    path = directory / STATE_FILE
    if not path.is_file():
        raise ConfigException(f"{directory} is no state directory of a hub: {STATE_FILE} is missing")
    held = StateLock(directory)
    try:
        store = LockStore(path)
        try:
            yield store
        finally:
            store.close()
    finally:
        held.release()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as exc:
        raise ConfigException(f"cannot use the hub's state file: {exc}") from exc
