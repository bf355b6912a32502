"""What each far end owes those who relay to it: the contract of `FarEnd`."""

from collections.abc import Iterator

import pytest
from support.far_ends import Arrived, Connected, ConnectedElsewhere

from omnyshell.errors import OmnyShellException
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.frames import DataOpcode, pack_data
from omnyshell.protocol.messages import ChannelClose, ChannelEof, ChannelMessage, ChannelWindow
from omnyshell.protocol.outbox import MAX_CHANNEL_TEXT

EOF, CLOSE, WINDOW = ChannelEof(), ChannelClose(reason=CloseReason.NORMAL), ChannelWindow(stream="stdin", credit=1)


class Owner:
    """Notes what comes on its channel."""

    def __init__(self) -> None:
        self.got: list[object] = []

    def data(self, opcode: DataOpcode, raw: bytes | memoryview) -> None:
        self.got.append((opcode, bytes(raw[10:])))

    def message(self, message: ChannelMessage) -> None:
        self.got.append(message)

    def flooded(self) -> None:
        self.got.append("flooded")

    def data_received(self, opcode: DataOpcode, payload: bytes | memoryview) -> None:
        raise AssertionError("what comes goes to the channel's owner")

    def message_received(self, message: ChannelMessage) -> None:
        raise AssertionError("what comes goes to the channel's owner")

    def budget_available(self) -> None:
        self.got.append("budget")

    def channel_lost(self, error: OmnyShellException) -> None:
        self.got.append(error)


@pytest.fixture(params=[Connected, ConnectedElsewhere])
async def at(request: pytest.FixtureRequest) -> "Iterator[Connected]":
    made: Connected = request.param()
    yield made
    made.cut()


def frame(data: bytes, channel: int = 77) -> bytes:
    return pack_data(DataOpcode.STDIN, channel, data)


async def test_what_is_relayed_arrives_on_its_channel_as_it_was(at: Connected) -> None:
    at.end.relay_data(5, frame(b"\0\xff" * 20))
    at.end.relay_data(6, memoryview(frame(b"x" * 30_000)))
    assert at.arrived() == [
        Arrived(at.wire_channel(5), b"\0\xff" * 20),
        Arrived(at.wire_channel(6), b"x" * 30_000),
    ]


@pytest.mark.parametrize("is_paused", [False, True])
async def test_what_is_in_order_stays_so_and_what_is_urgent_goes_ahead_of_what_waits(
    at: Connected, is_paused: bool
) -> None:
    if is_paused:
        at.pause()
    at.end.relay_data(5, frame(b"a"))
    at.end.relay_data(5, frame(b"b"))
    at.end.send(WINDOW, 5)
    at.end.send_in_order(EOF, 5)
    at.end.send_in_order(CLOSE, 5)
    if is_paused:
        assert at.arrived() == []
        at.resume()
    data, window = Arrived(at.wire_channel(5), b"ab"), Arrived(at.wire_channel(5), "channel.window")
    ends = [Arrived(at.wire_channel(5), "channel.eof"), Arrived(at.wire_channel(5), "channel.close")]
    assert at.arrived() == ([window, data, *ends] if is_paused else [data, window, *ends])


async def test_what_is_discarded_does_not_arrive_and_other_channels_do_not_notice(at: Connected) -> None:
    at.pause()
    for channel in (5, 6):
        at.end.relay_data(channel, frame(b"data"))
        at.end.send_in_order(EOF, channel)
    at.end.discard(5)
    at.end.send(CLOSE, 5)
    at.resume()
    assert at.arrived() == [
        Arrived(at.wire_channel(5), "channel.close"),
        Arrived(at.wire_channel(6), b"data"),
        Arrived(at.wire_channel(6), "channel.eof"),
    ]


async def test_what_comes_goes_to_its_channels_owner_and_the_rest_is_counted(at: Connected) -> None:
    one, other = Owner(), Owner()
    at.end.channels[5], at.end.channels[6] = one, other
    for channel, data in ((5, b"a"), (6, b"b"), (5, b"c"), (7, b"nobody's")):
        at.receive(channel, data)
    del at.end.channels[5]
    at.receive(5, b"late")
    assert one.got == [(DataOpcode.STDOUT, b"a"), (DataOpcode.STDOUT, b"c")]
    assert other.got == [(DataOpcode.STDOUT, b"b")]
    assert at.metrics.frames_dropped == 2


async def test_a_channel_that_is_flooded_is_told_and_the_others_go_on(at: Connected) -> None:
    flooded, other = Owner(), Owner()
    at.end.channels[5], at.end.channels[6] = flooded, other
    at.pause()
    at.end.send_in_order(EOF, 6)
    long = ChannelClose(reason=CloseReason.ERROR, message="x" * (MAX_CHANNEL_TEXT // 3))
    for _ in range(3):
        at.end.send_in_order(long, 5)
    assert (flooded.got, other.got) == (["flooded"], [])
    at.end.discard(5)
    at.resume()
    assert at.arrived() == [Arrived(at.wire_channel(6), "channel.eof")]


async def test_one_that_has_ended_says_so_and_takes_whatever_it_is_given(at: Connected) -> None:
    assert at.end.is_open
    at.cut()
    assert not at.end.is_open
    at.end.relay_data(5, frame(b"late"))
    at.end.send(WINDOW, 5)
    at.end.send_in_order(CLOSE, 5)
    at.end.discard(5)
    assert at.arrived() == []


async def test_a_channel_that_ends_in_the_hub_is_carried_as_one_that_is_relayed(at: Connected) -> None:
    ended: list[int] = []
    channels = at.end.multiplexer("stdout", ended.append)
    tunnel, relayed = Owner(), Owner()
    channel = channels.adopt(9, tunnel)
    at.end.channels[9] = tunnel
    at.end.channels[5] = relayed
    channel.send_data(DataOpcode.STDIN, b"out")
    at.end.relay_data(5, frame(b"other"))
    channel.send_ahead(WINDOW)
    channel.send(EOF)
    at.receive(9, b"in")
    channel.close(CLOSE)
    assert at.arrived() == [
        Arrived(at.wire_channel(9), b"out"),
        Arrived(at.wire_channel(5), b"other"),
        *(Arrived(at.wire_channel(9), f"channel.{name}") for name in ("window", "eof", "close")),
    ]
    assert (tunnel.got, relayed.got, ended) == ([(DataOpcode.STDOUT, b"in")], [], [9])


async def test_it_is_itself_alone(at: Connected) -> None:
    other = type(at)()
    assert len({at.end: 1, other.end: 2}) == 2
    assert at.end == at.end
    assert not at.end.is_choked
    other.cut()
