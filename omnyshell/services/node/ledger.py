"""Remembers, on disk, which children live, so that a node's next start can end what a killed node left behind."""

import asyncio
import itertools
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from omnyshell.errors import ConfigException
from omnyshell.security.files import make_private_directory
from omnyshell.services.node.process_table import ProcessIdentity, boot_id, identity_of, is_alive, signal_session

HANG_UP_TIME = 1.5
KILL_TIME = 0.5
"""Seconds for killed processes to be gone."""

POLL = 0.05

LINE_SIZE = 40
"""Bytes of a file for a child: a process id of up to 10 digits, a start time of up to 20, and blanks."""

_serial = itertools.count()


class ChildLedger:
    """A file for each node, named by whose it is, in a directory that nodes may share.

    A child has a line of fixed size in it, which is blank once it has ended and then another child's: to note one costs
    a small write, as every command waits for that.
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
        self._lines: dict[ProcessIdentity, int] = {}
        self._blank: list[int] = []

    def add(self, child: ProcessIdentity) -> None:
        """Note a child that was just started. It need not be on the disk: a machine that restarts has no children."""
        line = self._blank.pop() if self._blank else len(self._lines)
        self._lines[child] = line
        self._write(line, f"{child.pid} {child.started}")

    def remove(self, child: ProcessIdentity) -> None:
        """Forget a child that has ended. Idempotent."""
        line = self._lines.pop(child, None)
        if line is not None:
            self._blank.append(line)
            self._write(line, "")

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
        ended = await _end_sessions([child for owner in left for child in _children_in(self._path(owner))])
        for owner in left:
            self._path(owner).unlink(missing_ok=True)
        return ended

    def _left_over(self) -> list["_Owner"]:
        """The nodes that are gone. Files of an earlier run of the machine are dropped, and so is what is no ledger."""
        left = []
        for path in self._directory.iterdir():
            owner = _Owner.parse(path.name)
            if owner is None or owner.boot != self._owner.boot:
                path.unlink(missing_ok=True)
            elif not is_alive(owner.process):
                left.append(owner)
        return left

    def _write(self, line: int, text: str) -> None:
        # A full disk must not refuse sessions; a child is ended by this process as long as that lives.
        with suppress(OSError):
            if self._fd is None:
                self._fd = os.open(self._path(self._owner), os.O_WRONLY | os.O_CREAT, 0o600)
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
    alive = [leader for leader in leaders if signal_session(leader, signal.SIGHUP)]
    for leader in alive:
        signal_session(leader, signal.SIGCONT)
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


def _children_in(path: Path) -> list[ProcessIdentity]:
    children = []
    with suppress(OSError):
        data = path.read_bytes()
        for start in range(0, len(data), LINE_SIZE):
            # A line that could not be written is blank, or holds zeros.
            with suppress(ValueError):
                pid, started = data[start : start + LINE_SIZE].split()
                children.append(ProcessIdentity(int(pid), int(started)))
    return children
