"""What waits to be sent to one principal: counted over its connections, asked for no further, given up in the end."""

import random
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from support.clock import FakeClock
from support.in_one_test import in_one_test

from omnyshell import AuditLog, Principal, PrincipalId
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.protocol.frames import HEADER_SIZE, pack_data
from omnyshell.protocol.limits import MIB
from omnyshell.protocol.messages import ChannelMessage, ChannelWindow
from omnyshell.protocol.outbox import (
    ALWAYS_QUEUED,
    FULL_AT,
    Backlog,
    ChannelFloodError,
    Outbox,
    OutboxOverflowError,
    Outgoing,
    _size,
)
from omnyshell.security.authenticators import TokenAuthenticator
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.ground.config import HubConfig
from omnyshell.services.hub.ground.limits import EVERYBODY, Allowance, QuotaLimits, Resource
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.send_watch import LOOK_PERIOD, PATIENCE, SendWatch
from omnyshell.services.hub.sessions.relay import ClientEnd, NodeEnd, Relay
from omnyshell.services.hub.sessions.route import Session, SessionRoute
from omnyshell.services.hub.sessions.router import SessionRouter

BLOCK = Outgoing(False, bytes(MIB))


def data(opcode: int, channel: int, size: int) -> Outgoing:
    raw = pack_data(opcode, channel, bytes(size))
    return Outgoing(False, raw[HEADER_SIZE:], raw[:HEADER_SIZE])


def recounted(box: Outbox) -> int:
    """What waits, by a walk over it."""
    queued = (item for queue in box._channels.values() for item in queue)
    return sum(len(text) for _, text in box._urgent) + sum(map(_size, queued))


def step(chooser: random.Random, box: Outbox, backlogs: tuple[Backlog | None, ...]) -> int:
    """Do something to an outbox; returns how many bytes were taken of it."""
    channel, size = chooser.randrange(1, 5), chooser.choice((0, 1, 5, 600, 20_000))
    act = chooser.random()
    if act < 0.6:
        box.put(channel, data(chooser.choice((2, 3)), channel, size))
    elif act < 0.7:
        with suppress(ChannelFloodError, OutboxOverflowError):
            box.put(channel, Outgoing(True, bytes(size + 1)))
            box.put_urgent(b"x", chooser.choice((0, channel)))
    elif act < 0.9:
        return sum(len(item.data) for item in box.next_turn())
    elif act < 0.95:
        box.discard(channel)
    else:
        box.count_in(chooser.choice(backlogs))
    return 0


@in_one_test("seed", range(20))
def test_what_waits_is_counted_whatever_comes_goes_and_is_forgotten(seed: int) -> None:
    chooser = random.Random(seed)
    backlogs = (Backlog(MIB), Backlog(MIB))
    boxes, taken = [Outbox() for _ in range(3)], [0, 0, 0]
    for _ in range(600):
        number = chooser.randrange(3)
        taken[number] += step(chooser, boxes[number], (None, *backlogs))
        assert [box.queued_bytes for box in boxes] == [*map(recounted, boxes)]
        assert [box.taken_bytes for box in boxes] == taken
        for each in backlogs:
            assert each.waiting == sum(box.queued_bytes for box in boxes if box._backlog is each)
    for box in boxes:
        while box.next_turn():
            pass
        assert box.queued_bytes == 0
    assert [each.waiting for each in backlogs] == [0, 0]


def test_what_is_cleared_does_not_wait_any_more() -> None:
    box, backlog = Outbox(), Backlog(MIB)
    box.count_in(backlog)
    for channel in range(1, 4):
        box.put(channel, data(2, channel, 5000))
        box.put(channel, Outgoing(True, b"exit"))
        box.put_urgent(b"window", channel)
        box.put_urgent(b"pong")
    box.clear()
    assert (box.queued_bytes, backlog.waiting, bool(box)) == (0, 0, False)
    box.put(1, data(2, 1, 7))
    assert backlog.waiting == 7


def test_beyond_the_limit_no_more_is_asked_for_and_far_beyond_it_nothing_is_kept() -> None:
    backlog = Backlog(2 * MIB)
    box, other = Outbox(), Outbox()
    box.count_in(backlog)
    other.count_in(backlog)
    for count in range(1, 2 * FULL_AT + 2):
        box.put(1, BLOCK)
        assert box.is_over is (count > 2)
    with pytest.raises(ChannelFloodError):
        box.put(2, BLOCK)
    # Messages have bounds of their own, and who has little pays for nobody else.
    box.put(2, Outgoing(True, b"exit"))
    assert not other.is_over
    other.put(1, BLOCK)
    assert not other.is_over
    other.put(1, Outgoing(False, b"x"))
    assert other.is_over
    assert other.queued_bytes > ALWAYS_QUEUED
    with pytest.raises(ChannelFloodError):
        other.put(1, BLOCK)
    box.clear()
    assert not other.is_over


class FakePeer:
    """A connection, whose other side takes what the test says."""

    def __init__(self, name: str, queued: int = 0, backlog: Backlog | None = None) -> None:
        self.principal = Principal(PrincipalId(name))
        self.address = "192.0.2.1"
        self.choked = False
        self.queued_bytes = queued
        self.sent: list[tuple[int | None, Any]] = []
        self.channels: dict[int, Any] = {}
        self.ended = ""
        self.taken_bytes = 0
        self._backlog = backlog

    @property
    def is_choked(self) -> bool:
        return self.choked or (self._backlog is not None and self._backlog.is_over and self.queued_bytes > 0)

    def send(self, message: Any, channel: int | None = None) -> None:
        self.sent.append((channel, message))

    def evict(self, _code: str, text: str) -> None:
        self.ended = text

    def drop_queued(self) -> None:
        assert self._backlog is not None
        self._backlog.waiting -= self.queued_bytes
        self.queued_bytes = 0


