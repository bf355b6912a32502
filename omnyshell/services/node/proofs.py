"""What a node remembers of its hub's ways to take proofs, in its state directory."""

from dataclasses import replace
from pathlib import Path

from msgspec import structs

from omnyshell.ids import NodeId
from omnyshell.security.uid_store import UidStore
from omnyshell.services.bound_hubs import BoundHubs
from omnyshell.services.dial import HubAccess


class NodeProofs:
    """A file of hubs for one node id.

    A state directory in which the node ran and which has no such file is older than `auth-bind-2`, and stays so until a
    hub announces that.
    """

    def __init__(self, directory: Path, node_id: str) -> None:
        self._path = directory / f"bound-hubs-{node_id}"
        self._uid = UidStore.path_for_node(directory, NodeId(node_id))

    def begin(self) -> None:
        """Mark a new directory as such, before the node leaves anything else there. Raises `ConfigException`."""
        if not self._uid.exists():
            BoundHubs(self._path).begin()

    def remembering(self, access: HubAccess) -> HubAccess:
        """Return how to reach the hub, with this memory."""
        known = access.binding
        is_old = known.is_old_friend or not self._path.exists()
        binding = structs.replace(known, hubs=BoundHubs(self._path, beside=known.hubs), is_old_friend=is_old)
        return replace(access, binding=binding)
