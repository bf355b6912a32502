"""The user's own terminal: in raw mode while a session is shown, and always restored."""

import asyncio
import os
import re
import termios
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Self

from omnyshell.printable import printable
from omnyshell.services.client.states import LinkState

_PRIVATE_MODES = re.compile(rb"\x1b\[\?([0-9;]{1,40})([hl])")
_KEYPAD = re.compile(rb"\x1b([=>])")
_OTHERS = re.compile(rb"\x1b(?:\[([<>=]?)([0-9;]{0,40})( ?[qur])|([()][A-Z0-9])|(c)|\](1[0-2]);)")
_KEYS = re.compile(rb"\x1b\[>([0-9;]{0,40})m")
_LONGEST_SEQUENCE = 48

# Modes that outlive the program that set them, and change what the user's next program sees or sends: application
# cursor keys, reverse video, origin, mouse (X10 to SGR), focus, alternate screen in its three forms, bracketed paste,
# synchronized output.
_LASTING = frozenset((1, 5, 6, 9, 47, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1049, 2004, 2026))
_SET_AT_FIRST = frozenset((7, 25))
"""Modes that are on by default: autowrap, and a visible cursor."""


class ModeTracker:
    """Tracks the terminal modes that a program changed, in whichever chunks its output comes."""

    def __init__(self) -> None:
        self._set: set[int] = set()
        self._keypad = False
        self._styled = False
        self._resets: dict[str, bytes] = {}
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Scan output that was written to the terminal."""
        text = self._tail + data
        if b"\x1b" not in text:
            self._tail = b""
            return
        self._styled = True
        for match in _PRIVATE_MODES.finditer(text):
            for mode in match[1].split(b";"):
                self._note(int(mode or b"0"), is_set=match[2] == b"h")
        for match in _KEYPAD.finditer(text):
            self._keypad = match[1] == b"="
        for match in _OTHERS.finditer(text):
            self._note_other(match)
        for match in _KEYS.finditer(text):
            self._remember("keys", b"\x1b[>4m", is_set=match[1].startswith(b"4;") and match[1] != b"4;0")
        self._tail = _unfinished(text)

    def reset_sequence(self) -> bytes:
        """Return the sequences that restore the terminal; b"" if only plain text was written."""
        modes = sorted(self._set, reverse=True)
        text = b"".join(self._resets.values())
        text += b"".join(b"\x1b[?%d%c" % (mode, b"h" if mode in _SET_AT_FIRST else b"l") for mode in modes)
        return text + (b"\x1b>" if self._keypad else b"") + (b"\x1b[0m" if self._styled else b"")

    def _note_other(self, match: "re.Match[bytes]") -> None:
        """Track keyboard protocol, cursor shape, margins, character sets, colours of the terminal, and a full reset."""
        prefix, parameters, final, charset, reset, colour = match.groups()
        if reset:
            self._set.clear()
            self._resets.clear()
            self._keypad = False
        elif charset:
            self._remember("charset" + chr(charset[0]), b"\x1b%cB" % charset[:1], is_set=charset[1:] != b"B")
        elif colour:
            # The number of the sequence that resets it is a hundred higher.
            self._resets["colour" + colour.decode()] = b"\x1b]1%s\x1b\\" % colour
        elif final == b"u" and prefix:
            self._resets["keyboard"] = b"\x1b[<9u\x1b[=0;1u"
        elif final == b" q" and not prefix:
            self._remember("shape", b"\x1b[0 q", is_set=parameters not in (b"", b"0"))
        elif final == b"r" and not prefix:
            self._remember("margins", b"\x1b7\x1b[r\x1b8", is_set=parameters != b"")

    def _remember(self, what: str, reset: bytes, *, is_set: bool) -> None:
        if is_set:
            self._resets[what] = reset
        else:
            self._resets.pop(what, None)

    def _note(self, mode: int, *, is_set: bool) -> None:
        changed = not is_set if mode in _SET_AT_FIRST else is_set
        if mode not in _LASTING and mode not in _SET_AT_FIRST:
            return
        if changed:
            self._set.add(mode)
        else:
            self._set.discard(mode)


def _unfinished(text: bytes) -> bytes:
    """An incomplete escape sequence at the end, which the next chunk may complete."""
    start = text.rfind(b"\x1b", max(0, len(text) - _LONGEST_SEQUENCE))
    if start < 0 or any(whole.match(text, start) for whole in (_PRIVATE_MODES, _KEYPAD, _OTHERS, _KEYS)):
        return b""
    return text[start:]


class RawTerminal:
    """Raw mode on a descriptor during a `with` block; has no effect if it is no terminal."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._saved: list[object] | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether the descriptor is a terminal."""
        return os.isatty(self._fd)

    def __enter__(self) -> Self:
        if self.is_terminal:
            self._saved = termios.tcgetattr(self._fd)
            tty.setraw(self._fd, termios.TCSADRAIN)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._saved is not None:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)  # type: ignore[arg-type]
            self._saved = None


_LAST_LINE = b"\x1b7\x1b[r\x1b[999;1H"
_ERASE_LINE = b"\x1b[0m\x1b[2K"
_BACK = b"\x1b8"


class Notices:
    """Collects text to be written before the next output. `added` is set while there is some."""

    def __init__(self, modes: ModeTracker, columns: Callable[[], int]) -> None:
        self.added = asyncio.Event()
        self._modes = modes
        self._columns = columns
        self._text = b""
        self._is_shown = False

    def take(self) -> bytes:
        """Return the collected text, and forget it."""
        text, self._text = self._text, b""
        self.added.clear()
        return text

    def state_changed(self, state: LinkState, cause: str) -> None:
        """Show one line while the session waits.

        It disappears when the session goes on, as the node repaints the screen.
        """
        if state is LinkState.RECONNECTING:
            line = printable(f"omnyshell: {cause}; waiting for it (~. leaves)")[: self._columns()]
            self._text += _LAST_LINE + _ERASE_LINE + b"\x1b[7m" + line.encode() + b"\x1b[0m" + _BACK
            self._is_shown = True
        elif state is LinkState.RESUMED:
            self._text += self.erased()
        elif state is LinkState.RESET:
            self._text += self._modes.reset_sequence()
            self._is_shown = False
        self.added.set()

    def erased(self) -> bytes:
        """Return the sequence that erases a notice from the screen; b"" if there is none."""
        text = _LAST_LINE + _ERASE_LINE + _BACK if self._is_shown else b""
        self._is_shown = False
        return text
