"""The port by which nodes are looked up (docs/architecture.md#a-directory-and-far-ends)."""

from typing import Protocol

from omnyshell.model.nodes import NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.protocol.messages import ControlMessage, NodeSessionOpen, SessionOpen
from omnyshell.security.authorizer import NodeResource
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.peers.peer import Peer

PLATFORM_FILTER = "platform"
"""The filter of listings that means a node's operating system."""


class ReachableNode(Protocol):
    """A connected node, at this hub or another.

    Sessions and tunnels opened at it end with its `peer`, whoever has its id then.

    Nodes are compared by identity: another registration of the same id is another object.
    """

    @property
    def node_id(self) -> str:
        """The id under which it is reached."""

    @property
    def peer(self) -> FarEnd:
        """Its far end: its own connection, or the link to the hub that has it."""

    @property
    def resource(self) -> NodeResource:
        """The facts by which access to it is decided; this hub decides, even if another one has the node."""

    @property
    def labels(self) -> dict[str, str]:
        """The labels that it gave itself."""

    @property
    def platform(self) -> PlatformInfo:
        """Its platform, as it reports it."""

    @property
    def capabilities(self) -> NodeCapabilities | None:
        """Its capabilities; None until it reports them."""

    @property
    def size(self) -> int:
        """The size of its self-description in bytes."""

    def allocate_channel(self) -> int:
        """Return the next channel id toward it, which was not used with its `peer` before."""

    def describe(self) -> NodeDescriptor:
        """The node as clients see it."""

    def open(self, client: Peer, request: SessionOpen, asked: NodeSessionOpen, channel: int) -> None:
        """Ask it for a session, which the answer on `channel` opens or rejects.

        `asked` is what a node of this hub is asked; another hub makes that itself, of the client's `request`.
        """

    def ask(self, client: Peer, request: ControlMessage, asked: ControlMessage) -> None:
        """Ask it about sessions: a node of this hub `asked`, the hub of another one `request`, with the same id."""


class NodeDirectory(Protocol):
    """Looks nodes up, in memory, so that callers need not wait."""

    def find(self, node_id: str) -> ReachableNode | None:
        """Return the node that has this id now; None if there is none."""

    def online(self) -> frozenset[str]:
        """Return the ids of all nodes. Where there are many, `find` some of them at a time; some may be gone then."""


def has_labels(node: ReachableNode, wanted: dict[str, str]) -> bool:
    """Tell whether a node has all these labels; the key `platform` means its operating system."""
    return all(
        (node.platform.os if key == PLATFORM_FILTER else node.labels.get(key)) == value for key, value in wanted.items()
    )
