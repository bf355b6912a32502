"""A connection that serves tunnels: a node's, or a client's for its own machine."""

from omnyshell.errors import TransportException
from omnyshell.ids import FIRST_HUB_CHANNEL_AT_CLIENT
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.directory import ReachableNode
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.tunnels.channel import TunnelChannel
from omnyshell.services.hub.tunnels.connection import TunnelConnection

INCOMING = "stdout"
"""The stream whose credit the hub grants on tunnel channels."""


class Exposer:
    """Holds the channels of its tunnels' connections, and chooses their ids."""

    def __init__(self, peer: FarEnd, node: ReachableNode | None, metrics: HubMetrics) -> None:
        self.node = node
        """The node that is registered at it; None for a client."""

        self.peer = peer
        self.tunnels: dict[str, None] = {}
        """The ids of the tunnels that it serves, oldest first."""

        self._channels = peer.multiplexer(INCOMING, self._ended)
        self._metrics = metrics
        self._last_channel = FIRST_HUB_CHANNEL_AT_CLIENT - 1

    @property
    def connections(self) -> int:
        """How many connections have a channel."""
        return len(self._channels)

    def adopt(self, connection: TunnelConnection) -> None:
        """Give a connection a channel to the exposer, and make it the channel's owner."""
        channel_id = self._allocate_channel()
        channel = connection.channel = self._channels.adopt(channel_id, connection)
        self.peer.channels[channel_id] = TunnelChannel(connection, channel, self.peer, self._metrics)

    def lose(self) -> None:
        """End what is left of the channels: the exposer's connection has ended."""
        self._channels.lose(TransportException("the exposer's connection has ended"))

    def _ended(self, channel_id: int) -> None:
        del self.peer.channels[channel_id]

    def _allocate_channel(self) -> int:
        """Return the next channel id toward the exposer; for a node, sessions use the same range."""
        if self.node is not None:
            return self.node.allocate_channel()
        self._last_channel += 1
        return self._last_channel
