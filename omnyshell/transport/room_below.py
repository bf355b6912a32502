"""Keeps room in the heap for what a TLS handshake needs, below the buffers that its connection keeps.

`aiofastnet` makes two large buffers for a connection, of which an idle one touches the first pages alone. What a
handshake and a login take for moments (OpenSSL's records, 80 KiB in all) would lie above them at the end of the heap,
and be free again when the next connection gets its buffers there, in pages that were touched: 100 KiB of memory for
each idle peer where peers come one after another, 20 where many come at once. So the C library is asked for that much
before, and gets it back when the buffers are there: a hole, from which it serves what is small first, and which the
next connection uses again.
"""

import asyncio
import ctypes
import sys
from contextlib import suppress

SIZE = 96 * 1024
"""Bytes: less than either buffer, which would be put there else."""

_libc: ctypes.CDLL | None = None
if sys.platform == "linux":
    with suppress(OSError, AttributeError):
        _libc = ctypes.CDLL(None)
        _libc.malloc.restype, _libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        _libc.free.restype, _libc.free.argtypes = None, [ctypes.c_void_p]


def leave_room_below(loop: asyncio.AbstractEventLoop) -> None:
    """Hold the room until the loop's next turn; call it right before a connection's buffers are made."""
    if _libc is not None:
        loop.call_soon(_libc.free, _libc.malloc(SIZE))
