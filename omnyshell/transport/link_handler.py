"""What a WebSocket connection needs of its owner."""

from typing import Protocol


class LinkHandler(Protocol):
    """The receiver of what arrives on a link. Every call comes from the event loop's thread."""

    def link_opened(self) -> None:
        """The WebSocket handshake is done; sending is possible from now on."""

    def text_received(self, data: bytes) -> None:
        """A text message arrived, as unchecked UTF-8."""

    def binary_received(self, data: bytes | memoryview) -> None:
        """A binary message arrived. From a hub it may be a memoryview, which is valid during the call only."""

    def channel_flooded(self, channel: int) -> None:
        """A message was not sent, as too much waits on the channel. The channel has to be ended."""

    def link_closed(self, code: int, reason: str) -> None:
        """The link has ended, with the peer's close code or 1006. Called once, also if it never opened."""


class _Nobody:
    """Takes the place of the handler of a link that has ended."""

    def link_opened(self) -> None:
        pass

    def text_received(self, data: bytes) -> None:
        pass

    def binary_received(self, data: bytes | memoryview) -> None:
        pass

    def channel_flooded(self, channel: int) -> None:
        pass

    def link_closed(self, code: int, reason: str) -> None:
        pass


NOBODY: LinkHandler = _Nobody()
