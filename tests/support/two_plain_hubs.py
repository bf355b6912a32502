"""Plain objects of two hubs: clients are at one, nodes at the other, and the link between them takes its time."""

from collections import deque
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from support.fake_peers import FakePeer
from support.interleavings import World
from support.plain_hub import PlainHub

from omnyshell.model.principals import Principal
from omnyshell.protocol import messages as m
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.extensions import OF_HUB
from omnyshell.protocol.frames import unpack_header
from omnyshell.protocol.messages.extending import extension_messages
from omnyshell.services.hub.cluster.across.about import written
from omnyshell.services.hub.cluster.across.across import Across
from omnyshell.services.hub.cluster.across.clients_away import AwayServices
from omnyshell.services.hub.cluster.across.visitors import HereServices
from omnyshell.services.hub.cluster.links import words
from omnyshell.services.hub.cluster.places.records import Entry
from omnyshell.services.hub.cluster.places.table import Place
from omnyshell.services.hub.nodes.directory import NodeDirectory
from omnyshell.services.hub.nodes.registry import RegisteredNode
from omnyshell.services.hub.peers.channel_owner import ChannelOwner
from omnyshell.services.hub.sessions.route import SessionRoute

CODEC = FrameCodec().learn(extension_messages())
REQUESTS = (
    m.DetachedSessionsRequest,
    m.DetachedSessionKillRequest,
    m.ActiveSessionDetachRequest,
    m.SessionScreenRequest,
)


class MemoryLink:
    """One hub's end of a link. What it sends lies there until it is delivered, what is urgent first."""

    is_choked = False

    def __init__(self, hub: str, first: int, said: Callable[["MemoryLink", Any], None]) -> None:
        """`hub` is the other one; `first` is the first number of the channels that this one opens."""
        self.hub, self.is_up, self.other = hub, True, self
        self.channels: dict[int, ChannelOwner] = {}
        self.link = SimpleNamespace(has_room=True)
        self._first, self._last, self._said = first, first - 2, said
        self._urgent: deque[bytes] = deque()
        self._in_order: deque[tuple[int, bytes, bool]] = deque()

    def allocate_channel(self) -> int:
        self._last += 2
        return self._last

    def is_theirs(self, channel: int) -> bool:
        return channel % 2 != self._first % 2

    def say(self, word: words.Word) -> None:
        self.send(words.encode(word), 0)

    def send(self, message: bytes, _channel: int) -> None:
        if self.is_up:
            self._urgent.append(message)

    def send_in_order(self, message: bytes, channel: int) -> None:
        if self.is_up:
            self._in_order.append((channel, message, True))

    def relay(self, channel: int, head: bytes, data: memoryview) -> None:
        if self.is_up:
            self._in_order.append((channel, head + bytes(data), False))

    def discard(self, channel: int) -> None:
        self._in_order = deque(item for item in self._in_order if item[0] != channel)

    @property
    def has_waiting(self) -> bool:
        return bool(self._urgent or self._in_order)

    def deliver(self) -> None:
        """Have the other side get what comes next."""
        if self._urgent:
            self.other.text_received(self._urgent.popleft())
        elif self._in_order:
            _, raw, is_text = self._in_order.popleft()
            (self.other.text_received if is_text else self.other.binary_received)(raw)

    def text_received(self, raw: bytes) -> None:
        if words.is_word(raw):
            word = words.decode(raw)
            assert word is not None
            self._said(self, word)
            return
        frame = CODEC.decode_control(raw)
        owner = self.channels.get(frame.channel or 0)
        if owner is not None:
            owner.message(cast("m.ChannelMessage", frame.message))

    def binary_received(self, raw: bytes) -> None:
        opcode, channel = unpack_header(raw)
        if (owner := self.channels.get(channel)) is not None:
            owner.data(opcode, raw)


class MemoryLinks:
    """The links of one hub: one at most."""

    def __init__(self) -> None:
        self._hear: dict[type[Any], list[Callable[[Any, Any], None]]] = {}
        self.on_down: list[Callable[[Any], None]] = []
        self.link: MemoryLink | None = None

    def on(self, word: type[Any], hear: Callable[[Any, Any], None]) -> None:
        self._hear.setdefault(word, []).append(hear)

    def to(self, _hub: str) -> MemoryLink | None:
        return self.link

    def said(self, link: MemoryLink, word: Any) -> None:
        if link is self.link:
            for hear in self._hear.get(type(word), ()):
                hear(link, word)

    def lose(self) -> None:
        link, self.link = self.link, None
        if link is not None:
            link.is_up = False
            for tell in self.on_down:
                tell(link)


