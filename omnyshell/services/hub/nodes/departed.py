"""The last known state of nodes that have disconnected since the hub started."""

from datetime import datetime, timedelta

from omnyshell.clock import Clock
from omnyshell.model.live import LiveNode, NodePresence
from omnyshell.services.hub.nodes.registry import RegisteredNode
from omnyshell.services.hub.peers.peer import Peer

MAX_REMEMBERED = 5_000
MAX_LABELS = 2_048
"""Characters of a node's labels that are remembered; longer labels are dropped."""


class DepartedNodes:
    """Remembers the last state of the nodes that disconnected most recently."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._nodes: dict[str, LiveNode] = {}

    def note(self, node: RegisteredNode, peer: Peer) -> None:
        """Remember a node whose connection ended."""
        given = node.registration
        labels = given.labels
        if sum(len(key) + len(value) for key, value in labels.items()) > MAX_LABELS:
            labels = {}
        while len(self._nodes) >= MAX_REMEMBERED:
            del self._nodes[next(iter(self._nodes))]
        self._nodes[node.node_id] = LiveNode(
            node_id=node.node_id,
            state=NodePresence.OFFLINE,
            uid=given.uid or "",
            display_name=given.display_name[:256],
            platform=given.platform,
            labels=labels,
            address=peer.address,
            connected_at=peer.connected_at,
            last_heard_at=last_heard(peer, self._clock),
        )

    def find(self, node_id: str) -> LiveNode | None:
        """Return the last state of a node; None if it is not remembered."""
        return self._nodes.get(node_id)


def last_heard(peer: Peer, clock: Clock) -> datetime:
    """Return when something last came from a peer."""
    return clock.now() - timedelta(seconds=peer.silent_for)
