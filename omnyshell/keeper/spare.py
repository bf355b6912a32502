"""A child that was forked before it is needed, and waits to hear which program it becomes, and whose.

A fork copies what both go on to use page by page, and what looks users up is loaded by each child anew: together they
take longer than all that is left to do then. So it rehearses that before it waits.
"""

import gc
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress

from .becoming import Users, check_expiry, login_environment, login_umask
from .children import Program, close_others, forked, run
from .users import RefusedError
from .wire import like_a_start, parse_request

_DESCRIPTORS = 4
_MOST = 1 << 18
"""Bytes, more than a socket takes at once."""


class Spare:
    """Waits for a program; it ends with the keeper, or when it is dropped."""

    def __init__(self, users: Users, whose: bytes) -> None:
        """It looks at what it would need to start something for `whose`. Raises `OSError`."""
        self.expected = b""
        """For whom a program is being prepared, whom it looks up; it can be nobody else's then."""

        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self.pid = forked(lambda: _wait(users, whose, theirs))
        except BaseException:
            self._channel.close()
            raise
        finally:
            theirs.close()

    def give(self, program: Program, descriptors: Sequence[int]) -> int:
        """Have it become a program, with what `run` gets; return its id, or 0 where it cannot, and is dropped.

        `close` is to follow, when nobody waits: it takes the system some time.
        """
        try:
            if self.expected not in (b"", program.user):
                raise OSError("it may be waiting for what is known of somebody else")
            socket.send_fds(self._channel, [program.frame], list(descriptors), socket.MSG_NOSIGNAL)
        except OSError:
            self.drop()
            return 0
        return self.pid

    def expect(self, whose: bytes) -> None:
        """Have it look up whom somebody becomes for whom a program is being prepared, unless it was told of one."""
        with suppress(OSError):
            if not self.expected:
                self._channel.send(whose, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
                self.expected = whose

    def close(self) -> None:
        """Have nothing more to do with it; one that waits ends by itself. Idempotent."""
        self._channel.close()

    def drop(self) -> None:
        """End it."""
        self.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _wait(users: Users, whose: bytes, channel: socket.socket) -> None:
    # Looking for garbage would touch all that is shared with the keeper, and so have it copied.
    gc.disable()
    close_others(channel.fileno())
    with suppress(OSError, RefusedError):
        _rehearse(users, whose)
    data, descriptors, *_ = socket.recv_fds(channel, _MOST, _DESCRIPTORS)
    if data and not descriptors:
        users.expect(data)
        data, descriptors, *_ = socket.recv_fds(channel, _MOST, _DESCRIPTORS)
    if len(descriptors) == _DESCRIPTORS:
        *streams, telling = descriptors
        os.set_inheritable(telling, False)
        # What else is open is closed by its number.
        channel.detach()
        run(Program(parse_request(data), users), streams, telling)


def _rehearse(users: Users, whose: bytes) -> None:
    """Do all that `run` does and that can be done twice. Raises `RefusedError`, and `OSError` in any case."""
    shell = Program(parse_request(like_a_start(whose)), users)
    os.umask(login_umask())
    login, groups = users.find(whose)
    check_expiry(login.account, time.time())
    environment = login_environment(login.account)
    os.setgroups(groups)
    os.setresgid(-1, -1, -1)
    os.setresuid(-1, -1, -1)
    os.chdir("/")
    # What a function handled takes longer to find out than what was ignored.
    signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGHUP))
    signal.pthread_sigmask(signal.SIG_BLOCK, ())
    # A directory is no program.
    os.execvpe(b"/", shell.words, environment)  # noqa: S606
