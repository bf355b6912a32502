"""The hub's plain objects, fed with a clock and records instead of peers."""

import tracemalloc
from contextlib import closing
from itertools import chain, count
from pathlib import Path
from typing import Any

import pytest
from support.clock import FakeClock
from support.enrolments import owners_in_memory

from omnyshell import (
    AuditLog,
    AuthorizationException,
    ChannelClose,
    ConfigException,
    HeartbeatMonitor,
    HubBroker,
    NodeRegister,
    NodeRegistry,
    NodeSessionDetached,
    NodeSessionOpened,
    PlatformInfo,
    PortRange,
    Principal,
    PrincipalId,
    ProtocolException,
    RoleBasedAuthorizer,
    SessionOpen,
    SessionRouter,
    SessionState,
    TunnelInfo,
    TunnelRegistration,
    TunnelRegistry,
    TunnelRejectedException,
)
from omnyshell.protocol.frames import HEADER_SIZE, pack_data, unpack_data
from omnyshell.protocol.outbox import ChannelFloodError, Outbox, OutboxOverflowError, Outgoing
from omnyshell.services.hub.access.locks import Locks
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.ground.event_bus import LocalEventBus
from omnyshell.services.hub.ground.limits import QuotaLimits
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.kept import KeptSessions
from omnyshell.services.hub.sessions.relay import Relay
from omnyshell.services.hub.truth.change import ChangeRefusedException
from omnyshell.services.hub.truth.log import SqliteLog
from omnyshell.transport.backoff import Backoff


class RecordingPeer:
    """A connection that remembers what it was sent."""

    is_choked = False

    def __init__(self, name: str, *roles: str) -> None:
        self.principal = Principal(PrincipalId(name), frozenset(roles))
        self.features = frozenset[str]()
        self.evidence = None
        self.id = f"connection of {name}"
        self.address = "192.0.2.1"
        self.is_open = True
        self.channels: dict[int, Any] = {}
        self.sent: list[tuple[int | None, Any]] = []

    def send(self, message: Any, channel: int | None = None) -> None:
        self.sent.append((channel, message))

    def send_in_order(self, message: Any, channel: int) -> None:
        self.sent.append((channel, message))

    def send_data(self, channel: int, raw: bytes) -> None:
        self.sent.append((channel, raw))

    def discard(self, channel: int) -> None:
        pass

    def dropped(self, _size: int) -> None:
        """Nobody reads it more slowly."""

    def fail(self, code: str, text: str) -> None:
        self.sent.append((None, code))

    def take(self) -> tuple[int | None, Any]:
        return self.sent.pop(0)


def register(node_id: str = "n1", **extra: Any) -> NodeRegister:
    return NodeRegister(node_id=node_id, platform=PlatformInfo(os="linux", arch="x64"), **extra)


