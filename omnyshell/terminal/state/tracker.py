"""What a program left changed in the user's own terminal, read from its output without an emulator."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from omnyshell.terminal.state.settings import Keyboard, Settings
from omnyshell.terminal.state.table import (
    CONTROL_OF,
    DISABLED,
    ESCAPES,
    LONGEST_VALUE,
    MOST_TITLES,
    ORIGIN,
    PRIVATE,
    SAVE_AND_SWITCH,
    SCREENS,
    TITLE_FORM_OFF,
)
from omnyshell.terminal.state.undoing import Leftovers
from omnyshell.terminal.state.unfinished import ABORT, Unfinished

# Of control sequences those whose last character may matter; SGR, of which there is most, is looked at once a chunk.
_sequences: Final = re.compile(
    rb"\x1b(?:\[[<=>?]?(?P<parameters>[0-9;:]{0,256})(?P<final>[ -/]{0,2}[ghilnpqrstuxfTW}~])"
    rb"|\[>(?P<keys>[0-9;:]{0,64})m|(?P<charset>[()*+][ -/]?[0-~])"
    rb"|\][0-9]{1,4}(?:;[^\x07\x18\x1a\x1b]{0,4096})?(?P<command>\x07|\x1b\\)"
    rb"|\](?P<palette>P[0-9A-Fa-f]{7}|R)|(?P<escape>[ %][@FG]|[lmc78<=>HVW|}~]))"
)
_begun: Final = re.compile(rb"\x1b(?:\[[ -?]{0,260}|\][^\x07\x18\x1a\x1b]{0,4104}\x1b?|[ -/]{0,3})?\Z")
_LONGEST_BEGUN: Final = 4112
_last_sgr: Final = re.compile(rb"(?s).*\x1b\[([0-9;:]*)m").match
_SHIFTS: Final = (b"\x0e", b"\x1bn", b"\x1bo")
_MAY_SAVE: Final = (b"7", b"s", b"h")
_WITH_CURSOR: Final = (1048, SAVE_AND_SWITCH)
_GRAPHIC_RIGHT: Final = "~}|"


class ModeTracker:
    """Follows which of the terminal's state a program has left changed, over any chunking of its output.

    A soft reset is not heeded, since each terminal resets something else: what is taken back twice does no harm. `term`
    is what the terminal says it is: the Linux console has colours of its own kind.
    """

    def __init__(self, term: str = "") -> None:
        self._is_linux = term.startswith("linux")
        self.version = 0
        """Grows with all that may change `reset_sequence`."""

        self._tail = b""
        self._unfinished = Unfinished()
        self._restores = 0
        self._forget()

    def _forget(self) -> None:
        self._settings = Settings(exclusive=False)
        self._start_anew()

    def _start_anew(self) -> None:
        """As after RIS."""
        self._alternate = 0
        self._keyboards = (Keyboard(), Keyboard())
        self._titles: list[int] = []
        self._charsets: dict[str, str] = {}
        self._shifted = self._shifted_right = self._has_margins = self._has_tab_stops = False
        self._link = self._protected = self._styled = False
        # A cursor that is restored brings its pen and character sets along: any of those that were ever saved.
        self._saved: set[str] = set()
        self._restored: set[str] = set()

    def feed(self, data: bytes) -> None:
        """Take output that the terminal has been given."""
        self._unfinished.feed(data)
        text = self._tail + data
        if b"\x1b" not in text:
            self._tail = b""
            if b"\x0e" in text or b"\x0f" in text:
                self._note_shifts(text, 0)
            return
        pen_from = shifts_from = 0
        styled = self._styled
        for match in _sequences.finditer(text):
            restores = self._restores
            if match[0].endswith(_MAY_SAVE):
                self._note_shifts(text, shifts_from, match.start())
                shifts_from = match.start()
            self._note(match)
            self.version += 1
            if self._restores != restores:
                self._styled, pen_from = True, match.end()
            elif match[0] == b"\x1bc":
                pen_from = shifts_from = match.end()
        self._note_shifts(text, shifts_from)
        found = _last_sgr(text, pen_from)
        if found is not None:
            self._styled = found[1].strip(b"0;") != b""
        self.version += self._styled != styled
        self._tail = _unfinished(text)

    @property
    def abort_sequence(self) -> bytes:
        """What comes before anything that is not the program's: it ends what the program has not, if there is that."""
        return ABORT if self._unfinished.is_within else b""

    def reset_sequence(self) -> bytes:
        """Return what puts the terminal back as the user had it; nothing, where nothing was left changed."""
        return self._leftovers.undone.encode("latin-1")

    def take_reset(self) -> bytes:
        """Return the same, for a terminal that is given it now and goes on."""
        reset = self.reset_sequence()
        self._forget()
        self.version += 1
        return reset

    @property
    def _leftovers(self) -> Leftovers:
        main, other = self._keyboards
        back = self._restored | (self._saved if self._alternate == SAVE_AND_SWITCH else set())
        left = self._of_cursor | back
        return Leftovers(
            settings=self._settings,
            alternate=self._alternate,
            main=main,
            other=other,
            titles=self._titles,
            margins=self._has_margins,
            tab_stops=self._has_tab_stops,
            origin="origin" in back,
            charsets="".join(f"\x1b{slot}B" for slot in "()*+" if slot in left),
            shifted="shifted" in left,
            shifted_right="shifted right" in left,
            link="link" in left,
            protected="protected" in left,
            styled=self._styled,
        )

    @property
    def _of_cursor(self) -> set[str]:
        """What a saved cursor keeps, beside its place and its colours, and is other than in a new terminal."""
        states = {
            "shifted": self._shifted,
            "shifted right": self._shifted_right,
            "protected": self._protected,
            "link": self._link,
            "origin": ORIGIN in self._settings.modes,
        }
        return {name for name, is_set in states.items() if is_set} | {
            slot for slot, held in self._charsets.items() if held != "B"
        }

    def _save_cursor(self, _numbers: Sequence[int] = ()) -> None:
        self._saved |= self._of_cursor

    def _restore_cursor(self, _numbers: Sequence[int] = ()) -> None:
        self._restored |= self._saved
        self._restores += 1

    def _note_shifts(self, text: bytes, start: int, end: int | None = None) -> None:
        end = len(text) if end is None else end
        shifted = max(text.rfind(shift, start, end) for shift in _SHIFTS)
        unshifted = text.rfind(b"\x0f", start, end)
        if shifted != unshifted:
            self._shifted = shifted > unshifted
            self.version += 1

    def _note(self, match: "re.Match[bytes]") -> None:
        text = match[0].decode("latin-1")
        kind = match.lastgroup
        if kind == "final":
            start, end = match.span("parameters")
            start, end = start - match.start(), end - match.start()
            self._control(text[2:start], text[start:end], text[end:])
        elif kind == "keys":
            self._settings.control(">m", text[3:-1].split(";"))
        elif kind == "charset":
            self._charsets[text[1]] = text[2:]
        elif kind == "command":
            number, _, rest = text[2:].rstrip("\x1b\\\x07").partition(";")
            self._command(number, rest)
        elif kind == "escape":
            self._escape(text)
        elif self._is_linux:
            self._settings.linux_palette(text[3:], is_linux=True)

    def _control(self, prefix: str, parameters: str, final: str) -> None:
        name = prefix + final
        fields = [field.partition(":")[0] for field in parameters.split(";")]
        if name in ("h", "l", "?h", "?l"):
            self._set_modes(fields, private=prefix == "?", on=final == "h")
        elif name in CONTROL_OF or name in (DISABLED, TITLE_FORM_OFF):
            self._settings.control(name, fields if parameters else [])
        elif name in _FUNCTIONS:
            _FUNCTIONS[name](self, [int(field[:9] or 0) for field in fields])

    def _set_modes(self, fields: list[str], *, private: bool, on: bool) -> None:
        for number in (int(field[:9] or 0) for field in fields):
            self._set_mode(number, private=private, on=on)

    def _set_mode(self, number: int, *, private: bool, on: bool) -> None:
        if private and number in _WITH_CURSOR:
            (self._save_cursor if on else self._restore_cursor)()
        if private and number in SCREENS:
            self._alternate = (self._alternate or number) if on else 0
        else:
            self._settings.set_mode(number, private=private, on=on)

    def _save_modes(self, numbers: list[int]) -> None:
        for number in numbers:
            on = bool(self._alternate) if number in SCREENS else number << PRIVATE in self._settings.modes
            self._settings.save_mode(number, on=on)

    def _restore_modes(self, numbers: list[int]) -> None:
        for number in numbers:
            if number in self._settings.saved:
                self._set_mode(number, private=True, on=self._settings.saved[number])

    @property
    def _keyboard(self) -> Keyboard:
        return self._keyboards[bool(self._alternate)]

    def _move_titles(self, numbers: list[int]) -> None:
        operation, which = (*numbers, 0)[:2]
        if operation == 22 and which <= 2:
            self._titles.append(which)
            del self._titles[:-MOST_TITLES]
        elif operation == 23 and which <= 2 and self._titles:
            self._titles.pop()

    def _set_margins(self, numbers: list[int]) -> None:
        self._has_margins = any(numbers)

    def _change_tab_stops(self, _numbers: list[int]) -> None:
        self._has_tab_stops = True

    def _reset_tab_stops(self, numbers: list[int]) -> None:
        self._has_tab_stops = self._has_tab_stops and numbers[0] != 5

    def _protect(self, numbers: list[int]) -> None:
        self._protected = numbers[0] == 1

    def _command(self, number: str, text: str) -> None:
        if number == "8":
            self._link = bool(text.partition(";")[2])
        elif len(text) <= LONGEST_VALUE * 16:
            self._settings.command(number, text)

    def _escape(self, sequence: str) -> None:
        character = sequence[1:]
        if sequence in ESCAPES:
            self._settings.escape(sequence)
        elif character == "c":
            self._settings.reset()
            self._start_anew()
        elif character == "7":
            self._save_cursor()
        elif character == "8":
            self._restore_cursor()
        elif character == "H":
            self._has_tab_stops = True
        elif character in "=>":
            self._settings.set_mode(66, private=True, on=character == "=")
        elif character == "<":
            self._settings.set_mode(2, private=True, on=True)
        elif character in _GRAPHIC_RIGHT:
            self._shifted_right = character != "}"
        elif character in "VW":
            self._protected = character == "V"


