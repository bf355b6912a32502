"""Terminals as programs meet them: what they say of themselves, and what they answer.

From the terminals' own documents: xterm's control sequences, kitty's keyboard protocol, VTE's and iTerm2's sources of
their device attributes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.state.table import PRIVATE

_SHARED = frozenset((1, 5, 6, 7, 12, 25, 45, 47, 66, 1000, 1002, 1003, 1004, 1006, 1007, 1047, 1048, 1049, 2004))

_question = re.compile(
    rb"\x1b\[(?P<csi>[>=?]?[0-9;]*(?:\$p|[cqntu]))|\x1b\[\?(?P<modes>[0-9;]+)h"
    rb"|\x1b\](?P<osc>[0-9;]*\?)(?:\x07|\x1b\\)|\x1bP(?P<dcs>[+$]q[^\x1b]*)\x1b\\"
)
_begun = re.compile(rb"\x1b(?:\[[>=?]?[0-9;$]{0,40}|\][0-9;?]{0,40}\x1b?|P[^\x1b]{0,200}\x1b?)?\Z")


@dataclass(frozen=True)
class Kind:
    """One terminal: the variables that its programs find, and its answers."""

    name: str
    variables: dict[str, str]
    attributes: bytes
    """DA1."""

    more: bytes
    """DA2."""

    version: bytes
    """XTVERSION."""

    modes: frozenset[int] = _SHARED
    """What DECRQM says that it knows."""

    has_keyboard: bool = False
    """Whether it answers the question for kitty's keyboard protocol."""

    has_termcap: bool = False
    """Whether it answers XTGETTCAP."""

    reports_size: bool = field(default=False)
    """Whether it has mode 2048."""


KINDS = (
    Kind(
        "xterm",
        {"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)"},
        b"\x1b[?64;1;2;6;9;15;16;17;18;21;22;28c",
        b"\x1b[>41;390;0c",
        b"XTerm(390)",
        _SHARED | {69, 1005, 1015, 1016, 1045, 1070},
        has_termcap=True,
    ),
    Kind(
        "kitty",
        {"TERM": "xterm-kitty", "COLORTERM": "truecolor", "KITTY_WINDOW_ID": "1"},
        b"\x1b[?62;c",
        b"\x1b[>1;4000;42c",
        b"kitty(0.42.0)",
        _SHARED | {1016, 2026, 2031, 2048, 5522},
        has_keyboard=True,
        has_termcap=True,
        reports_size=True,
    ),
    Kind(
        "VTE",
        {"TERM": "xterm-256color", "COLORTERM": "truecolor", "VTE_VERSION": "7600"},
        b"\x1b[?61;1;21;22c",
        b"\x1b[>61;7600;1c",
        b"VTE(7600)",
        _SHARED | {69, 2026},
    ),
    Kind(
        "iTerm2",
        {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TERM_PROGRAM": "iTerm.app", "LC_TERMINAL": "iTerm2"},
        b"\x1b[?64;1;2;4;6;17;18;21;22c",
        b"\x1b[>64;2500;0c",
        b"iTerm2 3.5.14",
        _SHARED | {69, 2026, 2027},
        has_keyboard=True,
    ),
)


class Answerer:
    """Answers what the programs of one terminal ask it. `cell` is a cell in pixels, as width and height."""

    def __init__(self, kind: Kind, screen: Emulator, cell: tuple[int, int] = (9, 18)) -> None:
        self._kind = kind
        self._screen = screen
        self._cell = cell
        self._tail = b""

    def take(self, data: bytes) -> bytes:
        """Draw output, and return what the terminal types of itself."""
        text = self._tail + data
        answers, done = [], 0
        before = len(self._tail)
        for match in _question.finditer(text):
            self._screen.feed(text[max(done, before) : match.end()])
            done = match.end()
            answers += self._answers(match)
        self._screen.feed(text[max(done, before) :])
        begun = _begun.search(text, max(done, len(text) - 256))
        self._tail = begun[0] if begun else b""
        return b"".join(answers)

    def resized(self) -> bytes:
        """Return what the terminal types where it was given another size."""
        on = 2048 << PRIVATE in self._screen.settings.modes
        return self._size() if self._kind.reports_size and on else b""

    def _size(self) -> bytes:
        lines, columns = self._screen.lines, self._screen.columns
        width, height = self._cell
        return b"\x1b[48;%d;%d;%d;%dt" % (lines, columns, lines * height, columns * width)

    def _answers(self, match: "re.Match[bytes]") -> Iterator[bytes]:
        if match["csi"] is not None:
            yield self._control(match["csi"])
        elif match["modes"] is not None:
            if self._kind.reports_size and b"2048" in match["modes"].split(b";"):
                yield self._size()
        elif match["osc"] is not None:
            yield self._colour(match["osc"])
        elif match["dcs"].startswith(b"$q"):
            yield b"\x1bP0$r\x1b\\"
        elif self._kind.has_termcap:
            yield b"\x1bP0+r" + match["dcs"][2:] + b"\x1b\\"

    def _control(self, asked: bytes) -> bytes:
        kind, screen = self._kind, self._screen
        width, height = self._cell
        if asked.endswith(b"$p"):
            return self._mode(asked)
        answers = {
            b"c": kind.attributes,
            b"0c": kind.attributes,
            b">c": kind.more,
            b">0c": kind.more,
            b">q": b"\x1bP>|" + kind.version + b"\x1b\\",
            b">0q": b"\x1bP>|" + kind.version + b"\x1b\\",
            b"5n": b"\x1b[0n",
            b"6n": b"\x1b[%d;%dR" % (screen.cursor.y + 1, screen.cursor_column + 1),
            b"14t": b"\x1b[4;%d;%dt" % (screen.lines * height, screen.columns * width),
            b"16t": b"\x1b[6;%d;%dt" % (height, width),
            b"18t": b"\x1b[8;%d;%dt" % (screen.lines, screen.columns),
        }
        if asked == b"?u" and kind.has_keyboard:
            return b"\x1b[?%du" % screen.page.keyboard.stack[-1]
        if asked == b"?996n" and 2031 in kind.modes:
            return b"\x1b[?997;1n"
        return answers.get(asked, b"")

    def _mode(self, asked: bytes) -> bytes:
        number = int(re.sub(rb"[^0-9]", b"", asked) or 0)
        if not asked.startswith(b"?"):
            return b"\x1b[%d;0$y" % number
        known = number in self._kind.modes
        on = number << PRIVATE in self._screen.settings.modes
        return b"\x1b[?%d;%d$y" % (number, (1 if on else 2) if known else 0)

    @staticmethod
    def _colour(asked: bytes) -> bytes:
        colour = {b"10": b"rgb:dddd/dddd/dddd", b"11": b"rgb:1111/1111/1111", b"12": b"rgb:ffff/ffff/ffff"}
        head = asked[:-2]
        return b"\x1b]%s;%s\x1b\\" % (head, colour.get(head, b"rgb:8080/8080/8080"))
