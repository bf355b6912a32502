"""What a subscriber is told, whatever happens in whichever order: in the end it knows the truth."""

from collections.abc import Iterator, Sequence
from copy import copy
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from hypothesis import example, given, strategies as st

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
)
from omnyshell.model.live_figures import LiveMetrics, SessionTraffic, TunnelTraffic
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.extensions import WHOLE_VIEW
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.events import EventsDelta, EventsLagged, EventsSnapshot, register
from omnyshell.services.client.live.reader import Progress, SubscriptionReader
from omnyshell.services.client.live.state import HubState, Source
from omnyshell.services.hub.live import subscription as module
from omnyshell.services.hub.live.subscribers import PATIENCE, Subscribers
from omnyshell.services.hub.live.subscription import Subscription, Wanted
from omnyshell.services.hub.live.viewer import Viewer

AT = datetime(2026, 1, 2, tzinfo=UTC)
HEARS = frozenset({WHOLE_VIEW})
ADMIN = Viewer("root", is_admin=True, features=HEARS)
OWNERS = ("ann", "bob")
CODEC = register(FrameCodec())


def make(part: Part, name: str, owner: str) -> LiveItem:
    if part is Part.NODES:
        return LiveNode(node_id=name, state=NodePresence.ONLINE)
    if part is Part.SESSIONS:
        return LiveSession(
            session_id=str(uuid5(NAMESPACE_OID, name)),
            node_id="n",
            principal=owner,
            mode=SessionMode.EXEC,
            state=SessionState.OPEN,
            created_at=AT,
        )
    if part is Part.TUNNELS:
        return LiveTunnel(
            tunnel_id=name, node_id="n", principal=owner, target_host="h", target_port=1, public_port=2, created_at=AT
        )
    if part is Part.HUBS:
        return LiveHub(hub=name, is_told=True)
    return LivePeer(peer_id=name, role="client", principal=owner, connected_at=AT)


def owner_of(item: LiveItem) -> str | None:
    return None if isinstance(item, LiveNode | LiveHub) else item.principal


class Truth:
    """A hub's state that a test changes."""

    def __init__(self) -> None:
        self.items: dict[Part, dict[str, LiveItem]] = {part: {} for part in ITEM_PARTS}
        self.audit: list[AuditRecord] = []
        self.known = set("abcd")
        self.is_watching = False
        """The nodes that somebody with few rights may know of, and whether it may watch its sessions."""

        self.subscriptions: list[Subscription] = []

    def put(self, part: Part, name: str, owner: str) -> None:
        item = make(part, name, owner)
        known = self.items[part].setdefault(item.key, item)
        if isinstance(known, LiveSession | LiveTunnel):
            known.bytes_in += 1
        for each in self.subscriptions:
            each.mark(part, item.key, owner_of(known))

    def count(self, part: Part, index: int) -> None:
        keys = sorted(self.items[part])
        if keys:
            item = self.items[part][keys[index % len(keys)]]
            assert isinstance(item, LiveSession | LiveTunnel)
            item.bytes_out += 10
            for each in self.subscriptions:
                each.mark_traffic(part, item.key, item.principal)

    def end(self, part: Part, index: int) -> None:
        keys = sorted(self.items[part])
        if keys:
            item = self.items[part].pop(keys[index % len(keys)])
            item.gone = True
            for each in self.subscriptions:
                each.mark(part, item.key, owner_of(item), item)

    def turn(self, name: str) -> None:
        """Give a right or take it: to know of one node, or to watch."""
        if name == "watch":
            self.is_watching = not self.is_watching
        else:
            self.known ^= {name}
        for each in self.subscriptions:
            for part in (Part.NODES, Part.SESSIONS):
                for key, item in self.items[part].items():
                    each.mark(part, key, owner_of(item))

    def is_visible(self, item: LiveItem, viewer: Viewer) -> bool:
        if not viewer.owns(owner_of(item)):
            return False
        if isinstance(item, LiveNode):
            return viewer.knows(item.node_id)
        return not isinstance(item, LiveSession) or viewer.watches(item.node_id)

    def record(self, owner: str) -> None:
        record = AuditRecord(at=AT, action="auth.ok", principal=owner, detail=str(len(self.audit)))
        self.audit.append(record)
        for each in self.subscriptions:
            each.add_record(record)

    # What subscriptions ask

    def keys(self, part: Part) -> Sequence[str]:
        return list(self.items[part])

    def describe(self, part: Part, key: str, viewer: Viewer) -> LiveItem | None:
        item = copy(self.items[part].get(key))
        if item is None or not viewer.owns(owner_of(item)):
            return None
        item.gone = not self.is_visible(item, viewer)
        return item

    def traffic(self, part: Part, key: str, viewer: Viewer) -> SessionTraffic | TunnelTraffic | None:
        item = self.describe(part, key, viewer)
        if item is None or item.gone:
            return None
        if isinstance(item, LiveSession):
            return SessionTraffic(
                node_id=item.node_id, session_id=item.session_id, bytes_in=item.bytes_in, bytes_out=item.bytes_out
            )
        if isinstance(item, LiveTunnel):
            return TunnelTraffic(tunnel_id=item.tunnel_id, bytes_in=item.bytes_in, bytes_out=item.bytes_out)
        return None

    def holds(self, _part: Part, _key: str) -> bool:
        return False

    def ended(self, item: LiveItem, viewer: Viewer) -> LiveItem:
        return viewer.shown(item)

    def owned_sessions(self) -> Iterator[tuple[str, str]]:
        return iter(())

    def metrics(self) -> LiveMetrics:
        return LiveMetrics(started_at=AT, logins=len(self.audit))

    def records(self, viewer: Viewer, since: datetime | None, limit: int) -> list[AuditRecord]:
        mine = [record for record in self.audit if viewer.owns(record.principal)]
        return mine[-limit:] if limit > 0 else []


