"""The fast lane: whole WebSocket messages in one frame, read and written with the fewest copies and calls.

`websockets` parses and builds every kind of frame, with three copies and a dozen calls each. Of a relay's traffic
nearly all is of two kinds: unfragmented binary and text frames up to the size of a data frame (RFC 6455 section 5.2).
Those are handled here; all other bytes go to `websockets`, which also judges invalid ones.
"""

import os
import struct
from collections.abc import Generator

from omnyshell.protocol.frames import MAX_DATA_FRAME
from omnyshell.protocol.limits import KIB, MAX_MESSAGE_TO_HUB
from omnyshell.protocol.outbox import Outgoing

try:
    from websockets.speedups import apply_mask
except ImportError:
    # For an installation without the compiled extension: the same function in Python, twenty times slower.
    from websockets.utils import apply_mask

TEXT, BINARY, OTHER = 0x81, 0x82, 0
"""First byte of a final text frame, of a final binary frame, and a value for all others."""

_SKIPPED = 1
"""The kind of a frame that is dropped."""

_BULK = frozenset((TEXT, BINARY))
_MASKED = 0x80
_LENGTH = 0x7F
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_LENGTHS = {_TWO_BYTES: struct.Struct(">H"), _EIGHT_BYTES: struct.Struct(">Q")}
_MASK_SIZE = 4

TLS_RECORD = 16 * KIB
"""Bytes of the largest TLS record (RFC 8446 section 5.1)."""

Piece = bytes | memoryview

_START_2, _START_8 = struct.Struct(">BBH"), struct.Struct(">BBQ")


def bulk_frame(kind: int, data: bytes | bytearray | memoryview, *, mask: bool, head: bytes = b"") -> list[Piece]:
    """Return a final frame, `TEXT` or `BINARY`, that carries `head` and `data`, in pieces; a client masks it.

    A large payload is not copied behind its header, except for a part that fills the first TLS record.
    """
    size = len(head) + len(data)
    bit = _MASKED if mask else 0
    if size < _TWO_BYTES:
        start = bytes((kind, bit | size))
    elif size < 1 << 16:
        start = _START_2.pack(kind, bit | _TWO_BYTES, size)
    else:
        start = _START_8.pack(kind, bit | _EIGHT_BYTES, size)
    if mask:
        key = os.urandom(_MASK_SIZE)
        turn = len(head) % _MASK_SIZE
        start = b"".join((start, key, apply_mask(head, key))) if head else start + key
        data = apply_mask(data, key[turn:] + key[:turn])
    else:
        start += head
    room = TLS_RECORD - len(start)
    if len(data) <= room:
        return [b"".join((start, data))]
    view = memoryview(data)
    return [b"".join((start, view[:room])), view[room:]]


def frame_of(message: Outgoing, *, mask: bool) -> list[Piece]:
    """Return the frame of a message that has waited."""
    return bulk_frame(TEXT if message.is_text else BINARY, message.data, head=message.head, mask=mask)


class BulkFrameReader:
    """Splits the input after the opening handshake into payloads of bulk frames, and other bytes.

    `masked` says whether the other side is a client.
    """

    def __init__(self, *, masked: bool) -> None:
        self._masked = masked
        self._head = b""
        self._kind = OTHER
        self._mask = b""
        self._missing = 0
        """Bytes of the present frame that are not processed yet."""

        self._parts: list[bytes] = []
        self._size = 0
        """Bytes of the last frame that arrived in parts, or is for `websockets`."""

        self._slow_frames = 0
        self._rest = memoryview(b"")

    @property
    def unfinished(self) -> int:
        """Bytes that are kept of an incomplete frame for `websockets`."""
        return self._size - self._missing if self._missing and self._kind == OTHER else 0

    @property
    def unfinished_frame(self) -> int:
        """A number that identifies the incomplete frame; 0 if there is none."""
        return self._slow_frames if self._missing else 0

    def take_rest(self) -> memoryview:
        """Return the input that `feed` had not processed when it was closed; it stays valid."""
        rest, self._rest = self._rest, memoryview(b"")
        return rest

    def feed(self, view: memoryview) -> Generator[tuple[int, bytes | memoryview], None, None]:
        """Yield, in order, `TEXT` or `BINARY` and its payload, or `OTHER` and bytes that are for `websockets`.

        A binary frame that is too large for a data frame is not kept, and yields an empty payload: it would be dropped
        anyway. A memoryview is valid until the next item is requested. If the caller closes the generator early, it
        must pass the bytes from `take_rest` to the next `feed` first.
        """
        if self._head:
            view = memoryview(self._head + bytes(view))
            self._head = b""
        at, end = 0, len(view)
        try:
            while at < end:
                if not self._missing:
                    body = self._begin_frame(view, at, end)
                    if body < 0:
                        self._head = bytes(view[at:])
                        return
                    at, after = body, body + self._missing
                    if after <= end and self._kind in _BULK:
                        self._missing = 0
                        data = view[at:after]
                        at = after
                        yield self._kind, apply_mask(data, self._mask) if self._masked else data
                        continue
                    self._size = self._missing
                    self._slow_frames += 1
                size = min(self._missing, end - at)
                self._missing -= size
                part = self._take_part(view[at : at + size])
                at += size
                if part is not None:
                    yield part
        except GeneratorExit:
            # A read-only rest, which was kept before, is not copied again.
            self._rest = view[at:] if view.readonly else memoryview(bytes(view[at:]))
            raise

    def _begin_frame(self, view: memoryview, at: int, end: int) -> int:
        """Read a frame's header; return where the `_missing` bytes begin, or -1 if the header is incomplete.

        For a frame for `websockets`, the header counts as missing too.
        """
        body = at + 2
        if body > end:
            return -1
        kind, second = view[at], view[at + 1]
        size = second & _LENGTH
        if size >= _TWO_BYTES:
            length = _LENGTHS[size]
            body += length.size
            if body > end:
                return -1
            (size,) = length.unpack_from(view, body - length.size)
        masked = second >= _MASKED
        if masked:
            body += _MASK_SIZE
            if body > end:
                return -1
            self._mask = bytes(view[body - _MASK_SIZE : body])
        if kind in _BULK and masked is self._masked and 0 < size <= MAX_DATA_FRAME:
            self._kind, self._missing = kind, size
        elif kind == BINARY and masked is self._masked and MAX_DATA_FRAME < size <= MAX_MESSAGE_TO_HUB:
            self._kind, self._missing = _SKIPPED, size
        else:
            self._kind, self._missing = OTHER, body - at + size
            return at
        return body

    def _take_part(self, part: memoryview) -> tuple[int, bytes | memoryview] | None:
        """Take a part of a frame that arrives in parts; return the item to yield, or None."""
        if self._kind == OTHER:
            return OTHER, part
        if self._kind == _SKIPPED:
            return None if self._missing else (BINARY, b"")
        if self._masked:
            self._parts.append(apply_mask(part, self._mask))
            turn = len(part) % _MASK_SIZE
            self._mask = self._mask[turn:] + self._mask[:turn]
        else:
            self._parts.append(bytes(part))
        if self._missing:
            return None
        data = b"".join(self._parts)
        self._parts.clear()
        return self._kind, data
