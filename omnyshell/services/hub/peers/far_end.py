"""What channels lead to (docs/architecture.md#a-directory-and-far-ends)."""

from collections.abc import Callable
from typing import Protocol

from omnyshell.protocol.messages import ControlMessage
from omnyshell.services.hub.peers.channel_owner import ChannelOwner
from omnyshell.transport.channels import ChannelMultiplexer


class FarEnd(Protocol):
    """What a session or a tunnel relays to: a connection of this hub, or what carries channels to another hub's.

    It never waits, and never lets anybody wait: what is not taken yet lies in queues that it bounds, one for each
    channel. What comes on a channel it gives to that channel's owner, in order, for as long as there is one. Where it
    ends, whoever made it tells those who have channels there. Far ends are compared and hashed by identity.
    """

    @property
    def id(self) -> str:
        """Names it in logs and to admins."""

    @property
    def channels(self) -> dict[int, ChannelOwner]:
        """To whom each of its channels belongs."""

    @property
    def features(self) -> frozenset[str]:
        """The extensions that whoever is there announced."""

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent; where not, what is sent is dropped."""

    @property
    def is_choked(self) -> bool:
        """Whether more waits to be sent than may, so that nothing more is to be asked for."""

    def __hash__(self) -> int: ...

    def send(self, message: ControlMessage, channel: int | None = None) -> None:
        """Send a message ahead of all data."""

    def send_in_order(self, message: ControlMessage, channel: int) -> None:
        """Send a message behind what its channel has queued; a channel with too much of that is told `flooded`."""

    def relay_data(self, channel: int, raw: bytes | memoryview) -> None:
        """Send a data frame on, addressed to this channel; nobody may change `raw` any more."""

    def discard(self, channel: int) -> None:
        """Forget what waits to be sent on the channel."""

    def dropped(self, size: int) -> None:
        """Count a data frame that came from there and has no place, with so many bytes."""

    def multiplexer(self, incoming: str, ended: Callable[[int], None]) -> ChannelMultiplexer:
        """Return what carries channels that end in the hub itself; `incoming` is the stream that comes on them.

        `ended` is told of each channel that has ended.
        """
