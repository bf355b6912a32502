"""The sessions that were left on nodes which are offline now, as many as are shown."""

from collections.abc import Iterator

MAX_AWAY = 10_000
"""Sessions of offline nodes that are shown in all."""

MAX_AWAY_OF_NODE = 1_000
"""The same of one node."""


class AwaySessions:
    """Their keys, in the order in which they were left.

    What a node says of its sessions and of their owners is its own word. So one too many costs the node that has the
    most, and there the owner who has the most: nobody's sessions push out those of others who have fewer.
    """

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, str]] = {}
        self._nodes: dict[str, dict[str, dict[str, None]]] = {}
        """The keys by node and owner; nothing in it is empty."""

        self._sizes: dict[str, int] = {}
        self._nodes_of_size: dict[int, dict[str, None]] = {}
        """By how many sessions of theirs are known, of which there are few different numbers."""

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._places))

    def clear(self) -> None:
        """Forget everything."""
        self._places.clear()
        self._nodes.clear()
        self._sizes.clear()
        self._nodes_of_size.clear()

    def discard(self, key: str) -> None:
        """Forget a session, if it is known."""
        place = self._places.pop(key, None)
        if place is None:
            return
        node_id, owner = place
        owners = self._nodes[node_id]
        del owners[owner][key]
        if not owners[owner]:
            del owners[owner]
        if not owners:
            del self._nodes[node_id]
        self._count(node_id, -1)

    def add(self, key: str, node_id: str, owner: str) -> str | None:
        """Note a session as the newest; return the key of the one that has no place any more, if any."""
        self.discard(key)
        self._places[key] = node_id, owner
        self._nodes.setdefault(node_id, {}).setdefault(owner, {})[key] = None
        self._count(node_id, 1)
        if self._sizes[node_id] > MAX_AWAY_OF_NODE:
            return self._oldest_of(node_id)
        return self._oldest_of(self._largest()) if len(self._places) > MAX_AWAY else None

    def _count(self, node_id: str, by: int) -> None:
        before = self._sizes.pop(node_id, 0)
        if before:
            del self._nodes_of_size[before][node_id]
            if not self._nodes_of_size[before]:
                del self._nodes_of_size[before]
        if after := before + by:
            self._sizes[node_id] = after
            self._nodes_of_size.setdefault(after, {})[node_id] = None

    def _largest(self) -> str:
        return next(iter(self._nodes_of_size[max(self._nodes_of_size)]))

    def _oldest_of(self, node_id: str) -> str:
        most: dict[str, None] = max(self._nodes[node_id].values(), key=len)
        return next(iter(most))
