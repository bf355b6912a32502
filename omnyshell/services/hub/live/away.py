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

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._places))

    def clear(self) -> None:
        """Forget everything."""
        self._places.clear()
        self._nodes.clear()

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

    def add(self, key: str, node_id: str, owner: str) -> str | None:
        """Note a session as the newest; return the key of the one that has no place any more, if any."""
        self.discard(key)
        self._places[key] = node_id, owner
        self._nodes.setdefault(node_id, {}).setdefault(owner, {})[key] = None
        if self._size(node_id) > MAX_AWAY_OF_NODE:
            return self._oldest_of(node_id)
        return self._oldest_of(max(self._nodes, key=self._size)) if len(self._places) > MAX_AWAY else None

    def _size(self, node_id: str) -> int:
        return sum(map(len, self._nodes[node_id].values()))

    def _oldest_of(self, node_id: str) -> str:
        most: dict[str, None] = max(self._nodes[node_id].values(), key=len)
        return next(iter(most))
