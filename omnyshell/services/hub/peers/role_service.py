"""What a role may say after login, and who deals with it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from omnyshell.protocol.messages import ChannelMessage, ControlMessage
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.peer import Peer

Handler = Callable[[Peer, Any, int], None]
"""Takes a message of the type it is entered under, and its channel, 0 where it has none."""

Handlers = Mapping[type[ControlMessage], Handler]


def merged(*tables: Handlers) -> dict[type[ControlMessage], Handler]:
    """Return one table of all. Raises `ValueError` where two of them deal with the same message."""
    whole: dict[type[ControlMessage], Handler] = {}
    for table in tables:
        doubles = ", ".join(sorted(kind.TYPE for kind in whole.keys() & table.keys()))
        if doubles:
            raise ValueError(f"dealt with twice: {doubles}")
        whole.update(table)
    return whole


def to_owner(metrics: HubMetrics) -> Handler:
    """Return a handler that gives a message to whom its channel belongs; on another channel it is dropped."""

    def handle(peer: Peer, message: ChannelMessage, channel: int) -> None:
        owner = peer.channels.get(channel)
        if owner is not None:
            owner.message(message)
        else:
            metrics.frames_dropped += 1

    return handle


class RoleService(Protocol):
    """The hub's face toward one role. A message without a handler is dropped and counted."""

    @property
    def handlers(self) -> Handlers:
        """The messages that the role may send."""

    def left(self, peer: Peer) -> None:
        """A connection of the role has ended."""
