"""The packets of `textual-serve`: a letter for the kind, the size in four bytes (big-endian), and so many bytes."""

import struct
from collections.abc import Iterator
from typing import Final

_HEAD: Final = struct.Struct(">cI")


class Packets:
    """Takes a stream of them apart."""

    KEYS: Final = b"D"
    """What was typed; all else is JSON about the page."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the kind and the payload of each packet that is whole now."""
        rest = self._rest
        rest += data
        while len(rest) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(rest)
            end = _HEAD.size + size
            if len(rest) < end:
                return
            payload = bytes(rest[_HEAD.size : end])
            del rest[:end]
            yield kind, payload
