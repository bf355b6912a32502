"""What arrives on a channel whose session has not begun."""

from unittest.mock import Mock

import pytest

from omnyshell.errors import TransportException
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import MAX_CREDIT
from omnyshell.protocol.messages import ChannelClose, ChannelEof, ChannelResize
from omnyshell.services.node.sessions.channel_end import ChannelEnd


class Session:
    """Remembers what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def input_received(self, end: ChannelEnd, data: bytes) -> None:
        self.told.append(data)

    def message_received(self, end: ChannelEnd, message: object) -> None:
        self.told.append(message)

    def budget_available(self) -> None:
        self.told.append("budget")

    def channel_lost(self, end: ChannelEnd) -> None:
        self.told.append("lost")


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def end(session: Session) -> ChannelEnd:
    connection = Mock(features=())
    return ChannelEnd(session, connection, 1)


def test_what_arrives_waits_and_comes_in_its_order(session: Session, end: ChannelEnd) -> None:
    end.hold()
    resize, eof, close = ChannelResize(cols=9, rows=9), ChannelEof(), ChannelClose()
    end.data_received(DataOpcode.STDIN, memoryview(b"one"))
    end.message_received(resize)
    end.data_received(DataOpcode.STDIN, b"two")
    end.message_received(eof)
    end.message_received(close)
    end.budget_available()
    assert session.told == []
    end.release()
    assert session.told == [b"one", resize, b"two", eof, close]
    end.data_received(DataOpcode.STDIN, b"three")
    assert session.told[-1] == b"three"


def test_who_is_lost_before_is_not_told_of(session: Session, end: ChannelEnd) -> None:
    end.hold()
    end.channel_lost(TransportException("gone"))
    assert session.told == []


def test_more_than_any_credit_ends_the_channel(session: Session, end: ChannelEnd) -> None:
    end.hold()
    for _ in range(MAX_CREDIT // 65536):
        end.data_received(DataOpcode.STDIN, bytes(65536))
    end.channel.close.assert_not_called()
    end.data_received(DataOpcode.STDIN, b"x")
    end.channel.close.assert_called_once()
