"""The encoding that the terminal speaks: UTF-8, whatever the locale says, unless the terminal shows that it is another.

Locales are forgotten on the way over ssh and in containers, terminals are rarely other than UTF-8. So the terminal is
asked, and only where it is of another encoding, characters that this one lacks are replaced by plain ones.
"""

import codecs
import os
import re
import select
import termios
import time
import tty
import unicodedata
from typing import Final, TextIO

from rich.cells import cell_len

ANSWER_SECONDS: Final = 1.0
"""How long the terminal may take to say where its cursor is."""

PLAIN: Final = "omnyshell.plain"
"""The name of the error handler that replaces characters by plain ones of the same width."""

_QUESTION: Final = b"\r\xc3\xa9\x1b[6n"
"""At the line's beginning an e with an acute accent in UTF-8, which is one column there and two elsewhere, and a
question for the cursor (ECMA-48 DSR)."""

_CLEAR: Final = b"\r\x1b[K"
_ANSWER: Final = re.compile(rb"\x1b\[\d+;(\d+)R")
_COLUMN_OF_UTF8: Final = 2

_LOOK_ALIKES: Final = {
    "●": "*", "◐": "+", "○": "o", "◌": "o", "◷": "@", "✓": "v", "✔": "v", "✗": "x", "✕": "x", "✖": "x",
    "↑": "^", "↓": "v", "←": "<", "→": ">", "▲": "^", "▼": "v", "▶": ">", "◀": "<",
    "…": ".", "•": "*", "\N{EN DASH}": "-", "\N{EM DASH}": "-",
    "\N{LEFT SINGLE QUOTATION MARK}": "'", "\N{RIGHT SINGLE QUOTATION MARK}": "'", "“": '"', "”": '"',
    "▁": "_", "▂": "_", "▃": "-", "▄": "-", "▅": "=", "▆": "=", "▇": "#", "█": "#", "‖": "|",
}  # fmt: skip


def settle_encoding(screen: TextIO, keys: int) -> str:
    """Make `screen` write what the terminal understands, and return the encoding of its keys, whose descriptor this is.

    Both must be the same terminal.
    """
    named = codecs.lookup(screen.encoding).name
    if named == "utf-8" or not hasattr(screen, "reconfigure"):
        return "utf-8"
    if _is_utf8(keys, screen.fileno()):
        screen.reconfigure(encoding="utf-8", errors="replace")
        return "utf-8"
    codecs.register_error(PLAIN, _replace)
    screen.reconfigure(errors=PLAIN)
    return named


def _is_utf8(keys: int, screen: int) -> bool:
    """Ask the terminal; one that does not answer is taken to be."""
    try:
        before = termios.tcgetattr(keys)
    except termios.error:
        return True
    try:
        tty.setcbreak(keys, termios.TCSANOW)
        os.write(screen, _QUESTION)
        column = _column(keys)
        os.write(screen, _CLEAR)
    except OSError:
        return True
    finally:
        termios.tcsetattr(keys, termios.TCSANOW, before)
    return column in (None, _COLUMN_OF_UTF8)


def _column(keys: int) -> int | None:
    """Return the column that the terminal answers, in time; what is typed meanwhile is lost."""
    read, deadline = b"", time.monotonic() + ANSWER_SECONDS
    while (left := deadline - time.monotonic()) > 0 and select.select([keys], [], [], left)[0]:
        piece = os.read(keys, 1024)
        read += piece
        if found := _ANSWER.search(read):
            return int(found[1])
        if not piece:
            break
    return None


def _replace(exc: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(exc, UnicodeEncodeError):
        raise exc
    return "".join(map(plain, exc.object[exc.start : exc.end])), exc.end


def plain(character: str) -> str:
    """Return ASCII characters that are as wide as this one, and look like it as far as they can."""
    width = cell_len(character)
    alike = _LOOK_ALIKES.get(character) or _box(unicodedata.name(character, "")) or _letter(character)
    return alike if len(alike) == width else "?" * width


def _box(name: str) -> str:
    if name.endswith("BLOCK"):
        return "|" if name.startswith(("LEFT", "RIGHT")) else "#"
    if not name.startswith("BOX DRAWINGS"):
        return ""
    if " AND " in name:
        return "+"
    return "-" if "HORIZONTAL" in name else "|"


def _letter(character: str) -> str:
    """Return a letter without its accents; "" if nothing of it is left."""
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
