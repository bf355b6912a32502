"""Who has had shells on which node: a node that was away when somebody was revoked is asked when it is back."""

import logging
from collections.abc import Iterator

from omnyshell.errors import ConfigException
from omnyshell.services.hub.store import HubStore

logger = logging.getLogger("omnyshell.hub")


class Guests:
    """Principals by node id; on disk where the hub has a state directory. Call `remember` as often as you like."""

    def __init__(self, store: HubStore | None) -> None:
        self._store = store
        self._known: set[tuple[str, str]] = set(store.guests()) if store is not None else set()

    def at(self, node_id: str) -> list[str]:
        """Return who may have left shells on a node."""
        return sorted(principal for known, principal in self._known if known == node_id)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(sorted(self._known))

    def remember(self, node_id: str, principal: str) -> None:
        """Note that a principal has a shell on a node."""
        if (node_id, principal) in self._known:
            return
        self._known.add((node_id, principal))
        self._write(node_id, principal, is_there=True)

    def forget(self, node_id: str, principal: str) -> None:
        """Note that nothing is left. Idempotent."""
        if (node_id, principal) in self._known:
            self._known.discard((node_id, principal))
            self._write(node_id, principal, is_there=False)

    def _write(self, node_id: str, principal: str, *, is_there: bool) -> None:
        if self._store is None:
            return
        try:
            self._store.note_guest(node_id, principal, is_there=is_there)
        except ConfigException as exc:
            # No session fails for this; what is not written is known until the hub ends.
            logger.error("%s", exc)
