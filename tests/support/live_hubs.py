"""Hubs that tell each other what is live, without I/O: each has items that a test changes; links come and go."""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from msgspec.structs import replace

from omnyshell import FrameCodec
from omnyshell.model.audit import AuditRecord
from omnyshell.model.live import (
    ITEM_PARTS,
    LiveHub,
    LiveItem,
    LiveNode,
    LivePeer,
    LiveSession,
    LiveTunnel,
    NodePresence,
    Part,
    session_key,
)
from omnyshell.model.live_figures import LiveMetrics, SessionTraffic, TunnelTraffic
from omnyshell.model.nodes import PlatformInfo
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.model.vitals import MachineVitals, NodeVitals
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.events import register
from omnyshell.security.authorizer import NodeResource
from omnyshell.services.client.live.reader import Progress, SubscriptionReader
from omnyshell.services.client.live.state import HubState
from omnyshell.services.hub.inventory.inventory import unknown
from omnyshell.services.hub.live.elsewhere.port import HearsHubs
from omnyshell.services.hub.live.elsewhere.telling import LiveElsewhere
from omnyshell.services.hub.live.elsewhere.whole import NodeElsewhere, WholeView
from omnyshell.services.hub.live.subscribers import Subscribers
from omnyshell.services.hub.live.subscription import Subscription, Wanted
from omnyshell.services.hub.live.viewer import Viewer

AT = datetime(2026, 1, 2, tzinfo=UTC)
CODEC = register(FrameCodec())
PLATFORM = PlatformInfo(os="linux", arch="x64")


