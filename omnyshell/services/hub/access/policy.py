"""What the hub allows: the one place in the hub that decides who may do what."""

import logging
from collections.abc import Collection, Mapping
from typing import Protocol, Self

from omnyshell.model.admin import RightInfo
from omnyshell.model.principals import Principal
from omnyshell.security.authorizer import (
    MOST_SHOWN_ROLES,
    OWN_MACHINE,
    Action,
    Authorizer,
    Decision,
    NodeResource,
    RoleBasedAuthorizer,
    with_decisions,
)
from omnyshell.security.grants import OF_USERS, GrantAuthorizer
from omnyshell.services.hub.access.locks import Locks, told
from omnyshell.services.hub.enrolment.store import UNREADABLE
from omnyshell.services.hub.ground.config import HubConfig

_DONE: Mapping[Action, str] = {
    Action.SHELL: "open a shell",
    Action.EXEC: "run commands",
    Action.SSH: "connect by ssh",
    Action.FILES: "copy files",
    Action.AGENT: "forward an agent",
    Action.WATCH: "look at sessions",
    Action.KILL: "end sessions",
    Action.FORWARD: "reach targets",
    Action.EXPOSE: "open a public port",
    Action.OTHERS: "reach other people's sessions",
}

logger = logging.getLogger("omnyshell.hub")


class JudgedNode(Protocol):
    """The facts by which access to a connected node is decided."""

    @property
    def node_id(self) -> str:
        """Its id."""

    @property
    def resource(self) -> NodeResource:
        """The node with its labels."""


class HubPolicy:
    """The policy, shared by all parts of the hub, so that a reload takes effect everywhere."""

    __slots__ = ("_authorizer", "_list_all_nodes", "_locks")

    def __init__(self, authorizer: Authorizer, locks: Locks, *, list_all_nodes: bool = False) -> None:
        """`list_all_nodes` tells whether listings for clients include nodes that they may not use."""
        self._authorizer = authorizer
        self._locks = locks
        self._list_all_nodes = list_all_nodes

    @classmethod
    def of(cls, config: HubConfig, locks: Locks) -> Self:
        """Return the policy for a hub's settings and locks."""
        return cls(_authorizer_of(config), locks, list_all_nodes=config.list_all_nodes)

    def follow(self, config: HubConfig) -> None:
        """Use other settings from now on; the locks stay."""
        self._authorizer = _authorizer_of(config)
        self._list_all_nodes = config.list_all_nodes

    def decide(self, principal: Principal, action: Action, node: JudgedNode | None) -> Decision:
        """Decide about an action on a node, or on the client's own machine if it is None; an error refuses."""
        return self.judge(principal, action, OWN_MACHINE if node is None else node.resource)

    def judge(self, principal: Principal, action: Action, resource: NodeResource) -> Decision:
        """Decide as `decide` does, for a node that need not be connected. Locks take precedence over all rights."""
        lock = self._locks.of_node(resource.node_id)
        if lock is not None:
            return Decision(allowed=False, why=told(lock))
        if not UNREADABLE.keys().isdisjoint(resource.hub_labels):
            return Decision(allowed=False, why="its labels at the hub are damaged: an admin has to set them anew")
        try:
            return self._authorizer.decide(principal, action, resource)
        except Exception:
            # An error of an embedder's authorizer must neither allow anything nor end the connection.
            logger.exception("the authorizer failed")
            return Decision(allowed=False, why="the hub cannot decide it now")

    def is_locked(self, node_id: str) -> bool:
        """Tell whether nobody may do anything at a node."""
        return self._locks.of_node(node_id) is not None

    def logins_of_all(
        self, principal: Principal, actions: Collection[Action], node: JudgedNode
    ) -> frozenset[str] | None:
        """Return the users to whom grants narrow what takes several rights: those whom each allows; None for any."""
        if not set(actions).issubset(OF_USERS):
            return None
        narrowed = [self.logins(principal, action, node.resource) for action in actions]
        some = [logins for logins in narrowed if logins is not None]
        return frozenset.intersection(*some) if some else None

    def logins(self, principal: Principal, action: Action, resource: NodeResource) -> frozenset[str] | None:
        """Return the users of a node's machine to whom grants narrow an action that is allowed; None for any.

        The node need not be connected.
        """
        if action not in OF_USERS or not isinstance(self._authorizer, GrantAuthorizer):
            return None
        try:
            return self._authorizer.logins(principal, action, resource)
        except Exception:
            logger.exception("the authorizer failed")
            return frozenset()

    def denied(self, principal: Principal, resource: NodeResource) -> tuple[RightInfo, ...]:
        """Return the rights that a principal lacks, each with the reason and the roles that would do.

        Of the client's own machine there is one right alone.
        """
        asked = (Action.EXPOSE,) if resource.is_local else tuple(Action)
        judged = ((action, self.judge(principal, action, resource)) for action in asked)
        return tuple(
            RightInfo(right=action.value, allowed=False, why=found.why, needed=found.needed)
            for action, found in judged
            if not found.allowed
        )

    def may_know(self, principal: Principal, node: JudgedNode) -> bool:
        """Tell whether a client may know of the node, which takes any right on it."""
        if self._list_all_nodes or principal.is_admin:
            return True
        return any(self.decide(principal, action, node).allowed for action in Action)

    def refusal(self, principal: Principal, action: Action, node: JudgedNode | None, decision: Decision) -> str:
        """Return the text of a refusal; it names the reason and the needed roles if the principal may know the node."""
        where = f"'{node.node_id}'" if node is not None else "your own machine"
        return f"Not authorized to {_DONE[action]} on {where}{self.reason(principal, node, decision)}"

    def reason(self, principal: Principal, node: JudgedNode | None, decision: Decision) -> str:
        """Return the reason to append to a refusal, with a colon; "" if the principal may not know the node."""
        if node is not None and not self.may_know(principal, node):
            return ""
        if not decision.needed:
            return f": {decision.why}"
        return f": it takes the role {' or '.join(decision.needed)} (you have {_named(principal.roles)})"


def _authorizer_of(config: HubConfig) -> Authorizer:
    return GrantAuthorizer(
        with_decisions(config.authorizer),
        config.grants,
        open_local_tunnels=config.open_local_tunnels,
        open_node_tunnels=config.open_node_tunnels,
    )


def only_admins_expose(config: HubConfig) -> bool:
    """Tell whether there are public ports, and the settings let only admins open them."""
    is_given = any(Action.EXPOSE in grant.rights and not grant.deny for grant in config.grants)
    is_open = config.open_local_tunnels or config.open_node_tunnels
    return config.tunnel_ports is not None and not is_given and not is_open and _is_by_role(config.authorizer)


def _is_by_role(authorizer: object) -> bool:
    """Tell whether the authorizer is by role; another one may give the right to anybody."""
    return isinstance(authorizer, RoleBasedAuthorizer)


def _named(roles: frozenset[str]) -> str:
    if not roles:
        return "none"
    named = sorted(roles)
    more = f" and {len(named) - MOST_SHOWN_ROLES} more" if len(named) > MOST_SHOWN_ROLES else ""
    return ", ".join(named[:MOST_SHOWN_ROLES]) + more
