"""Plain output that scrolls off before anyone looks need not be drawn.

What may be dropped is printable text, CR, LF, TAB and SGR, while nothing but the whole screen scrolls. The proof that
the result is the same: let the kept part begin with CR and hold more than twice as many LF as the screen has lines.
After one screenful of LF the cursor is on the last line, wherever it was; after another each row was made by a scroll
within the kept part. So neither rows nor cursor depend on what was dropped, and the pen depends on its SGR sequences
alone, of which those after the last reset are kept. Where a scrollback keeps what leaves the screen, as many LF more
replace all of it.
"""

import re
from typing import Final

from omnyshell.terminal.emulator import Emulator

_CONTROLS: Final = [bytes((byte,)) for byte in (*range(0x20), 0x7F) if byte not in b"\t\n\r\x1b"]
_SHORTEST_SKIP: Final = 8 * 1024
GLANCE: Final = 2048

_sgr: Final = re.compile(rb"\x1b\[[0-9;:]{0,64}m")
_other_escape: Final = re.compile(rb"\x1b(?!\[[0-9;:]{0,64}m)")
_c1: Final = re.compile(rb"\xc2[\x80-\x9f]")
_RESETS: Final = (b"\x1b[m", b"\x1b[0m")


class Skipper:
    """Drops plain output in front of a screen."""

    def __init__(self, screen: Emulator) -> None:
        self._screen = screen

    def may_skip(self, head: bytes) -> bool:
        """Whether it is worth asking `skip`, by the screen and by the first `GLANCE` bytes of what waits."""
        screen = self._screen
        return screen.margins is None and not screen.unfinished and _plain_length(head) > len(head) // 2

    def skip(self, waiting: bytes) -> bytes:
        """Return a shorter text that gives the same screen as `waiting`, or `waiting` itself. Ask `may_skip` first.

        Lines that are dropped count as scrolled, so that those that are kept have other numbers than any before.
        """
        start = self._start_of_kept(waiting, _plain_length(waiting))
        if start < _SHORTEST_SKIP:
            return waiting
        if self._kept_lines:
            self._screen.scrolled += waiting.count(b"\n", 0, start)
        return _last_rendition(waiting, start) + waiting[start:]

    @property
    def _kept_lines(self) -> int:
        """How many lines are kept of what leaves the screen."""
        return 0 if self._screen.on_alternate_screen else self._screen.scrollback.maxlen or 0

    def _start_of_kept(self, waiting: bytes, end: int) -> int:
        lines = 2 * self._screen.lines + 1 + self._kept_lines
        before, *kept = waiting[:end].rsplit(b"\n", lines)
        return waiting.rfind(b"\r", 0, len(before)) if len(kept) == lines else 0


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


def _last_rendition(data: bytes, end: int) -> bytes:
    """Return the SGR sequences before `end` that still count there."""
    if data.find(b"\x1b", 0, end) < 0:
        return b""
    start = max(0, *(data.rfind(reset, 0, end) for reset in _RESETS))
    return b"".join(_sgr.findall(data, start, end))
