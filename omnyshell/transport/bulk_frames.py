"""The fast lane: whole WebSocket messages in one frame, read and written with the fewest copies and calls.

`websockets` parses and builds every kind of frame, with three copies and a dozen calls each. Of a relay's traffic
nearly all is of two kinds: unfragmented binary and text frames up to the size of a data frame (RFC 6455 section 5.2).
Those are taken out here; every other byte goes to `websockets`, which also judges whatever looks wrong.
"""

import os
import struct
from collections.abc import Iterator

from websockets.speedups import apply_mask

from omnyshell.protocol.frames import MAX_DATA_FRAME
from omnyshell.protocol.limits import KIB, MAX_MESSAGE_TO_HUB

TEXT, BINARY, OTHER = 0x81, 0x82, 0
"""First byte of a final text frame, of a final binary frame, and what stands for all others."""

_BULK = frozenset((TEXT, BINARY))
_MASKED = 0x80
_LENGTH = 0x7F
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_LENGTH_SIZES = {_TWO_BYTES: 2, _EIGHT_BYTES: 8}
_MASK_SIZE = 4

TLS_RECORD = 16 * KIB
"""Bytes of the largest TLS record (RFC 8446 section 5.1)."""

Piece = bytes | memoryview

_START_2, _START_8 = struct.Struct(">BBH"), struct.Struct(">BBQ")


def bulk_frame(kind: int, data: bytes | bytearray | memoryview, *, mask: bool, head: bytes = b"") -> list[Piece]:
    """Return a final frame, `TEXT` or `BINARY`, that carries `head` and `data`, in pieces; a client masks it.

    A large one is not copied to stand behind its header, but for the first of its TLS records, which the header fills.
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


class BulkFrameReader:
    """Splits what arrives after the opening handshake into payloads of bulk frames, and all else.

    `masked` says whether the other side is a client.
    """

    def __init__(self, *, masked: bool) -> None:
        self._masked = masked
        self._head = b""
        self._kind = OTHER
        self._mask = b""
        self._parts: list[bytes] = []
        self._missing = 0
        self._foreign = 0
        self._skipped = 0

    def feed(self, view: memoryview) -> Iterator[tuple[int, bytes | memoryview]]:
        """Yield, in order, `TEXT` or `BINARY` and its payload, or `OTHER` and bytes that are for `websockets`.

        A binary frame that is too large for a data frame is not kept, and stands as an empty one: it is dropped anyway,
        before login too. A memoryview is valid until the next one is asked for.
        """
        if self._head:
            view = memoryview(self._head + bytes(view))
            self._head = b""
        while view:
            if self._missing:
                size = min(self._missing, len(view))
                self._missing -= size
                self._parts.append(bytes(view[:size]))
                if not self._missing:
                    yield self._kind, self._payload(b"".join(self._parts))
                    self._parts.clear()
            elif self._skipped:
                size = min(self._skipped, len(view))
                self._skipped -= size
                if not self._skipped:
                    yield BINARY, b""
            elif self._foreign:
                size = min(self._foreign, len(view))
                self._foreign -= size
                yield OTHER, view[:size]
            else:
                header, size = self._begin_frame(view)
                if size and len(view) >= header + size:
                    yield self._kind, self._payload(view[header : header + size])
                    size += header
                else:
                    self._missing = size
                    size = header
            view = view[size:]

    def _begin_frame(self, view: memoryview) -> tuple[int, int]:
        """Read a frame's header; returns how many bytes are used up, and the size of a bulk frame's payload.

        The header of another frame stays, with the rest of its frame, foreign. One that has not arrived whole is kept.
        """
        if len(view) < 2:
            return self._wait_for_more(view)
        kind, second = view[0], view[1]
        code = second & _LENGTH
        extra = _LENGTH_SIZES.get(code, 0)
        masked = second >= _MASKED
        header = 2 + extra + (_MASK_SIZE if masked else 0)
        if len(view) < header:
            return self._wait_for_more(view)
        size = int.from_bytes(view[2 : 2 + extra], "big") if extra else code
        if kind == BINARY and masked is self._masked and MAX_DATA_FRAME < size <= MAX_MESSAGE_TO_HUB:
            self._skipped = size
            return header, 0
        if kind not in _BULK or masked is not self._masked or not 0 < size <= MAX_DATA_FRAME:
            self._foreign = header + size
            return 0, 0
        self._mask = bytes(view[2 + extra : header])
        self._kind = kind
        return header, size

    def _wait_for_more(self, view: memoryview) -> tuple[int, int]:
        self._head = bytes(view)
        return len(view), 0

    def _payload(self, data: bytes | memoryview) -> bytes | memoryview:
        return apply_mask(data, self._mask) if self._masked else data
