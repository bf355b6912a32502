"""What the hub allows at present: the one place in the hub that decides who may do what."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol, Self

from omnyshell.clock import SystemClock
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
from omnyshell.security.grants import GrantAuthorizer
from omnyshell.services.hub.access.locks import Locks, told
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.enrolment.store import UNREADABLE
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.limits import QuotaLimits, Resource

_DONE: Mapping[Action, str] = {
    Action.SHELL: "open a shell",
    Action.EXEC: "run commands",
    Action.WATCH: "look at sessions",
    Action.KILL: "end sessions",
    Action.FORWARD: "reach targets",
    Action.EXPOSE: "open a public port",
}

logger = logging.getLogger("omnyshell.hub")


class JudgedNode(Protocol):
    """What access to a connected node is judged by."""

    @property
    def node_id(self) -> str:
        """Its id."""

    @property
    def resource(self) -> NodeResource:
        """The same with its labels."""


@dataclass(slots=True, kw_only=True)
class HubPolicy:
    """Shared by all who decide by it: what a reload changes here, it changes for all of them."""

    authorizer: Authorizer
    max_channels: int
    """Of one connection."""

    list_all_nodes: bool = False
    """Whether clients are told of nodes that they may not use."""

    locks: Locks = field(default_factory=lambda: Locks(SystemClock()))
    quota: Quota = field(default_factory=Quota)
    """What each principal may take."""

    @classmethod
    def of(cls, config: HubConfig, locks: Locks) -> Self:
        """Return the policy that a hub's settings say, beside its locks."""
        authorizer = GrantAuthorizer(
            with_decisions(config.authorizer),
            config.grants,
            open_local_tunnels=config.open_local_tunnels,
            open_node_tunnels=config.open_node_tunnels,
        )
        return cls(
            authorizer=authorizer,
            max_channels=config.max_channels,
            list_all_nodes=config.list_all_nodes,
            locks=locks,
            quota=Quota(QuotaLimits(config.node_ids, config.quotas)),
        )

    def follow(self, config: HubConfig) -> None:
        """Decide by other settings from now on; what is locked stays locked."""
        other = HubPolicy.of(config, self.locks)
        for setting in fields(self):
            if setting.name != "quota":
                setattr(self, setting.name, getattr(other, setting.name))
        self.quota.follow(other.quota.limits)

    def why_no_more_ids(self, principal: Principal, held: int) -> str:
        """Why a principal with so many node ids may register no further one; nothing where it may."""
        return self.quota.problem(principal, Resource.NODE_IDS, held)

    def decide(self, principal: Principal, action: Action, node: JudgedNode | None) -> Decision:
        """Decide about an action on a node, or on the asking client's own machine; what fails refuses."""
        return self.judge(principal, action, OWN_MACHINE if node is None else node.resource)

    def judge(self, principal: Principal, action: Action, resource: NodeResource) -> Decision:
        """Decide as `decide` does, about a node that need not be connected. A lock comes before every right."""
        lock = self.locks.of_node(resource.node_id)
        if lock is not None:
            return Decision(allowed=False, why=told(lock))
        if not UNREADABLE.keys().isdisjoint(resource.hub_labels):
            return Decision(allowed=False, why="its labels at the hub are damaged: an admin has to set them anew")
        try:
            return self.authorizer.decide(principal, action, resource)
        except Exception:
            # An embedder's authorizer: it must neither let anybody in nor end the connection of whoever asks.
            logger.exception("the authorizer failed")
            return Decision(allowed=False, why="the hub cannot decide it now")

    def may_know(self, principal: Principal, node: JudgedNode) -> bool:
        """Tell whether a client may learn that the node is there: that takes any right on it."""
        if self.list_all_nodes or principal.is_admin:
            return True
        return any(self.decide(principal, action, node).allowed for action in Action)

    def refusal(self, principal: Principal, action: Action, node: JudgedNode | None, decision: Decision) -> str:
        """Return what whoever was refused is told: why, and what it takes, where it may know the node."""
        where = f"'{node.node_id}'" if node is not None else "your own machine"
        return f"Not authorized to {_DONE[action]} on {where}{self.reason(principal, node, decision)}"

    def reason(self, principal: Principal, node: JudgedNode | None, decision: Decision) -> str:
        """Return what follows on a refusal, with its colon; nothing for whoever may not know the node."""
        if node is not None and not self.may_know(principal, node):
            return ""
        if not decision.needed:
            return f": {decision.why}"
        return f": it takes the role {' or '.join(decision.needed)} (you have {_named(principal.roles)})"


def only_admins_expose(config: HubConfig) -> bool:
    """Tell whether the settings let nobody but admins open public ports, of which there are some."""
    is_given = any(Action.EXPOSE in grant.rights and not grant.deny for grant in config.grants)
    is_open = config.open_local_tunnels or config.open_node_tunnels
    return config.tunnel_ports is not None and not is_given and not is_open and _is_by_role(config.authorizer)


def _is_by_role(authorizer: object) -> bool:
    """Another authorizer may give the right to anybody."""
    return isinstance(authorizer, RoleBasedAuthorizer)


def _named(roles: frozenset[str]) -> str:
    if not roles:
        return "none"
    named = sorted(roles)
    more = f" and {len(named) - MOST_SHOWN_ROLES} more" if len(named) > MOST_SHOWN_ROLES else ""
    return ", ".join(named[:MOST_SHOWN_ROLES]) + more
