"""What an exposer sends on a tunnel's channel, sorted."""

from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.frames import HEADER_SIZE, DataOpcode
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelEof,
    ChannelMessage,
    ChannelWindow,
    NodeTunnelConnected,
    NodeTunnelConnectFailed,
)
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.tunnels.connection import TunnelConnection

GRANTED = "stdin"
"""The stream whose grants the hub takes on a tunnel's channel (docs/protocol.md#credit)."""

_TAKEN = ChannelEof | ChannelClose | NodeTunnelConnected | NodeTunnelConnectFailed


class TunnelChannel:
    """The `ChannelOwner` that stands for a connection through a tunnel."""

    __slots__ = ("_connection", "_exposer", "_metrics")

    def __init__(self, connection: TunnelConnection, exposer: FarEnd, metrics: HubMetrics) -> None:
        self._connection = connection
        self._exposer = exposer
        self._metrics = metrics

    def data(self, opcode: DataOpcode, raw: bytes | memoryview) -> None:
        """Take what the target sent."""
        if opcode is DataOpcode.STDOUT:
            # A view, so that nothing is copied: the frame is ours alone.
            self._connection.data_received(opcode, memoryview(raw)[HEADER_SIZE:])
        else:
            self._exposer.dropped(len(raw))

    def message(self, message: ChannelMessage) -> None:
        """Take credit, and what the exposer says of the target."""
        if isinstance(message, ChannelWindow) and message.stream == GRANTED:
            self._connection.channel.window_received(message)
        elif isinstance(message, _TAKEN):
            self._connection.message_received(message)
        else:
            self._metrics.frames_dropped += 1

    def flooded(self) -> None:
        """More is sent to the exposer than it takes."""
        self._connection.abort(CloseReason.ERROR, "More than the other end takes")
