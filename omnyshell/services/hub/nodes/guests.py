"""Who had shells on which node when hubs noted no more than that; a node is asked for them once, when it is back."""

import logging

from omnyshell.errors import ConfigException
from omnyshell.services.hub.ground.store import HubStore

logger = logging.getLogger("omnyshell.hub")


class Guests:
    """Principals by node id, as hubs before 0.2 wrote them down. None are added."""

    def __init__(self, store: HubStore | None) -> None:
        self._store = store
        self._known = set(store.guests()) if store is not None else set[tuple[str, str]]()

    def at(self, node_id: str) -> list[str]:
        """Return who may have left shells on a node."""
        return sorted(principal for known, principal in self._known if known == node_id)

    def forget(self, node_id: str, principal: str | None) -> None:
        """Note that a node has told of somebody's shells, or of everyone's. Idempotent."""
        for pair in [(node_id, name) for name in self.at(node_id) if principal in (None, name)]:
            self._known.discard(pair)
            self._drop(*pair)

    def _drop(self, node_id: str, principal: str) -> None:
        if self._store is None:
            return
        try:
            self._store.drop_guest(node_id, principal)
        except ConfigException as exc:
            # The node is asked once more after the next start.
            logger.error("%s", exc)
