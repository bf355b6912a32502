"""Who is at the other end of a connection."""

import errno
import os
import socket
import struct

from .processes import has_ended

_SO_PEERPIDFD = 77
"""Since Linux 6.5; Python does not name it."""


class Peer:
    """A process that connected: its id and user, and a pidfd, which is it and no other."""

    def __init__(self, pid: int, uid: int, pidfd: int) -> None:
        self.pid = pid
        self.uid = uid
        self.pidfd = pidfd

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return not has_ended(self.pidfd)

    def copy(self) -> "Peer":
        """Return the same with a descriptor of its own. Raises `OSError`."""
        return Peer(self.pid, self.uid, os.dup(self.pidfd))

    def close(self) -> None:
        """Close the pidfd."""
        os.close(self.pidfd)


def peer_of(connection: socket.socket) -> Peer:
    """Return who connected. Raises `OSError` where that process has ended."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _gid = struct.unpack("3i", raw)
    return Peer(pid, uid, _pidfd(connection, pid, uid))


def _pidfd(connection: socket.socket, pid: int, uid: int) -> int:
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD, 4)
    except OSError as exc:
        if exc.errno != errno.ENOPROTOOPT:
            raise
        return _pidfd_by_id(pid, uid)
    fd: int = struct.unpack("i", raw)[0]
    os.set_inheritable(fd, False)
    return fd


def _pidfd_by_id(pid: int, uid: int) -> int:
    """Return the pidfd of an id, which on an older kernel might have become that of another process of the user's."""
    fd = os.pidfd_open(pid)
    try:
        if os.stat(f"/proc/{pid}").st_uid not in (0, uid):
            raise ProcessLookupError
    except OSError:
        os.close(fd)
        raise
    return fd
