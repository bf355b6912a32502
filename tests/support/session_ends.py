"""What a node's session has at its two ends: a process and a client's channel, as they would be."""

from typing import Any

from omnyshell.protocol import messages as m
from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.backend import Foreground


class FakeProcess:
    """A process that notes what is done to it."""

    pid = 7

    def __init__(self) -> None:
        self.kills = 0

    def kill(self) -> None:
        self.kills += 1

    kill_now = kill

    def foreground(self) -> Foreground:
        return Foreground()

    def ignore(self, *_args: object) -> None:
        """Take input, sizes and signals."""

    write = type_reply = eof = resize = signal = resume_output = ignore


class FakeChannel:
    """A channel that remembers what was said on it."""

    budget = 1000

    def __init__(self, number: int) -> None:
        self.id = number
        self.is_closed = False
        self.said: list[Any] = []
        self.offsets: Any = None

    def send(self, message: m.ChannelMessage) -> None:
        assert not self.is_closed
        self.said.append(message)
        self.is_closed = isinstance(message, m.ChannelClose)

    def finish(self, message: m.ChannelMessage) -> None:
        if not self.is_closed:
            self.send(message)
        self.is_closed = True

    def close(self) -> None:
        self.finish(m.ChannelClose())

    def send_data(self, _stream: DataOpcode, _data: bytes) -> None:
        assert not self.is_closed

    def consumed(self, _size: int) -> None:
        """Credit goes back."""


class FakeEnd:
    """A node's end of a channel, which is the fake."""

    max_window = None
    tells_users = True

    def __init__(self, number: int) -> None:
        self.channel = FakeChannel(number)
