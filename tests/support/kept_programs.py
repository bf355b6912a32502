"""Real programs in sessions of a node that comes and goes: vim, less, htop, make and transfers."""

import asyncio
import hashlib
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from support.deadline import DEADLINE
from support.killed_nodes import Followed
from support.stack import until, within

from omnyshell import ExitStatus, OmnyShellClient, PtySpec, SessionMode
from omnyshell.services.node.processes.process import UNKNOWN_CODE
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import plain_text

SIZE = PtySpec(term="xterm-256color", cols=90, rows=30)
JOBS = 60
MAKE_FAILED = 2
PROGRAMS = ("vim", "less", "htop", "make")


def missing() -> list[str]:
    """Those that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Screen:
    """A program on a terminal, as its client sees it and as its node does."""

    def __init__(self, client: OmnyShellClient, followed: Followed) -> None:
        self._client = client
        self.followed = followed
        self._emulator = Emulator(SIZE.cols, SIZE.rows, scrollback=0, term=SIZE.term)
        self._fed = 0

    async def type(self, keys: bytes) -> None:
        await self.followed._session.write(keys)

    def text(self) -> str:
        """What the client's terminal shows."""
        came, self._fed = bytes(self.followed.out[self._fed :]), len(self.followed.out)
        self._emulator.feed(came)
        return plain_text(self._emulator)

    async def shows(self, wanted: Callable[[str], bool]) -> None:
        await until(lambda: wanted(self.text()))

    async def agrees(self) -> None:
        """Wait until the node's screen and the client's are the same, each cell with its looks."""

        async def agree() -> None:
            while True:
                painted = await within(self._client.peek("n1", self.followed._session.id))
                twin = Emulator(SIZE.cols, SIZE.rows, scrollback=0, term=SIZE.term)
                twin.feed(painted.data)
                self.text()
                if _cells(twin) == _cells(self._emulator):
                    return
                await asyncio.sleep(0.02)

        await asyncio.wait_for(agree(), DEADLINE)


def _cells(screen: Emulator) -> list[tuple[list[str], list[object]]]:
    return [(list(row.cells), list(row.styles)) for row in screen.rows]


async def _ends(followed: Followed, code: int) -> None:
    """It ends as it has to, or it is told that nobody knows how, as after a keeper that was killed."""
    status = await within(followed.ending)
    said = bytes(followed.out + followed.err)
    is_told = status == ExitStatus(UNKNOWN_CODE) and b"nobody knows how the command ended" in said
    assert status == ExitStatus(code) or is_told, (status, said[-200:])


class KeptPrograms:
    """All of them on node `n1`, with what they are to say; `sizes` are bytes of a transfer each way."""

    def __init__(self, client: OmnyShellClient, folder: Path, size: int, jobs: int = JOBS) -> None:
        self._client = client
        self._folder = folder
        self._data = random.Random(3).randbytes(size)
        self._jobs = jobs
        self._typed = 0
        self.followed: list[Followed] = []

    async def start(self) -> None:
        folder = self._folder
        (folder / "lines").write_text(
            "".join(f"line {number} {'ab' * (number % 30)} é 漢字\n" for number in range(900))
        )
        targets = " ".join(f"t{number}" for number in range(self._jobs))
        (folder / "Makefile").write_text(
            f"all: {targets} last\nt%:\n\t@sleep 0.1; echo built $@\nlast: {targets}\n\t@echo fails; exit 3\n"
        )
        (folder / "source").write_bytes(self._data)
        self.vim = await self._shell(f"vim -u NONE -N -n -c 'set noswapfile' {folder}/edited")
        self.less = await self._shell(f"less -R {folder}/lines")
        self.htop = await self._shell("htop -d 5")
        self.make = await self._command(f"make -j2 -C {folder}")
        self.upload = await self._command(f"cat > {folder}/sent; sha256sum < {folder}/sent")
        # As slowly as that all goes on meanwhile.
        script = "while head -c 65536 && [ -e slowly ]; do sleep 0.02; done; cat"
        self.download = await self._command(f"touch slowly; exec < {folder}/source; {script}")
        self._sending = asyncio.create_task(self._send())
        await self.vim.shows(lambda text: "~" in text)
        await self.vim.type(b"ihello")
        await self.less.shows(lambda text: "line 5 " in text)
        await self.htop.shows(lambda text: "Tasks" in text or "Load average" in text)

    async def _shell(self, command: str) -> Screen:
        session = await within(
            self._client.open_session("n1", command=command, mode=SessionMode.SHELL, pty=SIZE, cwd=str(self._folder))
        )
        self.followed.append(Followed(session))
        return Screen(self._client, self.followed[-1])

    async def _command(self, command: str) -> Followed:
        self.followed.append(
            Followed(await within(self._client.open_session("n1", command=command, cwd=str(self._folder))))
        )
        return self.followed[-1]

    async def _send(self) -> None:
        """Send half at the speed of a slow line, and the rest when all is told to go on to its end."""
        for at in range(0, len(self._data), 32768):
            await self.upload._session.write(self._data[at : at + 32768])
            if not (self._folder / "fast").exists():
                await asyncio.sleep(0.02)
        self.upload._session.eof()

    async def use(self) -> None:
        """Type into what has a screen, and see it there; node and client see the same."""
        self._typed += 1
        await self.vim.type(b"\rword%d" % self._typed)
        await self.vim.shows(lambda text: f"word{self._typed}" in text)
        line = 40 + 40 * self._typed % 800
        await self.less.type(b"%dg" % line)
        await self.less.shows(lambda text: f"line {line - 1} " in text.partition("\n")[0])
        await self.htop.type((b"\x1bOB", b"\x1bOA", b"t")[self._typed % 3])
        for screen in (self.vim, self.less, self.htop):
            await screen.agrees()

    async def finish(self) -> None:
        """End them, and look at what they have done."""
        (self._folder / "fast").touch()
        (self._folder / "slowly").unlink(missing_ok=True)
        await self.vim.type(b"\x1b:wq\r")
        await self.less.type(b"q")
        await self.htop.type(b"q")
        for screen in (self.vim, self.less, self.htop):
            await _ends(screen.followed, 0)
        words = "".join(f"\nword{number + 1}" for number in range(self._typed))
        assert (self._folder / "edited").read_text() == f"hello{words}\n"
        await within(self._sending)
        for each, code in ((self.upload, 0), (self.download, 0), (self.make, MAKE_FAILED)):
            await _ends(each, code)
        # A kill falls between a read and what counts it now and then, which is told: of one session, hardly of two.
        in_doubt = [each for each in self.followed if b"may be missing" in each.out + each.err]
        assert len(in_doubt) <= 1
        digest = hashlib.sha256(self._data).hexdigest()
        assert self.upload.out.split()[0].decode() == digest or self.upload in in_doubt
        assert hashlib.sha256(self.download.out).hexdigest() == digest or self.download in in_doubt
        built = [line for line in self.make.out.decode().splitlines() if line.startswith("built ")]
        assert sorted(built) == sorted(f"built t{number}" for number in range(self._jobs)) or self.make in in_doubt
        assert b"Error 3" in self.make.err or self.make in in_doubt

    def resumed(self) -> Sequence[int]:
        """How often each was taken up by its client."""
        return [len(each.resumed) for each in self.followed if not each.ending.done()]
