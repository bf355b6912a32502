"""The tunnels that come back with the hub, on disk, with the sealed evidence of the login that opened each."""

import json
import logging
from datetime import datetime
from typing import NamedTuple

from omnyshell.errors import ConfigException
from omnyshell.ids import PrincipalId
from omnyshell.model.principals import Principal
from omnyshell.model.tunnels import MAX_PORT, TunnelInfo, TunnelProtocol
from omnyshell.security.authenticators import Evidence
from omnyshell.services.hub.ground.evidence_seal import EvidenceSeal
from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.ground.state_file import StateFile, blob, number, text, texts

logger = logging.getLogger("omnyshell.hub")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS kept_tunnels (
    tunnel_id   TEXT PRIMARY KEY,
    node_id     TEXT NOT NULL,
    principal   TEXT NOT NULL,
    roles       TEXT NOT NULL,
    evidence    BLOB,
    target_host TEXT NOT NULL,
    target_port INTEGER NOT NULL,
    public_port INTEGER NOT NULL,
    secure      INTEGER NOT NULL,
    protocol    TEXT NOT NULL,
    created_at  TEXT NOT NULL
) WITHOUT ROWID;
"""

_PUT = "INSERT OR REPLACE INTO kept_tunnels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM kept_tunnels WHERE tunnel_id = ?"
_LIST = "SELECT * FROM kept_tunnels ORDER BY created_at, tunnel_id"


class KeptTunnel(NamedTuple):
    """A tunnel, and by whom and by which credential it was opened."""

    info: TunnelInfo
    owner: Principal
    evidence: Evidence | None
    """The evidence for which the login was accepted, if that can be checked again."""


class TunnelStore:
    """The table in the hub's state file."""

    def __init__(self, file: StateFile, seal: EvidenceSeal) -> None:
        """Raises `ConfigException` if the file cannot be used."""
        self._seal = seal
        self._file = file
        file.create(_SCHEMA)
        self.late: LateTable[str, KeptTunnel] = LateTable(_PUT, _REMOVE, self._row)
        """What could not be removed at once, and is tried again."""

    def tunnels(self) -> list[KeptTunnel]:
        """Return the stored tunnels, oldest first. A damaged row is left out, and opens nothing."""
        return self._file.read("the tunnel", self._tunnel, _LIST)

    def put(self, tunnel: KeptTunnel) -> None:
        """Store a tunnel; it is on disk when this returns. Raises `ConfigException` if it cannot be."""
        self._file.run(_PUT, *self._row(tunnel))

    def remove(self, tunnel_id: str) -> None:
        """Remove a tunnel: now, or as soon as the disk lets that be done. Idempotent."""
        try:
            self._file.run(_REMOVE, tunnel_id)
        except ConfigException as exc:
            logger.error("a closed tunnel is still on disk: %s", exc)
            self.late.hold([tunnel_id])
            self.late.remove(tunnel_id)

    def _row(self, tunnel: KeptTunnel) -> tuple[object, ...]:
        info, owner, sealed = tunnel.info, tunnel.owner, None
        if tunnel.evidence is not None:
            sealed = self._seal.seal(tunnel.evidence, _place(info, owner.id))
        return (
            info.tunnel_id,
            info.node_id,
            owner.id,
            json.dumps(sorted(owner.roles)),
            sealed,
            info.target_host,
            info.target_port,
            info.public_port,
            int(info.secure),
            info.protocol.value,
            info.created_at.isoformat(),
        )

    def _tunnel(self, *row: object) -> KeptTunnel:
        tunnel_id, node_id, name, roles, sealed, host, target, public, secure, protocol, at = row
        owner = Principal(PrincipalId(text(name)), texts(roles))
        info = TunnelInfo(
            tunnel_id=text(tunnel_id),
            node_id=text(node_id),
            owner_user_id=owner.id,
            target_host=text(host),
            target_port=number(target, 1, MAX_PORT),
            public_port=number(public, 1, MAX_PORT),
            secure=bool(number(secure, 0, 1)),
            protocol=TunnelProtocol.named(text(protocol)),
            created_at=datetime.fromisoformat(text(at)),
            persist=True,
        )
        evidence = None
        if sealed is not None:
            evidence = self._seal.open(blob(sealed), _place(info, owner.id), owner.id)
        return KeptTunnel(info, owner, evidence)


def _place(info: TunnelInfo, owner: str) -> bytes:
    """What evidence is sealed for: a row that somebody has changed leads nowhere else in its owner's name."""
    target = [info.target_host, info.target_port, info.public_port, info.secure, info.protocol.value]
    return json.dumps(["tunnel", info.tunnel_id, info.node_id, owner, *target]).encode()
