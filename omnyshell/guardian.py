"""A process that puts a terminal back where the program that changed it is killed by SIGKILL, or crashes.

It is forked before the program has threads, holds the read end of a pipe, and waits for its end, which a kill brings
about as well. What is to be written then lies in memory that both share, so that it is always the latest. The kernel
closes a killed program's descriptors before it tells the parent: so this comes before a shell's prompt, unless the
machine is busy.
"""

import fcntl
import mmap
import os
import signal
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NoReturn

_ROOM: Final = 32 * 1024
_SIZE: Final = struct.Struct("=4II")
"""In front of what is to be written: the terminal's flags as the program has them now, and how many bytes follow."""

_HEADER: Final = 8
_NAME: Final = "terminal-guard"
_DISMISSED: Final = 2

# Of the terminal, and of the open file that it is, which an event loop makes one that never waits.
_Settings = tuple[Any, int]


class Guardian:
    """The owner's side. `remember` what puts the terminal back, each time that it is something else."""

    def __init__(self, memory: mmap.mmap, pipe: int, pid: int) -> None:
        self._memory = memory
        self._pipe = pipe
        self._pid = pid

    def remember(self, undo: bytes) -> None:
        """Have these bytes written to the terminal if this process ends without a word; too many count as none."""
        slot = 1 - self._memory[0] % 2
        start = _HEADER + slot * _ROOM
        undo = undo if len(undo) <= _ROOM - _SIZE.size else b""
        entry = _SIZE.pack(*_flags(), len(undo)) + undo
        self._memory[start : start + len(entry)] = entry
        # Only now does it count: whenever the kill comes, one of the two is whole.
        self._memory[0] = slot

    def dismiss(self) -> None:
        """The terminal is back as it was. Idempotent."""
        if self._pipe >= 0:
            self._memory[0] = _DISMISSED
            os.close(self._pipe)
            self._pipe = -1
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)


@contextmanager
def guarding() -> Iterator[Guardian | None]:
    """Guard the terminal that stdin and stdout are; None where they are none. To be entered before any thread runs.

    The first `remember` is due as soon as the terminal is changed in any way, by its driver's settings too.
    """
    if not (os.isatty(0) and os.isatty(1)):
        yield None
        return
    guardian = _start()
    try:
        yield guardian
    finally:
        guardian.dismiss()


def _start() -> Guardian:
    memory = mmap.mmap(-1, _HEADER + 2 * _ROOM)
    settings = termios.tcgetattr(0), fcntl.fcntl(0, fcntl.F_GETFL)
    ours, pipe = os.pipe()
    pid = os.fork()
    if pid == 0:
        _guard(memory, ours, settings)
    # A group of its own: neither the terminal's signals nor a kill of the program's group reach it.
    os.setpgid(pid, pid)
    os.close(ours)
    return Guardian(memory, pipe, pid)


def _guard(memory: mmap.mmap, pipe: int, settings: _Settings) -> NoReturn:
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # It is never in the foreground, and changes the terminal all the same.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        _rename()
        os.closerange(2, pipe)
        os.closerange(pipe + 1, os.sysconf("SC_OPEN_MAX") if pipe > 1024 else 1024)
        while os.read(pipe, 1):
            pass
        if memory[0] != _DISMISSED:
            _put_back(memory, settings)
    finally:
        os._exit(0)


def _put_back(memory: mmap.mmap, settings: _Settings) -> None:
    attributes, flags = settings
    fcntl.fcntl(0, fcntl.F_SETFL, flags)
    start = _HEADER + memory[0] * _ROOM
    *raw, size = _SIZE.unpack_from(memory, start)
    undo = memory[start + _SIZE.size : start + _SIZE.size + size]
    while undo:
        undo = undo[os.write(1, undo) :]
    # As the killed program left it; a shell that has put it back already is left alone.
    if _flags() == tuple(raw):
        termios.tcsetattr(0, termios.TCSANOW, attributes)


def _flags() -> tuple[int, ...]:
    """Return the terminal's flags; zeros where it is gone."""
    try:
        return tuple(termios.tcgetattr(0)[:4])
    except termios.error:
        return (0, 0, 0, 0)


def _rename() -> None:
    """Be none of those that are found by the killed program's name or command line: `pkill -9 -f` means the other."""
    with suppress(OSError, ValueError, IndexError):
        Path("/proc/self/comm").write_text(_NAME)
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])
        with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
            memory.seek(start)
            memory.write(_NAME.encode().ljust(end - start, b"\0")[: end - start])
