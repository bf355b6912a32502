"""Passes bytes and channel messages between the two ends of a session, and enforces credit (section 4).

The relay rewrites the channel id and never looks into payloads. Nothing here waits: what a slow receiver has not
taken is in its outbox, bounded by the credit of its channels.
"""

from collections.abc import Callable

from omnyshell.protocol.frames import HEADER_SIZE, DataOpcode
from omnyshell.protocol.messages import (
    ChannelEof,
    ChannelExit,
    ChannelMessage,
    ChannelPaint,
    ChannelResize,
    ChannelSignal,
    ChannelWindow,
)
from omnyshell.services.hub.metrics import HubMetrics
from omnyshell.services.hub.peers import Peer
from omnyshell.services.hub.router import SessionRoute, SessionRouter


class Relay:
    """Moves what arrives on one end of a route to the other. What belongs to no open route is dropped and counted."""

    def __init__(
        self, router: SessionRouter, metrics: HubMetrics, on_credit_violation: Callable[[SessionRoute], None]
    ) -> None:
        self._router = router
        self._metrics = metrics
        self._on_credit_violation = on_credit_violation

    def data_from_client(self, peer: Peer, opcode: DataOpcode, channel: int, raw: bytes | memoryview) -> None:
        """Pass stdin on to the node."""
        route = self._router.find(peer, channel)
        if route is None or not route.is_open or opcode is not DataOpcode.STDIN:
            peer.dropped(len(raw))
            return
        size = len(raw) - HEADER_SIZE
        if not route.to_node.spend(size):
            self._violated(route)
            return
        route.bytes_in += size
        self._metrics.frames_relayed += 1
        self._metrics.bytes_relayed += size
        route.node.relay_data(route.node_channel, raw)

    def data_from_node(self, peer: Peer, opcode: DataOpcode, channel: int, raw: bytes | memoryview) -> None:
        """Pass stdout and stderr on to the client."""
        route = self._router.find(peer, channel)
        if route is None or not route.is_open or opcode is DataOpcode.STDIN:
            peer.dropped(len(raw))
            return
        size = len(raw) - HEADER_SIZE
        if not route.to_client.spend(size):
            self._violated(route)
            return
        route.bytes_out += size
        self._metrics.frames_relayed += 1
        self._metrics.bytes_relayed += size
        route.client.relay_data(route.client_channel, raw)

    def message_from_client(self, peer: Peer, channel: int, message: ChannelMessage) -> None:
        """Pass on resize, signal and windows, ahead of data, and the end of input, behind it."""
        route = self._open_route(peer, channel)
        if route is None:
            self._metrics.frames_dropped += 1
        elif isinstance(message, ChannelWindow):
            self._grant(route, route.to_client.grant(message.credit), route.node, route.node_channel, message)
        elif isinstance(message, ChannelEof):
            route.node.send_in_order(message, route.node_channel)
        elif isinstance(message, ChannelResize | ChannelSignal):
            route.node.send(message, route.node_channel)

    def message_from_node(self, peer: Peer, channel: int, message: ChannelMessage) -> None:
        """Pass on windows, ahead of data, and the exit and `channel.paint` in their place behind it."""
        route = self._open_route(peer, channel)
        if route is None:
            self._metrics.frames_dropped += 1
        elif isinstance(message, ChannelWindow):
            self._grant(route, route.to_node.grant(message.credit), route.client, route.client_channel, message)
        elif isinstance(message, ChannelExit) or (isinstance(message, ChannelPaint) and route.has_offsets):
            route.client.send_in_order(message, route.client_channel)
        else:
            # What belongs to an extension goes only to a peer that announced it.
            self._metrics.frames_dropped += 1

    def _open_route(self, peer: Peer, channel: int) -> SessionRoute | None:
        route = self._router.find(peer, channel)
        return route if route is not None and route.is_open else None

    def _grant(self, route: SessionRoute, accepted: bool, receiver: Peer, channel: int, window: ChannelWindow) -> None:
        """A grant goes through one for one and unchanged, or not at all (section 9)."""
        if not accepted:
            self._metrics.frames_dropped += 1
            return
        if window.offset is not None and not route.has_offsets:
            window = ChannelWindow(stream=window.stream, credit=window.credit)
        receiver.send(window, channel)

    def _violated(self, route: SessionRoute) -> None:
        self._metrics.credit_violations += 1
        self._on_credit_violation(route)
