"""The sessions that may outlive their connections, on disk, and the proof of who opened each, sealed.

A token that people chose may be guessed from its plain hash. So what is stored of one is encrypted, by a key that lies
in a file beside the database: a copy of the database alone is nothing to guess by.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from omnyshell.errors import ConfigException
from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.security.authenticators import Evidence
from omnyshell.security.authorizer import Action
from omnyshell.security.credentials import Proof
from omnyshell.security.files import read_private, write_private
from omnyshell.services.hub.database import open_database, transaction
from omnyshell.services.hub.kept import KeptSession, Place

KEY_FILE = "sessions.key"

_NONCE_SIZE = 12
_SCHEMA = """
CREATE TABLE IF NOT EXISTS kept_sessions (
    node_id    TEXT NOT NULL,
    session_id TEXT NOT NULL,
    principal  TEXT NOT NULL,
    roles      TEXT NOT NULL,
    action     TEXT NOT NULL,
    evidence   BLOB,
    PRIMARY KEY (node_id, session_id)
) WITHOUT ROWID;
"""

_PUT = "INSERT OR REPLACE INTO kept_sessions VALUES (?, ?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM kept_sessions WHERE node_id = ? AND session_id = ?"


class EvidenceSeal:
    """Encrypts evidence for one place: what was sealed for one session cannot be opened as another's."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)

    @classmethod
    def load(cls, path: Path) -> "EvidenceSeal":
        """Read the key, or make one. Raises `ConfigException` where it cannot be used."""
        key = read_private(path)
        if key is None:
            key = ChaCha20Poly1305.generate_key()
            write_private(path, key)
        try:
            return cls(key)
        except ValueError as exc:
            raise ConfigException(f"{path} is no key: remove it, and sessions that wait in nodes end") from exc

    def seal(self, evidence: Evidence, place: bytes) -> bytes:
        """Encrypt."""
        nonce = os.urandom(_NONCE_SIZE)
        plain = json.dumps([evidence.method, evidence.secret.hex(), evidence.proof])
        return nonce + self._cipher.encrypt(nonce, plain.encode(), place)

    def open(self, sealed: bytes, place: bytes, principal: PrincipalId) -> Evidence:
        """Decrypt. What cannot be opened is evidence that nothing upholds."""
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], place)
        except (InvalidTag, ValueError):
            return Evidence(principal, "", b"")
        method, secret, proof = json.loads(plain)
        return Evidence(principal, method, bytes.fromhex(secret), Proof(proof) if proof is not None else None)


class KeptStore:
    """The table, in the hub's database. All raise `ConfigException` where the file cannot be used.

    Changes survive the end of the process when they are made, and the loss of power a little later: none waits for a
    disk.
    """

    def __init__(self, path: Path) -> None:
        self._seal = EvidenceSeal.load(path.with_name(KEY_FILE))
        try:
            self._db = open_database(path, _SCHEMA)
            self._db.execute("PRAGMA synchronous = NORMAL")
        except (OSError, sqlite3.Error) as exc:
            raise ConfigException(f"cannot use the hub's state file {path}: {exc}") from exc

    def sessions(self) -> Iterator[KeptSession]:
        """Yield what was stored."""
        for node_id, id_, name, roles, action, sealed in self._db.execute("SELECT * FROM kept_sessions"):
            principal = PrincipalId(name)
            owner = Principal(principal, frozenset(json.loads(roles)))
            evidence = self._seal.open(sealed, _place(node_id, id_, name), principal) if sealed is not None else None
            yield KeptSession(node_id, id_, owner, Action(action), evidence)

    def change(self, changes: Mapping[Place, KeptSession | None]) -> None:
        """Store sessions in place of what was known of them, and forget others; all of them, or none."""
        try:
            with transaction(self._db):
                self._db.executemany(_REMOVE, [place for place, session in changes.items() if session is None])
                self._db.executemany(_PUT, [self._row(session) for session in changes.values() if session is not None])
        except sqlite3.Error as exc:
            raise ConfigException(f"cannot write the hub's state: {exc}") from exc

    def _row(self, session: KeptSession) -> tuple[object, ...]:
        name, sealed = session.owner.id, None
        if session.evidence is not None:
            sealed = self._seal.seal(session.evidence, _place(session.node_id, session.id, name))
        roles = json.dumps(sorted(session.owner.roles))
        return (session.node_id, session.id, name, roles, session.action, sealed)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._db.close()


def _place(node_id: str, session_id: str, principal: str) -> bytes:
    return json.dumps([node_id, session_id, principal]).encode()
