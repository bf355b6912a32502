"""A terminal for suites that ask: the emulator, with answers that it does not give to programs.

Only what it follows is answered for, from its state: so what a suite finds there is found in the emulator. Whatever is
constant (identity, devices, the window) is not answered for.
"""

import re
from collections.abc import Callable
from typing import Final

from conformance.colours import default_colour, reported_colour
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.screen.sgr import sgr_of
from omnyshell.terminal.sequences.events import ClipboardWrite
from omnyshell.terminal.state.table import ALLOW_132, COLUMNS_132, DYNAMIC, ORIGIN, PALETTE, SCREENS, key_of

_TOKEN: Final = re.compile(
    rb"(?P<reset>\x1bc)|"
    rb"\x1b\[(?P<prefix>[<-?]*)(?P<params>[0-9;:]*)(?P<kind>[ -/]*[@-~])"
    rb"|\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    rb"|\x1bP(?P<kind_of_setting>[$+])q(?P<setting>[^\x1b]*)\x1b\\"
)
_UNFINISHED: Final = re.compile(rb"\x1b(?:\[[ -?]*|[\]P][^\x07\x1b]*\x1b?)?\Z")
_ST: Final = "\x1b\\"


class Answering:
    """`screen` is the emulator; `feed` returns what a terminal would write back."""

    def __init__(self, columns: int, lines: int, *, scrollback: int = 0, term: str = "xterm") -> None:
        self.screen = Emulator(columns, lines, scrollback=scrollback, answering=True, term=term)
        self._held = b""
        self._clipboard = ""

    def feed(self, data: bytes) -> bytes:
        """Interpret output up to its last whole sequence; the rest waits for more."""
        data = self._held + data
        cut = _UNFINISHED.search(data)
        self._held = data[cut.start() :] if cut else b""
        data = data[: cut.start()] if cut else data
        answers, done = b"", 0
        for found in _TOKEN.finditer(data):
            if found["reset"] and COLUMNS_132 in self.screen.mode:
                self.screen.resize(columns=80)
            self.screen.feed(data[done : found.end()])
            done = found.end()
            answers += self.screen.take_replies() + self._answer(found).encode()
        self.screen.feed(data[done:])
        return answers + self.screen.take_replies()

    def _answer(self, found: "re.Match[bytes]") -> str:
        text = {name: (value or b"").decode("latin-1") for name, value in found.groupdict().items()}
        if found["reset"]:
            return ""
        if found["osc"] is not None:
            return self._command(text["osc"])
        if found["setting"] is not None:
            return self._setting(text["setting"]) if text["kind_of_setting"] == "$" else _capability(text["setting"])
        values = [int(part or 0) for part in text["params"].replace(":", ";").split(";")]
        answer = _ANSWERS.get(text["prefix"] + text["kind"])
        return answer(self, values) if answer else ""

    # Control sequences

    def _position(self, values: list[int]) -> str:
        """DECXCPR."""
        if values[0] != 6:
            return ""
        screen = self.screen
        top, left = self._origin
        return f"\x1b[?{screen.cursor.y - top + 1};{screen.cursor_column - left + 1};1R"

    @property
    def _origin(self) -> tuple[int, int]:
        """The row and column that places are counted from."""
        screen = self.screen
        if ORIGIN not in screen.mode:
            return 0, 0
        return screen.margins.top if screen.margins else 0, (screen.side_margins or (0, 0))[0]

    def _mode(self, number: int, prefix: str) -> str:
        on = key_of(number, private=bool(prefix)) in self.screen.mode
        if prefix and number in SCREENS:
            on = self.screen.on_alternate_screen
        return f"\x1b[{prefix}{number};{1 if on else 2}$y"

    def _columns(self, values: list[int], *, on: bool) -> str:
        """DECCOLM: the emulator clears its screen, and its owner is told of another width."""
        if 3 in values and ALLOW_132 in self.screen.mode:
            self.screen.resize(columns=132 if on else 80)
        return ""

    def _lines(self, values: list[int]) -> str:
        """DECSNLS."""
        self.screen.resize(lines=values[0])
        return ""

    def _checksum(self, values: list[int]) -> str:
        """DECRQCRA: the sum of the characters in a rectangle."""
        number, _page, *bounds = (*values, 0, 0, 0, 0, 0, 0)[:6]
        screen = self.screen
        top, left = self._origin
        first, start, last, end = bounds
        rows = screen.rows[max(first, 1) - 1 + top : (last or screen.lines) + top]
        cells = [cell for row in rows for cell in row.cells[max(start, 1) - 1 + left : (end or screen.columns) + left]]
        total = sum(ord(character) for cell in cells for character in cell)
        return f"\x1bP{number}!~{total & 0xFFFF:04X}{_ST}"

    def _window(self, values: list[int]) -> str:
        """XTWINOPS, as far as it is about the text: size and titles."""
        screen, (kind, lines, columns) = self.screen, (*values, 0, 0)[:3]
        if kind == 8:
            screen.resize(lines or screen.lines, columns or screen.columns)
        elif kind >= 24:
            screen.resize(kind, screen.columns)
        elif kind == 18:
            return f"\x1b[8;{screen.lines};{screen.columns}t"
        elif kind in (20, 21):
            text = screen.icon_name if kind == 20 else screen.title
            is_hexadecimal = (">t", "1") in screen.settings.values
            return f"\x1b]{'L' if kind == 20 else 'l'}{text.encode().hex() if is_hexadecimal else text}{_ST}"
        return ""

    # Settings, as DECRQSS asks for them

    def _setting(self, name: str) -> str:
        value = self._value_of(name)
        return f"\x1bP1$r{value}{name}{_ST}" if value is not None else f"\x1bP0$r{_ST}"

    def _value_of(self, name: str) -> str | None:
        screen = self.screen
        top, bottom = screen.margins or (0, screen.lines - 1)
        left, right = screen.side_margins or (0, screen.columns - 1)
        values = {
            "r": f"{top + 1};{bottom + 1}",
            "s": f"{left + 1};{right + 1}",
            "m": sgr_of(screen.cursor.style.look)[2:-1],
            '"q': "1" if screen.cursor.style.is_protected else "0",
            " q": str(screen.cursor_shape or 1),
            "$}": str(screen.settings.value("$}")),
            "$~": str(screen.settings.value("$~")),
            "*x": str(screen.settings.value("*x")),
            "t": str(screen.lines),
            "$|": str(screen.columns),
            "*|": str(screen.lines),
        }
        return values.get(name)

    # Operating system commands

    def _command(self, payload: str) -> str:
        number, _, text = payload.partition(";")
        for event in self.screen.take_events():
            if isinstance(event, ClipboardWrite):
                self._clipboard = event.text
        if number in PALETTE:
            return "".join(self._colours(number, text.split(";")))
        if number in DYNAMIC:
            asked = enumerate(text.split(";"), int(number))
            return "".join(self._colour(str(which), "", "") for which, colour in asked if colour == "?")
        return ""

    def _colours(self, number: str, fields: list[str]) -> list[str]:
        pairs = zip(fields[::2], fields[1::2], strict=False)
        return [self._colour(number, index, f"{index};") for index, colour in pairs if colour == "?"]

    def _colour(self, number: str, index: str, shown: str) -> str:
        value = self.screen.settings.values.get((number, index))
        colour = reported_colour(value.paint) if value else default_colour(number, index)
        return f"\x1b]{number};{shown}{colour}{_ST}"


def _capability(name: str) -> str:
    """XTGETTCAP, of the number of colours alone, by which the special ones are counted."""
    return f"\x1bP1+r{name}={b'256'.hex()}{_ST}" if bytes.fromhex(name) == b"Co" else f"\x1bP0+r{_ST}"


_ANSWERS: Final[dict[str, Callable[[Answering, list[int]], str]]] = {
    "?n": Answering._position,
    "$p": lambda terminal, values: terminal._mode(values[0], ""),
    "?$p": lambda terminal, values: terminal._mode(values[0], "?"),
    "*y": Answering._checksum,
    "*|": Answering._lines,
    "?h": lambda terminal, values: terminal._columns(values, on=True),
    "?l": lambda terminal, values: terminal._columns(values, on=False),
    "t": Answering._window,
}
