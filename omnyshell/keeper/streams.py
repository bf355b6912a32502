"""The descriptors of a session: a terminal or pipes, and memory that outlives the node."""

import fcntl
import os
import struct
import termios
from collections.abc import Iterable

from .wire import PIPES, QUIET_PTY

MEMORY = 64 * 1024 * 1024
"""Bytes that a session's memory can have at most. It takes none until it is written."""

TERMINAL, STDIN, STDOUT, STDERR, RECORD = b"terminal", b"stdin", b"stdout", b"stderr", b"record"

_IFLAG, _LFLAG, _IUTF8 = 0, 3, 0x4000

# From linux/fcntl.h: Python 3.11 does not always name them.
_F_ADD_SEALS, _F_GET_SEALS = 1033, 1034

BOUND, FIXED = 0x1 | 0x4, 0x1 | 0x2 | 0x4 | 0x8
"""Seals of memory: it never grows, and it never changes; these seals are the last ones."""

Streams = tuple[dict[bytes, int], tuple[int, int, int]]
"""The keeper's ends by name, and those that become a program's stdin, stdout and stderr."""


def open_streams(kind: bytes, columns: int, rows: int) -> Streams:
    """Open what a session of this kind needs. Raises `OSError`, and leaves nothing open then."""
    opened: list[int] = []
    try:
        held, of_program = _pipes(opened) if kind == PIPES else _terminal(opened, kind == QUIET_PTY, columns, rows)
        held[RECORD] = _memory(opened)
    except BaseException:
        close_all(opened)
        raise
    return held, of_program


def _terminal(opened: list[int], is_quiet: bool, columns: int, rows: int) -> Streams:
    master, slave = os.openpty()
    opened += master, slave
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    modes = termios.tcgetattr(slave)
    # Without flow control, which would swallow ctrl+s and ctrl+q.
    modes[_IFLAG] = (modes[_IFLAG] | _IUTF8) & ~(termios.IXON | termios.IXOFF)
    if is_quiet:
        modes[_LFLAG] &= ~(termios.ECHO | termios.ECHONL)
    termios.tcsetattr(slave, termios.TCSANOW, modes)
    return {TERMINAL: master}, (slave, slave, slave)


def _pipes(opened: list[int]) -> Streams:
    for _ in range(3):
        opened += os.pipe2(os.O_CLOEXEC)
    stdin, to_stdin, from_stdout, stdout, from_stderr, stderr = opened
    return {STDIN: to_stdin, STDOUT: from_stdout, STDERR: from_stderr}, (stdin, stdout, stderr)


def _memory(opened: list[int]) -> int:
    """Return memory that can be written, punched and shortened, but never grow beyond its bound."""
    fd = os.memfd_create("omnyshell-session", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    opened.append(fd)
    os.ftruncate(fd, MEMORY)
    seal(fd, BOUND)
    return fd


def seal(fd: int, seals: int) -> None:
    """Seal memory."""
    fcntl.fcntl(fd, _F_ADD_SEALS, seals)


def is_sealed(fd: int, seals: int) -> bool:
    """Tell whether this is memory with at least these seals."""
    try:
        return fcntl.fcntl(fd, _F_GET_SEALS) & seals == seals
    except OSError:
        return False


def close_all(descriptors: Iterable[int]) -> None:
    """Close these."""
    for fd in descriptors:
        os.close(fd)
