"""Rows as lines that any terminal can print, of whatever width."""

from collections.abc import Sequence
from itertools import groupby

from omnyshell.terminal.painting.painter import Painter
from omnyshell.terminal.screen.rows import PADDED, Row
from omnyshell.terminal.screen.style import DEFAULT_STYLE, PROTECTED, Style, style_of
from omnyshell.terminal.text.widths import ZERO_WIDTH_JOINER

_NOTHING = "\x0f"
"""SI, which selects the set that is selected: between a joiner and what follows it keeps these apart."""


def newest_lines(rows: Sequence[Row], most: int) -> tuple[bytes, int]:
    """Return the last of the rows as lines, in `most` bytes, and how many these are; one at least.

    Each row begins and ends in the default style, and ends with CR and LF unless its text goes on in the next one. It
    has no control functions beside these but SGR and OSC 8. The styles of a row that would take more bytes than `most`
    are left out, and then the row.
    """
    lines: list[bytes] = []
    size = 0
    for row in reversed(rows):
        line = next((form for form in (_painted(row), _plain(row)) if len(form) <= most), b"\r\n")
        size += len(line)
        if lines and size > most:
            break
        lines.append(line)
    return b"".join(reversed(lines)), len(lines)


def _plain(row: Row) -> bytes:
    return "".join(row.cells).rstrip().encode() + b"\r\n"


def _unprotected(style: Style) -> Style:
    look = style.look
    return style_of(look._replace(flags=look.flags & ~PROTECTED)) if look.flags & PROTECTED else style


def _painted(row: Row) -> bytes:
    text = row.plain_text
    if text is not None:
        return text.rstrip(" ").encode() + b"\r\n"
    cells, styles = row.settle()
    end = row.width - (row.wrapped == PADDED)
    while not row.goes_on and end and cells[end - 1] == " " and styles[end - 1] == DEFAULT_STYLE:
        end -= 1
    painter = Painter()
    column = 0
    for style, group in groupby(styles[:end]):
        after = column + sum(1 for _ in group)
        painter.style(_unprotected(style))
        painter.add(*(cell + _NOTHING if cell.endswith(ZERO_WIDTH_JOINER) else cell for cell in cells[column:after]))
        column = after
    painter.style(DEFAULT_STYLE)
    painter.add("" if row.goes_on else "\r\n")
    return painter.text.encode()
