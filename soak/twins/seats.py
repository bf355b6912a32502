"""Who sits before a terminal: the client library, or the installed program on a terminal of its own."""

import asyncio
import fcntl
import os
import random
import signal
import struct
import termios
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from support.commands import OMNYSHELL
from support.stack import Certificates

from omnyshell import OmnyShellClient, OmnyShellException, PtySpec, RemoteSession
from omnyshell.terminal.painting.snapshot import reset_sequence
from omnyshell.terminal.state.tracker import ModeTracker
from soak.twins.headless import Headless
from soak.twins.kinds import Kind
from soak.twins.screens import Screen

LINES_ABOVE = 200
PATIENCE = 10.0


class Seat(Protocol):
    """One terminal that has a session."""

    screen: Screen
    lines_above: int
    """How many lines of the history it was given."""

    async def type(self, keys: bytes) -> None: ...
    def resize(self, columns: int, lines: int) -> None: ...
    async def leave(self) -> str:
        """Leave the session; returns what is left changed in the terminal, "" where nothing is."""

    async def close(self) -> None:
        """Leave it once more, however it is. Idempotent."""


@dataclass(frozen=True)
class Place:
    """Where a session is had."""

    client: OmnyShellClient
    certificates: Certificates
    port: int
    headless: Headless | None


class LibrarySeat:
    """By the client library. What `connect` would take back is taken back when it leaves."""

    def __init__(self, session: RemoteSession, kind: Kind, size: PtySpec, headless: Headless | None) -> None:
        self.session = session
        self.screen = Screen(kind, size, headless)
        self.lines_above = 0
        self._modes = ModeTracker(kind.variables["TERM"])
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def resumed(cls, place: Place, ref: str, kind: Kind, size: PtySpec) -> "LibrarySeat":
        return cls(await place.client.resume("n1", ref, pty=size), kind, size, place.headless)

    async def _read(self) -> None:
        with suppress(OmnyShellException):
            async for chunk in self.session:
                self._modes.feed(chunk.data)
                self._answer(self.screen.take(chunk.data))

    def _answer(self, data: bytes) -> None:
        if data and not self.session.has_ended:
            self.session.send(data)

    async def type(self, keys: bytes) -> None:
        self._answer(keys)

    def resize(self, columns: int, lines: int) -> None:
        self.session.resize(columns, lines)
        self._answer(self.screen.resize(columns, lines))

    async def leave(self) -> str:
        if not self.session.has_ended:
            await self.session.detach()
        await asyncio.gather(self._reading, return_exceptions=True)
        self.screen.take(self._modes.reset_sequence())
        self.screen.close()
        return _left(self.screen)

    async def close(self) -> None:
        self.session.abandon()
        await asyncio.gather(self._reading, return_exceptions=True)
        self.screen.close()


class InstalledSeat:
    """By `omnyshell sessions resume` on a terminal, which the program is left with in several ways."""

    def __init__(self, place: Place, ref: str, kind: Kind, size: PtySpec, chooser: random.Random) -> None:
        self.screen = Screen(kind, size, place.headless)
        self.lines_above = chooser.choice((0, LINES_ABOVE))
        self._place = place
        self._ref = ref
        self._leaving = chooser.choice((self._escape, self._detach, self._kill, self._hang_up, self._terminate))
        self._loop = asyncio.get_running_loop()
        self._master, slave = os.openpty()
        self._set_size(size.cols, size.rows)
        self._settings = termios.tcgetattr(slave)
        os.set_blocking(self._master, False)
        self._loop.add_reader(self._master, self._read)
        self._slave = slave
        self._waiting = b""
        self._process: asyncio.subprocess.Process | None = None
        others = {name: value for name, value in os.environ.items() if not name.startswith(("TERM", "TMUX", "COLOR"))}
        self._env = others | {"LANG": "C.UTF-8", "OMNYSHELL_TOKEN": "admin-token"} | kind.variables

    @classmethod
    async def resumed(
        cls, place: Place, ref: str, kind: Kind, size: PtySpec, chooser: random.Random
    ) -> "InstalledSeat":
        seat = cls(place, ref, kind, size, chooser)
        words = [
            OMNYSHELL, "sessions", "resume", "n1", ref, "--hub", f"wss://127.0.0.1:{place.port}",
            "--principal", "admin", "--ca", str(place.certificates.ca), "--history", str(seat.lines_above),
        ]  # fmt: skip
        slave = seat._slave
        # `setsid` makes the terminal the controlling one, and becomes the program.
        seat._process = await asyncio.create_subprocess_exec(
            "setsid", "-c", *words, stdin=slave, stdout=slave, stderr=slave, env=seat._env
        )
        return seat

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return
        except OSError:
            self._loop.remove_reader(self._master)
            return
        self._type(self.screen.take(data))

    def _type(self, data: bytes) -> None:
        self._waiting += data
        with suppress(BlockingIOError):
            while self._waiting:
                self._waiting = self._waiting[os.write(self._master, self._waiting) :]

    async def type(self, keys: bytes) -> None:
        self._type(keys)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        self._set_size(columns, lines)
        self._type(self.screen.resize(columns, lines))

    async def leave(self) -> str:
        assert self._process is not None
        if self._process.returncode is None:
            await self._leaving()
        try:
            await asyncio.wait_for(self._process.wait(), PATIENCE)
        except TimeoutError:
            await self.close()
            return f"after {self._leaving.__name__}: the program goes on"
        left = await self._put_back()
        self._let_go()
        return left and f"after {self._leaving.__name__}: {left}"

    async def close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._let_go()

    def _let_go(self) -> None:
        if self._master >= 0:
            self._loop.remove_reader(self._master)
            os.close(self._slave)
            os.close(self._master)
            self._master = -1
        self.screen.close()

    async def _put_back(self) -> str:
        """Wait until the terminal is as it was; a guardian may take a moment."""
        end = self._loop.time() + PATIENCE
        while (left := _left(self.screen)) or termios.tcgetattr(self._slave) != self._settings:
            if self._loop.time() > end:
                return left or "settings of the terminal"
            await asyncio.sleep(0.02)
        return ""

    async def _escape(self) -> None:
        self._type(b"\r~&")

    async def _detach(self) -> None:
        await self._place.client.detach_session("n1", self._ref)

    async def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    async def _hang_up(self) -> None:
        self._signal(signal.SIGHUP)

    async def _terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)


def _left(screen: Screen) -> str:
    return "" if not (left := reset_sequence(screen.emulator)) else f"left changed: {left!r}"
