"""An open tunnel: its port, its exposer, and the connections through it."""

from dataclasses import dataclass

from msgspec.structs import replace

from omnyshell.ids import short_id
from omnyshell.model.live import LiveTunnel
from omnyshell.model.principals import Principal
from omnyshell.model.sessions import CloseReason
from omnyshell.model.tunnels import TunnelInfo
from omnyshell.protocol.outbox import Backlog
from omnyshell.security.authenticators import Evidence
from omnyshell.services.hub.tunnels.connection import TunnelConnection
from omnyshell.services.hub.tunnels.exposer import Exposer
from omnyshell.services.hub.tunnels.registry import TunnelRegistration
from omnyshell.transport.listener import Listener


@dataclass(slots=True)
class TunnelCounters:
    """Connections and bytes through a tunnel since it was opened."""

    connections_now: int = 0
    connections_total: int = 0
    bytes_in: int = 0
    """From the outside to the target."""

    bytes_out: int = 0


class OpenTunnel:
    """Holds the parts of one tunnel, and closes all of them together."""

    listener: Listener | None = None
    """Where it is reached; None while its port cannot be had."""

    def __init__(
        self,
        registration: TunnelRegistration,
        owner: Principal,
        evidence: Evidence | None,
        exposer: Exposer | None,
        backlog: Backlog,
    ) -> None:
        self.registration = registration
        self.owner = owner
        self.evidence = evidence
        """The evidence of the login that opened it; the tunnel ends when that credential does, whatever others its
        owner has."""

        self.exposer = exposer
        """The connection that serves it; None while one that is kept waits for its node."""

        self.backlog = backlog
        """Bytes that wait for the outside in all tunnels of its owner."""

        self.counters = TunnelCounters()
        self._connections: set[TunnelConnection] = set()

    @property
    def connections(self) -> tuple[TunnelConnection, ...]:
        """The open connections."""
        return tuple(self._connections)

    @property
    def info(self) -> TunnelInfo:
        """The tunnel for a listing."""
        return self.registration.info

    @property
    def listed(self) -> TunnelInfo:
        """The same with what it waits for."""
        return replace(self.info, waiting=self.waits)

    @property
    def waits(self) -> bool:
        """Whether nobody gets through it until its node is back, or its port is free."""
        return self.exposer is None or self.listener is None

    def describe(self) -> LiveTunnel:
        """The tunnel as a value."""
        info, counters = self.info, self.counters
        return LiveTunnel(
            tunnel_id=info.tunnel_id,
            node_id=info.node_id,
            principal=info.owner_user_id,
            target_host=info.target_host,
            target_port=info.target_port,
            public_host=info.public_host,
            public_port=info.public_port,
            secure=info.secure,
            protocol=info.protocol,
            created_at=info.created_at,
            connections=counters.connections_now,
            connections_total=counters.connections_total,
            bytes_in=counters.bytes_in,
            bytes_out=counters.bytes_out,
            persist=info.persist,
            waiting=self.waits,
        )

    def __str__(self) -> str:
        """The tunnel in a few words, for the audit."""
        info = self.info
        kind = f"{info.protocol}{'+tls' if info.secure else ''}"
        return f"{short_id(info.tunnel_id)} {kind} {info.public_port} to {info.target_host}:{info.target_port}"

    def connection_opened(self, connection: TunnelConnection) -> None:
        """Count a connection."""
        self._connections.add(connection)
        self.counters.connections_now += 1
        self.counters.connections_total += 1

    def connection_over(self, connection: TunnelConnection) -> None:
        """Forget a connection. Idempotent."""
        if connection in self._connections:
            self._connections.discard(connection)
            self.counters.connections_now -= 1

    def serve_by(self, exposer: Exposer | None) -> None:
        """Have another connection serve it from now on, or none; what went through the one before ends."""
        if self.exposer is not None:
            del self.exposer.tunnels[self.info.tunnel_id]
        self.exposer = exposer
        if exposer is not None:
            exposer.tunnels[self.info.tunnel_id] = None
        self.end_connections(CloseReason.EXPOSER_CLOSED)

    def close(self, reason: CloseReason) -> list[TunnelConnection]:
        """Close the port and every connection; return the connections, whose sockets may take a moment to close."""
        if self.listener is not None:
            self.listener.close()
        return self.end_connections(reason)

    def end_connections(self, reason: CloseReason) -> list[TunnelConnection]:
        """End every connection; return them, as their sockets may take a moment to close."""
        ended = list(self._connections)
        for connection in ended:
            connection.abort(reason)
        return ended
