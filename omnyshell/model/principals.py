"""Who is asking: authenticated principals and their roles."""

from dataclasses import dataclass

from omnyshell.ids import PrincipalId

ADMIN_ROLE = "admin"
NODE_ROLE = "node"

NODE_PREFIX = "node:"
"""Prefix of principals of machines that joined; the node's id follows. User names have no colon."""


MAX_USER_NAME = 128


def is_user_name(text: str) -> bool:
    """Tell whether `text` can be the name of a user: printable, without spaces and colons."""
    return 0 < len(text) <= MAX_USER_NAME and text.isprintable() and " " not in text and ":" not in text


@dataclass(frozen=True, slots=True)
class Principal:
    """An identity that a hub knows, with the roles it holds there."""

    id: PrincipalId
    roles: frozenset[str] = frozenset()
    display_name: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether the principal may do everything on every node."""
        return ADMIN_ROLE in self.roles

    @property
    def may_register_nodes(self) -> bool:
        """Whether a connection of this principal may register as a node (docs/protocol.md#nodes)."""
        return self.is_admin or NODE_ROLE in self.roles
