"""Skips plain output that scrolls off before anybody looks at the screen.

What may be dropped is printable text, NUL, CR, LF, TAB and SGR, while nothing but the whole screen scrolls. The proof
that the result is the same: let the kept part begin in the column in which the whole would have come to it, and
advance by more than twice as many lines as the screen has. After one screenful the cursor is on the last line,
wherever it was; after another each row was made by a scroll within the kept part. So neither rows nor cursor depend
on what was dropped, and the pen depends on its SGR sequences alone, of which those after the last reset are kept.

Where a history keeps what leaves the screen, what is dropped ends with a newline, and goes there as text (`KeptText`):
of a flood the last lines, as many as the history may have.
"""

import re
from typing import Final

from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.following.kept_text import KeptText
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.state.table import AUTOWRAP, NEWLINE

_CONTROLS: Final = [bytes((byte,)) for byte in (*range(1, 0x20), 0x7F) if byte not in b"\t\n\r\x1b"]
_SHORTEST_SKIP: Final = 8 * 1024
GLANCE: Final = 2048

_sgr: Final = re.compile(rb"\x1b\[[0-9;:]{0,64}m")
_other_escape: Final = re.compile(rb"\x1b(?!\[[0-9;:]{0,64}m)")
_c1: Final = re.compile(rb"\xc2[\x80-\x9f]")
_nuls: Final = re.compile(rb"\0{2,}")
_NARROW: Final = bytes((*b"\n", *range(0x20, 0x7F)))
_RESETS: Final = (b"\x1b[m", b"\x1b[0m")


class Skipper:
    """Drops plain output in front of a screen."""

    def __init__(self, screen: Emulator) -> None:
        self._screen = screen

    @property
    def is_ready(self) -> bool:
        """Whether skipping is worth a try; otherwise it may be after more output."""
        return not self._keeps or self._screen.cursor.y == self._screen.lines - 1

    def may_skip(self, head: bytes) -> bool:
        """Whether calling `skip` may help, judged by the screen and the first `GLANCE` bytes that wait."""
        screen = self._screen
        if screen.margins is not None or screen.side_margins is not None or screen.single_shift:
            return False
        return not screen.unfinished and _plain_length(head) > len(head) // 2

    def skip(self, waiting: bytes) -> bytes:
        """Drop what can be dropped of `waiting`, which is to be fed next; return what is left to be fed instead.

        Ask `may_skip` first. The cursor is brought into the column in which the rest begins. Dropped lines count as
        scrolled, so that kept lines never reuse the number of an earlier line.
        """
        end = _plain_length(waiting)
        if waiting.find(b"\0", 0, end) >= 0:
            plain = _nuls.sub(b"\0", waiting[:end])
            waiting, end = plain + waiting[end:], len(plain)
        start, column = self._start_in_known_column(waiting, self._latest_start(waiting, end))
        keeps = self._keeps
        if start < _SHORTEST_SKIP or (keeps and waiting[start - 1 : start] != b"\n"):
            return waiting
        if keeps:
            self._keep(waiting, start)
        self._screen.feed(b"\r" + _last_rendition(waiting, start))
        if keeps:
            self._screen.rows[-1] = Row(self._screen.columns, self._screen.cursor.style.erased)
        self._screen.cursor.x = column
        return waiting[start:]

    @property
    def _keeps(self) -> bool:
        """Whether lines that scroll off the screen are kept."""
        return self._screen.scrollback.limit > 0 and not self._screen.on_alternate_screen

    def _keep(self, waiting: bytes, end: int) -> None:
        """Put the rows of the screen and what is dropped up to `end` into the history; the last row begins a line."""
        screen = self._screen
        begin, newlines = self._newest_lines(waiting, end)
        start, column = self._start_in_known_column(waiting, begin)
        line = screen.on_one_line()
        if start and waiting[start - 1 : start] == b"\n":
            line.feed(b"\r" + _last_rendition(waiting, start))
            line.rows[0].clear(line.cursor.style.erased)
            line.cursor.x = column
            screen.scrollback.clear()
            screen.scrolled += start
        else:
            start = 0
            line.rows[0] = screen.rows[-1]
            line.cursor.x = screen.cursor.x
            screen.scrolled += newlines
        screen.scrollback.append_text(screen.rows[:-1], KeptText(line, waiting[start:end], newlines))

    def _newest_lines(self, waiting: bytes, end: int) -> tuple[int, int]:
        """Return where the last lines before `end` begin that a history may have, and how many newlines follow."""
        limit = self._screen.scrollback.limit
        size = 4 * limit
        while True:
            begin = max(0, end - size)
            newlines = waiting.count(b"\n", begin, end)
            if not begin or newlines > limit:
                return waiting.find(b"\n", begin, end) + 1 if begin else 0, newlines
            size *= 2

    def _latest_start(self, waiting: bytes, end: int) -> int:
        """Return the start of the part of the plain text up to `end` that must be kept, or 0."""
        lines = 2 * self._screen.lines + 1
        before, *kept = waiting[:end].rsplit(b"\n", lines)
        by_newlines = len(before) + 1 if len(kept) == lines else 0
        # Twice as much as full lines need: each newline takes a byte as well, and ends a line that is not full.
        by_wraps = end - 2 * (lines + 1) * self._screen.columns
        if by_wraps > by_newlines and not self._keeps and self._wraps and _is_narrow(waiting[by_wraps:end]):
            return by_wraps
        return by_newlines

    def _start_in_known_column(self, waiting: bytes, start: int) -> tuple[int, int]:
        """Return the last place not after `start` of which the column is known, and that column."""
        last_return = waiting.rfind(b"\r", 0, start) + 1
        text = waiting[last_return:start].replace(b"\0", b"")
        column = 0 if last_return else self._screen.cursor.x
        if column == 0 and not text.strip(b"\n"):
            return start, 0
        if not self._wraps or not _is_narrow(text):
            return last_return, 0
        return start, _column_after(text, column, self._screen.columns)

    @property
    def _wraps(self) -> bool:
        """Whether narrow text and LF move the cursor as `_column_after` computes."""
        return AUTOWRAP in self._screen.mode and NEWLINE not in self._screen.mode


def _plain_length(data: bytes) -> int:
    """Return how many bytes at the beginning are plain."""
    end = len(data)
    for control in _CONTROLS:
        found_at = data.find(control, 0, end)
        end = found_at if found_at >= 0 else end
    if b"\x1b" in data:
        found = _other_escape.search(data, 0, end)
        end = found.start() if found else end
    if b"\xc2" in data:
        found = _c1.search(data, 0, end)
        end = found.start() if found else end
    return end


def _is_narrow(text: bytes) -> bool:
    """Whether it contains only LF and characters of one column each."""
    return not text.translate(None, _NARROW)


def _column_after(text: bytes, column: int, columns: int) -> int:
    """Return the column after narrow text with LF that begins in `column`; `columns` means a pending wrap."""
    *lines, last = text.split(b"\n")
    for line in lines:
        if line:
            column = (column + len(line) - 1) % columns + 1
        if column == columns:
            column -= 1
    return (column + len(last) - 1) % columns + 1 if last else column


def _last_rendition(data: bytes, end: int) -> bytes:
    """Return the SGR sequences before `end` that still count there."""
    if data.find(b"\x1b", 0, end) < 0:
        return b""
    start = max(0, *(data.rfind(reset, 0, end) for reset in _RESETS))
    return b"".join(_sgr.findall(data, start, end))