class KnownPlaces:
    """The places of a hub's nodes, as another one has read them: maybe a while ago."""

    def __init__(self, hub: PlainHub) -> None:
        self._hub = hub
        self._epochs: dict[RegisteredNode, int] = {}
        self._known: dict[str, Place] = {}

    def read(self) -> None:
        """Read all that is true now."""
        for node_id in self._known.keys() | {node.node_id for node in self._hub.registry.connected()}:
            node, known = self._hub.registry.find(node_id), self._known.get(node_id)
            if node is None:
                self._known.pop(node_id, None)
                continue
            entry = Entry(node_id, 1, self.epoch_of(node), node.peer.id, written(node, OF_HUB))
            if known is None or known.entry != entry:
                self._known[node_id] = Place("b", entry, 1)

    def epoch_of(self, node: RegisteredNode) -> int:
        return self._epochs.setdefault(node, len(self._epochs) + 1)

    def epoch_now(self, node_id: str) -> int | None:
        node = self._hub.registry.find(node_id)
        return self.epoch_of(node) if node is not None else None

    def last_known(self, node_id: str) -> Place | None:
        return self._known.get(node_id)

    def ids_at(self, _hub: str) -> frozenset[str]:
        return frozenset(self._known)

    def other_hubs(self) -> Sequence[str]:
        return ("b",)

    def is_there(self, _hub: str) -> bool:
        return True


class NodesHub(PlainHub):
    """The hub that has the nodes."""

    def __init__(self, ids: Callable[[], str]) -> None:
        self._make_id = ids
        super().__init__()

    def _new_id(self) -> str:
        return self._make_id()


class TwoHubs(World):
    """A hub with clients, `a`, and another one with the nodes, `b`."""

    def __init__(self, seed: int) -> None:
        self.b = NodesHub(self._new_id)
        super().__init__(seed)
        self.b.clock = self.clock
        self.links = {"a": MemoryLinks(), "b": MemoryLinks()}
        self.places = KnownPlaces(self.b)
        self.across = {"a": self._across, "b": Across(self.b.registry, self.b.metrics)}
        for hub, objects in (("a", self), ("b", self.b)):
            self._begin(hub, objects)
        self.b.nodes = self.nodes
        self._dial()

    def make_directory(self) -> NodeDirectory:
        self._across = Across(self.registry, self.metrics)
        return self._across.nodes

    def _new_id(self) -> str:
        return f"{next(self._ids):08x}-0000-0000-0000-000000000000"

    def _begin(self, hub: str, objects: PlainHub) -> None:
        here = HereServices(
            hub=hub,
            standing=lambda: lambda was, _evidence: Principal(was.id, was.roles),
            applied=lambda: 1,
            catch_up=cast("Any", None),
            epoch_of=self.places.epoch_now if hub == "b" else lambda _node_id: None,
            open=objects.broker.open_as,
            lacks_right=objects.broker.lacks_right,
            requests=dict.fromkeys(REQUESTS, objects.requests.ask),
            left=objects.client_service.left,
            audit=objects.audit,
            metrics=objects.metrics,
            codec=CODEC,
        )
        away = AwayServices(objects.broker, objects.router, objects.requests, objects.questions, lambda: 1)
        self.across[hub].begin(cast("Any", self.links[hub]), self.places, here, away)

    def _dial(self) -> None:
        a, b = MemoryLink("b", 1, self.links["a"].said), MemoryLink("a", 2, self.links["b"].said)
        a.other, b.other = b, a
        self.links["a"].link, self.links["b"].link = a, b

    # Steps

    @property
    def nodes_hub(self) -> PlainHub:
        return self.b

    def from_node(self, peer: FakePeer, message: Any, channel: int = 0) -> None:
        self.b.from_node(peer, message, channel)

    def end(self, peer: FakePeer, service: Any) -> None:
        super().end(peer, service)
        self.across["a"].left(cast("Any", peer))

    def more_actions(self) -> list[tuple[int, Callable[[], str]]]:
        return [(50, self.link_delivers), (20, self.places_are_read), (1, self.link_is_lost), (20, self.node_reacts)]

    def link_delivers(self) -> str:
        ends = [links.link for links in self.links.values() if links.link is not None and links.link.has_waiting]
        if not ends:
            return "nothing"
        end = self.random.choice(ends)
        for _ in range(self.random.choice((1, 8))):
            end.deliver()
        return f"to {end.hub}"

    def places_are_read(self) -> str:
        self.places.read()
        return ""

    def link_is_lost(self) -> str:
        for hub in self.random.sample(("a", "b"), 2):
            self.links[hub].lose()
        self._dial()
        return ""

    def pass_time(self, now: float) -> str:
        self.b.node_service.drop_silent(now)
        self.b.broker.expire(now)
        self.b.requests.expire(now)
        return super().pass_time(now)

    # What must hold

    def check_place(self, route: SessionRoute) -> None:
        """That the node has left comes over the link, and may be under way."""

    def connected(self) -> list[FakePeer]:
        return self.clients

    def check(self) -> None:
        super().check()
        self.b.clients = cast("Any", list(self.across["b"].visitors))
        self.b.check()

    def settle(self) -> None:
        """Have all that is under way arrive."""
        while any(links.link is not None and links.link.has_waiting for links in self.links.values()):
            self.link_delivers()

    def check_end(self) -> None:
        self.settle()
        self.check()
        here, there = ({route.asked_id for route in hub.router if route.is_open} for hub in (self, self.b))
        assert here == there, "a session that is open at one hub alone"
        super().check_end()

    def end_all(self) -> None:
        super().end_all()
        self.settle()
        self.check()
        assert not list(self.across["b"].visitors), "somebody is there who has left"
        self.b.clients = []
        self.b.end_all()
