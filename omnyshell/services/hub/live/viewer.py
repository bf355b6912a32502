"""A subscriber's rights to see the live state."""

from collections.abc import Callable
from dataclasses import dataclass

from omnyshell.model.live import LiveItem, LiveNode, LiveSession, Part, Scope
from omnyshell.model.principals import Principal
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.nodes.directory import NodeDirectory, ReachableNode

OfNode = Callable[[str], bool]
"""A test of a node, by its id."""


def _of_every_node(_node_id: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Viewer:
    """A subscriber's rights: an admin sees everything, others the nodes that they may use and their own items there."""

    principal: str
    is_admin: bool = False
    knows: OfNode = _of_every_node
    """Whether the viewer may know that this node is connected."""

    watches: OfNode = _of_every_node
    """Whether the viewer may see its own sessions on this connected node."""

    @classmethod
    def of(cls, principal: Principal, policy: HubPolicy, nodes: NodeDirectory) -> "Viewer":
        """Return the viewer for a principal; its rights are checked anew each time."""
        if principal.is_admin:
            return cls(principal.id, is_admin=True)

        def if_connected(judge: Callable[[ReachableNode], bool]) -> OfNode:
            return lambda node_id: (node := nodes.find(node_id)) is not None and judge(node)

        return cls(
            principal.id,
            knows=if_connected(lambda node: policy.may_know(principal, node)),
            watches=if_connected(lambda node: policy.decide(principal, Action.WATCH, node).allowed),
        )

    @property
    def scope(self) -> Scope:
        """Whose state is sent."""
        return Scope.ALL if self.is_admin else Scope.OWN

    @property
    def parts(self) -> frozenset[Part]:
        """The parts that the viewer may see; figures are for admins, as they cover the whole hub."""
        return frozenset(Part) if self.is_admin else frozenset(Part) - {Part.METRICS}

    def owns(self, principal: str | None) -> bool:
        """Tell whether items of that principal may be seen; None stands for items without an owner."""
        return self.is_admin or principal is None or principal == self.principal

    def may_hear_the_end(self, item: LiveItem) -> bool:
        """Tell whether the end of an item may be sent to a viewer that was not sent the item before."""
        if isinstance(item, LiveNode):
            return self.knows(item.node_id)
        return not isinstance(item, LiveSession) or self.watches(item.node_id)
