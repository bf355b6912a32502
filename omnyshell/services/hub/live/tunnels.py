"""A tunnel as subscribers are told it."""

from omnyshell.model.live import LiveTunnel
from omnyshell.services.hub.live.rates import Rates
from omnyshell.services.hub.open_tunnel import OpenTunnel


class TunnelEntry:
    """An open tunnel, and how fast its counters grow."""

    __slots__ = ("_connections", "_rates", "_tunnel")

    def __init__(self, tunnel: OpenTunnel) -> None:
        counters = tunnel.counters
        self._tunnel = tunnel
        self._rates = Rates(counters.bytes_in, counters.bytes_out)
        self._connections = (counters.connections_now, counters.connections_total)

    @property
    def owner(self) -> str:
        """Whose tunnel it is."""
        return self._tunnel.info.owner_user_id

    def sample(self, seconds: float) -> bool:
        """Compute the rates of the last `seconds`; returns whether any counter changed."""
        counters = self._tunnel.counters
        before = self._connections
        self._connections = (counters.connections_now, counters.connections_total)
        return self._rates.sample(counters.bytes_in, counters.bytes_out, seconds) or before != self._connections

    def describe(self) -> LiveTunnel:
        """The tunnel as it is now."""
        info, counters = self._tunnel.info, self._tunnel.counters
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
            rate_in=self._rates.rate_in,
            rate_out=self._rates.rate_out,
        )
