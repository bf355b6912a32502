"""Puts a message together that came in fragments. No peer of ours sends any."""

FREE_FRAGMENTS = 1024
SMALLEST_FRAGMENT = 256
"""Bounds the fragments of a message by its size, as empty fragments cost time and fill no buffer."""


class Fragments:
    """The fragments so far of one message. The size of the whole is bounded by whoever parses the frames."""

    def __init__(self, first: bytes, *, is_text: bool) -> None:
        self.is_text = is_text
        self._data = bytearray(first)
        self._count = 1

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return len(self._data)

    @property
    def are_too_many(self) -> bool:
        """Whether the message has more fragments than its size explains."""
        return self._count > FREE_FRAGMENTS + len(self._data) // SMALLEST_FRAGMENT

    def add(self, data: bytes) -> None:
        """Add the next fragment."""
        self._data += data
        self._count += 1

    def message(self) -> bytes:
        """Return the whole message."""
        return bytes(self._data)
