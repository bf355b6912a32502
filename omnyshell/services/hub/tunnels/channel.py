"""Dispatches what an exposer sends on a tunnel's channel."""

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
from omnyshell.transport.channels import Channel

GRANTED = "stdin"
"""The stream whose grants the hub accepts on a tunnel's channel (docs/protocol.md#credit)."""

_TAKEN = ChannelEof | ChannelClose | NodeTunnelConnected | NodeTunnelConnectFailed


class TunnelChannel:
    """The `ChannelOwner` for a connection through a tunnel."""

    __slots__ = ("_channel", "_connection", "_exposer", "_metrics")

    def __init__(self, connection: TunnelConnection, channel: Channel, exposer: FarEnd, metrics: HubMetrics) -> None:
        self._connection = connection
        self._channel = channel
        self._exposer = exposer
        self._metrics = metrics

    def data(self, opcode: DataOpcode, raw: bytes | memoryview) -> None:
        """Handle data from the target."""
        if opcode is DataOpcode.STDOUT:
            # A view avoids a copy: nobody else uses the frame.
            self._connection.data_received(opcode, memoryview(raw)[HEADER_SIZE:])
        else:
            self._exposer.dropped(len(raw))

    def message(self, message: ChannelMessage) -> None:
        """Handle grants of credit, and messages about the target."""
        if isinstance(message, ChannelWindow) and message.stream == GRANTED:
            self._channel.window_received(message)
        elif isinstance(message, _TAKEN):
            self._connection.message_received(message)
        else:
            self._metrics.frames_dropped += 1

    def flooded(self) -> None:
        """End the connection: too many messages wait for the exposer."""
        self._connection.abort(CloseReason.ERROR, "More than the other end takes")
