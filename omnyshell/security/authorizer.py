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
"""How many roles a refusal lists at most, of those needed and of those held: there may be any number."""


class Action(StrEnum):
    """The rights. None implies another."""

    SHELL = "shell"
    """Open or resume a shell."""

    EXEC = "exec"
    """Run commands, with a terminal or without."""

    SSH = "ssh"
    """Connect with OpenSSH's tools: shells, commands, files and forwards, as sshd gives them."""

    FILES = "files"
    """Copy files to the node and from it, as the user whose transfer it is."""

    AGENT = "agent"
    """Let programs at the node ask one's own ssh-agent, while one is there."""

    WATCH = "watch"
    """List and view one's own sessions, and detach them from the terminal that has them."""

    KILL = "kill"
    """End one's own sessions without attaching to them."""

    FORWARD = "forward"
    """Reach the node's targets, for the client alone."""

    EXPOSE = "expose"
    """Open public ports of the hub that lead to the node, for everybody."""

    OTHERS = "others"
    """Do with other principals' sessions what `watch`, `shell` and `kill` allow with one's own."""


BEYOND_A_LABEL = frozenset({Action.EXPOSE, Action.OTHERS})
"""The rights that concern more than one's own access to a node, which no label of it gives."""


class NodeResource(msgspec.Struct, frozen=True):
    """The facts by which access to a node is decided. The id `@local` stands for the asking client's own machine."""

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
    """The reason, as a clause to follow a colon. It quotes nothing that a node has written."""

    would_do: Callable[[], Iterable[str]] = tuple
    """Returns the roles of which any one would be enough. Called only where a user is told: most refusals only omit a
    node."""

    @property
    def needed(self) -> tuple[str, ...]:
        """The roles of which any one would be enough, sorted.

        As nodes can name any, they are bounded in number and safe to show.
        """
        wanted = set(self.would_do())
        others = sorted(filter(_can_be_shown, wanted - {ADMIN_ROLE}))
        return tuple(others[:MOST_SHOWN_ROLES]) or tuple(wanted & {ADMIN_ROLE})


@runtime_checkable
class Authorizer(Protocol):
    """Decides who may do what on which node, where the hub's grants and locks have not decided already."""

    def decide(self, principal: Principal, action: Action, node: NodeResource) -> Decision:
        """Decide about one action.

        It must not block or raise: it is called in the hub's event loop for each request, and again for sessions that
        run.
        """
        ...


class NodeAuthorizer(Protocol):
    """An authorizer as version 0.1 knew it, with one right for all that is done on a node."""

    def may_open(self, principal: Principal, node_labels: Mapping[str, str], hub_labels: Mapping[str, str]) -> bool:
        """Tell whether the principal may use a node with these labels of its own, and of the hub."""
        ...


class RoleBasedAuthorizer:
    """Access by role: an admin everything, others all but `expose` and `others` where a role of theirs is listed.

    A node without the label is for admins alone. A label set on the hub is a ceiling: both lists must then allow
    the access, so that a node can restrict itself further but never grant itself more.
    """

    def decide(self, principal: Principal, action: Action, node: NodeResource) -> Decision:
        """Decide by the principal's roles and the node's labels."""
        if principal.is_admin:
            return Decision(allowed=True, why=f"the role {ADMIN_ROLE} may do everything")
        if action in BEYOND_A_LABEL or node.is_local:
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
        """Tell whether the principal may use a node with these labels: all of it but `BEYOND_A_LABEL`."""
        return self.decide(principal, Action.SHELL, NodeResource("", node_labels, hub_labels)).allowed


class MayOpenAuthorizer:
    """Adapts an authorizer of version 0.1: whoever may open a node has all rights there except `BEYOND_A_LABEL`.

    Those require an admin who may open the node. On the client's own machine an admin has all rights, and others
    none; the inner authorizer is not asked.
    """

    def __init__(self, inner: NodeAuthorizer) -> None:
        self._inner = inner

    def decide(self, principal: Principal, action: Action, node: NodeResource) -> Decision:
        """Decide as the inner authorizer does."""
        if (action in BEYOND_A_LABEL or node.is_local) and not principal.is_admin:
            return Decision(allowed=False, why="it takes an admin", would_do=_admins)
        if node.is_local or self._inner.may_open(principal, node.labels, node.hub_labels):
            return Decision(allowed=True, why="the hub's own policy allows it")
        return Decision(allowed=False, why="the hub's own policy refuses it")


def with_decisions(authorizer: Authorizer | NodeAuthorizer) -> Authorizer:
    """Return the authorizer, or an adapter for one that has `may_open` alone."""
    return authorizer if isinstance(authorizer, Authorizer) else MayOpenAuthorizer(authorizer)


def _can_be_shown(role: str) -> bool:
    """Tell whether it is a word of bounded length: it can neither pose as advice nor carry control characters."""
    return is_role(role) and len(role) <= LONGEST_SHOWN_ROLE and " " not in role


def _admins() -> tuple[str, ...]:
    return (ADMIN_ROLE,)


def _listed(mine: frozenset[str], how: str) -> Decision:
    return Decision(allowed=True, why=f"the node's {ALLOW_ROLES_LABEL} {how} {min(mine)}")


def _unlisted(listed: frozenset[str], whose: str) -> Decision:
    why = f"{whose} {ALLOW_ROLES_LABEL} lists none of the roles"
    return Decision(allowed=False, why=why, would_do=lambda: listed | {ADMIN_ROLE})
