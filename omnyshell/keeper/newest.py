"""The newest sessions, in a socket whose both ends the service manager keeps.

What waits in a socket is there as long as its ends are, whoever has written it: also when the keeper has been killed.
It takes two system calls and nobody else's time, and so most commands are over before the manager is told of them.
"""

import os
import socket
import struct
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import suppress

from .held import Held
from .wire import HEADER, MOST_DESCRIPTORS

_MOST_BYTES = 4096
_NUMBER = struct.Struct("i")
_ROOM = socket.CMSG_SPACE(_NUMBER.size * MOST_DESCRIPTORS)

_Names = tuple[bytes, ...]


class Newest:
    """Sessions in the order in which they came; one that has changed waits twice for a moment, at last as it is now."""

    def __init__(self) -> None:
        """Raises `OSError`."""
        self._reading, self._writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._reading, self._writing):
            end.setblocking(False)
        self._order: deque[tuple[Held, _Names]] = deque()

    @property
    def ends(self) -> tuple[int, int]:
        """The two descriptors that are to be kept."""
        return self._reading.fileno(), self._writing.fileno()

    def __iter__(self) -> Iterator[Held]:
        return iter([held for held, _ in self._order])

    @property
    def first(self) -> Held | None:
        """The one that came first."""
        return self._order[0][0] if self._order else None

    def names_of(self, held: Held) -> _Names | None:
        """Return which of a session's descriptors wait; None where it does not."""
        for each, names in reversed(self._order):
            if each is held:
                return names
        return None

    def add(self, held: Held, frame: bytes, descriptors: Collection[int]) -> bool:
        """Have one wait behind all others; tell whether there was room for it."""
        try:
            riding = struct.pack(f"{len(descriptors)}i", *descriptors)
            self._writing.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, riding)], socket.MSG_NOSIGNAL)
        except OSError:
            return False
        self._order.append((held, tuple(held.descriptors)))
        return True

    def drop_first(self) -> None:
        """Have the first one wait no more: its descriptors here are closed. There has to be one."""
        self._order.popleft()
        with suppress(OSError):
            self._reading.recv(1)

    def close(self) -> None:
        """Close both ends."""
        self._reading.close()
        self._writing.close()


def waiting(fd: int) -> Iterator[tuple[list[bytes], list[int]]]:
    """Yield the words and descriptors of all that wait in a socket that was kept, which is closed then.

    Each waits until the next one is asked for. The descriptors are the caller's. Raises `OSError` where it is none.
    """
    try:
        channel = socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        raise
    with channel:
        channel.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                how = socket.MSG_PEEK | socket.MSG_CMSG_CLOEXEC
                data, riding, *_ = channel.recvmsg(_MOST_BYTES, _ROOM, how)
                if not data:
                    return
                yield data[HEADER:].split(b"\0"), [each for _, _, raw in riding for each in _numbers(raw)]
                channel.recv(1)


def _numbers(raw: bytes) -> Iterator[int]:
    return (each for (each,) in _NUMBER.iter_unpack(raw[: len(raw) - len(raw) % _NUMBER.size]))
