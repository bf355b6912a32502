"""The nodes of all hubs: this one's own, and those that the places of others name."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol
from weakref import WeakSet

from omnyshell.services.hub.cluster.across.about import About, read
from omnyshell.services.hub.cluster.across.far_node import FarNode, FarNodeEnd, Introduce
from omnyshell.services.hub.cluster.links.link import AnyLink
from omnyshell.services.hub.cluster.places.records import Entry
from omnyshell.services.hub.cluster.places.table import Place
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.directory import ReachableNode
from omnyshell.services.hub.nodes.registry import NodeRegistry

logger = logging.getLogger("omnyshell.cluster")


class OthersPlaces(Protocol):
    """The places of nodes at other hubs, as they were last known."""

    def last_known(self, node_id: str) -> Place | None:
        """Return the place of a node at another hub, whose lease may have ended; None if there is none."""

    def ids_at(self, hub: str) -> frozenset[str]:
        """Return the node ids of which another hub had the last word, also those that it has let go."""

    def other_hubs(self) -> Sequence[str]:
        """Return the other hubs of which anything is known."""

    def is_there(self, hub: str) -> bool:
        """Whether the lease of a hub has not ended."""


class AllNodes:
    """The `NodeDirectory` of a hub that is one of several. Its own connection with a node comes before any place."""

    def __init__(self, own: NodeRegistry, metrics: HubMetrics) -> None:
        """Until `begin` is called there are this hub's own nodes alone."""
        self.own = own
        self._metrics = metrics
        self._places: OthersPlaces | None = None
        self._link: Callable[[str], AnyLink | None] = lambda _hub: None
        self._introduce: Introduce = lambda _link, _client: None
        self._known: dict[str, FarNode] = {}
        self._unreadable: dict[str, Entry] = {}
        # Also those of earlier places, as long as a session has them: it ends when that hub says so, or with the link.
        self._ends: WeakSet[FarNodeEnd] = WeakSet()

    def begin(self, places: OthersPlaces, link: Callable[[str], AnyLink | None], introduce: Introduce) -> None:
        """Find nodes at other hubs from now on; `link` returns the link to a hub, if there is one."""
        self._places, self._link, self._introduce = places, link, introduce

    def find(self, node_id: str) -> ReachableNode | None:
        """See `NodeDirectory`. A node whose hub cannot be reached has a far end that is not open."""
        own = self.own.find(node_id)
        if own is not None or self._places is None:
            return own
        place = self._places.last_known(node_id)
        return self._far(place) if place is not None and self._is_there(self._places, place.hub) else None

    def ends_on(self, link: AnyLink) -> list[FarNodeEnd]:
        """Return the far ends on a link, and forget their nodes."""
        for node in [node for node in self._known.values() if node.peer.link is link]:
            del self._known[node.node_id]
        return [end for end in self._ends if end.link is link]

    def online(self) -> frozenset[str]:
        """See `NodeDirectory`. Those that another hub has let go of are named as well, and are not found."""
        places = self._places
        if places is None:
            return self.own.online()
        hubs = (hub for hub in places.other_hubs() if self._is_there(places, hub))
        return self.own.online().union(*map(places.ids_at, hubs))

    def _is_there(self, places: OthersPlaces, hub: str) -> bool:
        """Whether a hub may have what it had: while the engine is away, a link says so as well as a lease."""
        return self._link(hub) is not None or places.is_there(hub)

    def _far(self, place: Place) -> FarNode | None:
        """Return the node of a place: the same object as long as place, description and link are the same."""
        known, link = self._known.get(place.entry.node_id), self._link(place.hub)
        if known is not None and known.peer.link is link and known.place.entry is place.entry:
            return known
        about = self._about(place)
        if about is None:
            return None
        labels = self.own.hub_labels.get(place.entry.node_id, {})
        if known is not None and known.peer.link is link and known.place.entry.epoch == place.entry.epoch:
            # It only says more of itself: what is open there goes on.
            node = FarNode(place, about, known.peer, labels, self._introduce)
            known.peer.features = about.features
        else:
            end = FarNodeEnd(link, place.hub, place.entry.node_id, about.features, self._metrics)
            self._ends.add(end)
            node = FarNode(place, about, end, labels, self._introduce)
        self._known[place.entry.node_id] = node
        return node

    def _about(self, place: Place) -> About | None:
        entry = place.entry
        if not entry.about or self._unreadable.get(entry.node_id) is entry:
            return None
        try:
            return read(entry.about)
        except ValueError as exc:
            logger.warning("hub '%s' on node %s: %s", place.hub, entry.node_id, exc)
            self._unreadable[entry.node_id] = entry
            return None
