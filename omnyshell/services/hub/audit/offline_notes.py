"""What commands of this machine did to a hub's state, noted in it for the hub to audit: at once, or when it starts."""

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
    """Have the hub record it; the database has `SCHEMA`. Raises `sqlite3.Error`."""
    database.execute("INSERT INTO offline_notes (action, detail) VALUES (?, ?)", (action, detail))


class OfflineNotes:
    """Tells the notes, and forgets what is on disk in the audit: a crash between has it told twice, and not never."""

    def __init__(self, path: Path, audit: AuditLog) -> None:
        """Open the hub's database. Raises `ConfigException` where it cannot be used."""
        self._audit = audit
        self._told = 0
        self._could_not_tell = False
        try:
            self._db = open_database(path, SCHEMA)
            # A damaged note is told as far as it can be read.
            self._db.text_factory = lambda raw: raw.decode(errors="replace")
        except (OSError, sqlite3.Error) as exc:
            raise ConfigException(f"cannot use the hub's state file {path}: {exc}") from exc

    def tell(self) -> None:
        """Audit what is new. Never raises."""
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
        """Forget what is on disk in the audit, which has ended, and close the file. Idempotent."""
        try:
            self._forget_told()
        except sqlite3.Error as exc:
            logger.error("what was done on this machine is audited again at the next start: %s", exc)
        self._db.close()

    def _forget_told(self) -> None:
        if self._told and self._audit.is_on_disk:
            self._db.execute("DELETE FROM offline_notes WHERE id <= ?", (self._told,))
            self._told = 0
