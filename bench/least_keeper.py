"""The smallest keeper that can be, for `bench.keeper`: where the floor is. It is started by its path, with a directory.

It has pipes and a record ready for each command, starts it in a control group, tells its end, and checks nothing.
"""

import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
MEMORY = 64 << 20
LATER = 0.02
ALL_SIGNALS = signal.valid_signals()
NAMES = (b"stdin", b"stdout", b"stderr", b"record")


def own_group() -> Path:
    """Move into a group of its own, in which programs are born."""
    root = next((each for each in (GROUPS, GROUPS / "unified") if (each / "cgroup.procs").exists()), GROUPS)
    group = root / f"least-keeper-{os.getpid()}"
    group.mkdir()
    (group / "cgroup.procs").write_text(str(os.getpid()))
    return group


def opened() -> tuple[Sequence[int], Sequence[int]]:
    """Return a program's ends of its pipes, and the others with the record."""
    (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = os.pipe(), os.pipe(), os.pipe()
    record = os.memfd_create("record")
    os.ftruncate(record, MEMORY)
    return (stdin, stdout, stderr), (to_stdin, from_stdout, from_stderr, record)


class LeastKeeper:
    """Serves the one node that connects."""

    def __init__(self, directory: str) -> None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{directory}/socket")
        listener.listen()
        self._channel, _ = listener.accept()
        self._epoll = select.epoll()
        self._epoll.register(self._channel, select.EPOLLIN)
        self._opened: dict[bytes, tuple[Sequence[int], Sequence[int]]] = {}
        self._running: dict[int, tuple[bytes, int]] = {}
        self._ended: list[tuple[int, int]] = []
        self._waiting = b""

    def serve(self, processes: int) -> None:
        """Until the node has gone; `processes` is the file of the group."""
        while True:
            events = self._epoll.poll(LATER if self._ended else None)
            for fd, _ in events:
                if fd in self._running:
                    self._tell_end(fd)
                elif not self._read():
                    return
            if not events:
                os.pread(processes, 4096, 0)
                for pidfd, pid in self._ended:
                    os.close(pidfd)
                    os.waitpid(pid, 0)
                self._ended.clear()

    def _read(self) -> bool:
        data = self._channel.recv(1 << 15)
        self._waiting += data
        while len(self._waiting) > 4 and len(self._waiting) >= (end := 4 + int.from_bytes(self._waiting[:4], "big")):
            frame, self._waiting = self._waiting[4:end], self._waiting[end:]
            self._heard(*frame.split(b"\0"))
        return bool(data)

    def _heard(self, verb: bytes, number: bytes, *fields: bytes) -> None:
        if verb == b"start":
            self._start(number, fields)
        elif verb == b"open":
            keys = [b"%b.%d" % (number, which) for which in range(int(fields[0]))]
            self._opened |= {key: opened() for key in keys}
            given = [fd for key in keys for fd in self._opened[key][1]]
            self._say(b"ok", number, *NAMES * len(keys), riding=given)
        elif verb == b"hello":
            self._say(b"ok", number, b"3", b"%d" % os.getpid(), b"boot", b"", b"", b"", b"")
        elif number != b"0":
            self._say(b"ok", number)

    def _start(self, number: bytes, fields: Sequence[bytes]) -> None:
        name, kind, _, _, directory, _, count, *rest = fields
        had = kind in self._opened
        theirs, ours = self._opened.pop(kind) if had else opened()
        words, variables = rest[: int(count)], dict([each.split(b"=", 1) for each in rest[int(count) :]])
        os.chdir(directory)
        actions = [(os.POSIX_SPAWN_DUP2, fd, stream) for stream, fd in enumerate(theirs)]
        pid = os.posix_spawn(words[0], words, variables, file_actions=actions, setsid=True, setsigdef=ALL_SIGNALS)
        told = () if had else NAMES
        self._say(b"ok", number, b"%d" % pid, b"running", b"pipes", b"", b"", *told, riding=() if had else ours)
        for fd in theirs:
            os.close(fd)
        pidfd = os.pidfd_open(pid)
        self._running[pidfd] = name, pid
        self._epoll.register(pidfd, select.EPOLLIN | select.EPOLLONESHOT)
        for fd in ours:
            os.close(fd)

    def _tell_end(self, pidfd: int) -> None:
        name, pid = self._running.pop(pidfd)
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        if found is not None:
            self._say(b"exit", name, b"%d" % found.si_status)
        self._ended.append((pidfd, pid))

    def _say(self, *fields: bytes, riding: Sequence[int] = ()) -> None:
        body = b"\0".join(fields)
        frame = len(body).to_bytes(4, "big") + body
        if riding:
            socket.send_fds(self._channel, [frame], riding)
        else:
            self._channel.send(frame)


def main(directory: str) -> None:
    group = own_group()
    processes = os.open(group / "cgroup.procs", os.O_RDONLY | os.O_CLOEXEC)
    try:
        LeastKeeper(directory).serve(processes)
    finally:
        # What was started last may not have gone yet: the group is left then.
        (group.parent / "cgroup.procs").write_text(str(os.getpid()))
        os.close(processes)
        group.rmdir()


if __name__ == "__main__":
    main(sys.argv[1])
