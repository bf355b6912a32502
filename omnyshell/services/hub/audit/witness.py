"""The last signed head of the trail, noted in the hub's other database. It reveals changes of the trail alone."""

import sqlite3
from pathlib import Path

from omnyshell.errors import AuthException, ConfigException
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.audit.chain import NOTED, Seal
from omnyshell.services.hub.audit.heads import SignedHead
from omnyshell.services.hub.ground.database import LOCKED_WAIT, open_database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit_head (
    only      INTEGER PRIMARY KEY CHECK (only = 1),
    seq       INTEGER NOT NULL,
    hash      BLOB NOT NULL,
    at        TEXT NOT NULL,
    signature BLOB NOT NULL,
    key       BLOB NOT NULL
);
"""
_QUERY = "SELECT seq, hash, at, signature, key FROM audit_head"


class AuditWitness:
    """Stores and returns the noted head. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Use the hub's database; it is opened or created at the first write."""
        self._path = path
        self._db: sqlite3.Connection | None = None

    def noted(self) -> SignedHead | None:
        """Return the noted head, genuine or not; None if there is none. Raises `ConfigException`."""
        # Not for reading alone: what a hub that was killed left half done is undone first.
        return read_noted(self._path, "rw")

    def note(self, head: SignedHead) -> None:
        """Replace the noted head; it is on disk when this returns. Raises `OSError` and `sqlite3.Error`."""
        if self._db is None:
            self._db = open_database(self._path, _SCHEMA)
        mark = head.seal
        row = (mark.seq, mark.hash, mark.at, mark.signature, head.key.raw)
        self._db.execute("INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._db is not None:
            self._db.close()


def read_noted(path: Path, mode: str = "ro") -> SignedHead | None:
    """Return the head noted in this file; None if there is none. `mode` is SQLite's.

    Raises `ConfigException` for a file that cannot be read.
    """
    if not path.is_file():
        return None
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=LOCKED_WAIT)
        try:
            known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'audit_head'").fetchone()
            return _noted(db) if known is not None else None
        finally:
            db.close()
    except sqlite3.Error as exc:
        raise ConfigException(f"cannot read {path}, which knows where the audit trail ended: {exc}") from exc


def _noted(db: sqlite3.Connection) -> SignedHead | None:
    row = db.execute(_QUERY).fetchone()
    if row is None:
        return None
    seq, hash_, at, signature, key = row
    try:
        mark = Seal(NOTED, int(seq), bytes(hash_), str(at), bytes(signature))
        return SignedHead(mark, Ed25519PublicKey(bytes(key)))
    except (AuthException, TypeError, ValueError):
        # An edited note that is no head counts as a head that is not genuine.
        return SignedHead(Seal(NOTED, 0, b"", "", b""), Ed25519PublicKey(bytes(32)))
