"""A record on disk of the living children, so that the next start of a node can end those of a killed one."""

import asyncio
import itertools
import logging
import os
import signal
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from omnyshell.errors import ConfigException
from omnyshell.paths import open_own, read_file
from omnyshell.security.files import make_private_directory
from omnyshell.services.node.processes.process_table import (
    HANG_UP_TIME,
    ProcessIdentity,
    boot_id,
    hang_up,
    identity_of,
    is_alive,
    leaders_holding,
    pipe_ids,
    signal_session,
)

KILL_TIME = 0.5
"""Seconds to wait for killed processes to disappear."""

POLL = 0.05

LINE_SIZE = 64
"""Bytes of a child's line: a process id and a start time, or `?` and two pipes, with up to 20 digits each."""

LINES_RESERVED = 64

_serial = itertools.count()

logger = logging.getLogger("omnyshell.node")


class ChildLedger:
    """A file for each node process, named after its owner, in a directory that nodes may share.

    Each child has a line of fixed size, which is blanked at its end and used again: a record costs one small write, for
    which every command waits. Before a child is started, its line names the pipes that it will have, so that it is
    found even if the node is killed before it knows the child's process id.
    """

    def __init__(self, directory: Path) -> None:
        """Raises `ConfigException` where the directory cannot be made."""
        self._directory = directory
        try:
            make_private_directory(directory)
        except OSError as exc:
            raise ConfigException(f"cannot make {directory}: {exc.strerror}") from exc
        self._owner = _Owner(boot_id(), identity_of(os.getpid()), next(_serial))
        self._fd: int | None = None
        self._is_failing = False
        self._texts: list[str] = []
        """The contents of each line; empty for a blank one."""

        self._lines: dict[ProcessIdentity, int] = {}
        self._write(range(0))

    def announce(self, streams: Sequence[int]) -> int:
        """Record that a child with these descriptors is about to be started; return its line's number.

        The write is not synced: after a restart of the machine there are no children.
        """
        if "" not in self._texts:
            self._texts.append("")
        line = self._texts.index("")
        self._put(line, " ".join(("?", *pipe_ids(streams))))
        return line

    def add(self, line: int, child: ProcessIdentity) -> None:
        """Record the child that was started."""
        self._lines[child] = line
        self._put(line, f"{child.pid} {child.started}")

    def withdraw(self, line: int) -> None:
        """Forget a child that could not be started."""
        self._put(line, "")

    def remove(self, child: ProcessIdentity) -> None:
        """Forget a child that has ended. Idempotent."""
        line = self._lines.pop(child, None)
        if line is not None:
            self.withdraw(line)

    async def close(self) -> None:
        """End all remaining processes of the children's sessions, and remove the file. Takes about 2 s at most."""
        await _end_sessions(list(self._lines))
        self._lines.clear()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            self._path(self._owner).unlink(missing_ok=True)

    async def end_leftovers(self) -> int:
        """End the sessions that ended nodes left behind; return how many there were. Takes about 2 s at most."""
        left = self._left_over()
        ended = await _end_sessions([child for owner in left for child in self._children_of(owner)])
        for owner in left:
            self._path(owner).unlink(missing_ok=True)
        return ended

    def _left_over(self) -> list["_Owner"]:
        """The owners of ledgers whose process has ended.

        Files from before the machine's last restart are deleted, and other files.
        """
        left = []
        for path in self._directory.iterdir():
            owner = _Owner.parse(path.name)
            if owner is None or owner.boot != self._owner.boot:
                with suppress(OSError):
                    path.unlink()
            elif not is_alive(owner.process):
                left.append(owner)
        return left

    def _children_of(self, owner: "_Owner") -> set[ProcessIdentity]:
        """The children that an ended node left behind, including those that it was about to start."""
        children, pipes = _read(self._path(owner))
        return {*children, *leaders_holding(pipes, since=owner.process.started)}

    def _put(self, line: int, text: str) -> None:
        self._texts[line] = text
        self._write([line])

    def _write(self, lines: Iterable[int]) -> None:
        try:
            if self._fd is None or os.fstat(self._fd).st_nlink == 0:
                self._make_file()
                lines = range(len(self._texts))
            for line in lines:
                self._write_at(line, self._texts[line])
        except OSError as exc:
            # A ledger that cannot be written must not refuse sessions: this process still ends its children itself.
            if not self._is_failing:
                logger.error(
                    "children cannot be noted in %s: %s; if the node is killed, they stay", self._directory, exc
                )
            self._is_failing = True
        else:
            self._is_failing = False

    def _make_file(self) -> None:
        """Create the file at its full size, so that a disk that fills up later does not matter."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        make_private_directory(self._directory)
        self._fd = open_own(self._path(self._owner), os.O_WRONLY | os.O_CREAT)
        for line in range(LINES_RESERVED):
            self._write_at(line, "")

    def _write_at(self, line: int, text: str) -> None:
        if self._fd is not None:
            os.pwrite(self._fd, text.ljust(LINE_SIZE - 1).encode() + b"\n", line * LINE_SIZE)

    def _path(self, owner: "_Owner") -> Path:
        return self._directory / str(owner)


class _Owner(NamedTuple):
    """The owner of a file: the machine's boot, the process, and the number of its ledger."""

    boot: str
    process: ProcessIdentity
    serial: int

    @classmethod
    def parse(cls, name: str) -> "_Owner | None":
        """Return the owner of the file of this name; None if it is no ledger."""
        try:
            boot, pid, started, serial = name.split(".")
            return cls(boot, ProcessIdentity(int(pid), int(started)), int(serial))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.boot}.{self.process.pid}.{self.process.started}.{self.serial}"


async def _end_sessions(leaders: list[ProcessIdentity]) -> int:
    """Hang up on all processes of these sessions, and kill the rest 1.5 s later; return the number of sessions."""
    alive = [leader for leader in leaders if hang_up(leader)]
    if not await _have_ended(alive, HANG_UP_TIME):
        for leader in alive:
            signal_session(leader, signal.SIGKILL)
        await _have_ended(alive, KILL_TIME)
    return len(alive)


async def _have_ended(leaders: list[ProcessIdentity], seconds: float) -> bool:
    """Wait up to `seconds` for all processes of these sessions to end; return whether they did."""
    deadline = asyncio.get_running_loop().time() + seconds
    while any(signal_session(leader, 0) for leader in leaders):
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(POLL)
    return True


def _read(path: Path) -> tuple[list[ProcessIdentity], list[str]]:
    """The children in a file, and the pipes of those that were about to be started."""
    children, pipes = [], []
    with suppress(OSError):
        data = read_file(path)
        for start in range(0, len(data), LINE_SIZE):
            words = data[start : start + LINE_SIZE].decode(errors="replace").split()
            if words[:1] == ["?"]:
                pipes += words[1:]
            # A line whose write failed is blank, or holds zeros.
            with suppress(ValueError):
                pid, started = map(int, words)
                children.append(ProcessIdentity(pid, started))
    return children, pipes
