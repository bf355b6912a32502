"""Sorts what exposers send on tunnel channels from what belongs to sessions."""

from omnyshell.protocol.frames import HEADER_SIZE, DataOpcode
from omnyshell.protocol.messages import ChannelMessage, ChannelWindow
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.peers.role_service import Handler
from omnyshell.services.hub.tunnels.broker import TunnelBroker

GRANTED = "stdin"
"""The stream whose grants the hub takes on a tunnel channel (docs/protocol.md#credit)."""


class TunnelMessages:
    """Gives tunnel channels what is theirs."""

    def __init__(self, broker: TunnelBroker, metrics: HubMetrics) -> None:
        self._broker = broker
        self._metrics = metrics

    def data(self, peer: Peer, opcode: DataOpcode, channel: int, raw: bytes | memoryview) -> bool:
        """Take a data frame; returns False where the channel is none of a tunnel."""
        channels = self._broker.channels_of(peer)
        if channels is None or channel not in channels:
            return False
        if opcode == DataOpcode.STDOUT:
            # A view, so that nothing is copied: the frame is ours alone.
            channels.receive_data(channel, DataOpcode.STDOUT, memoryview(raw)[HEADER_SIZE:])
        else:
            peer.dropped(len(raw))
        return True

    def before(self, otherwise: Handler | None = None) -> Handler:
        """Return a handler that asks tunnels first, and then `otherwise`; without it, what is left is dropped."""

        def handle(peer: Peer, message: ChannelMessage, channel: int) -> None:
            channels = self._broker.channels_of(peer)
            if channels is not None and channel in channels:
                if isinstance(message, ChannelWindow) and message.stream != GRANTED:
                    self._metrics.frames_dropped += 1
                else:
                    channels.receive_message(channel, message)
            elif otherwise is not None:
                otherwise(peer, message, channel)
            else:
                self._metrics.frames_dropped += 1

        return handle