class Clock:
    """Stands still until a test lets time pass."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class OwnItems:
    """What is live at one hub, as its `LiveView` would say."""

    def __init__(self, hub: "LiveHubOfTests") -> None:
        self._hub = hub
        self.items: dict[Part, dict[str, LiveItem]] = {part: {} for part in ITEM_PARTS}
        self.epochs: dict[str, int] = {}
        self.vitals: dict[str, MachineVitals] = {}

    def epoch_of(self, node_id: str) -> int:
        return self.epochs.get(node_id, 0)

    def keys(self, part: Part) -> Sequence[str]:
        return list(self.items[part])

    def describe(self, part: Part, key: str, viewer: Viewer) -> LiveItem | None:
        item = self.items[part].get(key)
        if part is Part.NODES:
            item = item or unknown(key)
            assert isinstance(item, LiveNode)
            return replace(item, epoch=self.epoch_of(key) if viewer.hears_hubs else 0)
        return replace(item) if item is not None and not isinstance(item, LiveNode | LiveHub) else None

    def tracked(self, part: Part, key: str) -> LiveItem | None:
        return self.items[part].get(key)

    def remembered(self, node_id: str) -> LiveNode | None:
        item = self.items[Part.NODES].get(node_id)
        return item if isinstance(item, LiveNode) and not item.is_online else None

    def sessions_at(self, node_id: str) -> Iterator[tuple[str, str]]:
        return ((key, who) for key, who in self.owned_sessions() if key.startswith(f"{node_id}/"))

    def owned_sessions(self) -> Iterator[tuple[str, str]]:
        return (
            (key, item.principal) for key, item in self.items[Part.SESSIONS].items() if isinstance(item, LiveSession)
        )

    def traffic(self, part: Part, key: str, viewer: Viewer) -> SessionTraffic | TunnelTraffic | NodeVitals | None:
        if part is Part.NODES:
            return NodeVitals(node_id=key, vitals=self.vitals.get(key, MachineVitals())) if viewer.knows(key) else None
        item = self.items[part].get(key)
        if isinstance(item, LiveSession):
            return SessionTraffic(node_id=item.node_id, session_id=item.session_id, bytes_out=item.bytes_out)
        return TunnelTraffic(tunnel_id=key, bytes_out=item.bytes_out) if isinstance(item, LiveTunnel) else None

    def holds(self, _part: Part, _key: str) -> bool:
        return False

    def ended(self, item: LiveItem, viewer: Viewer) -> LiveItem:
        return viewer.shown(item)

    def metrics(self) -> LiveMetrics:
        return LiveMetrics(started_at=AT, version="9.9")

    def records(self, _viewer: Viewer, _since: datetime | None, _limit: int) -> list[AuditRecord]:
        return []


class Pipe:
    """One direction of a link: what was said and has not arrived. It takes so many messages until it is read."""

    def __init__(self, room: int) -> None:
        self.waiting: deque[Callable[[HearsHubs], None]] = deque()
        self.is_open = True
        self._room = room

    @property
    def has_room(self) -> bool:
        return len(self.waiting) < self._room


class Told:
    """The far side of a subscription of another hub."""

    def __init__(self, pipe: Pipe, hub: str) -> None:
        self._pipe, self._hub = pipe, hub

    @property
    def is_open(self) -> bool:
        return self._pipe.is_open

    @property
    def has_room(self) -> bool:
        return self._pipe.has_room

    def send(self, message: ControlMessage) -> None:
        raw = encode_control(message)
        self._pipe.waiting.append(lambda hears: hears.told(self._hub, raw))


class LiveHubOfTests:
    """A hub with its subscribers; it is its own port to the others."""

    def __init__(self, own: str, clock: Clock, room: int = 4) -> None:
        self.own, self.clock = own, clock
        self._room = room
        self.items = OwnItems(self)
        self.subscribers = Subscribers(clock)
        self.to: dict[str, Pipe] = {}
        """What this hub has said to others, by their ids, where there are links."""

        self.others: dict[str, LiveHubOfTests] = {}
        self.hears: HearsHubs
        self.whole = WholeView(
            self.items,
            own,
            find_here=self._find,
            judged_here=lambda _node_id: None,
            hub_labels=lambda _node_id: {},
        )
        self.elsewhere = LiveElsewhere(
            self.whole,
            self.items,
            self.subscribers,
            self,
            clock,
            tracks=lambda: None,
            due=lambda: None,
            vitals=lambda: list(self.items.vitals),
        )

    def _find(self, node_id: str) -> NodeElsewhere | None:
        item = self.items.items[Part.NODES].get(node_id)
        is_here = isinstance(item, LiveNode) and item.is_online
        return (
            NodeElsewhere(node_id, NodeResource(node_id, item.labels))
            if isinstance(item, LiveNode) and is_here
            else None
        )

    # What is live

    def mark(self, part: Part, item: LiveItem, final: LiveItem | None = None) -> None:
        owner = None if isinstance(item, LiveNode | LiveHub) else item.principal
        self.subscribers.mark(part, item.key, owner, final)
        if part is Part.NODES:
            self.elsewhere.node_changed(item.key)

    def put(self, part: Part, item: LiveItem) -> None:
        self.items.items[part][item.key] = item
        self.mark(part, item)

    def end(self, part: Part, key: str, reason: str = "") -> None:
        item = self.items.items[part].pop(key, None)
        if item is not None:
            final = replace(item, gone=True, **({"reason": reason} if isinstance(item, LiveSession) else {}))
            self.mark(part, item, None if part is Part.NODES else final)

    def connect(self, node_id: str, epoch: int, **fields: object) -> None:
        self.items.epochs[node_id] = epoch
        node = LiveNode(node_id=node_id, state=NodePresence.ONLINE, platform=PLATFORM, last_heard_at=self.clock.now())
        self.put(Part.NODES, replace(node, **fields))

    def disconnect(self, node_id: str) -> None:
        """A node leaves: what is attached there ends, what waits is away."""
        item = self.items.items[Part.NODES].get(node_id)
        if not isinstance(item, LiveNode) or not item.is_online:
            return
        for key, _ in list(self.items.sessions_at(node_id)):
            session = self.items.items[Part.SESSIONS][key]
            assert isinstance(session, LiveSession)
            if session.state is SessionState.DETACHED:
                self.put(Part.SESSIONS, replace(session, away=True))
            else:
                self.end(Part.SESSIONS, key)
        self.put(Part.NODES, replace(item, state=NodePresence.OFFLINE, last_heard_at=self.clock.now()))

    # The port: see `OtherHubs`

    def hear(self, hears: HearsHubs) -> None:
        self.hears = hears

    def up(self) -> Collection[str]:
        return list(self.to)

    def hubs(self) -> Sequence[LiveHub]:
        known = sorted([self.own, *self.others])
        return [LiveHub(hub=hub, own=hub == self.own, is_told=hub == self.own) for hub in known]

    def ask(self, hub: str, number: int, *, looks: bool) -> None:
        back = self.others[hub].to[self.own]
        told = Told(back, hub)
        self.to[hub].waiting.append(lambda hears: hears.asked(self.own, number, told, looks=looks))

    def look(self, hub: str, *, looks: bool) -> None:
        self.to[hub].waiting.append(lambda hears: hears.looked(self.own, looks=looks))

    def leave(self, hub: str) -> None:
        if hub in self.to:
            self.to[hub].waiting.append(lambda hears: hears.left(self.own))

    # Links

    def link(self, other: "LiveHubOfTests") -> None:
        """A link comes up; one that was there before is replaced."""
        self.lose(other)
        for one, another in ((self, other), (other, self)):
            one.to[another.own] = Pipe(self._room)
        for one, another in ((self, other), (other, self)):
            one.hears.came_up(another.own)

    def lose(self, other: "LiveHubOfTests") -> None:
        """A link is lost, with what was under way."""
        for one, another in ((self, other), (other, self)):
            pipe = one.to.pop(another.own, None)
            if pipe is not None:
                pipe.is_open = False
                one.hears.went_down(another.own)

    def hears_next(self, other: "LiveHubOfTests") -> bool:
        """Have the next thing arrive that another hub has said; return whether there was one."""
        pipe = other.to.get(self.own)
        if pipe is None or not pipe.waiting:
            return False
        pipe.waiting.popleft()(self.hears)
        return True


class LiveClient:
    """A client that follows a hub's live state, over the wire's bytes."""

    is_open = has_room = True

    def __init__(self, hub: LiveHubOfTests, viewer: Viewer) -> None:
        self.state = HubState()
        self._reader = SubscriptionReader("s", self.state)
        hub.elsewhere.want()
        self.subscription = Subscription("s", viewer, Wanted(viewer.parts), hub.whole)
        hub.subscribers.add(self.subscription, self)

    def send(self, message: ControlMessage) -> None:
        heard = CODEC.decode_control(encode_control(message)).message
        assert self._reader.receive(heard) in (Progress.TAKEN, Progress.COMPLETE)


class LiveHubs:
    """Three hubs, of which each may have links with the others."""

    def __init__(self, room: int = 4) -> None:
        self.clock = Clock()
        self.hubs = {name: LiveHubOfTests(name, self.clock, room) for name in "abc"}
        for name, hub in self.hubs.items():
            hub.others = {other: each for other, each in self.hubs.items() if other != name}

    def links(self) -> Iterator[tuple[LiveHubOfTests, LiveHubOfTests]]:
        for one, another in (("a", "b"), ("a", "c"), ("b", "c")):
            yield self.hubs[one], self.hubs[another]

    def link_all(self) -> None:
        for one, another in self.links():
            if another.own not in one.to:
                one.link(another)

    def settle(self) -> None:
        """Have all that was said arrive, and all be told that is to be told."""
        is_busy = True
        while is_busy:
            is_busy = False
            for hub in self.hubs.values():
                while any(hub.hears_next(other) for other in hub.others.values()):
                    is_busy = True
                is_busy |= hub.subscribers.tell() or any(pipe.waiting for pipe in hub.to.values())

    def passes(self, seconds: float) -> None:
        """Let time pass, in which hubs say their figures each second and hear each other."""
        until = self.clock.seconds + seconds
        while self.clock.seconds < until:
            self.clock.seconds += 1
            for hub in self.hubs.values():
                hub.subscribers.mark_metrics()
                hub.elsewhere.sample()
            self.settle()


def session(node_id: str, name: str, owner: str = "ann", state: SessionState = SessionState.OPEN) -> LiveSession:
    return LiveSession(
        session_id=str(uuid5(NAMESPACE_OID, name)),
        node_id=node_id,
        principal=owner,
        mode=SessionMode.SHELL,
        state=state,
        created_at=AT,
    )


def key_of(node_id: str, name: str) -> str:
    return session_key(node_id, str(uuid5(NAMESPACE_OID, name)))


def tunnel(name: str, owner: str = "ann") -> LiveTunnel:
    return LiveTunnel(
        tunnel_id=name, node_id="n", principal=owner, target_host="h", target_port=1, public_port=2, created_at=AT
    )


def peer(name: str, owner: str = "ann") -> LivePeer:
    return LivePeer(peer_id=name, role="client", principal=owner, connected_at=AT)
