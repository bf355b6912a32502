"""Escape sequences that bring another terminal of the same size to what an emulator shows."""

from collections.abc import Generator, Iterator, Sequence
from io import BytesIO
from itertools import chain, groupby
from typing import Final

from omnyshell.model.sessions import Widths
from omnyshell.terminal.painting.fitting import Piece, pieces
from omnyshell.terminal.screen.page import SavedCursor
from omnyshell.terminal.screen.reflow import continues
from omnyshell.terminal.screen.rows import PADDED, Row
from omnyshell.terminal.screen.sgr import colours_between, sgr_between
from omnyshell.terminal.screen.style import DEFAULT_STYLE, PROTECTED, Look, Style, unprotected
from omnyshell.terminal.state.table import AUTOWRAP, switch
from omnyshell.terminal.text.layout import LAYOUTS, Layout, is_counted_alike

MOST_LINKS: Final = 256 * 1024
"""Characters of links in all: a screen can have a long one in each cell, which would be megabytes."""

_SHORTEST_ERASE: Final = 4
_SLOTS: Final = "()*+"
_SELECTORS: Final = ("\x0f", "\x0e", "\x1bn", "\x1bo")
_RIGHT_SELECTORS: Final = {1: "\x1b~", 2: "\x1b}", 3: "\x1b|"}


