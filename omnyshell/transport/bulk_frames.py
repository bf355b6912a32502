"""The fast lane: whole WebSocket messages in one frame, read and written with the fewest copies and calls.

`websockets` parses and builds every kind of frame, with three copies and a dozen calls each. Of a relay's traffic
nearly all is of two kinds: unfragmented binary and text frames up to the size of a data frame (RFC 6455 section 5.2).
Those are taken out here; every other byte goes to `websockets`, which also judges whatever looks wrong.
"""

import os
from collections.abc import Iterator

from websockets.speedups import apply_mask

from omnyshell.protocol.frames import MAX_DATA_FRAME

TEXT, BINARY, OTHER = 0x81, 0x82, 0
"""First byte of a final text frame, of a final binary frame, and what stands for all others."""

_BULK = frozenset((TEXT, BINARY))
_MASKED = 0x80
_LENGTH = 0x7F
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_LENGTH_SIZES = {_TWO_BYTES: 2, _EIGHT_BYTES: 8}
_MASK_SIZE = 4


def bulk_frame(kind: int, data: bytes, *, mask: bool) -> bytes:
    """Return a final frame, `TEXT` or `BINARY`, that carries `data`; a client masks it."""
    size = len(data)
    bit = _MASKED if mask else 0
    if size < _TWO_BYTES:
        head = bytes((kind, bit | size))
    elif size < 1 << 16:
        head = bytes((kind, bit | _TWO_BYTES)) + size.to_bytes(2, "big")
    else:
        head = bytes((kind, bit | _EIGHT_BYTES)) + size.to_bytes(8, "big")
    if not mask:
        return head + data
    key = os.urandom(_MASK_SIZE)
    return b"".join((head, key, apply_mask(data, key)))


class BulkFrameReader:
    """Splits what arrives after the opening handshake into payloads of bulk frames, and all else.

    `masked` says whether the other side is a client.
    """

    def __init__(self, *, masked: bool) -> None:
        self._masked = masked
        self._head = b""
        self._kind = OTHER
        self._payload: bytearray | None = None
        self._filled = 0
        self._mask = b""
        self._foreign = 0

    def feed(self, view: memoryview) -> Iterator[tuple[int, bytes | bytearray | memoryview]]:
        """Yield, in order, `TEXT` or `BINARY` and its payload, or `OTHER` and bytes that are for `websockets`.

        What is yielded with `OTHER` is valid until the next one is asked for.
        """
        if self._head:
            view = memoryview(self._head + bytes(view))
            self._head = b""
        while view:
            if self._payload is not None:
                view = self._fill(self._payload, view)
                if self._payload is not None and self._filled == len(self._payload):
                    yield self._kind, self._take_payload()
            elif self._foreign:
                size = min(self._foreign, len(view))
                self._foreign -= size
                yield OTHER, view[:size]
                view = view[size:]
            else:
                view = self._begin_frame(view)

    def _begin_frame(self, view: memoryview) -> memoryview:
        """Read a frame's header. A bulk frame's is used up; another's stays, with the rest of its frame, foreign."""
        if len(view) < 2:
            return self._wait_for_more(view)
        code = view[1] & _LENGTH
        extra = _LENGTH_SIZES.get(code, 0)
        masked = bool(view[1] & _MASKED)
        header = 2 + extra + (_MASK_SIZE if masked else 0)
        if len(view) < header:
            return self._wait_for_more(view)
        size = int.from_bytes(view[2 : 2 + extra], "big") if extra else code
        if view[0] not in _BULK or masked != self._masked or not 0 < size <= MAX_DATA_FRAME:
            self._foreign = header + size
            return view
        self._mask = bytes(view[2 + extra : header])
        self._kind = view[0]
        self._payload = bytearray(size)
        self._filled = 0
        return view[header:]

    def _wait_for_more(self, view: memoryview) -> memoryview:
        self._head = bytes(view)
        return view[len(view) :]

    def _fill(self, payload: bytearray, view: memoryview) -> memoryview:
        size = min(len(payload) - self._filled, len(view))
        payload[self._filled : self._filled + size] = view[:size]
        self._filled += size
        return view[size:]

    def _take_payload(self) -> bytes | bytearray:
        payload, self._payload = self._payload or bytearray(), None
        return apply_mask(payload, self._mask) if self._masked else payload
