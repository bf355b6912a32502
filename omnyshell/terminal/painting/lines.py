"""Rows as lines that any terminal can print, of whatever width, and back."""

import re
from collections.abc import Generator, Sequence
from itertools import groupby
from typing import Final

from omnyshell.model.sessions import Widths
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.history.history import History
from omnyshell.terminal.painting.fitting import Piece, pieces
from omnyshell.terminal.painting.painter import Painter
from omnyshell.terminal.screen.grid import MOST_COLUMNS, MOST_LINES
from omnyshell.terminal.screen.reflow import continues, rewrapped
from omnyshell.terminal.screen.rows import PADDED, Row
from omnyshell.terminal.screen.style import DEFAULT_STYLE, style_of, unprotected
from omnyshell.terminal.screen.work import finished
from omnyshell.terminal.text.layout import LAYOUTS, Layout, is_counted_alike

_allowed: Final = re.compile(
    rb"[^\x00-\x1f\x7f]+|\r\n|\x0f|\x1b\[[0-9;:]{0,64}m|\x1b\]8;[^\x00-\x1f\x7f]{0,2100}\x1b\\"
)
_filled: Final = re.compile(rb" \x1b\[[0-9;:]{0,64}m\r\n").search
"""A line that ends in blanks with a background, which are no text, and take no rows where the screen is narrow."""

_FILL: Final = ";fill"
_fill_behind: Final = re.compile(rb"\x0f((?: |\x1b\[[0-9;:]{0,64}m)+)(?=\r\n)").sub
"""Blanks behind others, which are text: those of a last row that has nothing else, or one that is there to say so."""
_c1: Final = re.compile(rb"\xc2[\x80-\x9f]")

_NOTHING: Final = "\x0f"
"""SI, which selects the set that is selected: between a joiner and what follows it keeps these apart."""


def newest_lines(
    rows: Sequence[Row], most: int, widths: Widths = Widths.JOINED, *, to_edge: bool = False
) -> tuple[bytes, int]:
    """Return the last of the rows as lines, in `most` bytes, and how many these are; one at least.

    They are for a terminal that counts columns by `widths`; `drawn` does as is the default. A background behind a row's
    text goes as far as it ever did; with `to_edge`, which is for printing them, as far as the row is wide.

    Each row begins and ends in the default style, and ends with CR and LF unless its text goes on in the next one. It
    has no control functions beside these but SGR and OSC 8, and where they are printed EL. The styles of a row that
    would take more bytes than `most` are left out, and then the row.
    """
    return finished(painting_lines(rows, most, widths, to_edge=to_edge))


def painting_lines(
    rows: Sequence[Row], most: int, widths: Widths = Widths.JOINED, *, to_edge: bool = False
) -> Generator[None, None, tuple[bytes, int]]:
    """Do as `newest_lines` does, a row a step; the rows may not change before the last one."""
    lines: list[bytes] = []
    size = 0
    following: Row | None = None
    for row in reversed(rows):
        ends = not row.goes_on if following is None else not continues(row, following)
        following = row
        line = _painted(row, LAYOUTS[widths], ends=ends, to_edge=to_edge)
        if len(line) > most:
            line = plain if len(plain := _plain(row)) <= most else b"\r\n"
        size += len(line)
        if lines and size > most:
            break
        lines.append(line)
        yield
    return b"".join(reversed(lines)), len(lines)


def drawn(lines: bytes, columns: int) -> History:
    """Return the rows that lines take on a screen of `columns`; whatever else they have is left out."""
    lines = _c1.sub(b"?", b"".join(_allowed.findall(lines)))
    if not _filled(lines):
        return _drawn(lines, columns)
    longest = max(map(len, lines.split(b"\r\n")))
    # What is only a background has a link there, which tells it from text.
    marked = _fill_behind(lambda found: b"\x1b]8;%b\x1b\\%b\x1b]8;;\x1b\\" % (_FILL.encode(), found[1]), lines)
    rows = [_as_filled(row) for row in _drawn(marked, max(columns, min(longest, MOST_COLUMNS)))]
    history = History(len(lines) + MOST_LINES, columns)
    for row in rewrapped(rows, columns, _without_fill):
        history.append(row)
    return history


def _without_fill(line: Sequence[Row]) -> int:
    """Return how many cells of a line are before what is said to be only a background; that forgets it is so."""
    last = line[-1]
    cells, styles = last.settle()
    start = next((at for at, style in enumerate(styles) if style.look.link == _FILL), -1)
    if start < 0:
        return 0
    last.put(start, (cells[start:], [style_of(style.look._replace(link="")) for style in styles[start:]]))
    # A blank without a background would be seen nowhere, were it no text.
    return sum(row.width for row in line[:-1]) + start + (last.styles[start] == DEFAULT_STYLE)


def _drawn(lines: bytes, columns: int) -> History:
    # A high screen: what is wrapped on a row that scrolled in for it would be filled with the pen's background.
    screen = Emulator(columns, MOST_LINES, scrollback=len(lines) + MOST_LINES)
    screen.feed(lines)
    used = screen.cursor.y + (screen.cursor.x > 0)
    for row in screen.rows[:used]:
        screen.scrollback.append(row)
    return screen.scrollback


def _as_filled(row: Row) -> Row:
    """Return a row that is as wide as what it has, where that ends in blanks which are no text."""
    if row.goes_on or row.plain_text is not None:
        return row
    cells, styles = row.settle()
    end = row.width
    while end and styles[end - 1] == DEFAULT_STYLE and cells[end - 1] == " ":
        end -= 1
    if not end or cells[end - 1] != " ":
        return row
    short = Row.of_cells(cells[:end], styles[:end], end)
    short.joined = row.joined
    return short


def _plain(row: Row) -> bytes:
    return "".join(row.cells).rstrip().encode() + b"\r\n"


def _apart(piece: Piece) -> str:
    """Text in as many columns as it had, which nothing joins."""
    return piece.text if piece.is_sure else piece.text + " " * (piece.columns - piece.taken) + _NOTHING


def _painted(row: Row, layout: Layout, *, ends: bool, to_edge: bool) -> bytes:
    text = row.plain_text
    if text is not None and is_counted_alike(text):
        return text.rstrip(" ").encode() + b"\r\n"
    cells, styles = row.settle()
    end = row.width - (row.wrapped == PADDED and not ends)
    while ends and end and cells[end - 1] == " " and styles[end - 1] == DEFAULT_STYLE:
        end -= 1
    painter = Painter(layout)
    is_filled = ends and row.filling[1] > 0
    painter.add(_NOTHING if is_filled and not to_edge and row.joined and not row.filled_from() else "")
    column = 0
    for style, group in groupby(styles[:end]):
        after = column + sum(1 for _ in group)
        painter.style(unprotected(style))
        painter.add(*map(_apart, pieces(cells[column:after], layout)))
        column = after
    if is_filled and not to_edge and column == row.width:
        painter.add(" " * (row.filled - column))
    painter.style(DEFAULT_STYLE)
    if ends and not to_edge and not is_filled and end < row.width and (cells[end - 1] == " " if end else row.joined):
        painter.add(f"{_NOTHING} ")
    if to_edge and row.joined and column < row.width:
        # A row that scrolled in for a line which is wrapped has the background of the text there.
        painter.add("\x1b[K")
    painter.add("\r\n" if ends else "")
    return painter.text.encode()