class Painter:
    """Collects the sequences; `pen` is the style that the other terminal's pen has after them.

    `layout` is how that terminal counts columns, as far as is known. Where terminals differ, the cursor is put behind
    what was written, and a row's end is written without autowrap, which is then set anew if it is `wrapping`.
    """

    def __init__(self, layout: Layout = LAYOUTS[Widths.JOINED], *, wrapping: bool = True) -> None:
        self._layout = layout
        self._wrapping = wrapping
        self._is_sure = True
        self._may_spill = False
        self.parts: list[str] = []
        self.size = 0
        """Characters of the rows that were painted."""

        self.pen = DEFAULT_STYLE
        self.right = SavedCursor().charset_right
        self._room_for_links = MOST_LINKS
        self.protects = False
        """Whether cells were protected (DECSCA), which switches selective erasing on."""

        self.may_protect = True
        """Whether what is protected is painted so from here on."""

        self.origin = (0, 0)
        """Row and column that places are counted from in the other terminal."""

    @property
    def text(self) -> str:
        """All that was collected."""
        return "".join(self.parts)

    def encoding(self) -> Generator[None, None, bytes]:
        """Encode all that was collected, a row a step."""
        encoded = BytesIO()
        for part in self.parts:
            encoded.write(part.encode())
            yield
        return encoded.getvalue()

    def add(self, *parts: str) -> None:
        """Add sequences that leave the pen alone."""
        self.parts += parts

    def start_anew(self, reset: str) -> None:
        """Add a soft reset, after which the pen is a new terminal's."""
        self.parts.append(reset)
        self.pen, self.right, self.protects = DEFAULT_STYLE, SavedCursor().charset_right, False

    def move(self, y: int, x: int) -> None:
        """Put the cursor on a cell, counted from 0."""
        first_row, first_column = self.origin
        self.parts.append(f"\x1b[{y + 1 - first_row};{x + 1 - first_column}H")

    def style(self, style: Style) -> None:
        """Change the pen, where it differs."""
        before, after = self.pen.fields, style.fields
        if before == after:
            return
        if before[2:] == after[2:]:
            # A screen may have another colour in each cell.
            self.parts.append(colours_between(before[:2], after[:2]))
            self.pen = style
            return
        if style.is_protected and not self.may_protect:
            style = unprotected(style)
        old, new = self.pen.look, style.look
        if old.link != new.link:
            self._room_for_links -= len(new.link)
            link = new.link if self._room_for_links >= 0 else ""
            self.parts.append(f"\x1b]8;{link or ';'}\x1b\\")
        if (old.flags ^ new.flags) & PROTECTED:
            self.parts.append('\x1b[1"q' if new.flags & PROTECTED else '\x1b[0"q')
            self.protects = True
        old, new = _rendition(old), _rendition(new)
        if old != new:
            self.parts.append(sgr_between(old, new))
        self.pen = style

    def sizes(self, rows: Sequence[Row]) -> None:
        """Give rows their double width: after text and saved cursor, as only half of such a row can be written to."""
        for y, row in enumerate(rows):
            self._size(y, row)

    def _size(self, y: int, row: Row) -> None:
        if row.size:
            self.move(y, 0)
            self.parts.append(f"\x1b#{row.size}")

    def rows(self, rows: Sequence[Row], *, same_size: bool) -> Iterator[None]:
        """Paint rows onto a blank screen, a row in two steps.

        A terminal of the `same_size` wraps lines where they are wrapped here.
        """
        start, self._is_sure = len(self.parts), True
        begun = 0
        switches = [(start, False)]
        wrapping = (yield from _wraps(rows)) if same_size else [False] * len(rows)
        for y, (row, wraps) in enumerate(zip(rows, wrapping, strict=True)):
            row.settle()
            yield
            before = len(self.parts)
            self._row(y, row, begun=begun, wraps=wraps)
            self._join_since(before)
            yield
            before = len(self.parts)
            begun = self._wrap(y, row, rows[y + 1]) if wraps else 0
            switches += [(before, True), (len(self.parts), False)] if wraps else []
        if not self._is_sure:
            for at, on in reversed(switches):
                self.parts.insert(at, switch(AUTOWRAP, on=on))
            self.parts.append(switch(AUTOWRAP, on=True) if self._wrapping else "")

    def _join_since(self, start: int) -> None:
        text = "".join(self.parts[start:])
        self.parts[start:] = [text]
        self.size += len(text)

    def _row(self, y: int, row: Row, *, begun: int, wraps: bool) -> None:
        """Paint a row whose first columns were painted already where it was `begun`; all of it where it `wraps`."""
        cells, styles = row.settle()
        end = row.width - (row.wrapped == PADDED) if wraps else _extent(row)
        if not end:
            return
        self.move(y, begun)
        column, self._may_spill = begun, False
        is_sure = is_counted_alike("".join(cells[begun:end]))
        for style, group in groupby(styles[begun:end]):
            after = column + len(list(group))
            self.style(style)
            if after == row.width and not wraps and style.look == Look(bg=style.look.bg):
                self._erasing(cells, column, after)
            elif is_sure:
                self.parts.append("".join(cells[column:after]))
            else:
                self._text(cells, column, after)
            column = after
        if self._may_spill and end < row.width:
            self.style(DEFAULT_STYLE)
            self.add(f"\x1b[{end + 1}G\x1b[K")

    def _wrap(self, y: int, row: Row, following: Row) -> int:
        """Have the terminal wrap into the row that follows; return how many columns of that are painted then."""
        cells, styles = following.settle()
        column = row.width - (row.wrapped == PADDED) - 1
        column -= not row.cells[column]
        self.move(y, column)
        self.style(row.styles[column])
        self.parts.append(row.cells[column])
        self.style(styles[0])
        self.parts.append(cells[0])
        return 1 + (following.width > 1 and not cells[1])

    def _erasing(self, cells: list[str], start: int, end: int) -> None:
        """Paint one style's cells at the row's end, where blanks may be erased instead of written."""
        last = end
        while last > start and cells[last - 1] == " ":
            last -= 1
        if end - last < _SHORTEST_ERASE:
            last = end
        self._text(cells, start, last)
        if last < end:
            self.parts.append("\x1b[K")

    def _text(self, cells: list[str], start: int, end: int) -> None:
        column = start
        for piece in pieces(cells[start:end], self._layout):
            if piece.is_sure:
                self.parts.append(piece.text)
            else:
                self._unsure(piece, column, len(cells))
            column += piece.columns

    def _unsure(self, piece: Piece, column: int, width: int) -> None:
        """Write what some terminal would make other columns of; of more, it may be."""
        self._is_sure, self._may_spill = False, True
        here = f"\x1b[{column + 1}G"
        blank = " " * piece.columns + here if piece.taken < piece.columns else ""
        behind = column + piece.columns
        self.add(here, blank, piece.text, f"\x1b[{behind + 1}G" if behind < width else "")

    def cell(self, row: Row, y: int, x: int) -> None:
        """Paint the cell before column `x` again, which leaves the cursor at `x`, with a wrap pending at the edge."""
        cells, styles = row.settle()
        column = x - 1 if cells[x - 1] or x == 1 else x - 2
        self.move(y, column)
        self.style(styles[column])
        for piece in pieces(cells[column:x], self._layout):
            self.add(piece.text)
            if piece.taken < piece.columns:
                self.move(y, x - 1)
                self.add(" ")

    def charsets(self, charsets: Sequence[str], selected: int, right: int) -> None:
        """Designate G0-G3 and select one of them for ASCII, another for what is beyond."""
        self.parts += [f"\x1b{slot}{code}" for slot, code in zip(_SLOTS, charsets, strict=True)]
        self.parts.append(_SELECTORS[selected])
        if right != self.right:
            self.parts.append(_RIGHT_SELECTORS[right])
            self.right = right

    def saved_cursor(self, saved: SavedCursor, rows: Sequence[Row]) -> None:
        """Make the terminal save `saved` as its cursor.

        Call it without margins; origin mode is off before and after.
        """
        if saved.origin:
            self.parts.append("\x1b[?6h")
        row = rows[saved.y]
        of_size = saved.edge >= 0 and row.size and saved.edge == row.room - 1
        if of_size:
            self._size(saved.y, row)
            self.cell(row, saved.y, saved.edge + 1)
        elif saved.edge >= 0:
            self.add(f"\x1b[?69h\x1b[1;{saved.edge + 1}s")
            self.cell(rows[saved.y], saved.y, saved.edge + 1)
        elif saved.x >= rows[0].width:
            self.cell(rows[saved.y], saved.y, saved.x)
        else:
            self.move(saved.y, saved.x)
        self.style(saved.style)
        self.charsets(saved.charsets, saved.charset, saved.charset_right)
        self.parts.append("\x1b7")
        if saved.edge >= 0 and not of_size:
            self.parts.append("\x1b[?69l")
        if saved.origin:
            self.parts.append("\x1b[?6l")
        self.charsets(SavedCursor().charsets, 0, SavedCursor().charset_right)


def _wraps(rows: Sequence[Row]) -> Generator[None, None, list[bool]]:
    """Find for each row whether it is painted as wrapped into the next one, which has to be painted then."""
    wraps = [False] * len(rows)
    for y in range(len(rows) - 2, -1, -1):
        row, following = rows[y], rows[y + 1]
        wraps[y] = (
            row.goes_on
            and continues(row, following)
            and (wraps[y + 1] or _extent(following) > 0)
            and _can_wrap(row, following)
        )
        yield
    return wraps


def _can_wrap(row: Row, following: Row) -> bool:
    """Whether each terminal that prints both wraps as it was wrapped here."""
    if row.wrapped == PADDED and row.styles[-1] != following.styles[0]:
        return False
    return is_counted_alike("".join(chain(row.cells, following.cells)))


def _extent(row: Row) -> int:
    """Return up to which column a row has more than a new terminal's blanks."""
    cells, styles = row.settle()
    end = row.width
    while end and cells[end - 1] == " " and styles[end - 1] == DEFAULT_STYLE:
        end -= 1
    return end


def _rendition(look: Look) -> Look:
    """What SGR makes of a look: neither links nor protection."""
    return look._replace(link="", flags=look.flags & ~PROTECTED)
