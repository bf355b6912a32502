"""One connection of a node or a command line: frames in, answers and descriptors out, and nothing that waits."""

import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Collection

from .peers import Peer
from .poller import READ, WRITE, Poller, say
from .streams import Streams, close_all
from .wire import Frames, MalformedError

MOST_UNREAD = 1024 * 1024
"""Bytes that wait for a node that does not read; one more, and its connection is closed.

Nothing more is read of it meanwhile: what waits are events, and answers to what takes time.
"""

_CHUNK = 32 * 1024
"""Bytes that are read at once. The C library asks the system for the room of 128 KiB and more, each time."""


class Connection:
    """Calls `heard` for each frame, and `lost` once when it has ended.

    `heard` raises `MalformedError` for what the peer may not say.
    """

    def __init__(
        self,
        poller: Poller,
        channel: socket.socket,
        peer: Peer,
        heard: Callable[["Connection", bytes], None],
        lost: Callable[["Connection"], None],
        most_open: int,
    ) -> None:
        """What waits for a peer that does not read has no descriptor from `most_open` on."""
        self.peer = peer
        self.node: bytes | None = None
        """The node that it speaks for, empty for a command line; None before it has said hello."""

        self.version = 0
        """Of the wire, as it said."""

        self.opened: dict[bytes, Streams] = {}
        """What was opened for programs that it has yet to start, by the number of its request."""

        self.is_open = True
        self._channel = channel
        self._frames = Frames()
        self._poller = poller
        self._heard = heard
        self._lost = lost
        self._most_open = most_open
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._unsent_size = 0
        channel.setblocking(False)
        poller.watch(channel.fileno(), READ, self._ready)

    @property
    def is_idle(self) -> bool:
        """Whether all that was said is sent."""
        return not self._unsent

    def send(self, frame: bytes, descriptors: Collection[int] = ()) -> None:
        """Send a frame now, or when the peer reads; with copies of descriptors, in this order."""
        self._guard(self._send, frame, descriptors)

    def close(self) -> None:
        """End it. Idempotent."""
        if not self.is_open:
            return
        self.is_open = False
        self._poller.unwatch(self._channel.fileno())
        self._channel.close()
        for _, copies in self._unsent:
            close_all(copies)
        self._unsent.clear()
        self.close_opened(*self.opened)
        self._lost(self)
        self.peer.close()

    def close_opened(self, *keys: bytes) -> None:
        """Close what was opened, as far as it was. Idempotent."""
        for held, of_program in [self.opened.pop(key) for key in keys if key in self.opened]:
            close_all((*held.values(), *of_program))

    def _ready(self, _events: int) -> None:
        # Who does not read is not read either, as answers have descriptors that are open meanwhile.
        self._guard(self._flush if self._unsent else self._read)

    def _guard(self, action: Callable[..., None], *args: object) -> None:
        """Close the connection, and harm nobody else, whatever its peer does."""
        try:
            if self.is_open:
                action(*args)
        except (MalformedError, OSError):
            self.close()
        except Exception as exc:
            say(f"a connection is closed for an error that was not expected: {exc!r}")
            self.close()

    def _read(self) -> None:
        try:
            data = self._channel.recv(_CHUNK)
        except BlockingIOError:
            return
        if data:
            self._hear(data)
        else:
            self.close()

    def _hear(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            self._heard(self, frame)
            if not self.is_open or self._unsent:
                return

    def _send(self, frame: bytes, descriptors: Collection[int]) -> None:
        sent = 0 if self._unsent else self._pass(frame, descriptors)
        if sent == len(frame):
            return
        copies: list[int] = []
        # The session may be forgotten before they are sent.
        self._unsent.append((frame[sent:], copies))
        for fd in () if sent else descriptors:
            copies.append(os.dup(fd))  # noqa: PERF401 - one may fail, and those before are closed then
        self._unsent_size += len(frame) - sent
        if self._unsent_size > MOST_UNREAD or max(copies, default=0) >= self._most_open:
            self.close()
        else:
            self._poller.change(self._channel.fileno(), WRITE)

    def _flush(self) -> None:
        while self._unsent:
            frame, copies = self._unsent[0]
            sent = self._pass(frame, copies)
            if not sent:
                return
            close_all(copies)
            self._unsent_size -= sent
            self._unsent[0] = (frame[sent:], [])
            if sent == len(frame):
                self._unsent.popleft()
        self._poller.change(self._channel.fileno(), READ)
        # More than what was not answered may have come with it.
        self._hear(b"")

    def _pass(self, frame: bytes, descriptors: Collection[int]) -> int:
        """Return how many bytes the socket took; descriptors ride with the first."""
        try:
            if not descriptors:
                return self._channel.send(frame, socket.MSG_NOSIGNAL)
            riding = struct.pack(f"{len(descriptors)}i", *descriptors)
            return self._channel.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, riding)], socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return 0
