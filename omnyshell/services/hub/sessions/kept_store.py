"""The sessions that may outlive their connections, on disk, with the encrypted evidence of each login.

A token chosen by a person could be guessed from its hash. So evidence is encrypted with a key in a file beside the
database: a copy of the database alone does not help to guess.
"""

import json
import logging
import os
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
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.ground.state_file import StateFile, blob, text, texts
from omnyshell.services.hub.ground.state_names import SESSIONS_KEY_FILE
from omnyshell.services.hub.sessions.kept import KeptSession, Place

logger = logging.getLogger("omnyshell.hub")


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
    """Encrypts evidence for one place, so that the evidence of one session cannot be decrypted as another's."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)

    @classmethod
    def load(cls, path: Path) -> "EvidenceSeal":
        """Read the key, or create one. Raises `ConfigException` if it cannot be used."""
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
        """Decrypt. If that fails, return evidence that no authenticator upholds."""
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], place)
            method, secret, proof = json.loads(plain)
            return Evidence(principal, method, bytes.fromhex(secret), Proof(proof) if proof is not None else None)
        except (InvalidTag, ValueError):
            return Evidence(principal, "", b"")


class KeptStore:
    """The table in the hub's state file, and the writer of its changes."""

    def __init__(self, file: StateFile) -> None:
        """Raises `ConfigException` if file or key cannot be used."""
        if file.path is None:
            raise ConfigException("sessions are recorded in a file alone")
        self._seal = EvidenceSeal.load(file.path.with_name(SESSIONS_KEY_FILE))
        self._file = file
        file.create(_SCHEMA)
        self.table: LateTable[Place, KeptSession] = LateTable(_PUT, _REMOVE, self._row, tuple)

    def sessions(self) -> list[KeptSession]:
        """Return the stored sessions. A damaged row keeps only the session's id, so that the session is ended."""
        query = "SELECT session_id, node_id, principal, roles, action, evidence FROM kept_sessions"
        found = self._file.read("the session", self._session, query)
        self.table.hold((session.node_id, session.id) for session in found)
        return found

    def _session(
        self, id_: object, node_id: object, name: object, roles: object, action: object, sealed: object
    ) -> KeptSession:
        session_id, at = text(id_), text(node_id)
        try:
            principal = PrincipalId(text(name))
            owner = Principal(principal, texts(roles))
            evidence = None
            if sealed is not None:
                evidence = self._seal.open(blob(sealed), _place(at, session_id, principal), principal)
            return KeptSession(at, session_id, owner, Action(text(action)), evidence)
        except (ValueError, RecursionError):
            nobody = PrincipalId(name if isinstance(name, str) else "")
            logger.error("what opened the session %s at %s is damaged: it ends", session_id, at)
            return KeptSession(at, session_id, Principal(nobody), Action.SHELL, Evidence(nobody, "", b""))

    def _row(self, session: KeptSession) -> tuple[object, ...]:
        name, sealed = session.owner.id, None
        if session.evidence is not None:
            sealed = self._seal.seal(session.evidence, _place(session.node_id, session.id, name))
        roles = json.dumps(sorted(session.owner.roles))
        return (session.node_id, session.id, name, roles, session.action, sealed)


def _place(node_id: str, session_id: str, principal: str) -> bytes:
    return json.dumps([node_id, session_id, principal]).encode()
