"""Who looks at the live state, and what may be seen."""

from collections.abc import Callable
from dataclasses import dataclass

from omnyshell.model.live import LiveItem, LiveNode, LiveSession, Part, Scope
from omnyshell.model.principals import Principal
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.nodes.directory import NodeDirectory, ReachableNode

OfNode = Callable[[str], bool]
"""Tells something about a node, by its id."""


def _of_every_node(_node_id: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Viewer:
    """A subscriber's rights: an admin sees everything, others the nodes they may use and what is theirs there."""

    principal: str
    is_admin: bool = False
    knows: OfNode = _of_every_node
    """Whether the viewer may know that this node is connected."""

    watches: OfNode = _of_every_node
    """Whether the viewer may look at its own sessions on this node, which is connected."""

    @classmethod
    def of(cls, principal: Principal, policy: HubPolicy, nodes: NodeDirectory) -> "Viewer":
        """Return how a principal sees a hub, by the rights it has at each moment."""
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
        """Whose state is told."""
        return Scope.ALL if self.is_admin else Scope.OWN

    @property
    def parts(self) -> frozenset[Part]:
        """The parts that may be seen: figures are of the whole hub."""
        return frozenset(Part) if self.is_admin else frozenset(Part) - {Part.METRICS}

    def owns(self, principal: str | None) -> bool:
        """Tell whether something of that principal may be seen; None stands for what everyone may ask about."""
        return self.is_admin or principal is None or principal == self.principal

    def may_hear_the_end(self, item: LiveItem) -> bool:
        """Tell whether the end of something may be told where nothing of it was told before."""
        if isinstance(item, LiveNode):
            return self.knows(item.node_id)
        return not isinstance(item, LiveSession) or self.watches(item.node_id)
