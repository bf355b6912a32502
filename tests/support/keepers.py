"""Keepers as processes, and raw peers that ask them one thing after the other."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from support.deadline import DEADLINE
from support.people import Machine

from omnyshell.keeper import wire
from omnyshell.keeper.hierarchy import group_of
from omnyshell.services.node.keeper.place import PROGRAM, SOCKET, keeper_command

LEFT_FOR = 20.0
"""Seconds after which what is empty is nobody's any more."""

SHELL = b"/bin/sh"
NAMES = (b"stdin", b"stdout", b"stderr", b"terminal", b"record")
"""Of descriptors."""

PATH = b"PATH=/usr/bin:/bin"


class Starter(Protocol):
    """Who starts a keeper instead of the test."""

    def popen(self, command: Sequence[str], log: BinaryIO) -> "subprocess.Popen[bytes]":
        """Start it."""


def _popen(command: Sequence[str], log: BinaryIO) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


class KeeperProcess:
    """A keeper in a directory, by default one that a test makes."""

    def __init__(
        self,
        directory: Path,
        program: Path | None = None,
        user: int | None = None,
        users_file: Path | None = None,
        machine: "Machine | None" = None,
        started_by: "Starter | None" = None,
    ) -> None:
        """It sees the users of `machine`, or this machine's own."""
        self.directory = directory
        directory.mkdir(mode=0o700, exist_ok=True)
        command = keeper_command(directory, user=os.geteuid() if user is None else user, users_file=users_file)
        if program is not None:
            command[command.index(str(PROGRAM))] = str(program)
        command = machine.wrapped(command) if machine is not None else command
        self._log = (directory / "log").open("wb")
        start = started_by.popen if started_by is not None else _popen
        self.process = start(command, self._log)
        self.pid = self.process.pid
        while not self.is_serving() and self.process.poll() is None:
            select.select([], [], [], 0.005)

    def is_serving(self) -> bool:
        with suppress(OSError):
            self.connected().close()
            return True
        return False

    def connected(self) -> socket.socket:
        return connected(self.directory)

    def node(self, name: bytes = b"node") -> "RawNode":
        node = RawNode(self.connected())
        assert node.ask(wire.HELLO, b"%d" % wire.VERSION, name)[0] == wire.OK
        return node

    def upgrade(self) -> None:
        """Have it be what is installed now, as soon as it gets to that."""
        self.process.send_signal(signal.SIGHUP)

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def descriptors(self, node: "RawNode") -> list[str]:
        """What the keeper has open, once it has closed what it has sent to a node, without its own group's files."""
        node.ask(wire.LIST)
        found = []
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(OSError):
                found.append(str(entry.readlink()).partition(":")[0])
        return sorted(each for each in found if not each.endswith(("/cgroup.procs", "/cpu.stat")))

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.terminate()
        self.process.wait(DEADLINE)
        self._log.close()
        _remove_groups(self.directory / "lock")


def _remove_groups(lock: Path) -> None:
    """Remove the control groups that a keeper has left which was killed, as far as nothing is in them."""
    with suppress(OSError):
        own, facts = Path(group_of("self")), lock.stat()
        _remove(own / f"omnyshell-{facts.st_dev:x}-{facts.st_ino:x}")


def remove_left_groups() -> None:
    """Remove what keepers have left that were killed, and had no next one; what was made just now is another run's."""
    with suppress(OSError):
        for found in Path(group_of("self")).glob("omnyshell-*-*/"):
            is_empty = "populated 0" in (found / "cgroup.events").read_text()
            if is_empty and time.time() - found.stat().st_mtime > LEFT_FOR:
                _remove(found)


def _remove(place: Path) -> None:
    for group in (*place.glob("*/"), place):
        with suppress(OSError):
            group.rmdir()


