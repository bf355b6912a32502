"""The two ends of a session in the hub: frames from one channel are relayed to the other.

Each end may send as much as its credit allows (docs/protocol.md#credit). The channel id is rewritten, and payloads are
not inspected. Nothing here blocks: data for a slow receiver waits in its outbox, bounded by the credit of its channels.
If too much waits for one principal, the credit that it grants is held back until some has been sent.
"""

from typing import TYPE_CHECKING

from omnyshell.protocol.credit import SendCredit
from omnyshell.protocol.frames import HEADER_SIZE, DataOpcode
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelEof,
    ChannelExit,
    ChannelMessage,
    ChannelPaint,
    ChannelResize,
    ChannelSignal,
    ChannelWindow,
    NodeSessionDetached,
    NodeSessionOpened,
    NodeSessionRejected,
    SessionDetached,
    SessionDetachRequest,
)
from omnyshell.protocol.messages.clipboard import SessionClipboard
from omnyshell.protocol.messages.forwards import ForwardDial
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.sessions.route import SessionRoute

if TYPE_CHECKING:
    from omnyshell.services.hub.sessions.broker import HubBroker


class Relay:
    """Shared by the ends of all sessions: counters, and grants that are held back."""

    def __init__(self, metrics: HubMetrics) -> None:
        self.metrics = metrics
        self._waiting: dict[SessionEnd, ChannelWindow] = {}
        """Grants that are held back, merged, by the end that sent them."""

    def sweep(self, _now: float) -> None:
        """Pass on held grants of ends that are no longer choked."""
        for end, window in list(self._waiting.items()):
            if not end.route.is_open:
                del self._waiting[end]
            elif not end.peer.is_choked:
                del self._waiting[end]
                end.pass_on(window)

    def grant(self, end: "SessionEnd", window: ChannelWindow) -> None:
        """Pass on an end's grant unchanged, or hold it back; held grants are merged into one."""
        before = self._waiting.get(end) if self._waiting else None
        if before is None and not end.peer.is_choked:
            end.pass_on(window)
        else:
            self._waiting[end] = window if before is None else _together(before, window)


class SessionEnd:
    """One end of a route. Frames that do not belong to an open session are dropped and counted."""

    __slots__ = ("_broker", "_far", "_far_channel", "_metrics", "_relay", "peer", "route")

    def __init__(
        self, route: SessionRoute, peer: FarEnd, far: tuple[FarEnd, int], relay: Relay, broker: "HubBroker"
    ) -> None:
        """`far` is the other end's connection and its channel there."""
        self.route = route
        self.peer = peer
        self._far, self._far_channel = far
        self._relay = relay
        self._metrics = relay.metrics
        self._broker = broker

    def pass_on(self, window: ChannelWindow) -> None:
        """Pass a grant on to the other end. Its offset is passed only if `resume-offset` is in force."""
        if window.offset is not None and not self.route.has_offsets:
            window = ChannelWindow(stream=window.stream, credit=window.credit)
        self._far.send(window, self._far_channel)

    def flooded(self) -> None:
        """End the session: too many messages wait for this end."""
        self._broker.flooded(self.route)

    def _send_on(self, size: int, raw: bytes | memoryview) -> None:
        metrics = self._metrics
        metrics.frames_relayed += 1
        metrics.bytes_relayed += size
        self._far.relay_data(self._far_channel, raw)

    def _grant(self, credit: SendCredit, window: ChannelWindow) -> None:
        if self.route.is_open and credit.grant(window.credit):
            self._relay.grant(self, window)
        else:
            self._drop()

    def _violated(self) -> None:
        self._metrics.credit_violations += 1
        self._broker.fail_route(self.route)

    def _drop(self) -> None:
        self._metrics.frames_dropped += 1


