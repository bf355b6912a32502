"""The standard streams, read and written without blocking the event loop, and what the terminal on them is."""

import asyncio
import errno
import fcntl
import os
import select
import socket
import stat
from collections.abc import Callable
from contextlib import suppress

from omnyshell.cli.ground.output import FAILURE, complain, printable
from omnyshell.model.sessions import PtySpec
from omnyshell.protocol.limits import BULK_PAYLOAD, KIB
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.client.states import LinkState

PIPE_SIZE = 256 * KIB
"""Bytes that a pipe should hold: a few full frames, so that they cost one turn and not one each."""

_NOT_WAITING = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


def terminal_spec() -> PtySpec:
    """Return the type and size of the local terminal, or the defaults where there is none."""
    term = os.environ.get("TERM") or PtySpec().term
    for fd in (0, 1, 2):
        try:
            size = os.get_terminal_size(fd)
        except OSError:
            continue
        if size.columns and size.lines:
            return PtySpec(term=term, cols=size.columns, rows=size.lines)
    return PtySpec(term=term)


def tell(session: RemoteSession, state: LinkState) -> None:
    """Report on stderr that a session waits, and that it goes on."""
    if state is LinkState.RECONNECTING:
        complain(f"omnyshell: {printable(str(session.lost_by))}; waiting for it")
    elif state is LinkState.RESUMED:
        complain("omnyshell: the command goes on")


class OutputStream:
    """Writes to a descriptor such as stdout.

    Whether a descriptor blocks belongs to the open file description, which other programs share: it may be either, and
    is left so. Terminals and pipes are opened again as non-blocking, and a socket is asked not to wait. Files and
    devices such as /dev/null do not block. What cannot be opened again is written by a thread.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        enlarge(fd)
        self._socket = _socket_of(fd)
        self._own = _reopen(fd) if self._socket is None else self._socket.fileno()
        self._never_blocks = self._own is None and _is_file(fd)

    def write_at_once(self, data: memoryview) -> int:
        """Write what can be written without waiting; return the number of bytes. Errors are raised by `write`."""
        if self._own is None and not self._never_blocks:
            return 0
        try:
            return self._put(data)
        except OSError:
            return 0

    async def write(self, data: bytes) -> None:
        """Write all of it. Raises `BrokenPipeError` if the reader has gone."""
        if self._own is None and not self._never_blocks:
            await asyncio.get_running_loop().run_in_executor(None, _write_all, self._fd, data)
            return
        view = memoryview(data)
        while view:
            try:
                view = view[self._put(view) :]
            except BlockingIOError:
                await _writable(self._fd if self._own is None else self._own)

    def close(self) -> None:
        """Close the descriptor that was opened again. Idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        elif self._own is not None:
            os.close(self._own)
        self._own = None

    def _put(self, data: memoryview) -> int:
        if self._socket is not None:
            return self._socket.send(data, _NOT_WAITING)
        return os.write(self._fd if self._own is None else self._own, data)


class InputStream:
    """Reads a descriptor such as stdin, and hands bytes to `deliver` as they come; b"" at the end.

    Call `resume` to start. Reading stops at the end of the stream, or at an `error`, which is delivered as the end.
    """

    def __init__(self, fd: int, deliver: Callable[[bytes], None]) -> None:
        self.error: OSError | None = None
        """What kept the rest from being read. A closed descriptor, or a lost terminal, is at its end instead."""

        self._fd = fd
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._watching = False
        self._turn: asyncio.Handle | None = None
        enlarge(fd)

    def judge(self, code: int) -> int:
        """The exit code of what ended with `code`, but may have had a part of its input only; says so on stderr."""
        if self.error is None:
            return code
        complain(f"omnyshell: the input could not be read to its end: {self.error.strerror}")
        return code or FAILURE

    def resume(self) -> None:
        """Start or resume reading."""
        try:
            self._loop.add_reader(self._fd, self._read)
            self._watching = True
        except OSError:
            # epoll refuses regular files and /dev/null, which never block. For a closed stdin the read fails.
            self._turn = self._loop.call_soon(self._read_in_turns)

    def pause(self) -> None:
        """Stop reading until `resume`. Idempotent."""
        if self._watching:
            self._loop.remove_reader(self._fd)
            self._watching = False
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def _read(self) -> None:
        try:
            data = os.read(self._fd, BULK_PAYLOAD)
        except BlockingIOError:
            # Another program with the same input was faster.
            return
        except OSError as exc:
            data = b""
            if exc.errno != errno.EBADF and not (exc.errno == errno.EIO and os.isatty(self._fd)):
                self.error = exc
        if not data:
            self.pause()
        self._deliver(data)

    def _read_in_turns(self) -> None:
        self._turn = self._loop.call_soon(self._read_in_turns)
        self._read()


def _reopen(fd: int) -> int | None:
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and os.isatty(fd)):
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        pass
    return None


def enlarge(fd: int) -> None:
    """Let a pipe hold as much as one frame of the wire does, where it is one and the system lets it."""
    with suppress(OSError, AttributeError):
        if fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) < PIPE_SIZE:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)


def _socket_of(fd: int) -> socket.socket | None:
    """A socket of its own for the descriptor; None if that is no socket."""
    with suppress(OSError):
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            return socket.socket(fileno=os.dup(fd))
    return None


def _is_file(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(fd))


async def _writable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(fd, settle, ready)
    try:
        await ready
    finally:
        loop.remove_writer(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])


def settle(future: "asyncio.Future[None]") -> None:
    """Set the result of a future that waits for a descriptor, unless it was cancelled."""
    if not future.done():
        future.set_result(None)
