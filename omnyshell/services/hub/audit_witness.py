"""What the hub's other database knows of the trail: its last signed head. Whoever touches the trail alone shows."""

import sqlite3
from pathlib import Path

from omnyshell.errors import AuthException, ConfigException
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.audit_chain import HEAD, Seal
from omnyshell.services.hub.audit_heads import SignedHead
from omnyshell.services.hub.database import LOCKED_WAIT, open_database

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
    """Notes the head, and says which was noted. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open the hub's database. Raises `ConfigException` where it cannot be used."""
        try:
            self._db = open_database(path, _SCHEMA)
        except (OSError, sqlite3.Error) as exc:
            raise ConfigException(f"cannot use the hub's state file {path}: {exc}") from exc

    def noted(self) -> SignedHead | None:
        """Return the head that was noted, genuine or not; None where none is. Raises `sqlite3.Error`."""
        return _noted(self._db)

    def note(self, head: SignedHead) -> None:
        """Note a head instead of the one before; on disk when this returns. Raises `sqlite3.Error`."""
        mark = head.seal
        row = (mark.seq, mark.hash, mark.at, mark.signature, head.key.raw)
        self._db.execute("INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?, ?, ?, ?)", row)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._db.close()


def read_noted(path: Path) -> SignedHead | None:
    """Return the head that a hub noted in this file, without changing it; None where there is none.

    Raises `ConfigException` for a file that cannot be read.
    """
    if not path.is_file():
        return None
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=LOCKED_WAIT)
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
        mark = Seal(HEAD, int(seq), bytes(hash_), str(at), bytes(signature))
        return SignedHead(mark, Ed25519PublicKey(bytes(key)))
    except (AuthException, TypeError, ValueError):
        # Edited to what is no head: that is known, and genuine it is not.
        return SignedHead(Seal(HEAD, 0, b"", "", b""), Ed25519PublicKey(bytes(32)))
