"""What goes over two hubs, put together: far nodes and clients away on one side, visitors on the other."""

from omnyshell.services.hub.cluster.across.all_nodes import AllNodes, OthersPlaces
from omnyshell.services.hub.cluster.across.clients_away import AwayServices, ClientsAway
from omnyshell.services.hub.cluster.across.visitors import HereServices, Visitors
from omnyshell.services.hub.cluster.links import words
from omnyshell.services.hub.cluster.links.links import HubLinks
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.registry import NodeRegistry
from omnyshell.services.hub.peers.peer import Peer


class Across:
    """Sessions over two hubs. What it has is there from the first moment; `begin` it before there are links."""

    def __init__(self, own: NodeRegistry, metrics: HubMetrics) -> None:
        self.nodes = AllNodes(own, metrics)
        self.visitors = Visitors()
        self._away: ClientsAway | None = None

    def begin(self, links: HubLinks, places: OthersPlaces, here: HereServices, away: AwayServices) -> None:
        """Serve what links say, and use them."""
        clients = self._away = ClientsAway(self.nodes, away, here.codec)
        self.visitors.begin(here)
        self.nodes.begin(places, links.to, clients.introduce)
        links.on(words.PeerCame, self.visitors.came)
        links.on(words.PeerLeft, self.visitors.left)
        links.on(words.Open, self.visitors.asked)
        links.on(words.Ask, self.visitors.asked)
        links.on(words.PeerEnded, clients.ended)
        links.on(words.Answered, clients.answered)
        links.on_down.append(clients.lost)
        links.on_down.append(self.visitors.lost)

    def left(self, client: Peer) -> None:
        """Take leave of a client of this hub that has no connection any more."""
        if self._away is not None:
            self._away.left(client)
