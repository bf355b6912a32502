"""HTTP between an outside and its connection, fed by hand: what goes on, what waits, and what a client is told."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.duplexes import HandChannel, HandLoop, HandTransport, by_hand

from omnyshell import Principal, PrincipalId
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelEof,
    NodeTunnelConnect,
    NodeTunnelConnected,
    NodeTunnelConnectFailed,
)
from omnyshell.protocol.outbox import Backlog
from omnyshell.services.hub.tunnels.connection import CONNECT_TIMEOUT, NO_ANSWER, TunnelConnection
from omnyshell.services.hub.tunnels.http.forwarder import MAX_OUTSTANDING, HttpForwarder
from omnyshell.services.hub.tunnels.http.headers import ForwardingHeaders
from omnyshell.services.hub.tunnels.http.stream import HEAD_TIMEOUT, PENDING_REFUSAL_TIMEOUT, REFUSAL_LINGER
from omnyshell.services.hub.tunnels.open_tunnel import OpenTunnel

GET = b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class World:
    """A connection through an `http` tunnel, with a transport and a channel that remember."""

    def __init__(self, loop: HandLoop) -> None:
        self.loop = loop
        owner = Principal(PrincipalId("ann"))
        info = SimpleNamespace(tunnel_id="t" * 20, target_host="h", target_port=80)
        registration, channels = SimpleNamespace(info=info), SimpleNamespace()
        self.tunnel = OpenTunnel(cast("Any", registration), owner, None, cast("Any", channels), Backlog(1 << 20))
        self.refused: list[str] = []
        marks = ForwardingHeaders(
            client_address="192.0.2.1",
            is_secure=False,
            public_port=22_000,
            tunnel="t",
            node_id="n1",
            owner="ann",
            new_request_id=lambda: "id",
        )
        self.connection = TunnelConnection(
            self.tunnel,
            "192.0.2.1",
            lambda _tunnel, _address, reason: self.refused.append(reason),
            half_close=True,
            http=HttpForwarder(marks),
        )
        self.channel = HandChannel(1 << 20)
        self.connection.channel = cast("Any", self.channel)
        self.tunnel.connection_opened(self.connection)
        self.transport = HandTransport(loop, self.connection._lay_streams(None))

    def join(self) -> None:
        self.say(NodeTunnelConnected(tunnel_id="t"))

    def say(self, message: Any) -> None:
        self.connection.message_received(message)
        self.loop.run()

    def ask(self, data: bytes) -> None:
        self.transport.receive(data)
        self.loop.run()

    def answer(self, data: bytes) -> None:
        self.connection.data_received(DataOpcode.STDOUT, data)
        self.loop.run()

    @property
    def asked(self) -> list[bytes]:
        """The targets of the requests that went on."""
        return [line.split()[1] for line in self.channel.data.split(b"\r\n") if line.startswith(b"GET ")]

    def told(self) -> bytes:
        return bytes(self.transport.written)


@pytest.fixture
def world() -> Iterator[World]:
    with by_hand() as loop:
        made = World(loop)
        assert [type(message) for message in made.channel.messages] == [NodeTunnelConnect]
        yield made
        loop.pass_time(2000)
        assert made.transport.is_lost, "a connection is left"
        assert made.connection._life.is_gone
        assert not loop.waits, "a timer is left"
        assert (made.tunnel.counters.connections_now, made.tunnel.backlog.waiting) == (0, 0)


def test_what_was_read_is_counted_as_it_came_and_goes_on_with_headers(world: World) -> None:
    world.join()
    world.ask(GET % 1)
    assert world.asked == [b"/1"]
    assert b"X-Request-Id: id" in world.channel.data
    assert world.tunnel.counters.bytes_in == len(GET % 1)
    world.answer(OK)
    assert world.told() == OK
    assert (world.tunnel.counters.bytes_out, world.channel.returned) == (len(OK), len(OK))
    world.transport.receive_end()
    world.say(ChannelClose(reason=CloseReason.TARGET_CLOSED))


def test_the_end_of_the_outside_goes_on_behind_requests_that_have_to_wait(world: World) -> None:
    world.join()
    many = b"".join(GET % number for number in range(MAX_OUTSTANDING + 20))
    world.ask(many)
    world.transport.receive_end()
    world.loop.run()
    while len(world.asked) < MAX_OUTSTANDING + 20:
        assert not any(isinstance(message, ChannelEof) for message in world.channel.messages)
        world.answer(OK)
    for _ in range(MAX_OUTSTANDING + 20):
        world.answer(OK)
    assert isinstance(world.channel.said[-1], ChannelEof)
    assert world.asked == [b"/%d" % number for number in range(MAX_OUTSTANDING + 20)]


def test_a_refusal_waits_for_the_answers_before_it_and_is_not_the_targets(world: World) -> None:
    world.join()
    world.ask(GET % 1 + b"GET /2 HTTP/1.1\nHost: h\n\n")
    assert (world.told(), world.refused) == (b"", [])
    world.answer(OK)
    assert world.told().startswith(OK + b"HTTP/1.1 400")
    assert world.refused == ["http 400"]
    assert world.channel.messages[-1] == ChannelClose(reason=CloseReason.EXTERNAL_ERROR)
    assert world.tunnel.counters.bytes_out == len(OK)
    world.ask(GET % 3)
    assert world.asked == [b"/1"]
    assert not world.transport.is_lost
    world.loop.pass_time(2 * REFUSAL_LINGER)
    assert world.transport.is_lost


def test_a_client_that_has_read_its_refusal_ends_the_connection_at_once(world: World) -> None:
    world.join()
    world.ask(b"GET / HTTP/1.1\nHost: h\n\n")
    assert world.told().startswith(b"HTTP/1.1 400")
    world.transport.receive_end()
    world.loop.run()
    assert world.transport.is_lost


def test_a_refusal_behind_an_answer_that_never_comes_ends_the_connection(world: World) -> None:
    world.join()
    world.ask(GET % 1 + b"GET /2 HTTP/1.1\nHost: h\n\n")
    world.loop.pass_time(PENDING_REFUSAL_TIMEOUT + 1)
    assert world.transport.was_aborted
    assert world.told() == b""


@pytest.mark.parametrize("joins_first", [False, True])
def test_a_head_that_does_not_end_is_refused(world: World, joins_first: bool) -> None:
    if joins_first:
        world.join()
    world.ask(b"GET / HTTP/1.1\r\n")
    if not joins_first:
        world.join()
    world.loop.pass_time(HEAD_TIMEOUT + 0.1)
    assert world.told().startswith(b"HTTP/1.1 408")
    assert world.refused == ["http 408"]


@pytest.mark.parametrize("said", [NodeTunnelConnectFailed(tunnel_id="t", reason="no", message=""), ChannelClose()])
def test_a_target_that_cannot_be_reached_is_a_502(world: World, said: Any) -> None:
    world.ask(GET % 1)
    world.say(said)
    assert world.told().startswith(b"HTTP/1.1 502")
    assert world.refused == [said.reason]
    world.say(NodeTunnelConnected(tunnel_id="t"))
    assert world.asked == []


def test_a_target_that_does_not_answer_is_a_504(world: World) -> None:
    world.loop.pass_time(CONNECT_TIMEOUT)
    assert world.told().startswith(b"HTTP/1.1 504")
    assert (world.refused, world.channel.messages[-1]) == (
        ["timeout"],
        ChannelClose(reason=CloseReason.ERROR, message=NO_ANSWER),
    )


def test_nothing_of_a_stream_that_has_ended_moves_the_other_way(world: World) -> None:
    world.join()
    world.ask(GET % 1)
    world.transport.lose(ConnectionResetError())
    assert world.channel.messages[-1] == ChannelClose(reason=CloseReason.EXTERNAL_ERROR)
    world.answer(OK)
    assert world.told() == b""
