"""One connection to a keeper, in the event loop: frames out, answers and descriptors in."""

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from omnyshell.keeper import wire

SOON = 0.02
"""Seconds within which is sent for what nobody waits: it goes along with what comes before that."""

_CHUNK = 65536
_ROOM = socket.CMSG_SPACE(4 * wire.MOST_DESCRIPTORS)


class KeeperLine:
    """Calls `heard` for the words of each frame, in order, and `lost` once when the connection has ended by itself.

    `heard` raises `MalformedError` for what a keeper may not say.
    """

    def __init__(
        self,
        channel: socket.socket,
        heard: Callable[[list[bytes]], None],
        lost: Callable[[], None],
        more: Callable[[], bytes] = bytes,
    ) -> None:
        """`more` returns what else is to be sent when something is sent soon."""
        channel.setblocking(False)
        self._channel: socket.socket | None = channel
        self._heard = heard
        self._lost = lost
        self._more = more
        self._loop = asyncio.get_running_loop()
        self._frames = wire.Frames()
        self._sets: deque[list[int]] = deque()
        """Descriptors that have come, one list for each answer that has some."""

        self._unsent = bytearray()
        self._soon: list[tuple[bytes, bytes]] = []
        """What each that is to be sent soon is about, and that."""

        self._is_waiting = self._will_send = False
        self._loop.add_reader(channel, self._readable)

    def send(self, frame: bytes) -> None:
        """Send a frame, as soon as the keeper takes it, behind all that is to be sent."""
        self._unsent += b"".join([each for _, each in self._soon]) + frame
        self._soon.clear()
        self._writable()

    def send_ahead(self, frame: bytes) -> None:
        """Send a frame as soon as the keeper takes it, ahead of what is to be sent soon."""
        self._unsent += frame
        self._writable()

    def send_soon(self, frame: bytes, about: bytes, *, is_last: bool = False) -> None:
        """Send a frame for whose effect nobody waits; the last one about something takes the place of those before."""
        if is_last:
            self._soon = [each for each in self._soon if each[0] != about]
        self._soon.append((about, frame))
        self.ask_soon()

    def ask_soon(self) -> None:
        """Ask soon what else is to be sent."""
        if self._channel is not None and not self._will_send:
            self._will_send = True
            self._loop.call_later(SOON, self._send_soon)

    def _send_soon(self) -> None:
        self._will_send = False
        if self._channel is not None:
            self.send(self._more())

    def descriptors(self) -> list[int]:
        """Return those of the answer that is heard, which has some; fewer where this process may have no more."""
        return self._sets.popleft() if self._sets else []

    def close(self) -> None:
        """End it without a word, and close what came and nobody asked for. Idempotent."""
        if self._channel is None:
            return
        self._loop.remove_reader(self._channel)
        self._loop.remove_writer(self._channel)
        self._channel.close()
        self._channel = None
        for fds in self._sets:
            close_all(fds)
        self._sets.clear()

    def _lose(self) -> None:
        if self._channel is not None:
            self.close()
            self._lost()

    def _writable(self) -> None:
        channel = self._channel
        if channel is None or not self._unsent:
            return
        try:
            sent = channel.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            # What the keeper has said before is still to be read; its end comes after that.
            self._unsent.clear()
            self._loop.remove_writer(channel)
            return
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(channel, self._writable)
            self._is_waiting = True
        elif self._is_waiting:
            self._loop.remove_writer(channel)
            self._is_waiting = False

    def _readable(self) -> None:
        if self._channel is None:
            return
        try:
            data, riding, flags, _ = self._channel.recvmsg(_CHUNK, _ROOM, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lose()
            return
        if riding or flags & socket.MSG_CTRUNC:
            self._sets.append([fd for _, _, raw in riding for fd in _numbers(raw)])
        if not data:
            self._lose()
            return
        try:
            for frame in self._frames.feed(data):
                self._heard(frame.split(b"\0"))
        except (wire.MalformedError, ValueError, IndexError):
            self._lose()


def _numbers(raw: bytes) -> list[int]:
    # A piece that was cut is no descriptor.
    whole = len(raw) - len(raw) % 4
    return [int.from_bytes(raw[at : at + 4], sys.byteorder) for at in range(0, whole, 4)]


def close_all(descriptors: Iterable[int]) -> None:
    """Close these."""
    for fd in descriptors:
        with suppress(OSError):
            os.close(fd)
