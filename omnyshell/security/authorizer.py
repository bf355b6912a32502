"""Who may do what on which node (docs/protocol.md#roles, docs/extensions.md#rights)."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from omnyshell.model.grammars import is_role
from omnyshell.model.principals import ADMIN_ROLE, Principal
from omnyshell.model.tunnels import LOCAL_EXPOSER
from omnyshell.security.authorized_keys import split_roles

ALLOW_ROLES_LABEL = "allow-roles"
"""The label that lists, separated by commas, the roles that may use a node."""

LONGEST_SHOWN_ROLE = 64
MOST_SHOWN_ROLES = 8
"""Of the roles that would do, and of those that somebody has, so many are told in a refusal: there may be any."""


class Action(StrEnum):
    """What a right is for. Each is one right of its own; none implies another."""

    SHELL = "shell"
    """A shell: opened, or taken up again."""

    EXEC = "exec"
    """Commands, with a terminal or without."""

    WATCH = "watch"
    """One's own sessions: listed, looked at, taken from the terminal that has them."""

    KILL = "kill"
    """One's own sessions, ended without being attached."""

    FORWARD = "forward"
    """Targets that the node reaches, for the client alone."""

    EXPOSE = "expose"
    """Public ports of the hub that lead to the node, for everybody."""


class NodeResource(msgspec.Struct, frozen=True):
    """What access to a node is judged by. `@local` as its id stands for the asking client's own machine."""

    node_id: str
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    """What the node says of itself."""

    hub_labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    """What the hub sets for that node id."""

    @property
    def is_local(self) -> bool:
        """Whether this is the asking client's own machine, which has neither a node id nor labels."""
        return self.node_id == LOCAL_EXPOSER


OWN_MACHINE = NodeResource(LOCAL_EXPOSER)


class Decision(NamedTuple):
    """Whether something is allowed, and why."""

    allowed: bool
    why: str
    """The reason, as a clause that stands behind a colon. It names nothing that a node has written."""

    would_do: Callable[[], Iterable[str]] = tuple
    """Returns the roles each of which would do. Called where somebody is told: most refusals only leave a node out."""

    @property
    def needed(self) -> tuple[str, ...]:
        """The roles that would do, sorted, as they may be shown: a node may have named anything, and any number."""
        wanted = set(self.would_do())
        others = sorted(filter(_can_be_shown, wanted - {ADMIN_ROLE}))
        return tuple(others[:MOST_SHOWN_ROLES]) or tuple(wanted & {ADMIN_ROLE})


@runtime_checkable
class Authorizer(Protocol):
    """Decides who may do what on which node, as far as the hub's grants and locks leave it open."""

    def decide(self, principal: Principal, action: Action, node: NodeResource) -> Decision:
        """Decide about one action.

        It must not block or raise: it is asked in the hub's event loop for each request, and again while things go on.
        """
        ...


class NodeAuthorizer(Protocol):
    """An authorizer as version 0.1 knew it, with one right for all that is done on a node."""

    def may_open(self, principal: Principal, node_labels: Mapping[str, str], hub_labels: Mapping[str, str]) -> bool:
        """Tell whether the principal may use a node with these labels of its own, and of the hub."""
        ...


class RoleBasedAuthorizer:
    """Access by role: an admin everything, others all but `expose` where a role of theirs is listed.

    A node without the label is for admins alone. A label set on the hub is a ceiling: both lists must then allow
    the access, so that a node can restrict itself further but never grant itself more.
    """

    def decide(self, principal: Principal, action: Action, node: NodeResource) -> Decision:
        """Decide by the principal's roles and the node's labels."""
        if principal.is_admin:
            return Decision(allowed=True, why=f"the role {ADMIN_ROLE} may do everything")
        if action is Action.EXPOSE or node.is_local:
            why = "it is a right of its own" if node.is_local else f"it is more than {ALLOW_ROLES_LABEL} gives"
            return Decision(allowed=False, why=why, would_do=_admins)
        if ALLOW_ROLES_LABEL not in node.labels:
            return Decision(allowed=False, why=f"the node has no {ALLOW_ROLES_LABEL}", would_do=_admins)
        listed = split_roles(node.labels[ALLOW_ROLES_LABEL])
        mine = principal.roles & listed
        if ALLOW_ROLES_LABEL not in node.hub_labels:
            return _listed(mine, "lists the role") if mine else _unlisted(listed, "the node's")
        ceiling = split_roles(node.hub_labels[ALLOW_ROLES_LABEL])
        if not mine or principal.roles.isdisjoint(ceiling):
            return _unlisted(listed & ceiling, "the hub's" if mine else "the node's")
        return _listed(mine, "within the hub's ceiling lists the role")

    def may_open(self, principal: Principal, node_labels: Mapping[str, str], hub_labels: Mapping[str, str]) -> bool:
        """Tell whether the principal may use a node with these labels: everything on it but `expose`."""
        return self.decide(principal, Action.SHELL, NodeResource("", node_labels, hub_labels)).allowed


class MayOpenAuthorizer:
    """Has an authorizer of version 0.1 go on: what it lets use a node may do all there but `expose`.

    For a public port it must let an admin use the node; beside one's own machine it is not asked.
    """

    def __init__(self, inner: NodeAuthorizer) -> None:
        self._inner = inner

    def decide(self, principal: Principal, action: Action, node: NodeResource) -> Decision:
        """Decide as the inner authorizer does."""
        if (action is Action.EXPOSE or node.is_local) and not principal.is_admin:
            return Decision(allowed=False, why="it takes an admin", would_do=_admins)
        if node.is_local or self._inner.may_open(principal, node.labels, node.hub_labels):
            return Decision(allowed=True, why="the hub's own policy allows it")
        return Decision(allowed=False, why="the hub's own policy refuses it")


def with_decisions(authorizer: Authorizer | NodeAuthorizer) -> Authorizer:
    """Return what decides about each action: the authorizer, or what stands for one that knows `may_open` alone."""
    return authorizer if isinstance(authorizer, Authorizer) else MayOpenAuthorizer(authorizer)


def _can_be_shown(role: str) -> bool:
    """A word of bounded length: neither a sentence that advises whoever reads it, nor what a terminal obeys."""
    return is_role(role) and len(role) <= LONGEST_SHOWN_ROLE and " " not in role


def _admins() -> tuple[str, ...]:
    return (ADMIN_ROLE,)


def _listed(mine: frozenset[str], how: str) -> Decision:
    return Decision(allowed=True, why=f"the node's {ALLOW_ROLES_LABEL} {how} {min(mine)}")


def _unlisted(listed: frozenset[str], whose: str) -> Decision:
    why = f"{whose} {ALLOW_ROLES_LABEL} lists none of the roles"
    return Decision(allowed=False, why=why, would_do=lambda: listed | {ADMIN_ROLE})
