"""Which nodes there are, and how each is reached (docs/architecture.md#a-directory-and-far-ends)."""

from collections.abc import Callable, Sequence
from typing import Protocol

from omnyshell.model.nodes import NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.security.authorizer import NodeResource
from omnyshell.services.hub.peers.far_end import FarEnd


class ReachableNode(Protocol):
    """A node that is connected, here or elsewhere. What is opened at it ends with its `peer`, whoever has its id then.

    Nodes are compared by identity: another registration of the same id is another one.
    """

    @property
    def node_id(self) -> str:
        """The id under which it is reached."""

    @property
    def peer(self) -> FarEnd:
        """Where it is: its own connection, or what leads to the hub that has it."""

    @property
    def resource(self) -> NodeResource:
        """What access to it is judged by, here too where another hub has it."""

    @property
    def labels(self) -> dict[str, str]:
        """The labels that it gave itself."""

    @property
    def platform(self) -> PlatformInfo:
        """What it runs on, by its own word."""

    @property
    def capabilities(self) -> NodeCapabilities | None:
        """What it supports; None until it says so."""

    @property
    def size(self) -> int:
        """How many bytes it said of itself."""

    def allocate_channel(self) -> int:
        """Return the next channel id toward it, which its `peer` has not had before."""

    def describe(self) -> NodeDescriptor:
        """The node as clients see it."""


class NodeDirectory(Protocol):
    """Where nodes are looked up: in memory, so that whoever opens something waits for nobody."""

    def find(self, node_id: str) -> ReachableNode | None:
        """Return the node that has this id now."""

    def list(
        self, wanted: dict[str, str], may_know: Callable[[ReachableNode], bool] = lambda _: True
    ) -> Sequence[ReachableNode]:
        """Return the nodes that have these labels and that whoever asks may know of, sorted by id."""
