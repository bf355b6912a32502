"""Connections, and ports of tunnels, as the hub's plain objects see them: no sockets."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from omnyshell import (
    Principal,
    PrincipalId,
)
from omnyshell.model.live import LivePeer
from omnyshell.protocol.extensions import FORWARD, FORWARD_AHEAD
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import ChannelEof, NodeSessionOpen, SessionRejected
from omnyshell.protocol.messages.forwards import ForwardDial
from omnyshell.services.hub.tunnels.public_ports import PublicPorts
from omnyshell.transport.channels import ChannelMultiplexer


class FakePeer:
    """A connection that remembers what it was sent."""

    silent_for = 0.0
    round_trip = None
    is_logged_in = has_room = True
    queued_bytes = 0
    hub = ""
    most_roles = None
    is_choked = False

    def __init__(self, name: str, role: str) -> None:
        self.name = name
        self._who = Principal(PrincipalId(name.split("-")[0]), frozenset({role}))
        self._open = True
        self.channels: dict[int, Any] = {}
        self.inbox: list[tuple[int | None, Any]] = []
        self.refused: list[tuple[int, SessionRejected]] = []
        """The refusals that a client heard, with their channels."""

        self.asked: dict[str, int] = {}
        """What a node was asked for, by id, with its channel."""

        self.used: set[int] = set()
        """Channels on which input came, or its end, or the use of what was asked for ahead."""

        self.role = role
        self.known_gone = False
        self.evidence = None
        self.has_said_goodbye = False
        self.id = name
        self.connected_at = datetime(2026, 1, 2, tzinfo=UTC)

    def __repr__(self) -> str:
        return self.name

    @property
    def principal(self) -> Principal:
        return self._who

    @property
    def features(self) -> frozenset[str]:
        return frozenset({FORWARD, FORWARD_AHEAD})

    @property
    def address(self) -> str:
        return "192.0.2.1"

    @property
    def is_open(self) -> bool:
        return self._open

    def describe(self) -> LivePeer:
        return LivePeer(peer_id=self.id, role=self.role, principal=self.principal.id, connected_at=self.connected_at)

    def multiplexer(self, incoming: str, ended: Callable[[int], None]) -> ChannelMultiplexer:
        return ChannelMultiplexer(cast("Any", SimpleNamespace(last_heard=0.0)), incoming, ended)

    def receive(self, opcode: DataOpcode, channel: int, raw: bytes) -> None:
        """Give a frame of this peer to whom its channel belongs."""
        if (owner := self.channels.get(channel)) is not None:
            owner.data(opcode, raw)

    def worked(self, _seconds: float) -> None:
        """Nobody reads it more slowly."""

    def ping(self) -> None:
        """Nobody measures it."""

    def send(self, message: Any, channel: int | None = None) -> None:
        self.inbox.append((channel, message))
        if isinstance(message, NodeSessionOpen):
            self.asked[message.session_id] = channel or 0

    def send_in_order(self, message: Any, channel: int) -> None:
        self.inbox.append((channel, message))
        if isinstance(message, ChannelEof | ForwardDial):
            self.used.add(channel)
        elif isinstance(message, SessionRejected):
            self.refused.append((channel, message))

    def relay_data(self, channel: int, raw: bytes) -> None:
        self.inbox.append((channel, raw))
        self.used.add(channel)

    def discard(self, channel: int) -> None:
        self.inbox = [item for item in self.inbox if item[0] != channel or not isinstance(item[1], bytes)]

    def dropped(self, _size: int) -> None:
        """Nobody reads it more slowly."""

    def fail(self, code: str, text: str, *, retry_after: int | None = None) -> None:
        self._open = False

    def evict(self, code: str, text: str, *, retry_after: int | None = None) -> None:
        self._open = False

    def close(self, code: int, reason: str) -> None:
        self._open = False

    def send_away(self, code: int, reason: str) -> None:
        self._open = False

    def vanish(self) -> None:
        self._open = False


def no_reception(_peer: object) -> Any:
    """Receives nobody: a connection whose login is of no interest."""
    said = SimpleNamespace(role="", peer_features=frozenset())
    return SimpleNamespace(handshake=said, begin=lambda: None, end=lambda: None)


class FakePorts(PublicPorts):
    """Binds nothing."""

    def __init__(self) -> None:
        super().__init__()

    def bind(self, port: int) -> list[Any]:
        return []
