"""A terminal's screen, by our emulator and by another, and the twin that is told all that a program writes."""

import asyncio
import time
from pathlib import Path
from typing import Any

from omnyshell import PtySpec
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.painting.snapshot import plain_text, state
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.style import DEFAULT_STYLE, Style
from soak.twins.headless import Headless, HeadlessTerminal
from soak.twins.kinds import Answerer, Kind

HISTORY = 10_000
_HEAD = 5


class Screen:
    """What a terminal of a kind shows. `heard` is when it was written to last, `log` what, as `teed.py` says it."""

    def __init__(self, kind: Kind, size: PtySpec, headless: Headless | None) -> None:
        self.emulator = Emulator(size.cols, size.rows, scrollback=HISTORY, term=kind.variables["TERM"])
        self.second: HeadlessTerminal | None = headless.terminal(size.cols, size.rows) if headless else None
        self.heard = time.monotonic()
        self.log = bytearray()
        self._answerer = Answerer(kind, self.emulator)

    def take(self, data: bytes) -> bytes:
        """Show output; return what the terminal answers."""
        self.heard = time.monotonic()
        self._note(b"D", data)
        if self.second is not None:
            self.second.feed(data)
        return self._answerer.take(data)

    def resize(self, columns: int, lines: int) -> bytes:
        """Take another size; return what the terminal says of it."""
        self._note(b"R", b"%d %d" % (columns, lines))
        self.emulator.resize(lines, columns)
        if self.second is not None:
            self.second.resize(columns, lines)
        return self._answerer.resized()

    def _note(self, kind: bytes, payload: bytes) -> None:
        self.log += kind + len(payload).to_bytes(_HEAD - 1, "big") + payload

    def close(self) -> None:
        if self.second is not None:
            self.second.close()
            self.second = None

    def text(self) -> list[str]:
        return plain_text(self.emulator).splitlines()

    def history(self) -> list[tuple[str, tuple[Style, ...]]]:
        """The rows that left the screen, each as its text and styles."""
        return [look_of(row) for row in self.emulator.scrollback]


def look_of(row: Row) -> tuple[str, tuple[Style, ...]]:
    """A row as it looks: text and styles, without plain blanks at its end."""
    cells, styles = row.settle()
    end = row.width
    while end and cells[end - 1] == " " and styles[end - 1] == DEFAULT_STYLE:
        end -= 1
    return "".join(cells[:end]), tuple(styles[:end])


class Twin:
    """Listens to a program in a session, in a terminal that never leaves it."""

    def __init__(self, kind: Kind, size: PtySpec, headless: Headless | None) -> None:
        self.screen = Screen(kind, size, headless)
        self._server: asyncio.Server | None = None
        self.begun = asyncio.Event()
        self.sizes = 0
        """How often it was given a size."""

    async def listen(self, path: Path) -> None:
        self._server = await asyncio.start_unix_server(self._hear, path)

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.read(1):
                payload = await reader.readexactly(int.from_bytes(await reader.readexactly(_HEAD - 1), "big"))
                if head == b"D":
                    self.screen.take(payload)
                else:
                    columns, lines = map(int, payload.split())
                    self.screen.resize(columns, lines)
                    self.screen.heard = time.monotonic()
                    self.sizes += 1
                    self.begun.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.screen.close()


def differences(seen: Emulator, right: Emulator) -> str:
    """What tells two screens apart, by the parts of `state`; "" where nothing does."""
    if state(seen) == state(right):
        return ""
    names = ("shape", "stops and protection", "contents", "cursor", "saved, modes and keys", "titles", "hidden screen")
    found = [
        f"{name}: {_short(one, other)}"
        for name, one, other in zip(names, state(seen), state(right), strict=True)
        if one != other
    ]
    return "; ".join(found)


def _short(one: Any, other: Any) -> str:
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        index = next(at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
        return f"[{index}] {_short(one[index], other[index])}"
    if isinstance(one, frozenset):
        return f"{set(one - other)} / {set(other - one)}"
    return f"{one!r:.300} / {other!r:.300}"
