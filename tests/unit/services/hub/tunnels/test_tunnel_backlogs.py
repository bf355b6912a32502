"""What waits at the public ports of tunnels: counted by owner, bounded, and given up where nobody takes it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from omnyshell import Principal, PrincipalId
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import KIB, MIB
from omnyshell.protocol.messages import ChannelMessage
from omnyshell.protocol.outbox import FULL_AT
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.ground.limits import EVERYBODY, Allowance, QuotaLimits, Resource
from omnyshell.services.hub.tunnels.backlogs import PATIENCE, TunnelBacklogs
from omnyshell.services.hub.tunnels.connection import ExposerState, TunnelConnection
from omnyshell.services.hub.tunnels.open_tunnel import OpenTunnel

STDOUT = DataOpcode.STDOUT


class FakeChannel:
    """Remembers what its other side was told."""

    is_closed = False
    budget = 0

    def __init__(self) -> None:
        self.said: list[ChannelMessage] = []

    def close(self, message: ChannelMessage) -> None:
        self.said.append(message)
        self.is_closed = True

    def consumed(self, size: int) -> None:
        """Credit goes back."""

    def grant_extra(self, size: int) -> None:
        """More of it."""


class FakeStream:
    """Takes nothing by itself."""

    def write(self, data: bytes) -> None:
        """It waits."""

    def resume_reading(self) -> None:
        """There is nothing to read."""

    def abort(self) -> None:
        """It is gone."""


class World:
    """Tunnels of one or more owners, each of whom may have 1 MiB waiting."""

    def __init__(self) -> None:
        limits = QuotaLimits(exceptions=(Allowance({Resource.QUEUED: 1}, frozenset({EVERYBODY})),))
        self.quota = Quota(limits)
        self.backlogs = TunnelBacklogs(self.quota)
        self.tunnels: list[OpenTunnel] = []

    def tunnel(self, owner: str) -> OpenTunnel:
        who = Principal(PrincipalId(owner))
        registration = SimpleNamespace(info=SimpleNamespace(tunnel_id="t"))
        tunnel = OpenTunnel(cast("Any", registration), who, None, cast("Any", None), self.backlogs.of(who))
        self.tunnels.append(tunnel)
        return tunnel

    def connection(self, tunnel: OpenTunnel) -> TunnelConnection:
        made = TunnelConnection(tunnel, "192.0.2.1", lambda *_: None, half_close=True)
        made.channel, made.stream = cast("Any", FakeChannel()), cast("Any", FakeStream())
        tunnel.connection_opened(made)
        made.join()
        made._exposer = ExposerState.ANSWERED
        return made

    def sweep(self, now: float) -> None:
        self.backlogs.sweep(self.tunnels, now)


@pytest.fixture
def world() -> World:
    return World()


def send(connection: TunnelConnection, size: int) -> None:
    connection.data_received(STDOUT, bytes(size))


def test_what_waits_is_the_owners_over_all_tunnels_and_goes_with_its_connection(world: World) -> None:
    one, two, other = world.tunnel("eve"), world.tunnel("eve"), world.tunnel("ann")
    connections = [world.connection(each) for each in (one, two, other)]
    for connection in connections:
        send(connection, 100)
    assert one.backlog is two.backlog
    assert (one.backlog.waiting, other.backlog.waiting) == (200, 100)
    connections[0].bytes_taken(30)
    assert one.backlog.waiting == 170
    connections[0].channel_lost(cast("Any", None))
    assert one.backlog.waiting == 100
    connections[0].bytes_taken(30)
    assert one.backlog.waiting == 100


def test_far_beyond_the_limit_the_connection_ends_whose_data_comes(world: World) -> None:
    tunnel, other = world.tunnel("eve"), world.tunnel("ann")
    connections = [world.connection(tunnel) for _ in range(40)]
    for connection in connections:
        send(connection, 256 * KIB)
    ended = [connection for connection in connections if connection.channel.is_closed]
    assert len(ended) == 40 - FULL_AT * MIB // (256 * KIB)
    assert tunnel.backlog.waiting == FULL_AT * MIB
    mine = world.connection(other)
    send(mine, 100)
    assert not mine.channel.is_closed


def test_who_takes_nothing_while_too_much_waits_is_ended_and_nobody_else(world: World) -> None:
    tunnel, other = world.tunnel("eve"), world.tunnel("ann")
    stuck, slow, quiet, mine = (world.connection(each) for each in (tunnel, tunnel, tunnel, other))
    more = [world.connection(tunnel) for _ in range(3)]
    for connection in (stuck, slow, mine, *more):
        send(connection, 256 * KIB)
    for now in range(int(PATIENCE) + 1):
        slow.bytes_taken(1)
        world.sweep(now)
    assert [each.channel.is_closed for each in (slow, quiet, mine)] == [False] * 3
    # Those that are left fit.
    assert sum(each.channel.is_closed for each in (stuck, *more)) == 1
    assert not tunnel.backlog.is_over
    assert world.quota.refused[Resource.QUEUED] == 1


def test_below_the_limit_a_stream_may_be_paused_for_ever(world: World) -> None:
    tunnel = world.tunnel("eve")
    paused = world.connection(tunnel)
    send(paused, 256 * KIB)
    for now in range(0, 10_000, 100):
        world.sweep(now)
    assert not paused.channel.is_closed


def test_an_owner_without_tunnels_is_forgotten(world: World) -> None:
    world.tunnel("eve")
    world.sweep(0)
    world.tunnels.clear()
    world.sweep(1)
    assert world.backlogs._by_owner == {}
