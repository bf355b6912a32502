"""What systemd is to a keeper: it starts it, hears it, and keeps descriptors for the next one."""

import ctypes
import fcntl
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from support.deadline import DEADLINE
from support.keepers import KeeperProcess

MOST = 256
_SET_CHILD_SUBREAPER = 36

_STARTER = """
import os, sys
kept = {}
for at, fd in enumerate(kept, 3):
    os.dup2(fd, at)
os.closerange(3 + len(kept), 4096)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[1], sys.argv[1:])
"""


class Manager:
    """A service manager for one service; `kept` are names and descriptors in the order in which they came."""

    def __init__(self, place: Path) -> None:
        self.kept: list[tuple[str, int]] = []
        self.said: list[str] = []
        self._address = str(place / "notify")
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._channel.bind(self._address)
        self._channel.settimeout(DEADLINE)
        _adopt_orphans(yes=True)

    def start(self, directory: Path, program: Path | None = None, users_file: Path | None = None) -> KeeperProcess:
        """Start a keeper as the service, and hand over what is kept."""
        return KeeperProcess(directory, program, users_file=users_file, started_by=self)

    def popen(self, command: Sequence[str], log: BinaryIO) -> "subprocess.Popen[bytes]":
        """Start the service; what is kept has the numbers from 3 on in it, and what is handed over stays kept."""
        self.hear()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 512) for _, fd in self.kept]
        variables = {
            "NOTIFY_SOCKET": self._address,
            "FDSTORE": str(MOST),
            "LISTEN_FDS": str(len(self.kept)),
            "LISTEN_FDNAMES": ":".join(name for name, _ in self.kept),
        }
        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _STARTER.format(high), *command],
                env=os.environ | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=high,
            )
        finally:
            for fd in high:
                os.close(fd)

    def hear(self) -> None:
        """Do all that was said."""
        self._channel.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self._hear_one()

    def wait_for(self, *names: str) -> None:
        """Hear until all of these are kept."""
        while not set(names) <= {name for name, _ in self.kept}:
            self._channel.settimeout(DEADLINE)
            self._hear_one()

    def wait_until_kept(self, count: int) -> None:
        """Hear until so many descriptors are kept."""
        while len(self.kept) != count:
            self._channel.settimeout(DEADLINE)
            self._hear_one()

    def wait_until_told(self) -> None:
        """Wait until anything is said, and do not hear it."""
        assert select.select([self._channel], [], [], DEADLINE)[0]

    def reap(self, pid: int) -> None:
        """Wait for a process whose parent has ended, as the first process of a machine does at once."""
        os.waitpid(pid, 0)

    def reap_orphans(self) -> None:
        """Wait for all that have ended and lead sessions of their own, which no process is that a test has started."""
        for pid in map(int, Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()):
            with suppress(OSError):
                if os.getsid(pid) != os.getsid(0):
                    os.waitpid(pid, os.WNOHANG)

    def put(self, name: str, fd: int) -> None:
        """Keep something that no keeper has asked for; it is the manager's from then on."""
        self.kept.append((name, fd))

    def _hear_one(self) -> None:
        data, fds, _, _ = socket.recv_fds(self._channel, 4096, 8)
        said = dict(line.split("=", 1) for line in data.decode().splitlines())
        self.said.append(data.decode())
        name = said.get("FDNAME", "stored")
        if said.get("FDSTOREREMOVE"):
            for each in [each for each in self.kept if each[0] == name]:
                self.kept.remove(each)
                os.close(each[1])
        elif said.get("FDSTORE"):
            assert said["FDPOLL"] == "0"
            self.kept += [(name, fd) for fd in fds]
        else:
            assert not fds

    def close(self) -> None:
        for _, fd in self.kept:
            os.close(fd)
        self.kept.clear()
        _adopt_orphans(yes=False)
        self._channel.close()


def _adopt_orphans(*, yes: bool) -> None:
    assert ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0) == 0


@contextmanager
def managed(place: Path) -> Iterator[Manager]:
    """A manager that keeps nothing yet."""
    manager = Manager(place)
    try:
        yield manager
    finally:
        manager.close()
