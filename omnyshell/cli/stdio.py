"""The terminal's or pipeline's own streams, without ever blocking the event loop."""

import asyncio
import os
import stat

CHUNK = 64 * 1024


class OutputStream:
    """Writes to a descriptor such as stdout.

    Terminals and pipes are opened anew, non-blocking: the flag belongs to the open file, which other programs share.
    Files and devices such as /dev/null do not block. What is left, sockets say, is written by a thread.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._own = _reopen(fd)
        self._never_blocks = self._own is None and _is_file(fd)

    async def write(self, data: bytes) -> None:
        """Write all of it. Raises `BrokenPipeError` when the reader has left."""
        if self._never_blocks:
            _write_all(self._fd, data)
            return
        if self._own is None:
            await asyncio.get_running_loop().run_in_executor(None, _write_all, self._fd, data)
            return
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._own, view) :]
            except BlockingIOError:
                await _writable(self._own)

    def close(self) -> None:
        """Give the descriptor of our own back. Idempotent."""
        if self._own is not None:
            os.close(self._own)
            self._own = None


class InputStream:
    """Reads a descriptor such as stdin, as bytes come."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()

    async def read(self) -> bytes:
        """Return what is there, at least one byte; nothing at the end, or where the stream is closed."""
        await self._readable()
        try:
            return os.read(self._fd, CHUNK)
        except OSError:
            return b""

    async def _readable(self) -> None:
        ready = self._loop.create_future()
        try:
            self._loop.add_reader(self._fd, settle, ready)
        except OSError:
            # epoll refuses regular files and /dev/null: those never block. A closed stdin ends at the read.
            await asyncio.sleep(0)
            return
        try:
            await ready
        finally:
            self._loop.remove_reader(self._fd)


def _reopen(fd: int) -> int | None:
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and os.isatty(fd)):
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        pass
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
        view = view[os.write(fd, view) :]


def settle(future: "asyncio.Future[None]") -> None:
    """Set a future that waits for a descriptor; one that was cancelled is left alone."""
    if not future.done():
        future.set_result(None)