class Relayed:
    """Two connections, and the sessions between them."""

    def __init__(self) -> None:
        self.client, self.node = cast("Any", FakePeer("ann")), cast("Any", FakePeer("box"))
        self.relay, self.router = Relay(HubMetrics()), SessionRouter()

    def session(self, node_channel: int = 9) -> SessionRoute:
        """A session that is open."""
        at = datetime(2026, 1, 2, tzinfo=UTC)
        session = Session("s", "n1", "ann", SessionMode.EXEC, at, state=SessionState.OPEN)
        route = SessionRoute(session, self.client, 5, self.node, node_channel, f"s{node_channel}", 0.0)
        nobody = cast("Any", None)
        self.router.add(ClientEnd(route, self.relay, nobody), NodeEnd(route, self.relay, nobody))
        return route

    def end(self, route: SessionRoute) -> None:
        """It is over."""
        route.session.state = SessionState.CLOSED
        self.router.remove(route)

    def from_client(self, message: ChannelMessage) -> None:
        self.client.channels[5].message(message)

    def from_node(self, message: ChannelMessage) -> None:
        self.node.channels[9].message(message)


def test_credit_from_somebody_for_whom_too_much_waits_is_passed_on_later_and_in_one() -> None:
    world = Relayed()
    relay, client, node = world.relay, world.client, world.node
    world.session().has_offsets = True
    client.choked = True
    for offset in (None, 70, None):
        world.from_client(ChannelWindow(credit=100, offset=offset))
    relay.sweep(0)
    assert node.sent == []
    # Nor does one overtake those that wait.
    client.choked = False
    world.from_client(ChannelWindow(credit=1))
    assert node.sent == []
    relay.sweep(0)
    assert node.sent == [(9, ChannelWindow(credit=301, offset=70))]
    world.from_client(ChannelWindow(credit=2))
    assert node.sent[1:] == [(9, ChannelWindow(credit=2))]
    relay.sweep(0)
    assert len(node.sent) == 2


def test_a_node_for_which_too_much_waits_gets_no_more_input() -> None:
    world = Relayed()
    relay, client, node = world.relay, world.client, world.node
    world.session()
    node.choked = True
    world.from_node(ChannelWindow(stream="stdin", credit=100))
    world.from_client(ChannelWindow(credit=50))
    assert (client.sent, node.sent) == ([], [(9, ChannelWindow(credit=50))])
    node.choked = False
    relay.sweep(0)
    assert client.sent == [(5, ChannelWindow(stream="stdin", credit=100))]


def test_credit_that_waits_ends_with_its_session_and_is_none_of_the_next() -> None:
    world = Relayed()
    relay, client, node = world.relay, world.client, world.node
    route = world.session()
    client.choked = True
    world.from_client(ChannelWindow(credit=100))
    world.end(route)
    other = world.session(10)
    world.from_client(ChannelWindow(credit=7))
    client.choked = False
    relay.sweep(0)
    assert node.sent == [(10, ChannelWindow(credit=7))]
    client.choked = True
    world.from_client(ChannelWindow(credit=8))
    world.end(other)
    client.choked = False
    relay.sweep(0)
    assert len(node.sent) == 1


def watched(*peers: FakePeer) -> tuple[SendWatch, AuditLog, Quota]:
    audit, quota = AuditLog(FakeClock()), Quota()
    return SendWatch(cast("Any", peers), quota, audit), audit, quota


def test_who_takes_nothing_while_too_much_waits_is_ended_the_one_with_the_most_first() -> None:
    backlog = Backlog(10)
    stuck, less, slow, quiet = (FakePeer("eve", size, backlog) for size in (9, 5, 3, 0))
    other = FakePeer("ann")
    backlog.waiting = 17
    watch, audit, quota = watched(less, slow, stuck, quiet, other)
    for second in range(int(PATIENCE) + 1):
        slow.taken_bytes += 1
        # What the hub answers pings with grows what waits, and is nothing that was taken.
        stuck.taken_bytes -= 5
        _ = list(watch.sweep(second * LOOK_PERIOD))
        assert bool(stuck.ended) is (second == PATIENCE)
    assert [peer.ended for peer in (less, slow, quiet, other)] == [""] * 4
    assert "limit 'queued'" in stuck.ended
    assert quota.refused == {Resource.QUEUED: 1}
    (record,) = audit
    assert (record.action, record.principal, record.reason) == ("peer.limited", "eve", "capacity_exceeded")


def test_who_takes_some_of_it_once_in_a_while_stays() -> None:
    backlog = Backlog(10)
    peer = FakePeer("ann", 20, backlog)
    backlog.waiting = 20
    watch, _, _ = watched(peer)
    for second in range(100):
        peer.taken_bytes += second % (int(PATIENCE) - 1) == 0
        _ = list(watch.sweep(second))
    assert not peer.ended


def test_the_limit_is_the_principals_and_follows_the_settings() -> None:
    quota = Quota(QuotaLimits(exceptions=(Allowance({Resource.QUEUED: 3}, frozenset({"ann"})),)))
    ann, bob = (quota.connected(Principal(PrincipalId(name))).queued for name in ("ann", "bob"))
    assert (ann.limit, bob.limit) == (3 * MIB, 64 * MIB)
    allowances = (Allowance({Resource.QUEUED: 5}, frozenset({EVERYBODY})),)
    quota.follow(HubConfig(cert=Path(), key=Path(), authenticator=TokenAuthenticator(), quotas=allowances))
    assert (ann.limit, bob.limit) == (5 * MIB, 5 * MIB)
