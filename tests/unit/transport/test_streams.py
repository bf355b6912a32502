"""A channel joined with a TCP stream, and with one of TLS, in all orders of what may happen to them.

No byte is lost or doubled, each direction ends once and behind its bytes, and nothing is left over.
"""

import itertools
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from hypothesis import given, strategies as st
from support.duplexes import HandChannel, HandLoop, HandTransport, by_hand
from support.stack import Certificates

from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import ChannelClose, ChannelEof
from omnyshell.transport.channel_stream import ChannelStream
from omnyshell.transport.duplex import Way
from omnyshell.transport.tcp_stream import DRAIN_TIMEOUT, TcpStream
from omnyshell.transport.tls import client_context, server_context
from omnyshell.transport.tls_core import After, TlsCore
from omnyshell.transport.tls_stream import TlsStream

PIECE = 1000


class Connection(ChannelStream):
    """As the hub's end of a tunnel has it."""

    ends = 0

    def over(self) -> None:
        self.ends += 1


class PlainWorld:
    """A connection, its channel, and an outside that speaks TCP."""

    def __init__(self, loop: HandLoop, *, half_close: bool = True, eager: bool = False) -> None:
        self.loop = loop
        self.channel = HandChannel()
        self.connection = Connection(
            {"tunnel_id": "t"},
            sends=DataOpcode.STDIN,
            half_close=half_close,
            closed=CloseReason.EXTERNAL_CLOSED,
            failed=CloseReason.EXTERNAL_ERROR,
        )
        self.connection.channel = cast("Any", self.channel)
        self.sent, self.answered = b"", b""
        self.has_finished = self.was_answered = self.is_joined = False
        self.transport = HandTransport(loop, self.lay(), eager=eager)
        self.begin()

    def lay(self) -> TcpStream:
        self.connection.stream = stream = TcpStream(self.connection)
        return stream

    def begin(self) -> None:
        """Nothing to do."""

    # The outside

    def send(self) -> None:
        if not self.has_finished and not self.transport.is_lost:
            data = bytes([len(self.sent) // PIECE % 256]) * PIECE
            self.sent += data
            self.transport.receive(self.wrapped(data))

    def finish(self) -> None:
        if not self.has_finished and not self.transport.is_lost:
            self.has_finished = True
            self.say_end()

    def say_end(self) -> None:
        self.transport.receive_end()

    def wrapped(self, data: bytes) -> bytes:
        return data

    def received(self) -> bytes:
        """What the outside has got."""
        return bytes(self.transport.written)

    def stop_taking(self) -> None:
        self.transport.is_full = True

    def take(self) -> None:
        self.transport.take()

    def vanish(self) -> None:
        self.transport.lose(ConnectionResetError())

    # The other side of the channel

    def join(self) -> None:
        if not self.is_joined and not self.channel.is_closed:
            self.is_joined = True
            self.connection.join()

    def grant(self, size: int = 1500) -> None:
        if not self.channel.is_closed:
            self.channel.budget += size
            self.connection.budget_available()

    def answer(self) -> None:
        if self.is_joined and not self.channel.is_closed and not self.was_answered:
            data = bytes([255 - len(self.answered) // PIECE % 256]) * PIECE
            self.answered += data
            self.connection.data_received(DataOpcode.STDOUT, data)

    def end_answer(self) -> None:
        if not self.channel.is_closed and not self.was_answered:
            self.was_answered = True
            self.connection.message_received(ChannelEof(stream="stdout"))

    def misplace(self) -> None:
        """What an exposer may not send: nothing of it counts."""
        if not self.is_joined or self.was_answered or self.connection._life.is_gone:
            before = self.connection.bytes_received
            self.connection.data_received(DataOpcode.STDOUT, bytes(PIECE))
            assert self.connection.bytes_received == before
        self.connection.data_received(DataOpcode.STDIN, bytes(PIECE))

    def close(self, reason: CloseReason = CloseReason.TARGET_CLOSED) -> None:
        if not self.channel.is_closed:
            self.connection.message_received(ChannelClose(reason=reason))

    def reset(self) -> None:
        self.close(CloseReason.TARGET_ERROR)

    def lose_hub(self) -> None:
        if not self.channel.is_closed:
            self.channel.end()
            self.connection.channel_lost(cast("Any", None))

    # What must hold

    def check(self) -> None:
        assert self.sent.startswith(self.channel.data)
        assert self.answered.startswith(self.received())
        said = self.channel.said
        eofs = [index for index, each in enumerate(said) if isinstance(each, ChannelEof)]
        closes = [index for index, each in enumerate(said) if isinstance(each, ChannelClose)]
        assert len(eofs) <= 1
        assert closes in ([], [len(said) - 1]), "something came behind the close"
        if eofs:
            assert all(not isinstance(each, bytes) for each in said[eofs[0] :]), "data came behind its end"
            assert self.channel.data == self.sent, "the end came in front of its bytes"
            assert self.is_joined
        if self.transport.ends:
            assert self.received() == self.answered
        assert self.channel.returned <= len(self.answered)
        assert self.connection.ends == (1 if self.connection._life.is_gone else 0)

    def settle(self) -> None:
        """Everybody does what is theirs, and time passes: nothing may be left."""
        self.join()
        self.take()
        self.grant(len(self.sent) + PIECE)
        self.loop.run()
        self.check()
        if self.has_finished and self.was_answered and not self.transport.was_aborted:
            assert self.transport.is_lost, "both ways have ended, and the connection has not"
        self.close()
        self.take()
        self.loop.pass_time(2 * DRAIN_TIMEOUT)
        self.check()
        assert self.transport.is_lost
        assert self.connection._life.is_gone
        assert not self.loop.waits, "a timer outlives its connection"


class TlsWorld(PlainWorld):
    """So too, with an outside that speaks TLS."""

    server: ssl.SSLContext
    client: ssl.SSLContext

    def lay(self) -> TcpStream:
        self.connection.stream = stream = TlsStream(self.connection, self.server, 10.0)
        self.core = TlsCore.connecting(self.client, "localhost")
        self.got, self.end_seen, self.read_to = bytearray(), False, 0
        return stream.tcp

    def begin(self) -> None:
        while not self.core.shake_hands():
            self.transport.receive(self.core.outgoing.read())
            self._pump()
        self.transport.receive(self.core.outgoing.read())
        self.loop.run()

    def wrapped(self, data: bytes) -> bytes:
        self.core.write(data)
        return self.core.outgoing.read()

    def say_end(self) -> None:
        self._pump()
        self.core.say_goodbye()
        self.transport.receive(self.core.outgoing.read())

    def received(self) -> bytes:
        self._pump()
        buffer, after = memoryview(bytearray(PIECE)), After.MORE
        while after is After.MORE:
            size, after = self.core.read(buffer)
            self.got += buffer[:size]
        assert after is not After.NO_TLS
        self.end_seen = self.end_seen or after is After.END
        return bytes(self.got)

    def _pump(self) -> None:
        self.core.feed(self.transport.written[self.read_to :])
        self.read_to = len(self.transport.written)

    def check(self) -> None:
        super().check()
        if self.transport.ends:
            assert self.end_seen, "it ended without saying so"


EVENTS: dict[str, Callable[[PlainWorld], None]] = {
    "data": PlainWorld.send,
    "end": PlainWorld.finish,
    "reset": PlainWorld.vanish,
    "socket full": PlainWorld.stop_taking,
    "socket takes": PlainWorld.take,
    "join": PlainWorld.join,
    "credit": PlainWorld.grant,
    "answer": PlainWorld.answer,
    "answer's end": PlainWorld.end_answer,
    "misplaced": PlainWorld.misplace,
    "close": PlainWorld.close,
    "failed": PlainWorld.reset,
    "hub lost": PlainWorld.lose_hub,
}
COMMON = ("data", "credit", "answer", "socket full", "socket takes", "end", "answer's end", "join")
ORDERS = st.lists(st.sampled_from((*COMMON, *COMMON, *EVENTS)), max_size=25)


@contextmanager
def world(kind: type[PlainWorld], **how: bool) -> Iterator[PlainWorld]:
    with by_hand() as loop:
        yield kind(loop, **how)


def play(kind: type[PlainWorld], events: list[str], **how: bool) -> None:
    with world(kind, **how) as it:
        for event in events:
            EVENTS[event](it)
            it.loop.run()
            it.check()
        it.settle()


@pytest.fixture(scope="module", autouse=True)
def contexts(certificates: Certificates) -> None:
    TlsWorld.server = server_context(certificates.cert, certificates.key)
    TlsWorld.client = client_context(certificates.ca)


@given(ORDERS, st.booleans(), st.booleans())
def test_over_tcp_in_any_order(events: list[str], half_close: bool, eager: bool) -> None:
    play(PlainWorld, events, half_close=half_close, eager=eager)


@given(ORDERS, st.booleans())
def test_over_tls_in_any_order(events: list[str], half_close: bool) -> None:
    play(TlsWorld, events, half_close=half_close)


@pytest.mark.parametrize("eager", [False, True])
def test_a_question_that_is_sent_and_finished_at_once_arrives_whole(eager: bool) -> None:
    with world(PlainWorld, eager=eager) as it:
        it.transport.arrived += bytes(PIECE)
        it.sent, it.has_finished = bytes(PIECE), True
        it.transport.receive_end()
        it.check()
        it.join()
        it.grant(PIECE)
        it.grant(PIECE)
        it.loop.run()
        assert it.channel.said == [bytes(PIECE), ChannelEof(stream="stdin")]
        it.settle()


def test_every_order_of_the_two_ends_the_credit_and_the_socket() -> None:
    """The events that decide together when a direction ends, each once, in all orders, behind data both ways."""
    for order in itertools.permutations(("end", "answer's end", "credit", "socket takes", "data", "answer")):
        play(PlainWorld, ["data", "join", "socket full", "answer", *order], half_close=True)


KINDS = [PlainWorld, TlsWorld]


@pytest.mark.parametrize("kind", KINDS)
def test_a_half_closed_connection_answers_on(kind: type[PlainWorld]) -> None:
    with world(kind) as it:
        it.join()
        it.grant(2 * PIECE)
        it.send()
        it.finish()
        assert it.channel.messages == [ChannelEof(stream="stdin")]
        it.answer()
        it.answer()
        assert it.received() == it.answered
        it.end_answer()
        it.loop.run()
        assert it.channel.messages[1:] == [ChannelClose(reason=CloseReason.EXTERNAL_CLOSED)]
        assert it.transport.is_lost
        assert not it.transport.was_aborted


@pytest.mark.parametrize("kind", KINDS)
def test_ends_that_come_before_the_target_is_there_are_kept_for_it(kind: type[PlainWorld]) -> None:
    """A client may send its request and finish, before the exposer has answered."""
    with world(kind) as it:
        it.grant(PIECE)
        it.connection.stream_ended()
        it.end_answer()
        assert it.channel.said == []
        it.join()
        assert [type(said) for said in it.channel.said] == [ChannelClose]


@pytest.mark.parametrize("kind", KINDS)
def test_the_targets_end_loses_nothing_that_waits_for_credit(kind: type[PlainWorld]) -> None:
    with world(kind) as it:
        for _ in range(40):
            it.send()
        it.join()
        it.answer()
        it.end_answer()
        it.loop.run()
        assert it.transport.ends == 1
        it.grant(100_000)
        it.loop.run()
        it.finish()
        assert it.channel.data == it.sent


def test_what_comes_behind_a_close_notify_is_dropped_and_not_kept() -> None:
    """It is read nevertheless: only so the end of the connection is seen."""
    with world(TlsWorld) as it:
        it.join()
        it.grant(PIECE)
        it.finish()
        stream = cast("TlsStream", it.connection.stream)
        assert stream._life.incoming is Way.ENDED
        for _ in range(50):
            it.transport.receive(bytes(60_000))
            it.grant(PIECE)
            it.loop.run()
        assert stream._core._incoming.pending == 0
        assert it.transport.arrived == b""
        assert it.channel.messages == [ChannelEof(stream="stdin")]


def test_what_is_no_tls_resets_the_connection_behind_what_came_before() -> None:
    with world(TlsWorld) as it:
        it.join()
        it.grant(2 * PIECE)
        it.send()
        it.transport.receive(bytes(100))
        it.loop.run()
        assert it.channel.data == it.sent
        assert it.channel.messages == [ChannelClose(reason=CloseReason.EXTERNAL_ERROR)]
        assert it.transport.is_lost
