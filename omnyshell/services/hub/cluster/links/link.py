"""One connection with another hub: it is a link once both have shown their certificates and said hello."""

import asyncio
import logging
from datetime import datetime
from enum import Enum
from typing import Generic, Protocol, TypeVar

from omnyshell.clock import SystemClock
from omnyshell.errors import ProtocolException
from omnyshell.ids import CONTROL_CHANNEL, FIRST_HUB_CHANNEL_AT_CLIENT
from omnyshell.printable import printable
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.frames import HEADER_SIZE, unpack_header
from omnyshell.protocol.handshake import CLOSE_PROTOCOL_FAILURE, CLOSE_UNAUTHORIZED
from omnyshell.protocol.limits import MIB
from omnyshell.protocol.messages import ChannelMessage
from omnyshell.protocol.messages.extending import extension_messages
from omnyshell.protocol.outbox import Bounds
from omnyshell.security.keys import Ed25519PublicKey
from omnyshell.services.hub.cluster.links import words
from omnyshell.services.hub.cluster.links.certificates import Keys, hub_of
from omnyshell.services.hub.cluster.links.hello import Hello, decode, encode
from omnyshell.services.hub.peers.channel_owner import ChannelOwner
from omnyshell.steps import entered
from omnyshell.transport.client_link import ClientLink
from omnyshell.transport.server_link import ServerLink

HELLO_TIMEOUT = 10.0
"""Seconds from the opened WebSocket within which the other hub says hello."""

CHOKED_AT = 64 * MIB
"""Bytes that wait on one link from which on senders get no more credit."""

BOUNDS = Bounds(urgent_messages=10_000, urgent_bytes=16 * MIB, all_channels_text=64 * MIB, is_shared=True)
"""All channels of many peers go over one link: none of them may cut off the others."""

MAX_VALUES = 100_000
"""JSON values in one message, which holds up all others."""

logger = logging.getLogger("omnyshell.cluster")

L = TypeVar("L", ServerLink, ClientLink)


class Stage(Enum):
    """How far a link has come."""

    OPENING = "opening"
    HELLO_SAID = "greeted"
    UP = "up"
    ENDED = "ended"


_FOLLOWING = {
    Stage.OPENING: (Stage.HELLO_SAID, Stage.ENDED),
    Stage.HELLO_SAID: (Stage.UP, Stage.ENDED),
    Stage.UP: (Stage.ENDED,),
    Stage.ENDED: (),
}


class Links(Protocol):
    """Who has the links of a hub."""

    @property
    def hello(self) -> Hello:
        """What this hub says of itself."""

    @property
    def others(self) -> Keys:
        """The other members, with their keys."""

    def came_up(self, link: "HubLink[ServerLink] | HubLink[ClientLink]") -> None:
        """The other hub has said hello."""

    def said(self, link: "HubLink[ServerLink] | HubLink[ClientLink]", word: words.Word) -> None:
        """The other hub said a word."""

    def refused(self, hub: str, why: str) -> None:
        """Somebody is not who they would have to be; `hub` is who they are by their certificate, or empty."""

    def ended(self, link: "HubLink[ServerLink] | HubLink[ClientLink]") -> None:
        """The connection is gone. Called once, also for one that never came up."""