_FUNCTIONS: Final[dict[str, Callable[[ModeTracker, list[int]], None]]] = {
    "r": ModeTracker._set_margins,
    "s": ModeTracker._save_cursor,
    "u": ModeTracker._restore_cursor,
    '"q': ModeTracker._protect,
    "g": ModeTracker._change_tab_stops,
    "?W": ModeTracker._reset_tab_stops,
    "t": ModeTracker._move_titles,
    "?s": ModeTracker._save_modes,
    "?r": ModeTracker._restore_modes,
    ">u": lambda tracker, numbers: tracker._keyboard.push(numbers[0]),
    "<u": lambda tracker, numbers: tracker._keyboard.pop(numbers[0]),
    "=u": lambda tracker, numbers: tracker._keyboard.set(*(*numbers, 1)[:2]),
}


def _unfinished(text: bytes) -> bytes:
    """The beginning of an escape sequence at the very end, which the next chunk may finish."""
    start = text.rfind(b"\x1b", max(0, len(text) - _LONGEST_BEGUN))
    if start == len(text) - 1:
        # Maybe the first half of what ends a string.
        begun = text.rfind(b"\x1b", max(0, start - _LONGEST_BEGUN), start) if start > 0 else -1
        if begun >= 0 and text[begun + 1 : begun + 2] == b"]" and _begun.match(text, begun):
            return text[begun:]
    return text[start:] if start >= 0 and _begun.match(text, start) else b""
