"""A channel uses its extra credit, except while somebody types on the same connection."""

import asyncio
from typing import cast
from unittest.mock import Mock

import pytest

from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import EXTRA_CREDIT, GRANT_THRESHOLD, INITIAL_CREDIT, KIB
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
    await asyncio.wait_for(ends.told.wait(), 5)
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