class Table:
    """A broker with one node and one client."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.router = SessionRouter()
        self.audit = AuditLog(self.clock)
        registry = NodeRegistry(owners_in_memory(), {}, LocalEventBus())
        self.node, self.client = RecordingPeer("box", "node"), RecordingPeer("ann", "admin")
        registry.enter(self.node, register())
        self.broker = HubBroker(
            nodes=registry,
            router=self.router,
            relay=Relay(HubMetrics()),
            policy=HubPolicy(RoleBasedAuthorizer(), Locks(self.clock)),
            quota=Quota(QuotaLimits(max_channels=4)),
            audit=self.audit,
            metrics=HubMetrics(),
            clock=self.clock,
            new_id=chain(["session"], map(str, count())).__next__,
            kept=KeptSessions(self.clock),
            clipboards=ClipboardNotes(self.audit, self.clock),
            bus=LocalEventBus(),
        )


def test_a_node_that_does_not_answer_is_given_up_after_thirty_seconds() -> None:
    table = Table()
    table.broker.open(table.client, SessionOpen(node_id="n1"), 1)
    channel, _ = table.node.take()
    table.broker.expire(table.clock.seconds + 29.9)
    assert table.client.sent == []
    table.broker.expire(table.clock.seconds + 30)
    assert table.client.take()[1].reason == "timeout"
    assert (table.node.take()[0], len(table.router)) == (channel, 0)
    assert channel not in table.node.channels
    assert table.client.channels == {}


def test_a_client_that_leaves_while_its_session_opens_ends_it_on_the_node() -> None:
    table = Table()
    table.broker.open(table.client, SessionOpen(node_id="n1"), 1)
    table.node.take()
    table.client.channels[1].message(ChannelClose(reason="client_closed"))
    assert table.node.take()[1].reason == "client_closed"
    assert len(table.router) == 0
    assert [record.action for record in table.audit] == ["session.close"]


def test_a_flood_ends_the_session() -> None:
    table = Table()
    table.broker.open(table.client, SessionOpen(node_id="n1"), 1)
    channel = table.node.take()[0] or 0
    table.node.channels[channel].flooded()
    assert table.client.take()[1].reason == "capacity_exceeded"
    table.broker.open(table.client, SessionOpen(node_id="n1"), 2)
    channel = table.node.take()[0] or 0
    table.node.channels[channel].message(NodeSessionOpened(session_id="session"))
    table.client.take()
    table.node.channels[channel].flooded()
    assert [peer.take()[1].reason for peer in (table.client, table.node)] == ["error", "error"]
    assert len(table.router) == 0


class FullPeer(RecordingPeer):
    """A client that takes no message more on a channel."""

    def send_in_order(self, message: Any, channel: int) -> None:
        self.send_in_order = super().send_in_order
        self.channels[channel].flooded()


@pytest.mark.parametrize("last", ["close", "detach", "node gone"])
def test_a_last_message_that_floods_the_client_ends_its_session_once(last: str) -> None:
    table = Table()
    table.client = client = FullPeer("ann", "admin")
    table.broker.open(client, SessionOpen(node_id="n1"), 1)
    channel = table.node.take()[0] or 0
    next(iter(table.router)).session.state = SessionState.OPEN
    if last == "close":
        table.node.channels[channel].message(ChannelClose())
    elif last == "detach":
        table.node.channels[channel].message(NodeSessionDetached(session_id="session", short_id="session"))
    else:
        table.broker.node_gone(table.node)
    assert [record.action for record in table.audit] == ["session.close"]
    assert [message.reason for _, message in client.sent] == ["error"]
    assert len(table.router) == 0


def test_a_connection_has_a_bounded_number_of_channels() -> None:
    table = Table()
    for channel in range(1, 6):
        table.broker.open(table.client, SessionOpen(node_id="n1"), channel)
    assert [message.reason for _, message in table.client.sent] == ["capacity_exceeded"]
    assert len(table.router) == 4


def test_heartbeats_count_only_with_a_higher_number() -> None:
    monitor = HeartbeatMonitor(timeout=30)
    monitor.register("n", 0)
    assert monitor.beat("n", 5, 10)
    assert not monitor.beat("n", 5, 20)
    assert not monitor.beat("unknown", 1, 20)
    assert monitor.expired(39.9) == []
    assert monitor.expired(40) == ["n"]
    assert monitor.expired(99) == []


def test_a_registration_is_checked_owned_and_taken_over() -> None:
    registry = NodeRegistry(owners_in_memory(), {}, LocalEventBus())
    first, second, other = RecordingPeer("box", "node"), RecordingPeer("box", "node"), RecordingPeer("eve", "node")
    with pytest.raises(ProtocolException):
        registry.ask(first, register("a/b"))
    asked, claim = registry.ask(first, register(" n1 "))
    assert claim.now()
    assert registry.enter(first, asked)[0].node_id == "n1"
    with pytest.raises(ChangeRefusedException):
        registry.ask(other, register("n1"))[1].now()
    with pytest.raises(AuthorizationException):
        registry.ask(RecordingPeer("ann", "developer"), register("n2"))
    older = registry.enter(second, register("n1"))[1]
    assert older is not None
    assert older.peer is first
    assert registry.remove(first) is None
    assert registry.find("n1") is not None
    registry.remove(second)
    assert registry.find("n1") is None


def test_ownership_of_node_ids_survives_a_restart(tmp_path: Path) -> None:
    with closing(StateFile(tmp_path / "hub.sqlite3")) as file:
        assert NodeOwners(file, SqliteLog(file)).claim("n1", "box").now() == 1
    with closing(StateFile(tmp_path / "hub.sqlite3")) as file:
        owners = NodeOwners(file, SqliteLog(file))
        with pytest.raises(ChangeRefusedException):
            owners.claim("n1", "eve").now()
        owners.claim("n1", "box").now()
    # Of ids that are known nothing is written, whatever has become of the disk.
    owners.claim("n1", "box").now()
    with pytest.raises(ChangeRefusedException):
        owners.claim("n1", "eve").now()
    with pytest.raises(ConfigException):
        owners.claim("n2", "box").now()
    assert (tmp_path / "hub.sqlite3").stat().st_mode & 0o777 == 0o600


def test_the_outbox_serves_channels_in_turns_behind_urgent_messages() -> None:
    outbox = Outbox()
    block = Outgoing(False, bytes(40_000))
    for channel in (1, 1, 1, 2):
        outbox.put(channel, block)
    outbox.put(2, Outgoing(True, b"exit"))
    outbox.put_urgent(b"window")
    turns = []
    while turn := outbox.next_turn():
        turns.append([len(item.data) for item in turn])
    assert turns == [[6], [40_000], [40_000, 4], [40_000], [40_000]]


def test_the_outbox_is_bounded_but_takes_one_large_message() -> None:
    outbox = Outbox()
    outbox.put_urgent(bytes(2_000_000))
    with pytest.raises(OutboxOverflowError):
        outbox.put_urgent(b"x")
    outbox = Outbox()
    for _ in range(1000):
        outbox.put_urgent(b"x")
    with pytest.raises(OutboxOverflowError):
        outbox.put_urgent(b"x")


def test_small_frames_that_wait_are_put_together_in_order() -> None:
    outbox = Outbox()
    sent = []
    for number in range(40_000):
        opcode = 2 if number % 10_000 else 3
        raw = pack_data(opcode, 7, bytes((number % 251,)))
        sent.append((opcode, raw[HEADER_SIZE:]))
        outbox.put(7, Outgoing(False, memoryview(raw)[HEADER_SIZE:], raw[:HEADER_SIZE]))
    outbox.put(7, Outgoing(True, b"exit"))
    frames = []
    while turn := outbox.next_turn():
        frames += turn
    assert frames.pop() == Outgoing(True, b"exit")
    assert len(frames) < 20
    unpacked = [unpack_data(frame.head + bytes(frame.data)) for frame in frames]
    assert [(f.opcode, bytes((byte,))) for f in unpacked for byte in f.payload] == sent


def test_alternating_small_frames_of_two_streams_wait_in_little_memory() -> None:
    frames = [pack_data(2 + index % 2, 7, bytes((index % 251,))) for index in range(100_000)]
    outbox = Outbox()
    tracemalloc.start()
    for raw in frames:
        outbox.put(7, Outgoing(False, memoryview(raw)[HEADER_SIZE:], raw[:HEADER_SIZE]))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 1_500_000
    assert outbox.queued_bytes == 100_000
    outbox.put(7, Outgoing(False, b"", frames[0][:6] + bytes(4)))
    sent: list[bytes] = []
    while turn := outbox.next_turn():
        assert len(turn) <= 1001
        sent += [item.head + bytes(item.data) for item in turn]
    assert sent == frames


def test_a_flood_of_messages_is_its_channels_fault_alone() -> None:
    outbox = Outbox()
    outbox.put_urgent(bytes(1_000_000), 1)
    with pytest.raises(ChannelFloodError):
        outbox.put_urgent(b"signal", 1)
    with pytest.raises(ChannelFloodError):
        outbox.put(1, Outgoing(True, b"eof"))
    outbox.put_urgent(b"window", 2)
    outbox.put(1, Outgoing(False, b"data"))
    outbox.discard(1)
    outbox.put_urgent(b"close", 1)
    assert [item.data for item in outbox.next_turn()] == [b"window", b"close"]
    assert not outbox
    outbox.put_urgent(bytes(1_000_000), 1)


def test_the_messages_of_all_channels_together_are_bounded() -> None:
    outbox = Outbox()
    for channel in range(1, 43):
        outbox.put(channel, Outgoing(True, bytes(200_000)))
    with pytest.raises(OutboxOverflowError):
        outbox.put(43, Outgoing(True, b"x"))


def test_backoff_jitters_over_its_whole_range_and_starts_again() -> None:
    ranges: list[tuple[float, float]] = []

    def upper(low: float, high: float) -> float:
        ranges.append((low, high))
        return high

    backoff = Backoff(upper)
    assert [backoff.next_delay() for _ in range(6)] == [2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.next_delay() == 2
    assert {low for low, _ in ranges} == {0.5}


def test_a_short_outage_is_not_followed_by_a_long_absence() -> None:
    def upper(_low: float, high: float) -> float:
        return high

    backoff = Backoff(upper)
    for _ in range(5):
        backoff.next_delay()
    backoff.lost()
    assert [backoff.next_delay() for _ in range(10)] == [6.0] * 8 + [30.0] * 2


def test_tunnel_ports_have_one_owner_each() -> None:
    registry = TunnelRegistry(PortRange.parse("9000-9001"))
    entries = []
    for number in range(2):
        port = registry.choose_port(None)
        info = TunnelInfo(
            tunnel_id=f"ab{number}", node_id="n", target_port=80, public_port=port, created_at=FakeClock().now()
        )
        entries.append(TunnelRegistration(info, "ann"))
        registry.add(entries[-1])
    for wanted, code in ((None, "port_in_use"), (9000, "port_in_use"), (9002, "port_out_of_range")):
        with pytest.raises(TunnelRejectedException) as rejected:
            registry.choose_port(wanted)
        assert rejected.value.code == code
    assert registry.find("ann", "ab1") is entries[1]
    assert registry.find("ann", "ab") is registry.find("ann", "") is registry.find("eve", "ab1") is None
    registry.remove(entries[0])
    assert registry.choose_port(9000) == 9000
    with pytest.raises(TunnelRejectedException):
        TunnelRegistry(None).choose_port(None)
