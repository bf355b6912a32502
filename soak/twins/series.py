"""One program in one session, left and taken up again and again, beside its twin."""

import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from omnyshell import OmnyShellException, PtySpec, SessionMode
from omnyshell.terminal.painting.lines import drawn
from soak.twins.kinds import KINDS, Kind
from soak.twins.programs import Program
from soak.twins.screens import Screen, Twin, differences, look_of
from soak.twins.seats import InstalledSeat, LibrarySeat, Place, Seat

QUIET = 0.2
PATIENCE = 6.0
LONGEST_END = 30.0
BEFORE = 150
"""Lines that the session has above the program."""

LAST_WORDS = "the program is over"
_TEED = Path(__file__).with_name("teed.py")
_SECOND_WITHOUT_MARGINS = frozenset(("kitty", "VTE"))


class Series:
    """Ends with the program, whose main screen and history are compared too."""

    def __init__(self, place: Place, directory: Path, program: Program, kind: Kind, seed: int) -> None:
        self._place = place
        self._directory = directory
        self._program = program
        self._kind = kind
        self._chooser = random.Random(f"{program.name}/{kind.name}/{seed}")
        self._seat: Seat
        self._twin: Twin
        self._ref = ""
        self._resized = False
        self._shows_all = True
        """Whether the terminal that has the session has what another size brings back."""

        self.faults: list[str] = []
        self.done = self.installed = self.second = 0
        self._name = f"{program.name} in {kind.name}, seed {seed}"

    async def run(self, cycles: int, installed: int) -> None:
        """Do so many cycles, of which about one in `installed` are by the installed program (0 for none)."""
        size = self._random_size()
        async with self._begun(size):
            for number in range(cycles):
                await self._cycle(f"cycle {number}", size := self._next_size(size), installed)
                self.done += 1
                if len(self.faults) > 2:
                    return
            await self._end(size, installed)

    @asynccontextmanager
    async def _begun(self, size: PtySpec) -> AsyncIterator[None]:
        # In VTE margins work, in the second emulator they do not.
        name = self._kind.name
        headless = self._place.headless if name in _SECOND_WITHOUT_MARGINS else None
        self._place = Place(self._place.client, self._place.certificates, self._place.port, headless)
        twin = self._twin = Twin(self._kind, size, headless)
        self._socket = socket = self._directory / f"{id(self):x}"
        await twin.listen(socket)
        Path(f"{socket}.size").touch()
        script = (
            f"trap : INT; seq {BEFORE} | sed 's/.*/before & \\x1b[3&m漢字\\x1b[m/'; {self._program.command}; "
            f"stty sane; echo; echo {LAST_WORDS}; trap '' INT; exec sleep 600"
        )
        variables = {"TWINS_PLACE": str(socket), "LANG": "C.UTF-8", "LESSCHARSET": "utf-8", "PS1": "$ "}
        session = await self._place.client.open_session(
            "n1",
            mode=SessionMode.SHELL,
            command=f"exec {sys.executable} {_TEED} {socket} sh -c '{_quoted(script)}'",
            pty=size,
            env=self._kind.variables | variables,
        )
        self._ref = session.id
        self._seat = LibrarySeat(session, self._kind, size, headless)
        try:
            # Before, what is typed would be echoed by the session's own terminal.
            await asyncio.wait_for(twin.begun.wait(), PATIENCE)
            await self._started()
            yield
        finally:
            await self._seat.close()
            await self._end_from_outside()
            with suppress(OmnyShellException):
                await self._place.client.kill_session("n1", self._ref)
            await twin.close()
            socket.unlink()

    async def _started(self) -> None:
        """Wait until the program has drawn: what is typed before is echoed by its terminal."""
        end = time.monotonic() + 2 * PATIENCE
        screen = self._twin.screen.emulator
        while not (screen.on_alternate_screen or "$" in screen.display[screen.cursor.y]) and time.monotonic() < end:
            await asyncio.sleep(QUIET)
        await self._settle()

    def _random_size(self) -> PtySpec:
        choose = self._chooser.randrange
        return PtySpec(term=self._kind.variables["TERM"], cols=choose(30, 160), rows=choose(8, 50))

    def _next_size(self, size: PtySpec) -> PtySpec:
        return size if self._chooser.random() < 0.3 else self._random_size()

    async def _cycle(self, what: str, size: PtySpec, installed: int) -> None:
        """Leave, perhaps in the middle of output, and resume; then look, type, resize and look."""
        keys = self._chooser.choice(self._program.keys)
        await self._seat.type(keys)
        if self._chooser.random() < 0.6:
            await self._settle()
        else:
            await asyncio.sleep(self._chooser.random() * 0.05)
        left = await self._seat.leave()
        self._found(what, left, self._seat.screen)
        # Where output and another size come together, nothing says which was first.
        if self._chooser.random() < 0.8 or size != self._size():
            await self._settle()
        by_program = installed > 0 and self._chooser.randrange(installed) == 0
        await self._resume(size, by_program=by_program)
        what = f"{what}, {size.cols}x{size.rows}{' by the program' if by_program else ''}, after {keys!r}"
        await self._compare(what)
        keys = self._chooser.choice(self._program.keys)
        await self._seat.type(keys)
        await self._compare(f"{what} and {keys!r}")
        if self._chooser.random() < 0.3:
            size = self._random_size()
            await self._settle()
            self._shows_all = self._twin.screen.emulator.on_alternate_screen or self._is_whole()
            await self._resize(size)
            if self._shows_all:
                await self._compare(f"{what} and {keys!r}, then {size.cols}x{size.rows}")

    def _is_whole(self) -> bool:
        """Whether the terminal has all of the history: without, another size brings other rows back."""
        return self._seat.lines_above > len(self._twin.screen.emulator.scrollback)

    def _size(self) -> PtySpec:
        screen = self._twin.screen.emulator
        return PtySpec(term=self._kind.variables["TERM"], cols=screen.columns, rows=screen.lines)

    async def _resume(self, size: PtySpec, *, by_program: bool) -> None:
        self._shows_all = True
        seats = self._twin.sizes
        changes = size != self._size()
        self._resized = self._resized or changes
        if by_program:
            self._seat = await InstalledSeat.resumed(self._place, self._ref, self._kind, size, self._chooser)
            self.installed += 1
        else:
            self._seat = await LibrarySeat.resumed(self._place, self._ref, self._kind, size)
        if changes:
            await self._told_size(seats)

    async def _resize(self, size: PtySpec) -> None:
        seats = self._twin.sizes
        changes = size != self._size()
        self._resized = self._resized or changes
        self._seat.resize(size.cols, size.rows)
        if changes:
            await self._told_size(seats)

    async def _told_size(self, before: int) -> None:
        end = time.monotonic() + PATIENCE
        while self._twin.sizes == before and time.monotonic() < end:
            await asyncio.sleep(0.01)

    async def _settle(self) -> None:
        """Wait until neither is written to any more."""
        await asyncio.sleep(QUIET)
        end = time.monotonic() + PATIENCE
        screens = (self._seat.screen, self._twin.screen)
        while time.monotonic() < end and any(time.monotonic() - screen.heard < QUIET for screen in screens):
            await asyncio.sleep(QUIET / 4)

    async def _compare(self, what: str) -> None:
        """Wait until both show the same; note what does not."""
        await self._settle()
        await self._know_size(what)
        end = time.monotonic() + PATIENCE
        while problem := self._differences():
            if time.monotonic() > end:
                self._found(what, problem, self._seat.screen)
                return
            await asyncio.sleep(QUIET)
        await self._compare_second(what)

    async def _compare_second(self, what: str) -> None:
        """Hold the second emulator's screens against each other, where it draws anew what another size changed."""
        one, other = self._seat.screen.second, self._twin.screen.second
        is_drawn_anew = self._seat.screen.emulator.on_alternate_screen and not self._is_over
        if one is None or other is None or (self._resized and not is_drawn_anew):
            return
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            before = self._heard()
            problem = _second(await one.look(), await other.look())
            if not problem:
                self.second += 1
                return
            if before == self._heard() and not self._differences():
                self._found(f"{what}, second", problem, self._seat.screen)
                return
            await asyncio.sleep(QUIET)

    async def _know_size(self, what: str) -> None:
        """Wait until the program has the size of its terminal, however it hears of it."""
        screen = self._twin.screen.emulator
        size = f"{screen.columns} by {screen.lines}"
        end = time.monotonic() + PATIENCE
        told = Path(f"{self._socket}.size")
        while self._program.tells_size and not self._is_over and told.read_text() != size:
            if time.monotonic() > end:
                self._found(what, f"the program does not know of {size}", self._seat.screen)
                return
            await asyncio.sleep(QUIET)

    def _differences(self) -> str:
        return differences(self._seat.screen.emulator, self._twin.screen.emulator)

    def _heard(self) -> tuple[int, int]:
        return len(self._seat.screen.log), len(self._twin.screen.log)

    async def _end(self, size: PtySpec, installed: int) -> None:
        """Quit the program, compare, and then resume its main screen and history."""
        await self._settle()
        if not await self._quit():
            self._found("end", f"the program goes on: {self._twin.screen.text()!r}", self._seat.screen)
            return
        if self._shows_all:
            await self._compare("end")
        for number in range(3):
            self._found(f"end {number}", await self._seat.leave(), self._seat.screen)
            size = self._next_size(size)
            await self._resume(size, by_program=installed > 0)
            await self._compare(f"end {number}, {size.cols}x{size.rows}")
            await self._compare_history(f"end {number}, {size.cols}x{size.rows}")

    @property
    def _is_over(self) -> bool:
        return LAST_WORDS in " ".join(self._twin.screen.text())

    async def _quit(self) -> bool:
        """End the program; returns whether it has."""
        await self._end_from_outside()
        end = time.monotonic() + LONGEST_END
        while time.monotonic() < end:
            for keys in self._program.end:
                await self._seat.type(keys)
                await self._settle()
            if self._is_over:
                return True
        return False

    async def _end_from_outside(self) -> None:
        if self._program.ending:
            env = os.environ | {"TWINS_PLACE": str(self._socket)}
            nowhere = asyncio.subprocess.DEVNULL
            done = await asyncio.create_subprocess_shell(self._program.ending, env=env, stderr=nowhere)
            await done.wait()

    async def _compare_history(self, what: str) -> None:
        right = self._twin.screen.history()
        screen = await self._place.client.peek("n1", self._ref, with_history=True)
        assert screen.history_end is not None
        columns = self._twin.screen.emulator.columns
        parts = [
            [look_of(row) for row in drawn(part, columns)]
            async for part in self._place.client.history("n1", self._ref, screen.history_end, 10_000)
        ]
        found = [row for part in reversed(parts) for row in part]
        self._found(what, _unequal(found, right, "history"), self._seat.screen)
        if wanted := self._seat.lines_above:
            # Fewer, where the newest ones were wrapped more often before.
            above = self._seat.screen.history()[-min(wanted, len(right)) :]
            lacking = "lines above: too few" if len(above) < min(wanted, len(right)) // 2 else ""
            unequal = _unequal(above, right[len(right) - len(above) :], "lines above")
            self._found(what, lacking or unequal, self._seat.screen)

    def _found(self, what: str, problem: str, screen: Screen) -> None:
        if problem:
            self.faults.append(f"{self._name}, {what}: {problem}")
            stem = self._directory / f"{self._name}-{len(self.faults)}".replace(" ", "-").replace(",", "")
            stem.with_suffix(".seen").write_bytes(screen.log)
            stem.with_suffix(".twin").write_bytes(self._twin.screen.log)


def _quoted(text: str) -> str:
    return text.replace("'", "'\\''")


def _unequal(found: list[Any], right: list[Any], what: str) -> str:
    if found == right:
        return ""
    at = next((n for n, (a, b) in enumerate(zip(found, right, strict=False)) if a != b), min(len(found), len(right)))
    near = [rows[at][0] if at < len(rows) else "nothing" for rows in (found, right)]
    return f"{what}: {len(found)} rows of {len(right)}, row {at} is {near[0]!r}, not {near[1]!r}"


def _second(one: dict[str, Any], other: dict[str, Any]) -> str:
    for part in ("kind", "cursor", "modes"):
        if one[part] != other[part]:
            return f"{part} {one[part]} / {other[part]}"
    for y, (row, right) in enumerate(zip(one["rows"], other["rows"], strict=False)):
        for x, (cell, wanted) in enumerate(zip(row, right, strict=False)):
            if cell != wanted:
                return f"cell {x},{y} {cell} / {wanted}"
    return ""


def all_kinds(names: str) -> list[Kind]:
    return [kind for kind in KINDS if not names or kind.name in names.split(",")]