def connected(directory: Path) -> socket.socket:
    """A connection to the keeper of a directory."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        channel.connect(str(directory / SOCKET))
    except OSError:
        channel.close()
        raise
    channel.settimeout(DEADLINE)
    return channel


class RawNode:
    """One connection, which says what it is told to, and collects descriptors."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.descriptors: list[int] = []
        self._frames = wire.Frames()
        self._heard: list[list[bytes]] = []
        self.number = 0

    def ask(self, verb: bytes, *fields: bytes) -> list[bytes]:
        """Return `ok` or `no` and what follows the number; exits that come before it are kept."""
        self.number += 1
        number = b"%d" % self.number
        self.channel.sendall(wire.pack(verb, number, *fields))
        return self.answer(number)

    def answer(self, number: bytes) -> list[bytes]:
        while True:
            for heard in self._heard:
                if heard[0] != wire.EXIT and heard[1] == number:
                    self._heard.remove(heard)
                    return [heard[0], *heard[2:]]
            self._read()

    def exit_of(self, session: bytes) -> bytes:
        """Wait for the end of a session; return its exit code."""
        while True:
            for heard in self._heard:
                if heard[:2] == [wire.EXIT, session]:
                    self._heard.remove(heard)
                    return heard[2]
            self._read()

    def start(
        self, session: bytes, *words: bytes, kind: bytes = wire.PIPES, env: tuple[bytes, ...] = (PATH,)
    ) -> dict[str, int]:
        """Start a program; return its descriptors, by name."""
        answer = self.ask(*self.start_request(session, *words, kind=kind, env=env))
        assert answer[0] == wire.OK, answer
        return self.named(answer)

    @staticmethod
    def start_request(
        session: bytes,
        *words: bytes,
        kind: bytes = wire.PIPES,
        env: tuple[bytes, ...] = (PATH,),
        cwd: bytes = b"/",
        whose: bytes = b"",
    ) -> tuple[bytes, ...]:
        return (wire.START, session, kind, b"80", b"24", cwd, whose, b"%d" % len(words), *words, *env)

    def script(self, session: bytes, line: bytes, kind: bytes = wire.PIPES) -> dict[str, int]:
        """Start a shell that runs a line."""
        return self.start(session, SHELL, b"-c", line, kind=kind)

    def named(self, answer: list[bytes]) -> dict[str, int]:
        """The descriptors of an answer to start or take, by name."""
        names = [fact.decode() for fact in answer[4:] if fact in NAMES]
        found, self.descriptors = self.descriptors[: len(names)], self.descriptors[len(names) :]
        return dict(zip(names, found, strict=True))

    def is_closed(self) -> bool:
        """Wait until the keeper closes the connection, whatever it says before."""
        try:
            while self.channel.recv(65536):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Close the connection, and what came over it and nobody asked for."""
        self.channel.close()
        while self.descriptors:
            os.close(self.descriptors.pop())

    def _read(self) -> None:
        data, riding, flags, _ = self.channel.recvmsg(65536, socket.CMSG_SPACE(4 * wire.MOST_DESCRIPTORS))
        assert data, "the keeper closed the connection"
        assert not flags & socket.MSG_CTRUNC
        for _, _, raw in riding:
            self.descriptors += [int.from_bytes(raw[at : at + 4], sys.byteorder) for at in range(0, len(raw), 4)]
        self._heard += [frame.split(b"\0") for frame in self._frames.feed(data)]


def read_until(fd: int, wanted: bytes) -> bytes:
    """Read a descriptor until what came contains something, or it ends."""
    came = b""
    while wanted not in came:
        assert select.select([fd], [], [], DEADLINE)[0], came
        try:
            data = os.read(fd, 65536)
        except OSError:
            return came
        if not data:
            return came
        came += data
    return came


def read_all(fd: int) -> bytes:
    """Read a descriptor to its end."""
    return read_until(fd, b"\0 no program prints this \0")


def asked(
    keeper: KeeperProcess,
    whose: str,
    *words: str,
    kind: bytes = wire.PIPES,
    cwd: bytes = b"",
    env: tuple[bytes, ...] = (),
) -> str:
    """What a program prints, or why there is none."""
    node = keeper.node(b"asked")
    said = node.ask(
        *node.start_request(b"s", *map(str.encode, words), kind=kind, env=env, cwd=cwd, whose=whose.encode())
    )
    if said[0] == wire.NO:
        node.close()
        return os.fsdecode(said[2])
    found = node.named(said)
    output = read_all(found["stdout" if kind == wire.PIPES else "terminal"])
    if kind == wire.PIPES:
        output += read_all(found["stderr"])
    node.exit_of(b"s")
    node.ask(wire.FORGET, b"s")
    for fd in found.values():
        os.close(fd)
    node.close()
    return output.decode()
