"""The two pipes of a transfer, as asyncssh's handlers want theirs, but that reading and writing block."""

import os
import select
from collections.abc import Callable
from typing import Any

_READ_AT_ONCE = 1 << 18
_IDLE = 3000
"""Milliseconds."""

_MOST_WAITING, _MOST_PARTS = 1 << 16, 512
"""Bytes, and pieces, of answers that are written together."""


class Silent:
    """A log that nobody reads."""

    def get_child(self, *_: object) -> "Silent":
        """Return a part of it."""
        return self

    def __getattr__(self, name: str) -> Any:
        return _said


def _said(*_: object, **__: object) -> None:
    pass


class Output:
    """Answers, written when there is no other request to be read, or enough of them."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: list[bytes] = []
        self._size = 0
        self._is_closed = False

    @property
    def channel(self) -> "Output":
        """Whether it is closing is asked of it."""
        return self

    def is_closing(self) -> bool:
        """Whether nothing more is taken."""
        return self._is_closed

    def write(self, *parts: bytes) -> None:
        """Take an answer. Raises `OSError` where nobody reads any more."""
        self._waiting += parts
        self._size += sum(map(len, parts))
        if self._size >= _MOST_WAITING or len(self._waiting) >= _MOST_PARTS:
            self.flush()

    def flush(self) -> None:
        """Write what waits, without a copy of it. Raises `OSError` as above."""
        waiting, size = self._waiting, self._size
        self._waiting, self._size = [], 0
        done = os.writev(self._fd, waiting) if waiting else 0
        # A pipe takes all of it, unless a signal comes.
        left = memoryview(b"".join(waiting))[done:] if done < size else b""
        while left:
            left = left[os.write(self._fd, left) :]

    def close(self) -> None:
        """Write what waits, and take no more. Idempotent."""
        self.flush()
        self._is_closed = True


class Input:
    """Requests. Before one is waited for, all answers are written."""

    logger = Silent()

    def __init__(self, fd: int, output: Output, idle: Callable[[], None]) -> None:
        """`idle` is called where nothing comes for a moment."""
        self._fd = fd
        self._output = output
        self._idle = idle
        self._ready = select.poll()
        self._ready.register(fd, select.POLLIN)
        self._data = memoryview(b"")

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        """Nothing is known of a client."""
        return default

    async def readexactly(self, size: int) -> bytes:
        """Return so many bytes. Raises `EOFError` at the end, and `OSError`."""
        parts = [self._taken(size)]
        missing = size - len(parts[0])
        while missing:
            self._output.flush()
            if not self._ready.poll(_IDLE):
                self._idle()
            self._data = memoryview(os.read(self._fd, _READ_AT_ONCE))
            if not self._data:
                raise EOFError
            parts.append(self._taken(missing))
            missing -= len(parts[-1])
        return b"".join(parts)

    def _taken(self, most: int) -> memoryview:
        taken, self._data = self._data[:most], self._data[most:]
        return taken
