"""Bytes that wait for slow readers at tunnels' public ports, counted by the tunnels' owner."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from omnyshell.model.principals import Principal
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.limits import MIB
from omnyshell.protocol.outbox import Backlog
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.services.hub.tunnels.connection import TunnelConnection

if TYPE_CHECKING:
    from omnyshell.services.hub.tunnels.open_tunnel import OpenTunnel

PATIENCE = 60.0
"""Seconds for which the outside may read nothing while too much waits for the owner; a paused stream, for example."""


class TunnelBacklogs:
    """Keeps a backlog for each owner, and ends connections that read nothing while it is too large."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._by_owner: dict[str, Backlog] = {}
        self._stuck: dict[TunnelConnection, tuple[int, float]] = {}
        """How much each had read, and since when it has read no more."""

    def of(self, owner: Principal) -> Backlog:
        """Return the backlog of an owner's tunnels."""
        return self._by_owner.setdefault(owner.id, Backlog(self._limit(owner)))

    def sweep(self, tunnels: Iterable["OpenTunnel"], now: float) -> None:
        """End connections that read nothing; `now` on the monotonic clock."""
        before, self._stuck = self._stuck, {}
        kept: dict[str, Backlog] = {}
        for tunnel in tunnels:
            backlog = kept[tunnel.owner.id] = tunnel.backlog
            backlog.limit = self._limit(tunnel.owner)
            for connection in tunnel.connections if backlog.is_over else ():
                if self._is_stuck(connection, before.get(connection), now) and backlog.is_over:
                    self._quota.refused[Resource.QUEUED] += 1
                    connection.abort(CloseReason.EXTERNAL_ERROR, "The outside takes nothing, and too much waits for it")
        self._by_owner = kept

    def _is_stuck(self, connection: TunnelConnection, before: tuple[int, float] | None, now: float) -> bool:
        taken = connection.bytes_delivered
        since = before[1] if before is not None and before[0] == taken and connection.waiting else now
        self._stuck[connection] = taken, since
        return now - since >= PATIENCE

    def _limit(self, owner: Principal) -> int:
        return self._quota.limits.limit(owner, Resource.QUEUED) * MIB
