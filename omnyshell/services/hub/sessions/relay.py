"""Passes bytes and channel messages between the two ends of a session, and enforces docs/protocol.md#credit.

The relay rewrites the channel id and never looks into payloads. Nothing here waits: what a slow receiver has not
taken is in its outbox, bounded by the credit of its channels. Where too much waits there for one principal, the credit
that it grants waits too, until some of that has gone.
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
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.router import SessionRoute, SessionRouter


class Relay:
    """Moves what arrives on one end of a route to the other. What belongs to no open route is dropped and counted."""

    def __init__(
        self, router: SessionRouter, metrics: HubMetrics, on_credit_violation: Callable[[SessionRoute], None]
    ) -> None:
        self._router = router
        self._metrics = metrics
        self._on_credit_violation = on_credit_violation
        self._waiting: dict[tuple[Peer, int], tuple[SessionRoute, ChannelWindow]] = {}
        """Grants that wait, in one, by the end that they came from."""

    def sweep(self, _now: float) -> None:
        """Pass on grants whose senders take what waits for them again."""
        for (peer, channel), (route, window) in list(self._waiting.items()):
            if self._router.find(peer, channel) is not route:
                del self._waiting[peer, channel]
            elif not peer.is_choked:
                del self._waiting[peer, channel]
                self._pass_on(route, peer, window)

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
            self._grant(route, route.to_client.grant(message.credit), peer, channel, message)
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
            self._grant(route, route.to_node.grant(message.credit), peer, channel, message)
        elif isinstance(message, ChannelExit) or (isinstance(message, ChannelPaint) and route.has_offsets):
            route.client.send_in_order(message, route.client_channel)
        else:
            # What belongs to an extension goes only to a peer that announced it.
            self._metrics.frames_dropped += 1

    def _open_route(self, peer: Peer, channel: int) -> SessionRoute | None:
        route = self._router.find(peer, channel)
        return route if route is not None and route.is_open else None

    def _grant(self, route: SessionRoute, accepted: bool, peer: Peer, channel: int, window: ChannelWindow) -> None:
        """A grant goes through one for one and unchanged, or not at all; those that had to wait go in one."""
        if not accepted:
            self._metrics.frames_dropped += 1
        elif not peer.is_choked and not (self._waiting and (peer, channel) in self._waiting):
            self._pass_on(route, peer, window)
        else:
            before = self._waiting.get((peer, channel))
            if before is not None and before[0] is route:
                window = _together(before[1], window)
            self._waiting[peer, channel] = route, window

    def _pass_on(self, route: SessionRoute, peer: Peer, window: ChannelWindow) -> None:
        if window.offset is not None and not route.has_offsets:
            window = ChannelWindow(stream=window.stream, credit=window.credit)
        if peer is route.client:
            route.node.send(window, route.node_channel)
        else:
            route.client.send(window, route.client_channel)

    def _violated(self, route: SessionRoute) -> None:
        self._metrics.credit_violations += 1
        self._on_credit_violation(route)


def _together(one: ChannelWindow, other: ChannelWindow) -> ChannelWindow:
    """Return what stands for a grant and a later one."""
    offset = other.offset if other.offset is not None else one.offset
    return ChannelWindow(stream=other.stream, credit=one.credit + other.credit, offset=offset)