def subscribe(truth: Truth, viewer: Viewer = ADMIN, parts: frozenset[Part] = frozenset(Part)) -> Subscription:
    made = Subscription("s", viewer, Wanted(parts), truth)
    truth.subscriptions.append(made)
    return made


class Client:
    """Follows a subscription over the wire's bytes."""

    def __init__(self, subscription: Subscription) -> None:
        self.state = HubState()
        self.reader = SubscriptionReader("s", self.state)
        self.subscription = subscription
        self.heard: list[ControlMessage] = []

    def step(self) -> bool:
        message = self.subscription.take(AT)
        if message is None:
            return False
        heard = CODEC.decode_control(encode_control(message)).message
        self.heard.append(heard)
        self.check_tells_nothing_else(heard)
        assert self.reader.receive(heard) in (Progress.TAKEN, Progress.COMPLETE)
        return True

    def check_tells_nothing_else(self, heard: ControlMessage) -> None:
        """What is told may be seen now; an end is of something that was told, or may be seen."""
        truth, viewer = self.subscription._source, self.subscription.viewer
        assert isinstance(truth, Truth)
        for part in (Part.NODES, Part.SESSIONS):
            for item in getattr(heard, part, ()):
                is_known = item.key in self.items(part)
                assert truth.is_visible(item, viewer) or (item.gone and is_known), item

    def drain(self) -> None:
        while self.subscription.has_work:
            self.step()

    def items(self, part: Part) -> dict[str, LiveItem]:
        return dict(getattr(self.state, part))


changes = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(ITEM_PARTS), st.sampled_from("abcdefgh"), st.sampled_from(OWNERS)),
    st.tuples(st.just("end"), st.sampled_from(ITEM_PARTS), st.integers(0, 9)),
    st.tuples(st.just("count"), st.sampled_from((Part.SESSIONS, Part.TUNNELS)), st.integers(0, 9)),
    st.tuples(st.just("turn"), st.sampled_from(("a", "b", "e", "watch"))),
    st.tuples(st.just("record"), st.sampled_from(OWNERS)),
    st.tuples(st.just("step")),
    st.tuples(st.just("fall_behind")),
    st.tuples(st.just("metrics")),
)


@example(
    before=[],
    after=[("put", Part.NODES, "e", "ann"), ("end", Part.NODES, 0)],
    who="few rights",
    piece=module.PIECE_SIZE,
    bound=module.MAX_CHANGED,
)
@given(
    before=st.lists(changes, max_size=20),
    after=st.lists(changes, max_size=60),
    who=st.sampled_from(("admin", "ann", "few rights")),
    piece=st.sampled_from((1, 700, module.PIECE_SIZE)),
    bound=st.sampled_from((3, module.MAX_CHANGED)),
)
def test_whoever_follows_snapshots_and_deltas_knows_the_truth(
    before: list[Any], after: list[Any], who: str, piece: int, bound: int
) -> None:
    sizes = module.PIECE_SIZE, module.MAX_CHANGED
    module.PIECE_SIZE, module.MAX_CHANGED = piece, bound
    try:
        truth = Truth()
        few = Viewer(
            "ann", features=HEARS, knows=lambda node_id: node_id in truth.known, watches=lambda _: truth.is_watching
        )
        viewer = {"admin": ADMIN, "ann": Viewer("ann", features=HEARS), "few rights": few}[who]
        for name, *arguments in before:
            if hasattr(truth, name):
                getattr(truth, name)(*arguments)
        subscription = subscribe(truth, viewer)
        client = Client(subscription)
        for name, *arguments in after:
            if name == "step":
                client.step()
            elif name == "fall_behind":
                subscription.fall_behind()
            elif name == "metrics":
                subscription.mark_metrics()
            else:
                getattr(truth, name)(*arguments)
        client.drain()
    finally:
        module.PIECE_SIZE, module.MAX_CHANGED = sizes
    for part in ITEM_PARTS:
        visible = {key: item for key, item in truth.items[part].items() if truth.is_visible(item, viewer)}
        assert client.items(part) == visible
    assert list(client.state.audit) == truth.records(viewer, None, 1000)
    assert client.state.source(Part.METRICS) is (Source.LIVE if viewer.is_admin else Source.UNKNOWN)


