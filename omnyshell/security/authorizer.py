"""Who may use which node (wire protocol sections 8 and 9)."""

from collections.abc import Mapping
from typing import Protocol

from omnyshell.model.principals import Principal
from omnyshell.security.authorized_keys import split_roles

ALLOW_ROLES_LABEL = "allow-roles"
"""The label that lists, separated by commas, the roles that may use a node."""


class Authorizer(Protocol):
    """Decides about access to nodes."""

    def may_open(self, principal: Principal, node_labels: Mapping[str, str], hub_labels: Mapping[str, str]) -> bool:
        """Tell whether the principal may use a node: open on it, and list, peek, kill, detach and tunnel there.

        `node_labels` is what the node says of itself, `hub_labels` what the hub sets for that node id.
        """
        ...


class RoleBasedAuthorizer:
    """Access by role: an admin everywhere, others where a role of theirs is listed.

    A node without the label is for admins alone. A label set on the hub is a ceiling: both lists must then allow
    the access, so that a node can restrict itself further but never grant itself more.
    """

    def may_open(self, principal: Principal, node_labels: Mapping[str, str], hub_labels: Mapping[str, str]) -> bool:
        """Tell whether the principal may use a node with these labels."""
        if principal.is_admin:
            return True
        if ALLOW_ROLES_LABEL in hub_labels and not _lists_role(hub_labels, principal):
            return False
        return _lists_role(node_labels, principal)


def _lists_role(labels: Mapping[str, str], principal: Principal) -> bool:
    return not principal.roles.isdisjoint(split_roles(labels.get(ALLOW_ROLES_LABEL, "")))
