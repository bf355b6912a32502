"""Sessions on a terminal of their own (docs/architecture.md#children-are-cheap-and-owned)."""

import fcntl
import os
import struct
import termios
from array import array
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from omnyshell.protocol.frames import DataOpcode
from omnyshell.services.node.backend import Foreground, OutputSink
from omnyshell.services.node.processes.leader import Leader
from omnyshell.services.node.processes.process import ProcessSession
from omnyshell.services.node.processes.process_table import group_members, signal_number
from omnyshell.services.node.records.record import SessionRecord

MAX_COMMAND = 256
"""Characters of a command line that are reported."""

_PROC = Path("/proc")


def foreground_of(terminal: int) -> Foreground:
    """Return what the foreground process group of a terminal, given by a descriptor of its master, is doing."""
    try:
        group = os.tcgetpgrp(terminal)
    except OSError:
        return Foreground()
    if group <= 0:
        return Foreground()
    # The group's leader may have ended before the rest of its pipeline.
    leader = _describe(group)
    if leader.command is not None:
        return leader
    others = (_describe(pid) for pid in group_members(group))
    return next((found for found in others if found.command is not None), Foreground())


def _describe(pid: int) -> Foreground:
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return Foreground()
    text = " ".join(word.decode(errors="replace") for word in words)
    # A login shell's name begins with a dash.
    command = text.removeprefix("-")[:MAX_COMMAND]
    return Foreground(command or None, _directory(pid))


def _directory(pid: int) -> str | None:
    try:
        return os.fsencode((_PROC / str(pid) / "cwd").readlink()).decode(errors="replace")
    except OSError:
        return None


QUIET = 0.2
MAX_CELLS = 10_000

WORTH_A_READ = 1024
"""Bytes that make a read worthwhile: a quarter of what the kernel hands on at a time."""

GLANCES = 30
"""How often to check for that many bytes: about 30 µs in all."""

_CC = 6


class PtySession(ProcessSession):
    """A program on a terminal whose master this object holds."""

    _of_node = DataOpcode.STDOUT

    def __init__(
        self, leader: Leader, masters: tuple[int, int], sink: OutputSink, record: SessionRecord | None = None
    ) -> None:
        """`masters` are two descriptors of the terminal's, owned from now on: to read, and to write."""
        master, writing = masters
        super().__init__(leader, sink, quiet=QUIET, record=record)
        self._end_of_file = _control_character(master, termios.VEOF)
        self._master = master
        self._write_to(writing)
        self._read_from(master, DataOpcode.STDOUT, before_more=lambda: look_for_output(master))

    def eof(self) -> None:
        """Type the terminal's end-of-file character."""
        self.type_reply(self._end_of_file)

    def foreground(self) -> Foreground:
        """The foreground process group's command and directory."""
        if self.has_ended:
            return Foreground()
        found, seen = foreground_of(self._master), self._child.seen
        return Foreground(found.command or seen.command, found.cwd or seen.cwd)

    def look(self, done: Callable[[], None]) -> None:
        """Learn it anew where another user's processes have to be asked for."""
        if self.has_ended:
            done()
        else:
            self._child.look(done)

    @property
    def _has_terminal(self) -> bool:
        """Whether the master is open.

        It is closed when the program closes its terminal, which may be before the program ends. Another session's
        master may then have the same descriptor number.
        """
        return any(reader.is_open for reader in self._readers)

    def resize(self, cols: int, rows: int) -> None:
        """Resize the terminal; the kernel sends SIGWINCH."""
        if self._has_terminal:
            with suppress(OSError):
                set_size(self._master, cols, rows)

    def signal(self, name: str) -> None:
        """Signal the foreground process group."""
        number = signal_number(name)
        if number is None or self._return_code is not None:
            return
        group = 0
        if self._has_terminal:
            with suppress(OSError):
                group = os.tcgetpgrp(self._master)
        self._child.signal_group(group if group > 0 else self.pid, number)


def look_for_output(fd: int) -> None:
    """Wait briefly, without sleeping, for a terminal's output to accumulate.

    A kernel thread passes output on, 4 KiB at a time. A read that comes too early sleeps until that thread has run, and
    waking up takes much longer than waiting here. FIONREAD does not sleep, and lets the thread run meanwhile.
    """
    count = array("i", [0])
    with suppress(OSError):
        for _ in range(GLANCES):
            fcntl.ioctl(fd, termios.FIONREAD, count)
            if count[0] >= WORTH_A_READ:
                return
            os.sched_yield()


def set_size(fd: int, cols: int, rows: int) -> None:
    """Give a terminal a size that it can have."""
    cells = [min(max(1, count), MAX_CELLS) for count in (rows, cols)]
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", *cells, 0, 0))


def _control_character(fd: int, index: int) -> bytes:
    character = termios.tcgetattr(fd)[_CC][index]
    return character if isinstance(character, bytes) else bytes((character,))
