"""The node's end of a session's channel. A session has one at a time; one that was replaced has no effect any more."""

from collections.abc import Callable
from typing import Protocol

from omnyshell.errors import OmnyShellException
from omnyshell.model.sessions import CloseReason
from omnyshell.protocol.extensions import LOGINS, WIDE_WINDOW
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import MAX_CREDIT, WIDE_WINDOW_SIZE
from omnyshell.protocol.messages import ChannelClose, ChannelMessage
from omnyshell.transport.channels import Channel
from omnyshell.transport.connection import OmnyShellConnection


class Attachable(Protocol):
    """A session, to which a channel can be attached."""

    def input_received(self, end: "ChannelEnd", data: bytes) -> None:
        """Take input."""

    def message_received(self, end: "ChannelEnd", message: ChannelMessage) -> None:
        """Handle a message of the client on the channel."""

    def budget_available(self) -> None:
        """The client can take output again."""

    def channel_lost(self, end: "ChannelEnd") -> None:
        """The hub is gone, and the channel with it."""


class ChannelEnd:
    """The handler of one channel; see `ChannelHandler`."""

    channel: Channel

    def __init__(
        self, session: Attachable, connection: OmnyShellConnection, channel_id: int, input_window: int | None = None
    ) -> None:
        """Take up a channel that the hub opened; `input_window` is how much input may be unacknowledged, if it is said.

        Raises `ChannelException` where its id is in use.
        """
        self._session = session
        self.max_window = WIDE_WINDOW_SIZE if WIDE_WINDOW in connection.features else None
        """How many bytes of output may be unacknowledged, if the hub has `wide-window`; else None."""

        self.tells_users = LOGINS in connection.features
        """Whether the hub is told as whom the session runs."""

        self._held: list[bytes | ChannelMessage] | None = None
        """What arrived before the session has begun, if it has not."""

        self._noted: Callable[[bool], None] | None = None
        """Told whether the session is to begin, or its client has left, if that is not known."""

        self.channel = connection.channels.adopt(channel_id, self)
        if input_window is not None:
            self.channel.widen(input_window, least=0)

    def hold(self) -> None:
        """Keep what arrives until `release`, as the session has not begun. Idempotent."""
        if self._held is None:
            self._held = []

    def hold_until_used(self, noted: Callable[[bool], None]) -> None:
        """Keep what arrives until `release`; `noted` is told, once, whether something came, or the client has left."""
        self.hold()
        self._noted = noted

    def _note(self, *, is_used: bool) -> None:
        noted, self._noted = self._noted, None
        if noted is not None:
            noted(is_used)

    def release(self) -> None:
        """Pass on what has arrived meanwhile, in its order, and from now on at once."""
        held, self._held = self._held or [], None
        for each in held:
            if isinstance(each, bytes):
                self._session.input_received(self, each)
            else:
                self._session.message_received(self, each)

    def data_received(self, opcode: DataOpcode, payload: bytes | memoryview) -> None:
        """Pass input on."""
        if opcode is not DataOpcode.STDIN:
            return
        if self._held is None:
            self._session.input_received(self, bytes(payload))
        else:
            self._held.append(bytes(payload))
            if sum(len(each) for each in self._held if isinstance(each, bytes)) > MAX_CREDIT:
                self.channel.close(ChannelClose(reason=CloseReason.ERROR, message="Too much input waits"))
            self._note(is_used=True)

    def message_received(self, message: ChannelMessage) -> None:
        """Pass a message of the client on."""
        if self._held is None:
            self._session.message_received(self, message)
        elif self._noted is not None and isinstance(message, ChannelClose):
            self._note(is_used=False)
        else:
            self._held.append(message)
            self._note(is_used=True)

    def budget_available(self) -> None:
        """Pass on that there is credit for output again."""
        if self._held is None:
            self._session.budget_available()

    def channel_lost(self, _error: OmnyShellException) -> None:
        """Pass on that the hub is gone."""
        if self._held is None:
            self._session.channel_lost(self)
        else:
            self._note(is_used=False)
