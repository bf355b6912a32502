"""systemd's store of descriptors, which outlives this process: `sd_pid_notify_with_fds(3)`, `sd_listen_fds(3)`."""

import fcntl
import os
import socket
from collections import deque
from collections.abc import Callable, MutableMapping

from .poller import WRITE, Poller, say
from .streams import close_all

ADDRESS, ROOM = "NOTIFY_SOCKET", "FDSTORE"
"""Variables that say where the manager hears, and how many descriptors it keeps."""

_FIRST = 3
MOST_UNSENT = 4096
"""The most messages that wait for the manager, when a descriptor is to be kept: each of them has one open."""

_FLUSH_TIME = 10.0
"""Seconds for which a manager may not listen, where there is something left to say at the end."""

_Message = tuple[bytes, list[int]]


class Store:
    """Tells the service manager, by datagrams that wait for nobody: which descriptors to keep, and which no longer."""

    def __init__(self, poller: Poller, address: str) -> None:
        """Raises `OSError` where nobody hears."""
        self.heard: Callable[[], None] = lambda: None
        """Called when all was said after a descriptor had found no room: it may be put now."""

        self._poller = poller
        self._has_refused = False
        self._unsent: deque[_Message] = deque()
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            # A name that begins with @ is in Linux's abstract namespace.
            self._channel.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        except BaseException:
            self._channel.close()
            raise
        self._channel.setblocking(False)

    @property
    def is_behind(self) -> bool:
        """Whether something was not said yet, as the manager does not listen."""
        return bool(self._unsent)

    def tell(self, text: bytes) -> None:
        """Say something about this service."""
        self._say(text)

    def put(self, name: bytes, fd: int) -> bool:
        """Have a descriptor kept under a name, also when its other end has been closed.

        Return False where too much is unsaid: it is not kept, and `heard` will be called.
        """
        if len(self._unsent) >= MOST_UNSENT:
            if not self._has_refused:
                say("the service manager does not listen: it is told later what is held")
            self._has_refused = True
            return False
        self._say(b"FDSTORE=1\nFDPOLL=0\nFDNAME=" + name, fd)
        return True

    def remove(self, name: bytes) -> None:
        """Have what is kept under a name closed. There is always room for this, once for whatever was put."""
        self._say(b"FDSTOREREMOVE=1\nFDNAME=" + name)

    def flush(self) -> bool:
        """Say all that waits, as long as it is heard; tell whether that was all."""
        self._channel.settimeout(_FLUSH_TIME)
        try:
            return self._say_unsent()
        finally:
            self._channel.setblocking(False)

    def _say(self, text: bytes, *descriptors: int) -> None:
        if not self._unsent and self._is_taken(text, list(descriptors)):
            return
        self._unsent.append((text, list(map(os.dup, descriptors))))
        if len(self._unsent) == 1:
            self._poller.watch(self._channel.fileno(), WRITE, self._go_on)

    def _go_on(self, _events: int) -> None:
        self._say_unsent()

    def _say_unsent(self) -> bool:
        """Say all that is heard at once; tell whether that was all."""
        if not self._unsent:
            return True
        while self._unsent:
            if not self._is_taken(*self._unsent[0]):
                return False
            close_all(self._unsent.popleft()[1])
        self._poller.unwatch(self._channel.fileno())
        if self._has_refused:
            self._has_refused = False
            self._poller.call_later(0, self.heard)
        return True

    def _is_taken(self, text: bytes, descriptors: list[int]) -> bool:
        """Send one; what cannot be sent at all is given up."""
        try:
            socket.send_fds(self._channel, [text], descriptors, socket.MSG_NOSIGNAL)
        except (BlockingIOError, TimeoutError):
            return False
        except OSError as exc:
            say(f"the service manager keeps nothing: {exc.strerror}")
        return True


def store_of(poller: Poller, environment: MutableMapping[str, str]) -> Store | None:
    """Return the store of the manager that started this process; None where it keeps nothing."""
    room = environment.get(ROOM, "")
    if not environment.get(ADDRESS) or not room.isdecimal() or not int(room):
        return None
    try:
        return Store(poller, environment[ADDRESS])
    except OSError as exc:
        say(f"the service manager keeps nothing: {exc.strerror}")
        return None


def received(environment: MutableMapping[str, str]) -> list[tuple[bytes, int]]:
    """Return what the manager has kept for this process, with the names; what says so is taken out of the environment.

    The descriptors are the caller's.
    """
    said = [environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")]
    if said[0] != str(os.getpid()) or not said[1].isdecimal():
        return []
    names = said[2].split(":") if said[2] else []
    found = [(os.fsencode(name), fd) for fd, name in enumerate(names, _FIRST) if fd < _FIRST + int(said[1])]
    found = [(name, fd) for name, fd in found if _is_open(fd)]
    for _, fd in found:
        os.set_inheritable(fd, False)
    return found


def _is_open(fd: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_GETFD)
    except OSError:
        return False
    return True
