"""What becomes of what a role's connections held."""

from typing import Protocol

from omnyshell.services.hub.peers.peer import Peer


class RoleService(Protocol):
    """The hub's face toward one role; its messages go by the table of messages, its data to the owners of channels."""

    def left(self, peer: Peer) -> None:
        """A connection of the role has ended."""
