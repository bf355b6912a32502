"""Brings a hub's places in line with its nodes, where a write was lost or came late."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from omnyshell.services.hub.cluster.places.hub_places import HubPlaces
from omnyshell.services.hub.cluster.places.table import Place
from omnyshell.services.hub.ground.in_steps import a_few
from omnyshell.services.hub.nodes.places import Served


class Reconciling:
    """Finds places to let go of, and nodes to claim. What is claimed already is left to its claim."""

    def __init__(self, let_go: Callable[[str, int], None], claim: Callable[[Served], None]) -> None:
        """`let_go` is given a node id and the epoch of its place."""
        self._let_go, self._claim = let_go, claim
        self._connected: Callable[[], Iterable[str]] = lambda: ()
        self._served: Callable[[str], Served | None] = lambda _node_id: None
        self._claims: Counter[str] = Counter()
        self._is_running = False

    def begin(self, connected: Callable[[], Iterable[str]], served: Callable[[str], Served | None]) -> None:
        """`connected` returns the ids of the nodes that are here, and `served` one of them, if it still is."""
        self._connected, self._served = connected, served

    def is_claimed(self, node_id: str) -> None:
        """A claim of that node id is on its way; tell `is_answered` once it is not."""
        self._claims[node_id] += 1

    def is_answered(self, node_id: str) -> None:
        """A claim has got its answer."""
        self._claims[node_id] -= 1
        if not self._claims[node_id]:
            del self._claims[node_id]

    async def run(self, places: HubPlaces, may_go_on: Callable[[], bool]) -> None:
        """Go through all nodes once, in steps, as long as that may be; not twice at a time."""
        if self._is_running or not may_go_on():
            return
        self._is_running = True
        try:
            for _ in self._steps(places):
                await asyncio.sleep(0)
                if not may_go_on():
                    return
        finally:
            self._is_running = False

    def _steps(self, places: HubPlaces) -> Iterator[None]:
        for some in a_few(tuple(places.ids_at(places.hub))):
            for node_id in some:
                self._look_at_place(places.own_place_of(node_id))
            yield
        for some in a_few(tuple(self._connected())):
            for node_id in some:
                self._look_at_node(self._served(node_id), places)
            yield

    def _look_at_place(self, place: Place | None) -> None:
        if place is None or (node_id := place.entry.node_id) in self._claims:
            return
        node = self._served(node_id)
        if node is None or node.process != place.entry.instance:
            self._let_go(node_id, place.entry.epoch)

    def _look_at_node(self, node: Served | None, places: HubPlaces) -> None:
        if node is None or node.node_id in self._claims or places.epoch_of(node.node_id, node.process) is not None:
            return
        self._claim(node)
