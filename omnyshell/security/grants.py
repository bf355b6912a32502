"""Rights that the hub itself gives and denies, beside what a node's label says: `[[grants]]` of `hub.toml`.

[[grants]]
roles = ["web"]
nodes = ["web-*"]
rights = ["exec", "watch"]
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cached_property, lru_cache

from omnyshell.model.grammars import is_login
from omnyshell.model.principals import Principal
from omnyshell.model.tunnels import LOCAL_EXPOSER
from omnyshell.security.authorizer import Action, Authorizer, Decision, NodeResource

EVERYTHING = "*"
"""Stands for every principal, or for every right, also those of later versions."""

OF_USERS = (Action.SHELL, Action.EXEC, Action.SSH, Action.FILES, Action.AGENT, Action.WATCH, Action.OTHERS)
"""The rights that are given for sessions of some users alone, where a grant names them: all by which one becomes a user
of a node's machine, or has what runs as one. Other acts are no user's."""

OWN_NAME = "{principal}"
"""Stands in `logins` for the user of the principal's name."""

KNOWN_PRINCIPALS = 1024
"""Size of the cache of the grants that concern a principal: a listing decides about every node."""


@dataclass(frozen=True)
class Grant:
    """Gives rights to principals on nodes, or denies them.

    It applies to principals that are named or have one of the roles, and to nodes that match one of the patterns and
    have all the labels; if only patterns or only labels are given, the other does not restrict.
    """

    rights: frozenset[Action]
    roles: frozenset[str] = frozenset()
    principals: frozenset[str] = frozenset()
    """Names of principals; `*` is everybody."""

    nodes: tuple[str, ...] = ()
    """Patterns of node ids, with wildcards as for file names."""

    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that the node must have, with these values."""

    deny: bool = False
    """Whether the rights are denied instead."""

    logins: frozenset[str] = frozenset()
    """The users of nodes' machines to whom it narrows sessions; `{principal}` is the one of the same name.

    It does not narrow them where there are none.
    """

    name: str = "a grant"
    """Its name in explanations."""

    def concerns(self, principal: Principal) -> bool:
        """Tell whether the grant applies to the principal."""
        named = EVERYTHING in self.principals or principal.id in self.principals
        return named or not self.roles.isdisjoint(principal.roles)

    def covers(self, node: NodeResource) -> bool:
        """Tell whether the grant applies to the node.

        Denials apply widely, grants narrowly. Where hub and node both set a label, a grant compares the hub's value, a
        denial either: so a node can neither gain a grant nor escape a denial by its own labels. `*` matches every node;
        it matches the client's own machine, `@local`, in a denial alone.
        """
        if not self._names(node):
            return False
        return bool(self.nodes or self.labels) and all(self._fits(node, *label) for label in self.labels.items())

    def whom(self, principal: Principal) -> str:
        """Why the grant applies to the principal, for an explanation."""
        mine = self.roles & principal.roles
        if mine:
            return f"the role {min(mine)}"
        return f"'{principal.id}'" if principal.id in self.principals else "everybody"

    def _names(self, node: NodeResource) -> bool:
        if not self.nodes:
            return True
        if node.is_local and not self.deny:
            return LOCAL_EXPOSER in self.nodes
        return self._pattern.fullmatch(node.node_id) is not None

    def _fits(self, node: NodeResource, key: str, value: str) -> bool:
        own, hubs = node.labels.get(key), node.hub_labels.get(key)
        return value in (own, hubs) if self.deny else value == (own if hubs is None else hubs)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(map(translate, self.nodes)))


class GrantAuthorizer:
    """Decides by the hub's grants, then by another authorizer; a denial wins over everything, for admins too.

    `open_local_tunnels` and `open_node_tunnels` set the rules of version 0.1 for public ports: the client's own machine
    needs no right, and a node needs only what the other authorizer requires for a shell.
    """

    def __init__(
        self,
        inner: Authorizer,
        grants: Sequence[Grant] = (),
        *,
        open_local_tunnels: bool = False,
        open_node_tunnels: bool = False,
    ) -> None:
        self._inner = inner
        self._open_local_tunnels = open_local_tunnels
        self._open_node_tunnels = open_node_tunnels
        self._grants = _ByAction(tuple(grants))
        self._concerning = lru_cache(KNOWN_PRINCIPALS)(self._grants.concerning) if grants else lambda _: self._grants

    def decide(self, principal: Principal, action: Action, node: NodeResource) -> Decision:
        """Decide by the grants, then by the other authorizer, then by the rules for public ports."""
        mine = self._concerning(principal)
        for grant in mine.denying[action]:
            if grant.covers(node):
                return Decision(allowed=False, why=f"{grant.name} denies it to {grant.whom(principal)}")
        decision = self._inner.decide(principal, action, node)
        if decision.allowed:
            return decision
        for grant in mine.giving[action]:
            if grant.covers(node):
                return Decision(allowed=True, why=f"{grant.name} gives it to {grant.whom(principal)}")
        if action is Action.EXPOSE and self._is_open(principal, node):
            whom = "everybody's own machine" if node.is_local else "nodes to whoever may use them"
            return Decision(allowed=True, why=f"the hub has public ports of {whom} open")
        return self._refused(action, node, decision)

    def logins(self, principal: Principal, action: Action, node: NodeResource) -> frozenset[str] | None:
        """Return the users to whom the grants narrow what is allowed; None where something else allows it as well."""
        giving = [grant for grant in self._concerning(principal).giving[action] if grant.covers(node)]
        if (
            not giving
            or not all(grant.logins for grant in giving)
            or self._inner.decide(principal, action, node).allowed
        ):
            return None
        named = frozenset(login for grant in giving for login in grant.logins)
        own = principal.id if is_login(principal.id) else None
        return frozenset(login for name in named if (login := own if name == OWN_NAME else name) is not None)

    def _is_open(self, principal: Principal, node: NodeResource) -> bool:
        if node.is_local:
            return self._open_local_tunnels
        return self._open_node_tunnels and self._inner.decide(principal, Action.SHELL, node).allowed

    def _refused(self, action: Action, node: NodeResource, by_inner: Decision) -> Decision:
        """Return a refusal that names the roles that would be enough.

        These are of grants and of the other authorizer, unless denied.
        """

        def would_do() -> set[str]:
            given = _roles(self._grants.giving[action], node).union(by_inner.would_do())
            return given - _roles(self._grants.denying[action], node)

        return Decision(allowed=False, why=f"{by_inner.why}, and no grant gives it", would_do=would_do)


class _ByAction:
    """Grants, indexed by the action that they give and by the action that they deny."""

    def __init__(self, grants: tuple[Grant, ...]) -> None:
        self._all = grants
        self.giving = {action: self._about(action, deny=False) for action in Action}
        self.denying = {action: self._about(action, deny=True) for action in Action}

    def concerning(self, principal: Principal) -> "_ByAction":
        """Return the grants that apply to a principal."""
        return _ByAction(tuple(grant for grant in self._all if grant.concerns(principal)))

    def _about(self, action: Action, *, deny: bool) -> tuple[Grant, ...]:
        return tuple(grant for grant in self._all if grant.deny is deny and action in grant.rights)


def _roles(grants: Iterable[Grant], node: NodeResource) -> set[str]:
    return {role for grant in grants if grant.covers(node) for role in grant.roles}
