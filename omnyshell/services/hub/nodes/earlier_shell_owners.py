"""Records of hubs before 0.2: which principals had shells on which node.

A node is asked for these once, when it is back.
"""

import logging

from omnyshell.errors import ConfigException
from omnyshell.services.hub.ground.store import HubStore

logger = logging.getLogger("omnyshell.hub")


class EarlierShellOwners:
    """Principals by node id, as recorded by hubs before 0.2. None are added."""

    def __init__(self, store: HubStore | None) -> None:
        self._store = store
        self._known = set(store.guests()) if store is not None else set[tuple[str, str]]()

    def at(self, node_id: str) -> list[str]:
        """Return the principals that may have shells on a node."""
        return sorted(principal for known, principal in self._known if known == node_id)

    def forget(self, node_id: str, principal: str | None) -> None:
        """Forget a principal, or all if None, as the node has listed their shells. Idempotent."""
        for pair in [(node_id, name) for name in self.at(node_id) if principal in (None, name)]:
            self._known.discard(pair)
            self._drop(*pair)

    def _drop(self, node_id: str, principal: str) -> None:
        if self._store is None:
            return
        try:
            self._store.drop_guest(node_id, principal)
        except ConfigException as exc:
            # The record stays, so the node is asked again after the next start.
            logger.error("%s", exc)
