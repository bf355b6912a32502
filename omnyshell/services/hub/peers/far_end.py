"""The port to where channels lead (docs/architecture.md#a-directory-and-far-ends)."""

from collections.abc import Callable
from typing import Protocol

from omnyshell.protocol.messages import ControlMessage
from omnyshell.services.hub.peers.channel_owner import ChannelOwner
from omnyshell.transport.channels import ChannelMultiplexer


class FarEnd(Protocol):
    """The destination of a session or tunnel: a connection of this hub, or a link that carries channels to another hub.

    No call blocks: data that is not taken yet waits in bounded queues, one for each channel. It passes what comes on a
    channel to the channel's owner, in order. When it ends, its creator tells the owners of its channels. Far ends are
    compared and hashed by identity.
    """

    @property
    def id(self) -> str:
        """Its id in logs and for admins."""

    @property
    def hub(self) -> str:
        """The other hub to whose link it belongs; "" for a connection of this hub."""

    @property
    def channels(self) -> dict[int, ChannelOwner]:
        """The owners of its channels, by channel id."""

    @property
    def features(self) -> frozenset[str]:
        """The extensions that the peer there announced."""

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent; otherwise they are dropped."""

    @property
    def is_choked(self) -> bool:
        """Whether too much waits to be sent, so that senders should get no more credit."""

    def __hash__(self) -> int: ...

    def send(self, message: ControlMessage, channel: int | None = None) -> None:
        """Send a message ahead of all data."""

    def send_in_order(self, message: ControlMessage, channel: int) -> None:
        """Send a message after what its channel has queued; if that is too much, the owner's `flooded` is called."""

    def relay_data(self, channel: int, raw: bytes | memoryview) -> None:
        """Relay a data frame, addressed to this channel; nobody may change `raw` any more."""

    def discard(self, channel: int) -> None:
        """Drop what waits to be sent on the channel."""

    def dropped(self, size: int) -> None:
        """Count a dropped data frame from there, of `size` bytes."""

    def multiplexer(self, incoming: str, ended: Callable[[int], None]) -> ChannelMultiplexer:
        """Return a multiplexer for channels that end in the hub itself; `incoming` is the stream that the peer sends.

        `ended` is called with the id of each channel that has ended.
        """