class HubLink(Generic[L]):
    """A connection with another hub; see `LinkHandler` for what it is told."""

    link: L

    def __init__(self, links: Links, expected: str = "") -> None:
        """`expected` is the hub that was dialled; empty where another one dialled this hub."""
        self._links = links
        self._expected = expected
        self.hub = ""
        """The other hub, once its certificate was seen."""

        self.key: Ed25519PublicKey | None = None
        """The key by which it is that hub."""

        self.settled = asyncio.Event()
        """Set once it is up, or has ended."""

        self.channels: dict[int, ChannelOwner] = {}
        """The owners of the channels, by channel id: sessions of this hub's clients there, and of theirs here."""

        self._last_channel = -1 if expected else 0
        self._codec = FrameCodec(max_values=MAX_VALUES).learn(extension_messages())
        self.up_since: datetime | None = None
        self.stage = Stage.OPENING
        self._too_late: asyncio.TimerHandle | None = None

    def close(self, code: int, reason: str) -> None:
        """Begin to close. Idempotent."""
        self.link.close(code, reason)

    @property
    def is_up(self) -> bool:
        """Whether anything can be sent."""
        return self.stage is Stage.UP and self.link.is_open

    @property
    def is_choked(self) -> bool:
        """Whether so much waits that nobody should get more credit."""
        return self.link.queued_bytes > CHOKED_AT

    def say(self, word: words.Word) -> None:
        """Say a word to the other hub, ahead of all data. It is dropped while the link is not up."""
        if self.is_up:
            self.link.send_urgent(words.encode(word))

    # Channels: those that this hub opens have odd numbers if it has dialled, else even ones

    def allocate_channel(self) -> int:
        """Return the next id for a channel that this hub opens."""
        channel = self._last_channel
        while True:
            channel += 2
            if channel >= FIRST_HUB_CHANNEL_AT_CLIENT:
                channel = 1 if self._expected else 2
            if channel not in self.channels:
                self._last_channel = channel
                return channel

    def is_theirs(self, channel: int) -> bool:
        """Tell whether the other hub opens channels of that number."""
        return channel % 2 == (0 if self._expected else 1)

    def send(self, message: bytes, channel: int) -> None:
        """Send a channel's message, or a word about it, ahead of all data."""
        if self.is_up:
            self.link.send_urgent(message, channel)

    def send_in_order(self, message: bytes, channel: int) -> None:
        """Send a message behind what its channel has queued."""
        if self.is_up:
            self.link.send_text(channel, message)

    def relay(self, channel: int, head: bytes, data: memoryview) -> None:
        """Send a data frame in its channel's order."""
        if self.is_up:
            self.link.send_binary(channel, head, data)

    def discard(self, channel: int) -> None:
        """Drop what waits to be sent on a channel."""
        self.link.discard(channel)

    # What the link calls

    def link_opened(self) -> None:
        """See whose certificate it is, and say hello."""
        others = self._links.others
        try:
            self.hub = hub_of(self.link.peer_certificate, others)
        except ValueError as exc:
            self._refuse(str(exc))
            return
        self.key = others[self.hub]
        if self._expected and self.hub != self._expected:
            self._refuse(f"hub '{self._expected}' was dialled, and hub '{self.hub}' is there")
            return
        self._become(Stage.HELLO_SAID)
        self._too_late = asyncio.get_running_loop().call_later(HELLO_TIMEOUT, self._is_silent)
        self.link.send_text(CONTROL_CHANNEL, encode(self._links.hello))

    def text_received(self, data: bytes) -> None:
        """Take the other hub's hello, and what it says after it."""
        if self.stage is Stage.HELLO_SAID:
            self._greeted(data)
        elif self.stage is Stage.UP:
            self._heard(data)

    def _greeted(self, data: bytes) -> None:
        try:
            hello = decode(data)
            flaw = self._links.hello.flaw_of(hello, self.hub)
        except ValueError as exc:
            flaw = str(exc)
        if flaw:
            self._refuse(flaw)
            return
        self._stop_waiting()
        self.up_since = SystemClock().now()
        self.link.limit_messages(words.LONGEST)
        self.link.bound_queued(BOUNDS)
        self._become(Stage.UP)
        self.settled.set()
        self._links.came_up(self)

    def _heard(self, data: bytes) -> None:
        if words.is_word(data):
            self._said(data)
            return
        try:
            frame = self._codec.decode_control(data)
        except ProtocolException as exc:
            logger.debug("hub '%s' sends what cannot be read: %s", self.hub, exc)
            return
        owner = self.channels.get(frame.channel or CONTROL_CHANNEL)
        if owner is not None and isinstance(frame.message, ChannelMessage):
            owner.message(frame.message)

    def _said(self, data: bytes) -> None:
        try:
            word = words.decode(data)
        except ValueError as exc:
            self._refuse(str(exc))
            return
        if word is not None:
            self._links.said(self, word)

    def binary_received(self, data: bytes | memoryview) -> None:
        """Pass data on to its channel's owner; what belongs to none any more is dropped."""
        try:
            opcode, channel = unpack_header(data)
        except ProtocolException:
            return
        owner = self.channels.get(channel)
        if owner is not None and len(data) > HEADER_SIZE:
            owner.data(opcode, data)

    def channel_flooded(self, channel: int) -> None:
        """End what has too many messages waiting; the link itself, if it is none of its channels."""
        owner = self.channels.get(channel)
        if owner is not None:
            owner.flooded()
        elif channel == CONTROL_CHANNEL:
            self.link.abort()

    def link_closed(self, code: int, reason: str) -> None:
        """Tell who has the link."""
        self._stop_waiting()
        self._become(Stage.ENDED)
        self.settled.set()
        logger.debug("link with hub %s ended: %d %s", self.hub or self._expected or "?", code, printable(reason))
        self._links.ended(self)

    def _is_silent(self) -> None:
        self.close(CLOSE_PROTOCOL_FAILURE, "no hello came")

    def _refuse(self, why: str) -> None:
        self._links.refused(self.hub, printable(why))
        self._stop_waiting()
        # A close frame has room for 123 bytes (RFC 6455 section 5.5).
        self.close(CLOSE_UNAUTHORIZED, why.encode()[:120].decode(errors="ignore"))

    def _stop_waiting(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _become(self, stage: Stage) -> None:
        self.stage = entered(stage, self.stage, _FOLLOWING, "link between hubs", logger, peer=self.hub)


AnyLink = HubLink[ServerLink] | HubLink[ClientLink]
