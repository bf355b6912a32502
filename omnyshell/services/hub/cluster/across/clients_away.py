"""Clients of this hub at other hubs: they are told of there, and taken leave of."""

from collections.abc import Callable
from dataclasses import dataclass

from omnyshell.errors import ProtocolException
from omnyshell.protocol.codec import FrameCodec
from omnyshell.services.hub.cluster.across.all_nodes import AllNodes
from omnyshell.services.hub.cluster.links import words
from omnyshell.services.hub.cluster.links.link import AnyLink
from omnyshell.services.hub.nodes.questions import NodeQuestions
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.broker import HubBroker
from omnyshell.services.hub.sessions.relayed_requests import RelayedRequests
from omnyshell.services.hub.sessions.router import SessionRouter


@dataclass(frozen=True, slots=True)
class AwayServices:
    """What this hub's clients at other hubs' nodes use of it."""

    broker: HubBroker
    router: SessionRouter
    requests: RelayedRequests
    questions: NodeQuestions
    applied: Callable[[], int]
    """Returns how many changes of what is true are applied here."""


class ClientsAway:
    """Tells hubs of clients that use their nodes, and ends what was open over a link that is lost."""

    def __init__(self, nodes: AllNodes, here: AwayServices, codec: FrameCodec) -> None:
        self._nodes = nodes
        self._here = here
        self._codec = codec
        self._away: dict[AnyLink, dict[str, Peer]] = {}

    def introduce(self, link: AnyLink, client: Peer) -> None:
        """Tell the other hub of a client, before anything else is said of it there."""
        away = self._away.setdefault(link, {})
        if client.id in away:
            return
        away[client.id] = client
        who = client.principal
        link.say(
            words.PeerCame(
                client.id,
                who.id,
                tuple(sorted(who.roles)),
                client.address,
                tuple(sorted(client.features)),
                client.connected_at,
                self._here.applied(),
            )
        )

    def left(self, client: Peer) -> None:
        """Take leave of a client that has no connection any more. Idempotent."""
        for link, away in self._away.items():
            if away.pop(client.id, None) is not None:
                link.say(words.PeerLeft(client.id))

    def lost(self, link: AnyLink) -> None:
        """End what was open over a link that is no more."""
        self._away.pop(link, None)
        for end in self._nodes.ends_on(link):
            self.node_gone(end)

    def node_gone(self, end: FarEnd) -> None:
        """End what was open at a node that another hub had."""
        self._here.broker.node_gone(end)
        self._here.requests.node_gone(end)
        self._here.questions.node_gone(end)

    def ended(self, link: AnyLink, word: words.PeerEnded) -> None:
        """The other hub has ended all that a client had there."""
        client = self._away.get(link, {}).pop(word.peer, None)
        if client is None:
            return
        for route in self._here.router.of_peer(client):
            if route.node.hub == link.hub:
                self._here.broker.take_away(route, word.text)

    def answered(self, link: AnyLink, word: words.Answered) -> None:
        """The other hub answers a client's request."""
        if word.peer not in self._away.get(link, {}):
            return
        try:
            frame = self._codec.decode_control(bytes(word.answer))
        except ProtocolException:
            return
        if not self._here.questions.answered_by_hub(link.hub, frame.message):
            self._here.requests.answered_by_hub(link.hub, frame.message)
