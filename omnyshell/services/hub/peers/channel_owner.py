"""The owners of a connection's channels."""

from typing import Protocol

from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import ChannelMessage


class ChannelOwner(Protocol):
    """A session's end, or a connection through a tunnel: receives all that comes on its channel.

    The creator of an owner enters it in `Peer.channels`, and removes it at its end. Frames on a channel without an
    owner are dropped and counted; owners do the same with frames that do not belong there.
    """

    def data(self, opcode: DataOpcode, raw: bytes | memoryview) -> None:
        """Handle a data frame with its header; nobody else uses or changes it."""

    def message(self, message: ChannelMessage) -> None:
        """Handle a message about the channel."""

    def flooded(self) -> None:
        """End the session or connection: more waits to be sent on the channel than is allowed."""