def test_many_changes_of_one_thing_are_told_once() -> None:
    truth = Truth()
    client = Client(subscribe(truth))
    client.drain()
    for _ in range(50):
        truth.put(Part.SESSIONS, "a", "ann")
        truth.count(Part.SESSIONS, 0)
    client.heard.clear()
    client.drain()
    (delta,) = client.heard
    assert isinstance(delta, EventsDelta)
    assert ([item.bytes_in for item in delta.sessions], delta.session_traffic) == ([50], ())


def test_one_that_lags_is_told_so_and_how_many_records_it_misses() -> None:
    truth = Truth()
    subscription = Subscription("s", ADMIN, Wanted(frozenset(Part), audit_limit=3), truth)
    truth.subscriptions.append(subscription)
    client = Client(subscription)
    client.drain()
    truth.put(Part.NODES, "a", "ann")
    subscription.fall_behind()
    for _ in range(10):
        truth.record("ann")
    client.heard.clear()
    client.drain()
    lagged, snapshot = client.heard
    assert isinstance(lagged, EventsLagged)
    assert isinstance(snapshot, EventsSnapshot)
    assert (lagged.missed_records, len(snapshot.records), client.state.missed_records) == (7, 3, 7)
    assert (snapshot.first, snapshot.last, set(client.state.nodes)) == (True, True, {"a"})


def test_what_waits_is_bounded() -> None:
    truth = Truth()
    subscription = subscribe(truth)
    Client(subscription).drain()
    for number in range(module.MAX_RECORDS + 1):
        truth.record("ann")
        truth.put(Part.PEERS, str(number), "ann")
    assert (len(subscription._records), len(subscription._changed)) == (0, 0)
    assert isinstance(subscription.take(AT), EventsLagged)


def test_a_gap_and_messages_of_others_are_noticed() -> None:
    truth = Truth()
    subscription = subscribe(truth)
    reader = SubscriptionReader("s", HubState())
    other = SubscriptionReader("t", HubState())
    snapshot = subscription.take(AT)
    assert snapshot is not None
    assert other.receive(snapshot) is Progress.NOTHING
    assert reader.receive(snapshot) is Progress.COMPLETE
    assert reader.receive(snapshot) is Progress.BROKEN
    truth.record("ann")
    subscription.take(AT)
    truth.record("ann")
    third = subscription.take(AT)
    assert third is not None
    assert reader.receive(third) is Progress.BROKEN


class Clock:
    """Time that passes a little with each look."""

    def __init__(self, step: float = 0.0) -> None:
        self.seconds = 0.0
        self.step = step

    def now(self) -> datetime:
        return AT

    def monotonic(self) -> float:
        self.seconds += self.step
        return self.seconds


class Inbox:
    """A connection that takes messages, or does not."""

    is_open = True

    def __init__(self) -> None:
        self.has_room = True
        self.messages: list[ControlMessage] = []

    def send(self, message: ControlMessage) -> None:
        self.messages.append(message)


def test_who_takes_nothing_is_told_nothing_and_hinders_nobody() -> None:
    clock, truth = Clock(), Truth()
    members = Subscribers(clock)
    stuck, quick = Inbox(), Inbox()
    for inbox in (stuck, quick):
        members.add(subscribe(truth), inbox)
    stuck.has_room = False
    members.tell()
    clock.seconds += PATIENCE
    truth.put(Part.NODES, "a", "ann")
    members.tell()
    assert (len(stuck.messages), len(quick.messages)) == (0, 2)
    stuck.has_room = True
    members.tell()
    assert [type(message) for message in stuck.messages] == [EventsLagged, EventsSnapshot]


def test_a_turn_is_short_and_everyone_has_one() -> None:
    clock, truth = Clock(step=0.003), Truth()
    members = Subscribers(clock)
    inboxes = [Inbox() for _ in range(5)]
    for inbox in inboxes:
        members.add(subscribe(truth), inbox)
    turns = 1
    while members.tell():
        turns += 1
    assert turns == 3
    assert all(len(inbox.messages) == 1 for inbox in inboxes)


def test_whoever_always_has_more_to_be_told_leaves_the_others_their_turns() -> None:
    clock, truth = Clock(step=0.005), Truth()
    members = Subscribers(clock)
    inboxes = [Inbox() for _ in range(3)]
    for inbox in inboxes:
        members.add(subscribe(truth), inbox)
    for number in range(30):
        for _ in range(2 * module.PIECE_SIZE // module.ITEM_SIZE):
            truth.record(f"ann {number}")
        members.tell()
    assert [len(inbox.messages) for inbox in inboxes] == [10, 10, 10]
