"""Where the opening handshake ends, and WebSocket frames begin."""

_END = b"\r\n\r\n"


class UpgradeText:
    """Finds the end of a request or response (RFC 9112 section 2.1), in whichever pieces it comes."""

    def __init__(self) -> None:
        self._tail = b""

    def size_in(self, view: memoryview) -> int:
        """Return how many of these bytes, which come next, belong to it."""
        before = len(self._tail)
        text = self._tail + bytes(view)
        end = text.find(_END)
        self._tail = text[-len(_END) + 1 :]
        return len(view) if end < 0 else end + len(_END) - before