class ClientEnd(SessionEnd):
    """The client's end: a `ChannelOwner`."""

    __slots__ = ()

    def __init__(self, route: SessionRoute, relay: Relay, broker: "HubBroker") -> None:
        super().__init__(route, route.client, (route.node, route.node_channel), relay, broker)

    def _takes_early(self) -> bool:
        """Whether input goes on to the node before that has answered: it may be early for a forward's connection.

        One that was asked for ahead is used by that.
        """
        if self.route.is_ahead:
            self._broker.used(self.route)
        return self.route.is_connection

    def data(self, opcode: DataOpcode, raw: bytes | memoryview) -> None:
        """Pass stdin on to the node."""
        route = self.route
        if opcode is not DataOpcode.STDIN or not (route.is_open or self._takes_early()):
            self.peer.dropped(len(raw))
            return
        size = len(raw) - HEADER_SIZE
        if not route.to_node.spend(size):
            self._violated()
            return
        route.bytes_in += size
        self._send_on(size, raw)

    def message(self, message: ChannelMessage) -> None:
        """Relay resize, signal and windows ahead of data, the end of input after it, and the use of a connection.

        Close, detach and reports of clipboards go to the broker.
        """
        if isinstance(message, ChannelWindow):
            self._grant(self.route.to_client, message)
        elif isinstance(message, ChannelClose):
            self._broker.close_from_client(self.route, message)
        elif isinstance(message, SessionClipboard):
            self._broker.clipboard_written(self.route, message)
        elif isinstance(message, ChannelEof) and (self.route.is_open or self._takes_early()):
            self._far.send_in_order(message, self._far_channel)
        elif isinstance(message, ForwardDial) and self.route.is_ahead:
            self._broker.used(self.route)
            self._far.send_in_order(message, self._far_channel)
        elif not self.route.is_open:
            self._drop()
        elif isinstance(message, ChannelResize | ChannelSignal):
            self._far.send(message, self._far_channel)
        elif isinstance(message, SessionDetachRequest):
            self._broker.detach(self.route, message)
        else:
            self._drop()


class NodeEnd(SessionEnd):
    """The node's end: a `ChannelOwner`."""

    __slots__ = ()

    def __init__(self, route: SessionRoute, relay: Relay, broker: "HubBroker") -> None:
        super().__init__(route, route.node, (route.client, route.client_channel), relay, broker)

    def data(self, opcode: DataOpcode, raw: bytes | memoryview) -> None:
        """Pass stdout and stderr on to the client."""
        route = self.route
        if opcode is DataOpcode.STDIN or not route.is_open:
            self.peer.dropped(len(raw))
            return
        size = len(raw) - HEADER_SIZE
        if not route.to_client.spend(size):
            self._violated()
            return
        route.bytes_out += size
        self._send_on(size, raw)

    def message(self, message: ChannelMessage) -> None:
        """Relay windows ahead of data, and the exit and `channel.paint` in order after it.

        Messages that begin or end a session go to the broker.
        """
        if isinstance(message, ChannelWindow):
            self._grant(self.route.to_node, message)
        elif isinstance(message, ChannelClose):
            self._broker.close_from_node(self.route, message)
        elif self.route.is_open:
            self._message_of_open(message)
        elif isinstance(message, NodeSessionOpened):
            self._broker.opened(self.route, message)
        elif isinstance(message, NodeSessionRejected):
            self._broker.rejected(self.route, message)
        else:
            self._drop()

    def _message_of_open(self, message: ChannelMessage) -> None:
        if isinstance(message, ChannelExit):
            self._broker.exited(self.route)
            self._far.send_in_order(message, self._far_channel)
        elif isinstance(message, ChannelPaint) and self.route.has_offsets:
            # Messages of an extension go only to a peer that announced it.
            self._far.send_in_order(message, self._far_channel)
        elif isinstance(message, NodeSessionDetached):
            self._broker.detached(self.route, message)
        elif isinstance(message, SessionDetached) and self.peer.hub:
            told = NodeSessionDetached(
                session_id=message.session_id, short_id=message.short_id, expires_at=message.expires_at
            )
            self._broker.detached(self.route, told, message.taken_by or "")
        else:
            self._drop()


def _together(one: ChannelWindow, other: ChannelWindow) -> ChannelWindow:
    """Return one grant for two consecutive ones."""
    offset = other.offset if other.offset is not None else one.offset
    return ChannelWindow(stream=other.stream, credit=one.credit + other.credit, offset=offset)
