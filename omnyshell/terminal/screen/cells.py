"""The screen as pyte's users see it: `buffer[y][x]` is a `pyte.screens.Char`, made when it is asked for."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from pyte.graphics import FG_BG_256
from pyte.screens import Char, Cursor as PyteCursor

from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.style import (
    BLINK,
    BOLD,
    DEFAULT,
    DEFAULT_STYLE,
    INDEXED,
    ITALIC,
    REVERSE,
    STRIKE,
    TRUE_COLOUR,
    Style,
)

_NAMES: Final = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")


class Cell(Char):
    """A `Char` that also knows its whole style: dim, conceal, overline, underline style and colour, link."""

    style: Style


def colour_name(colour: int) -> str:
    """Return pyte's name of a colour: "default", "red", "brightred", or six hexadecimal digits."""
    if colour == DEFAULT:
        return "default"
    if colour >= TRUE_COLOUR:
        return f"{colour - TRUE_COLOUR:06x}"
    if colour >= INDEXED:
        return FG_BG_256[colour - INDEXED]
    return _NAMES[colour] if colour < len(_NAMES) else "bright" + _NAMES[colour - len(_NAMES)]


@lru_cache(maxsize=4096)
def cell_of(data: str, style: Style) -> Cell:
    """Return the cell that shows `data`, which is "" for the second half of a wide character."""
    look = style.look
    flags = look.flags
    cell = Cell(
        data,
        colour_name(look.fg),
        colour_name(look.bg),
        bold=bool(flags & BOLD),
        italics=bool(flags & ITALIC),
        underscore=bool(look.underline),
        strikethrough=bool(flags & STRIKE),
        reverse=bool(flags & REVERSE),
        blink=bool(flags & BLINK),
    )
    cell.style = style
    return cell


class Line(Mapping[int, Char]):
    """One row of cells by column. A column outside the row is a blank, as in pyte."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def __getitem__(self, column: int) -> Char:
        if 0 <= column < self._row.width:
            cells, styles = self._row.settle()
            return cell_of(cells[column], styles[column])
        return cell_of(" ", DEFAULT_STYLE)

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._row.width))

    def __len__(self) -> int:
        return self._row.width


class Lines(Mapping[int, Line]):
    """The rows of the screen by number; a view that follows the screen."""

    def __init__(self, rows: Callable[[], list[Row]]) -> None:
        self._rows = rows

    def __getitem__(self, y: int) -> Line:
        rows = self._rows()
        return Line(rows[y]) if 0 <= y < len(rows) else Line(Row(0))

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._rows())))

    def __len__(self) -> int:
        return len(self._rows())


class Cursor(PyteCursor):
    """Where the next character goes and how it looks. `x` equals the screen's width while a wrap is pending."""

    __slots__ = ("style",)

    def __init__(self) -> None:
        self.x = 0
        self.y = 0
        self.hidden = False
        self.style = DEFAULT_STYLE

    @property
    def attrs(self) -> Char:
        """The pen, as pyte has it: a blank in the pen's style."""
        return cell_of(" ", self.style)

    @attrs.setter
    def attrs(self, value: Char) -> None:
        self.style = value.style if isinstance(value, Cell) else DEFAULT_STYLE
