"""The sessions that may outlive their connections, on disk, with the sealed evidence of each login."""

import json
import logging

from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.security.authenticators import Evidence
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.ground.evidence_seal import EvidenceSeal
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.ground.state_file import StateFile, blob, text, texts
from omnyshell.services.hub.sessions.kept import KeptSession, Place

logger = logging.getLogger("omnyshell.hub")

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


class KeptStore:
    """The table in the hub's state file, and the writer of its changes."""

    def __init__(self, file: StateFile, seal: EvidenceSeal) -> None:
        """Raises `ConfigException` if the file cannot be used."""
        self._seal = seal
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
