"""Remembers, on disk, which children live, so that a node's next start can end what a killed node left behind."""

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
"""Seconds for killed processes to be gone."""

POLL = 0.05

LINE_SIZE = 64
"""Bytes of a file for a child: a process id and a start time, or `?` and two pipes, with up to 20 digits each."""

LINES_RESERVED = 64

_serial = itertools.count()

logger = logging.getLogger("omnyshell.node")


class ChildLedger:
    """A file for each node, named by whose it is, in a directory that nodes may share.

    A child has a line of fixed size in it, which is blank once it has ended and then another child's: to note one costs
    a small write, as every command waits for that. Before a child is started its line names the pipes that it will
    have, so that it is found even if the node is killed before it knows the child's process id.
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
        """What stands in each line; an empty one is blank."""

        self._lines: dict[ProcessIdentity, int] = {}
        self._write(range(0))

    def announce(self, streams: Sequence[int]) -> int:
        """Note that a child with these descriptors is about to be started; returns its line.

        It need not be on the disk: a machine that restarts has no children.
        """
        if "" not in self._texts:
            self._texts.append("")
        line = self._texts.index("")
        self._put(line, " ".join(("?", *pipe_ids(streams))))
        return line

    def add(self, line: int, child: ProcessIdentity) -> None:
        """Note the child that was started."""
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
        """End what is left of the sessions of all children, and remove the file. Takes about 2 s at most."""
        await _end_sessions(list(self._lines))
        self._lines.clear()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            self._path(self._owner).unlink(missing_ok=True)

    async def end_leftovers(self) -> int:
        """End what nodes that are no more left behind; returns how many sessions that were. Takes about 2 s at most."""
        left = self._left_over()
        ended = await _end_sessions([child for owner in left for child in self._children_of(owner)])
        for owner in left:
            self._path(owner).unlink(missing_ok=True)
        return ended

    def _left_over(self) -> list["_Owner"]:
        """The nodes that are gone. Files of an earlier run of the machine are dropped, and so is what is no ledger."""
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
        """The children that a node left behind, with those that it was just starting."""
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
            # That must not refuse sessions; a child is ended by this process as long as that lives.
            if not self._is_failing:
                logger.error(
                    "children cannot be noted in %s: %s; if the node is killed, they stay", self._directory, exc
                )
            self._is_failing = True
        else:
            self._is_failing = False

    def _make_file(self) -> None:
        """Make the file, with room on the disk for what it may hold: the disk may be full later."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        make_private_directory(self._directory)
        self._fd = os.open(self._path(self._owner), os.O_WRONLY | os.O_CREAT, 0o600)
        for line in range(LINES_RESERVED):
            self._write_at(line, "")

    def _write_at(self, line: int, text: str) -> None:
        if self._fd is not None:
            os.pwrite(self._fd, text.ljust(LINE_SIZE - 1).encode() + b"\n", line * LINE_SIZE)

    def _path(self, owner: "_Owner") -> Path:
        return self._directory / str(owner)


class _Owner(NamedTuple):
    """The node that a file belongs to: the run of the machine, the process, and which of its ledgers."""

    boot: str
    process: ProcessIdentity
    serial: int

    @classmethod
    def parse(cls, name: str) -> "_Owner | None":
        """Return whose file has this name; None for a file that is no ledger."""
        try:
            boot, pid, started, serial = name.split(".")
            return cls(boot, ProcessIdentity(int(pid), int(started)), int(serial))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.boot}.{self.process.pid}.{self.process.started}.{self.serial}"


async def _end_sessions(leaders: list[ProcessIdentity]) -> int:
    """Hang up on all processes of these sessions, and kill what is left 1.5 s later; returns how many there were."""
    alive = [leader for leader in leaders if hang_up(leader)]
    if not await _have_ended(alive, HANG_UP_TIME):
        for leader in alive:
            signal_session(leader, signal.SIGKILL)
        await _have_ended(alive, KILL_TIME)
    return len(alive)


async def _have_ended(leaders: list[ProcessIdentity], seconds: float) -> bool:
    """Wait at most so many seconds until no process of these sessions is left."""
    deadline = asyncio.get_running_loop().time() + seconds
    while any(signal_session(leader, 0) for leader in leaders):
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(POLL)
    return True


def _read(path: Path) -> tuple[list[ProcessIdentity], list[str]]:
    """The children that a file notes, and the pipes of those that were just being started."""
    children, pipes = [], []
    with suppress(OSError):
        data = path.read_bytes()
        for start in range(0, len(data), LINE_SIZE):
            words = data[start : start + LINE_SIZE].decode(errors="replace").split()
            if words[:1] == ["?"]:
                pipes += words[1:]
            # A line that could not be written is blank, or holds zeros.
            with suppress(ValueError):
                pid, started = map(int, words)
                children.append(ProcessIdentity(pid, started))
    return children, pipes
