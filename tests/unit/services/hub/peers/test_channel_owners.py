"""What comes on a channel goes to its owner alone, and what has no place there changes nothing and is counted."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from support.clock import FakeClock
from support.fake_peers import FakePeer, no_reception
from support.in_one_test import in_one_test

from omnyshell.model.sessions import CloseReason, SessionMode, SessionState
from omnyshell.protocol import messages as m
from omnyshell.protocol.extensions import RESUME_OFFSET
from omnyshell.protocol.frames import DataOpcode, pack_data
from omnyshell.protocol.messages.base import Role
from omnyshell.protocol.messages.clipboard import SessionClipboard
from omnyshell.protocol.messages.forwards import ForwardDial
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.ground.histogram import Histogram
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.message_table import KNOWN
from omnyshell.services.hub.peers.channel_owner import ChannelOwner
from omnyshell.services.hub.peers.handlers import ServedRole, to_owner
from omnyshell.services.hub.peers.hub_peer import HubPeer
from omnyshell.services.hub.peers.relay_probe import RelayProbe
from omnyshell.services.hub.sessions.relay import ClientEnd, NodeEnd, Relay
from omnyshell.services.hub.sessions.route import Session, SessionRoute
from omnyshell.services.hub.tunnels.channel import TunnelChannel

FROM_NODES = [kind for kind in KNOWN if kind.SCOPED and Role.NODE in kind.WAY.senders]
FROM_CLIENTS = [kind for kind in KNOWN if kind.SCOPED and Role.CLIENT in kind.WAY.senders and kind is not m.SessionOpen]
"""What is said on channels that have an owner already."""

SAID: dict[type[m.ControlMessage], Any] = {
    m.ChannelClose: m.ChannelClose(reason=CloseReason.NORMAL),
    m.ChannelEof: m.ChannelEof(),
    m.ChannelExit: m.ChannelExit(exit_code=0, ts=datetime(2026, 1, 2, tzinfo=UTC)),
    m.ChannelPaint: m.ChannelPaint(size=1),
    m.ChannelResize: m.ChannelResize(),
    m.ChannelSignal: m.ChannelSignal(signal="INT"),
    m.ChannelWindow: m.ChannelWindow(stream="stdin", credit=1),
    m.NodeSessionDetached: m.NodeSessionDetached(session_id="s", short_id="s"),
    m.NodeSessionOpened: m.NodeSessionOpened(session_id="s"),
    m.NodeSessionRejected: m.NodeSessionRejected(session_id="s", reason="bad_request", message="no"),
    m.NodeTunnelConnectFailed: m.NodeTunnelConnectFailed(tunnel_id="t", reason="dial_failed", message="no"),
    m.NodeTunnelConnected: m.NodeTunnelConnected(tunnel_id="t"),
    m.SessionDetachRequest: m.SessionDetachRequest(),
    SessionClipboard: SessionClipboard(size=1),
    ForwardDial: ForwardDial(),
}

OF_SESSIONS_FROM_CLIENTS = {
    m.ChannelResize,
    m.ChannelSignal,
    m.ChannelEof,
    m.ChannelWindow,
    m.SessionDetachRequest,
    SessionClipboard,
}
OF_OPENING_FROM_NODES = {m.NodeSessionOpened, m.NodeSessionRejected}
OF_SESSIONS_FROM_NODES = {m.ChannelWindow, m.ChannelExit, m.NodeSessionDetached}
OF_TUNNELS = {m.ChannelWindow, m.ChannelEof, m.ChannelClose, m.NodeTunnelConnected, m.NodeTunnelConnectFailed}


class Told:
    """Notes what it is asked to do, whatever that is."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.channel: Any = self

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self.calls.append(name)


class World:
    """A session and a tunnel's connection between two peers, or what stands for their owners."""

    def __init__(self, state: SessionState = SessionState.OPEN) -> None:
        self.metrics = HubMetrics()
        self.client, self.node = FakePeer("ann-1", "admin"), FakePeer("box-1", "node")
        self.told = Told()
        session = Session("s", "n1", "ann", SessionMode.SHELL, datetime(2026, 1, 2, tzinfo=UTC), state=state)
        client, node, told = cast("Any", self.client), cast("Any", self.node), cast("Any", self.told)
        self.route = SessionRoute(session, client, 5, node, 9, "s", 0.0)
        relay = Relay(self.metrics)
        self.owners: dict[str, ChannelOwner] = {
            "client": ClientEnd(self.route, relay, told),
            "node": NodeEnd(self.route, relay, told),
            "tunnel": TunnelChannel(told, told, node, self.metrics),
        }

    def takes(self, owner: str, message: m.ChannelMessage) -> bool:
        """Whether a message does something at an owner; nothing happens at all where it does not."""
        self.owners[owner].message(message)
        happened = bool(self.told.calls or self.client.inbox or self.node.inbox)
        assert happened is (self.metrics.frames_dropped == 0)
        return happened


