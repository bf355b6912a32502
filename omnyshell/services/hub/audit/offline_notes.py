"""Notes in a hub's database about changes by offline commands, which the hub audits at once or at its next start."""

import logging
import sqlite3
from pathlib import Path

from omnyshell.errors import ConfigException
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.database import open_database

SCHEMA = """
CREATE TABLE IF NOT EXISTS offline_notes (
    id     INTEGER PRIMARY KEY,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
);
"""
_NEW = "SELECT id, CAST(action AS TEXT), CAST(detail AS TEXT) FROM offline_notes WHERE id > ? ORDER BY id"

logger = logging.getLogger("omnyshell.hub")


def note(database: sqlite3.Connection, action: str, detail: str) -> None:
    """Add a note for the hub to audit; the database has `SCHEMA`. Raises `sqlite3.Error`."""
    database.execute("INSERT INTO offline_notes (action, detail) VALUES (?, ?)", (action, detail))


class OfflineNotes:
    """Audits the notes, and deletes them once the audit is on disk.

    After a crash in between they are audited twice, never lost.
    """

    def __init__(self, path: Path, audit: AuditLog) -> None:
        """Open the hub's database. Raises `ConfigException` where it cannot be used."""
        self._audit = audit
        self._told = 0
        self._could_not_tell = False
        try:
            self._db = open_database(path, SCHEMA)
            # A damaged note is audited as far as it can be decoded.
            self._db.text_factory = lambda raw: raw.decode(errors="replace")
        except (OSError, sqlite3.Error) as exc:
            raise ConfigException(f"cannot use the hub's state file {path}: {exc}") from exc

    def tell(self) -> None:
        """Audit new notes. Never raises."""
        try:
            self._forget_told()
            for id_, action, detail in self._db.execute(_NEW, (self._told,)).fetchall():
                self._audit.record(action, detail=detail)
                self._told = id_
            self._could_not_tell = False
        except sqlite3.Error as exc:
            level = logging.DEBUG if self._could_not_tell else logging.ERROR
            logger.log(level, "what was done on this machine cannot be audited: %s", exc)
            self._could_not_tell = True

    def close(self) -> None:
        """Delete the notes whose audit is on disk, and close the file. Call it after the audit was closed.

        Idempotent.
        """
        try:
            self._forget_told()
        except sqlite3.Error as exc:
            logger.error("what was done on this machine is audited again at the next start: %s", exc)
        self._db.close()

    def _forget_told(self) -> None:
        if self._told and self._audit.is_on_disk:
            self._db.execute("DELETE FROM offline_notes WHERE id <= ?", (self._told,))
            self._told = 0
