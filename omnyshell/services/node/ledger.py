"""Remembers, on disk, which children live, so that a node's next start can end what a killed node left behind."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import NamedTuple

from omnyshell.errors import ConfigException
from omnyshell.security.files import make_private_directory
from omnyshell.services.node.process_table import boot_id, facts_of, signal_session

HANG_UP_TIME = 2.0
POLL = 0.05


class _Entry(NamedTuple):
    """A child: when it started, in which run of the machine, and the process id and start time of its node."""

    started: int
    boot: str
    owner: tuple[int, int]


class ChildLedger:
    """One small file for each live child, named by its pid, in a directory that nodes may share."""

    def __init__(self, directory: Path) -> None:
        """Raises `ConfigException` where the directory cannot be made."""
        self._directory = directory
        try:
            make_private_directory(directory)
        except OSError as exc:
            raise ConfigException(f"cannot make {directory}: {exc.strerror}") from exc
        self._boot = boot_id()
        own = facts_of(os.getpid())
        self._owner = (os.getpid(), own.started if own is not None else 0)

    def add(self, pid: int, started: int) -> None:
        """Note a child that was just started. It need not be on the disk: a machine that restarts has no children."""
        entry = {"started": started, "boot": self._boot, "owner": self._owner}
        try:
            (self._directory / str(pid)).write_text(json.dumps(entry), encoding="ascii")
        except OSError:
            # A full disk must not refuse sessions; the child is ended by this process as long as it lives.
            return

    def remove(self, pid: int) -> None:
        """Forget a child that has ended. Idempotent."""
        (self._directory / str(pid)).unlink(missing_ok=True)

    async def end_leftovers(self) -> int:
        """End what nodes that are no more left behind; returns how many sessions that were. Takes about 2 s at most."""
        left = self._leftovers()
        alive = {pid: started for pid, started in left.items() if signal_session(pid, signal.SIGHUP, started)}
        for pid, started in alive.items():
            signal_session(pid, signal.SIGCONT, started)
        deadline = asyncio.get_running_loop().time() + HANG_UP_TIME
        while any(signal_session(pid, 0, started) for pid, started in alive.items()):
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(POLL)
        for pid, started in alive.items():
            signal_session(pid, signal.SIGKILL, started)
        for pid in left:
            self.remove(pid)
        return len(alive)

    def _leftovers(self) -> dict[int, int]:
        """The children of nodes that are gone, with their start times; entries of an earlier boot are dropped."""
        left = {}
        for path in self._directory.iterdir():
            entry = _read(path)
            if entry is None or entry.boot != self._boot:
                path.unlink(missing_ok=True)
            elif not _lives(entry.owner):
                left[int(path.name)] = entry.started
        return left


def _lives(owner: tuple[int, int]) -> bool:
    facts = facts_of(owner[0])
    return facts is not None and facts.started == owner[1]


def _read(path: Path) -> _Entry | None:
    try:
        entry = json.loads(path.read_text(encoding="ascii"))
        owner = int(entry["owner"][0]), int(entry["owner"][1])
        return _Entry(started=int(entry["started"]), boot=str(entry["boot"]), owner=owner)
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None
