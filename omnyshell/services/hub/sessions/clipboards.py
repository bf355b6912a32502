"""Audits what programs put on their users' clipboards (extension `clipboard-audit`)."""

from dataclasses import dataclass

from omnyshell.clock import Clock
from omnyshell.protocol.messages.clipboard import SessionClipboard
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.route import SessionRoute

PERIOD = 1.0
"""Seconds between two records of a client; writes in between are summed up in the next one."""


@dataclass(slots=True)
class _Told:
    """The last record of a client, and the writes since."""

    at: float
    count: int = 0
    size: int = 0


class ClipboardNotes:
    """Audits clients' reports; they are not verified, as only clients know the outcome."""

    def __init__(self, audit: AuditLog, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._told: dict[Peer, _Told] = {}

    def left(self, peer: Peer) -> None:
        """Record pending sums of a client whose connection ended."""
        self._told.pop(peer, None)

    def noted(self, route: SessionRoute, note: SessionClipboard) -> None:
        """Record that a client's clipboard was written to, or that this was refused."""
        peer = route.client
        now, told = self._clock.monotonic(), self._told.get(peer)
        if told is not None and now - told.at < PERIOD:
            told.count += 1
            told.size += note.size
            return
        self._told[peer] = _Told(now)
        self._record(route, note, told)

    def _record(self, route: SessionRoute, note: SessionClipboard, before: _Told | None) -> None:
        detail = f"{note.size} bytes"
        if before is not None and before.count:
            detail += f"; {before.count} more since the last record, {before.size} bytes"
        self._audit.record(
            "clipboard.write",
            "ok" if note.refused is None else "denied",
            principal=route.client.principal.id,
            address=route.client.address,
            node_id=route.session.node_id,
            session_id=route.session.id,
            reason=note.refused or "",
            detail=detail,
        )