@in_one_test(
    ("owner", "state", "taken"),
    [
        ("client", SessionState.OPENING, {m.ChannelClose, SessionClipboard}),
        ("client", SessionState.OPEN, OF_SESSIONS_FROM_CLIENTS | {m.ChannelClose}),
        ("node", SessionState.OPENING, OF_OPENING_FROM_NODES | {m.ChannelClose}),
        ("node", SessionState.OPEN, OF_SESSIONS_FROM_NODES | {m.ChannelClose}),
        ("tunnel", SessionState.OPEN, OF_TUNNELS),
    ],
)
def test_an_owner_takes_what_has_a_place_on_its_channel_and_drops_the_rest(
    owner: str, state: SessionState, taken: set[type[m.ControlMessage]]
) -> None:
    assert set(SAID) == {*FROM_CLIENTS, *FROM_NODES}
    assert {kind for kind, message in SAID.items() if World(state).takes(owner, message)} == taken


def test_a_painting_goes_on_only_where_offsets_are_in_force() -> None:
    world = World()
    world.route.has_offsets = True
    assert world.takes("node", SAID[m.ChannelPaint]), RESUME_OFFSET
    assert world.client.inbox == [(5, SAID[m.ChannelPaint])]


def test_a_connection_is_used_only_where_it_was_asked_for_ahead() -> None:
    world = World()
    world.route.is_ahead = True
    assert world.takes("client", SAID[ForwardDial])
    assert (world.told.calls, world.node.inbox) == (["used"], [(9, SAID[ForwardDial])])


@pytest.mark.parametrize(
    ("owner", "streams"), [("client", {DataOpcode.STDIN}), ("node", {DataOpcode.STDOUT, DataOpcode.STDERR})]
)
def test_data_goes_on_from_open_sessions_alone_and_only_the_way_that_its_stream_goes(
    owner: str, streams: set[DataOpcode]
) -> None:
    for state in SessionState:
        for opcode in DataOpcode:
            world = World(state)
            world.owners[owner].data(opcode, pack_data(opcode, 1, b"ab"))
            goes_on = state is SessionState.OPEN and opcode in streams
            assert bool(world.client.inbox or world.node.inbox) is goes_on
            assert world.metrics.bytes_relayed == 2 * goes_on


def test_of_a_targets_data_only_stdout_goes_outside() -> None:
    for opcode in DataOpcode:
        world = World()
        world.owners["tunnel"].data(opcode, pack_data(opcode, 1, b"ab"))
        assert world.told.calls == (["data_received"] if opcode is DataOpcode.STDOUT else [])


def test_more_than_the_credit_ends_the_session() -> None:
    world = World()
    world.route.to_node.available = 1
    world.owners["client"].data(DataOpcode.STDIN, pack_data(DataOpcode.STDIN, 5, b"ab"))
    assert (world.told.calls, world.node.inbox) == (["fail_route"], [])
    assert world.metrics.credit_violations == 1


def test_a_message_goes_to_the_owner_of_its_channel_at_its_own_connection() -> None:
    world, metrics = World(), HubMetrics()
    other = FakePeer("eve-1", "admin")
    world.client.channels[5] = world.owners["client"]
    hand_on = to_owner(metrics)
    for peer, channel in ((other, 5), (world.client, 6), (world.client, 0), (world.node, 5)):
        hand_on(cast("Any", peer), SAID[m.ChannelResize], channel)
    assert (world.node.inbox, metrics.frames_dropped) == ([], 4)
    hand_on(cast("Any", world.client), SAID[m.ChannelResize], 5)
    assert world.node.inbox == [(9, SAID[m.ChannelResize])]


class Connection:
    """A connection as the hub's link drives it, whose login is done."""

    def __init__(self) -> None:
        self.metrics, self.probe = HubMetrics(), RelayProbe(Histogram((1.0,)))
        unused: Any = None
        self.peer = HubPeer(
            clock=FakeClock(),
            new_id=lambda: "id",
            codec=unused,
            metrics=self.metrics,
            probe=self.probe,
            quota=Quota(),
            roles={},
            reception=no_reception,
            on_login=unused,
            on_closed=unused,
            on_too_much=unused,
        )
        self.told = self.peer.link = cast("Any", Told())
        self.told.is_open = True
        self.peer._pace.link = self.told

    def log_in(self) -> None:
        self.peer._served = ServedRole({}, lambda _peer: None)

    def receive(self, channel: int) -> None:
        self.peer.binary_received(pack_data(DataOpcode.STDIN, channel, b"ab"))


def test_data_reaches_its_owner_after_the_login_and_some_of_it_is_timed() -> None:
    connection, owner = Connection(), Told()
    connection.peer.channels[5] = cast("Any", owner)
    connection.receive(5)
    assert (owner.calls, connection.metrics.frames_dropped) == ([], 1)
    connection.log_in()
    connection.receive(5)
    connection.receive(6)
    assert (owner.calls, connection.metrics.frames_dropped) == (["data"], 2)
    connection.probe.arm()
    connection.receive(5)
    connection.receive(5)
    assert owner.calls == ["data"] * 3
    assert connection.probe._histogram.buckets()[-1] == ("+Inf", 1.0)


def test_a_flood_ends_what_its_channel_belongs_to_or_the_peer_that_asked_for_it() -> None:
    connection, owner = Connection(), Told()
    connection.peer.channels[5] = cast("Any", owner)
    connection.peer.channel_flooded(5)
    assert (owner.calls, connection.told.calls) == (["flooded"], [])
    connection.peer.channel_flooded(0)
    assert connection.told.calls == ["send_urgent", "close"]
