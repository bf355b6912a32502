"""Ends connections that do not read, if too much waits for their principal."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from omnyshell.errors import ErrorCodes
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.in_steps import a_few
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.services.hub.peers.peer import Peer

LOOK_PERIOD = 1.0
"""Seconds between checks."""

PATIENCE = 10.0
"""Seconds for which a peer may read nothing."""


class Reading(Peer, Protocol):
    """A connection that is watched for whether it reads."""

    @property
    def taken_bytes(self) -> int:
        """A count that increases whenever the peer reads some of what waits."""

    def drop_queued(self) -> None:
        """Drop all that waits to be sent."""


class SendWatch:
    """Checks connections for which too much waits; those that read, however slowly, are kept."""

    def __init__(self, peers: Iterable[Reading], quota: Quota, audit: AuditLog) -> None:
        self._peers = peers
        self._quota = quota
        self._audit = audit
        self._next_look = 0.0
        self._choked: dict[Reading, tuple[int, float]] = {}
        """How much each had read at its last progress, and when that was."""

    def sweep(self, now: float) -> Iterator[None]:
        """End connections that read nothing, in steps; `now` are the seconds for which the hub has run."""
        if now < self._next_look:
            return
        self._next_look = now + LOOK_PERIOD
        choked: list[Reading] = []
        for some in a_few(tuple(self._peers)):
            choked += (peer for peer in some if peer.is_choked)
            yield
        before, self._choked = self._choked, {}
        for peer in sorted(choked, key=lambda peer: peer.queued_bytes, reverse=True):
            had, since = before.get(peer, (-1, now))
            taken = peer.taken_bytes
            # The count may also decrease, when the connection itself writes something, such as a pong.
            self._choked[peer] = (taken, now) if taken > had else (had, since)
            if now - self._choked[peer][1] >= PATIENCE and peer.is_choked:
                self._end(peer)

    def _end(self, peer: Reading) -> None:
        who = peer.principal
        limit = self._quota.limits.limit(who, Resource.QUEUED)
        why = (
            f"More than {limit} MiB wait to be sent to '{who.id}', and this connection takes nothing of it "
            f"(limit '{Resource.QUEUED}')"
        )
        self._quota.refused[Resource.QUEUED] += 1
        self._audit.record(
            "peer.limited",
            "denied",
            principal=who.id,
            address=peer.address,
            reason=ErrorCodes.CAPACITY_EXCEEDED,
            detail=why,
        )
        peer.drop_queued()
        peer.evict(ErrorCodes.CAPACITY_EXCEEDED, why)
