"""The last known state of nodes that have disconnected since the hub started."""

from collections.abc import Mapping
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
        self._labels: dict[str, Mapping[str, str]] = {}

    def note(self, node: RegisteredNode, peer: Peer) -> None:
        """Remember a node whose connection ended."""
        given = node.registration
        labels = given.labels
        self._forget(node.node_id)
        while len(self._nodes) >= MAX_REMEMBERED:
            self._forget(next(iter(self._nodes)))
        if sum(len(key) + len(value) for key, value in labels.items()) > MAX_LABELS:
            labels = {}
        else:
            self._labels[node.node_id] = labels
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

    def labels_of(self, node_id: str) -> Mapping[str, str] | None:
        """Return all labels that a node had given itself; None if they are not remembered."""
        return self._labels.get(node_id)

    def _forget(self, node_id: str) -> None:
        self._nodes.pop(node_id, None)
        self._labels.pop(node_id, None)


def last_heard(peer: Peer, clock: Clock) -> datetime:
    """Return when something last came from a peer."""
    return clock.now() - timedelta(seconds=peer.silent_for)
