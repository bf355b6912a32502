"""A subscriber's rights to see the live state."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec.structs import replace

from omnyshell.model.admin import RightInfo
from omnyshell.model.live import LiveHub, LiveItem, LiveNode, LiveSession, OwnRights, Part, Scope
from omnyshell.model.principals import Principal
from omnyshell.model.sessions import UNKNOWN_USAGE
from omnyshell.model.tunnels import LOCAL_EXPOSER
from omnyshell.protocol.extensions import LOGINS, OTHERS_SESSIONS, RIGHTS, SESSION_USAGE, WHOLE_VIEW
from omnyshell.security.authorizer import OWN_MACHINE, Action, NodeResource
from omnyshell.services.hub.access.policy import HubPolicy, JudgedNode

T = TypeVar("T", bound=LiveItem)

OfNode = Callable[[str], bool]
"""A test of a node, by its id."""


def _of_every_node(_node_id: str) -> bool:
    return True


def _of_no_node(_node_id: str) -> bool:
    return False


def _nothing(_node_id: str) -> tuple[RightInfo, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Viewer:
    """A subscriber's rights: an admin sees everything, others the nodes that they may use and their own items there."""

    principal: str
    is_admin: bool = False
    features: frozenset[str] = frozenset()
    """The extensions that its connection announced."""

    knows: OfNode = _of_every_node
    """Whether the viewer may know that this node is connected."""

    watches: OfNode = _of_every_node
    """Whether the viewer may see its own sessions on this node, which may be away."""

    reaches: OfNode = _of_no_node
    """Whether the viewer may watch other principals' sessions on this connected node."""

    denied: Callable[[str], tuple[RightInfo, ...]] = _nothing
    """Returns the rights that the viewer lacks on a connected node, or on its own machine."""

    roles: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        principal: Principal,
        features: frozenset[str],
        policy: HubPolicy,
        find: Callable[[str], JudgedNode | None],
        judged: Callable[[str], NodeResource | None],
    ) -> "Viewer":
        """Return the viewer for a principal; its rights are checked anew each time.

        `find` returns a connected node, `judged` the facts of a node that is connected, or those with which it left;
        None where they are not known.
        """

        def if_connected(judge: Callable[[JudgedNode], bool]) -> OfNode:
            return lambda node_id: (node := find(node_id)) is not None and judge(node)

        def denied(node_id: str) -> tuple[RightInfo, ...]:
            node = find(node_id)
            resource = OWN_MACHINE if node_id == LOCAL_EXPOSER else node.resource if node is not None else None
            return policy.denied(principal, resource) if resource is not None else ()

        told: dict[str, Any] = {"features": features, "roles": tuple(sorted(principal.roles)), "denied": denied}
        if principal.is_admin:
            return cls(principal.id, is_admin=True, **told)

        def watches(node_id: str) -> bool:
            resource = judged(node_id)
            return resource is not None and policy.judge(principal, Action.WATCH, resource).allowed

        others = if_connected(lambda node: policy.decide(principal, Action.OTHERS, node).allowed)
        return cls(
            principal.id,
            knows=if_connected(lambda node: policy.may_know(principal, node)),
            watches=watches,
            reaches=lambda node_id: others(node_id) and watches(node_id),
            **told,
        )

    @property
    def hears_rights(self) -> bool:
        """Whether it is told of its rights."""
        return RIGHTS in self.features

    @property
    def hears_hubs(self) -> bool:
        """Whether it is told at which of several hubs items are."""
        return WHOLE_VIEW in self.features

    def own(self) -> OwnRights:
        """Return its present rights beside those on nodes."""
        return OwnRights(principal=self.principal, roles=self.roles, denied=self.denied(LOCAL_EXPOSER))

    @property
    def scope(self) -> Scope:
        """Whose state is sent."""
        return Scope.ALL if self.is_admin else Scope.OWN

    @property
    def parts(self) -> frozenset[Part]:
        """The parts that the viewer may see; figures are for admins, as they cover the whole hub."""
        unseen = {Part.METRICS} if not self.is_admin else set[Part]()
        return frozenset(Part) - unseen - (set() if self.hears_hubs else {Part.HUBS})

    def owns(self, principal: str | None) -> bool:
        """Tell whether items of that principal may be seen; None stands for items without an owner."""
        return self.is_admin or principal is None or principal == self.principal

    def sees_session(self, owner: str, node_id: str) -> bool:
        """Tell whether a principal's session on a node may be seen.

        On one that is away its owner sees it, as far as the labels are known with which the node left, and admins.
        """
        if self.is_admin:
            return True
        return self.watches(node_id) if owner == self.principal else self.reaches(node_id)

    def shown(self, item: T) -> T:
        """Return an item as it may be shown to a viewer that sees it.

        Where the client of a session is, is for admins and for that client's own principal, as with `peers`; who took
        it or looks at it is for connections that announced `others-sessions`, as whom it runs for those with
        `logins`, and what it takes for those with `session-usage`.
        """
        if not isinstance(item, LiveSession):
            return item
        hidden: dict[str, Any] = {}
        if item.address and not self.owns(item.taken_by or item.principal):
            hidden["address"] = ""
        if OTHERS_SESSIONS not in self.features and (item.taken_by or item.watched_by):
            hidden |= {"taken_by": "", "watched_by": ()}
        if LOGINS not in self.features and item.user:
            hidden["user"] = ""
        if SESSION_USAGE not in self.features and item.processes is not None:
            hidden |= UNKNOWN_USAGE
        return replace(item, **hidden) if hidden else item

    def may_hear_the_end(self, item: LiveItem) -> bool:
        """Tell whether the end of an item may be sent to a viewer that was not sent the item before."""
        if isinstance(item, LiveNode):
            return self.knows(item.node_id)
        if isinstance(item, LiveHub):
            return False
        return not isinstance(item, LiveSession) or self.sees_session(item.principal, item.node_id)
