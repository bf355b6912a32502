"""To whom the channels of a connection belong."""

from typing import Protocol

from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import ChannelMessage


class ChannelOwner(Protocol):
    """A session's end, or a connection through a tunnel: gets all that comes on its channel.

    Whoever makes one enters it in `Peer.channels`, and takes it out when it ends. What comes on a channel that belongs
    to nobody is dropped and counted; so does the owner with what has no place there.
    """

    def data(self, opcode: DataOpcode, raw: bytes | memoryview) -> None:
        """Take a data frame with its header; it is the owner's alone."""

    def message(self, message: ChannelMessage) -> None:
        """Take a message about the channel."""

    def flooded(self) -> None:
        """More is sent to the channel than its connection takes: end what it belongs to."""
