"""A channel uses its extra credit, except while somebody types on the same connection."""

import asyncio
from collections.abc import Callable
from typing import cast
from unittest.mock import Mock

import pytest
from support.deadline import DEADLINE

from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import (
    EXTRA_AFTER,
    EXTRA_CREDIT,
    GRANT_DELAY,
    GRANT_THRESHOLD,
    INITIAL_CREDIT,
    KIB,
    MIB,
    WIDE_GRANT_DELAY,
)
from omnyshell.protocol.messages import ChannelWindow
from omnyshell.transport.channels import Channel, ChannelMultiplexer
from omnyshell.transport.link import WebSocketLink


class Ends:
    """A link and a handler that only note what they are told."""

    def __init__(self) -> None:
        self.link = Mock(spec=WebSocketLink)
        self.handler = Mock()
        self.told = asyncio.Event()
        self.handler.budget_available.side_effect = self.told.set
        self.channels = ChannelMultiplexer(cast("WebSocketLink", self.link), "stdin")
        self.channel = self.channels.open(self.handler)
        self.shell = self.channels.open(Mock())


class Timers:
    """A loop that only keeps what it is to call later."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, call: Callable[[], None]) -> Mock:
        self.waiting.append((delay, call))
        return Mock(cancel=lambda: self.waiting.remove((delay, call)))

    def pass_time(self) -> float:
        """Call what waits; returns for how long it has waited."""
        ((delay, call),) = self.waiting
        self.waiting.clear()
        call()
        return delay


@pytest.fixture(name="timers")
def _timers(monkeypatch: pytest.MonkeyPatch) -> Timers:
    timers = Timers()
    monkeypatch.setattr("omnyshell.transport.channels.asyncio", Mock(get_running_loop=lambda: timers))
    return timers


def granted(ends: Ends) -> list[int]:
    """The credit of the windows that were sent, which are forgotten."""
    texts = [call.args[0] for call in ends.link.send_urgent.call_args_list]
    ends.link.send_urgent.reset_mock()
    return [FrameCodec().decode_control(text).message.credit for text in texts]


async def test_credit_for_little_goes_back_once_nothing_comes_any_more(timers: Timers) -> None:
    ends = Ends()
    ends.channel.consumed(1)
    for _ in range(3):
        ends.channel.consumed(1)
        assert timers.pass_time() == GRANT_DELAY
        assert granted(ends) == []
    timers.pass_time()
    assert granted(ends) == [4]
    assert timers.waiting == []


async def test_a_wide_window_is_returned_by_quarters_and_after_a_shorter_pause(timers: Timers) -> None:
    ends = Ends()
    ends.channel.widen(4 * MIB)
    ends.channel.consumed(EXTRA_AFTER)
    assert granted(ends) == [4 * MIB - INITIAL_CREDIT + EXTRA_AFTER]
    ends.channel.consumed(MIB - 1)
    assert granted(ends) == []
    ends.channel.consumed(1)
    assert granted(ends) == [MIB]
    assert timers.waiting == []
    ends.channel.consumed(5)
    assert timers.pass_time() == WIDE_GRANT_DELAY
    assert granted(ends) == [5]


@pytest.mark.parametrize("window", [0, -1, INITIAL_CREDIT, INITIAL_CREDIT + EXTRA_CREDIT])
async def test_a_window_that_is_no_wider_than_any_is_opened_and_returned_as_any(timers: Timers, window: int) -> None:
    ends = Ends()
    ends.channel.widen(window)
    ends.channel.consumed(GRANT_THRESHOLD)
    assert granted(ends) == [EXTRA_CREDIT + GRANT_THRESHOLD]
    ends.channel.consumed(GRANT_THRESHOLD)
    assert granted(ends) == [GRANT_THRESHOLD]
    assert timers.waiting == []


async def test_little_output_opens_no_window(timers: Timers) -> None:
    ends = Ends()
    ends.channel.widen(4 * MIB)
    for _ in range(2):
        ends.channel.consumed(EXTRA_AFTER - 1)
        # What says little has often ended before credit for it is worth a message.
        assert timers.pass_time() == GRANT_DELAY
        assert granted(ends) == [EXTRA_AFTER - 1]
    ends.channel.consumed(EXTRA_AFTER - 1)
    ends.channel.consumed(1)
    assert granted(ends) == [4 * MIB - INITIAL_CREDIT + EXTRA_AFTER]
    assert timers.waiting == []


def wide() -> tuple[Ends, Channel]:
    ends = Ends()
    ends.channel.window_received(ChannelWindow(credit=EXTRA_CREDIT))
    assert ends.channel.budget == INITIAL_CREDIT + EXTRA_CREDIT
    return ends, ends.channel


async def test_extra_credit_is_left_alone_while_somebody_types() -> None:
    ends, channel = wide()
    ends.shell.typed()
    assert channel.budget == INITIAL_CREDIT
    channel.send_data(DataOpcode.STDOUT, bytes(60 * KIB))
    assert channel.budget == INITIAL_CREDIT - 60 * KIB


async def test_what_is_under_way_already_has_to_be_consumed_first() -> None:
    ends, channel = wide()
    for _ in range(8):
        channel.send_data(DataOpcode.STDOUT, bytes(64 * KIB))
    ends.shell.typed()
    ends.handler.reset_mock()
    for budget in (0, 0, GRANT_THRESHOLD):
        assert channel.budget == 0
        channel.window_received(ChannelWindow(credit=GRANT_THRESHOLD))
        assert channel.budget == budget
    ends.handler.budget_available.assert_called_once_with()


async def test_a_channel_that_waits_goes_on_when_nobody_types_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnyshell.transport.attention.ATTENTION", 0.05)
    ends, channel = wide()
    for _ in range(4):
        channel.send_data(DataOpcode.STDOUT, bytes(64 * KIB))
    ends.shell.typed()
    assert channel.budget == 0
    ends.told.clear()
    await asyncio.wait_for(ends.told.wait(), DEADLINE)
    assert channel.budget == EXTRA_CREDIT


async def test_a_channel_without_extra_credit_is_not_held_back() -> None:
    ends = Ends()
    ends.shell.typed()
    assert ends.channel.budget == INITIAL_CREDIT
    for _ in range(4):
        ends.channel.send_data(DataOpcode.STDOUT, bytes(64 * KIB))
    assert ends.channel.budget == 0
    ends.channel.window_received(ChannelWindow(credit=GRANT_THRESHOLD))
    assert ends.channel.budget == GRANT_THRESHOLD
