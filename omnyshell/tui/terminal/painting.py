"""Rows of an emulator as strips for Textual's line API."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby
from typing import Final
from unicodedata import category

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.strip import Strip

from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.style import (
    BLINK,
    BOLD,
    CONCEAL,
    DIM,
    DOUBLE_UNDERLINE,
    ITALIC,
    OVERLINE,
    REVERSE,
    STRIKE,
    Look,
    Style,
)
from omnyshell.terminal.text.layout import Layout
from omnyshell.terminal.text.widths import width_of
from omnyshell.tui.terminal.counting import OUTER, UNSHOWN, kept_apart
from omnyshell.tui.terminal.palette import Palette, blend, rich_color

_DIM_SHARE: Final = 0.6
_MOST_STYLES: Final = 4096
_LINK_SCHEMES: Final = ("http://", "https://", "ftp://", "mailto:")
_JOINERS: Final = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
_UNSEEN: Final = ("Cc", "Cf", "Cs", "Zl", "Zp")
_BAR: Final = "\N{LEFT ONE QUARTER BLOCK}"


class Mark(Enum):
    """A mark on cells when they are painted."""

    BLOCK = auto()
    UNDERLINE = auto()
    BAR = auto()
    HOLLOW = auto()
    """The cursor of a terminal that does not have the keyboard."""

    SELECTED = auto()
    FOUND = auto()
    CURRENT = auto()


@dataclass(frozen=True, slots=True)
class Overlay:
    """A mark on the columns from `start` up to `end`. Later ones lie over earlier ones."""

    start: int
    end: int
    mark: Mark


class RowPainter:
    """Makes strips of rows. `reverse` is the reverse screen (DECSCNM); a change of palette wants a new painter.

    `outer` is how the terminal lays text out that the console runs in.
    """

    def __init__(self, palette: Palette, *, reverse: bool = False, outer: Layout = OUTER) -> None:
        self.palette = palette
        self._outer = outer
        self.reverse = reverse
        self._styles: dict[Style, RichStyle] = {}
        self._marked: dict[tuple[Style, Mark], RichStyle] = {}
        self.blank_style = self._make(Look())

    def strip(self, row: Row, width: int, overlays: Sequence[Overlay] = ()) -> Strip:
        """Return the row, cut or padded to `width` columns."""
        cells, styles = row.settle()
        if len(cells) > width:
            cells, styles = cells[:width], styles[:width]
        joined = "".join(cells)
        text: Sequence[str] = joined
        # In ASCII text each column is one character, so that runs can be sliced.
        if len(joined) != len(cells) or not joined.isascii():
            cells = text = _as_measured(cells, self._outer)
        shown: Iterable[Style | RichStyle] = styles
        if overlays:
            cells, overlays = _with_bar(cells, overlays)
            text, shown = cells, self._with_overlays(styles, overlays)
        return Strip(self._segments(text, shown, width), width)

    def _segments(self, text: Sequence[str], styles: Iterable[Style | RichStyle], width: int) -> list[Segment]:
        segments: list[Segment] = []
        column = 0
        known = self._styles
        for style, group in groupby(styles):
            end = column + len(list(group))
            rich = style if isinstance(style, RichStyle) else known.get(style) or self._learn(style)
            part = text[column:end] if isinstance(text, str) else "".join(text[column:end])
            if part:
                segments.append(Segment(" " * cell_len(part) if rich.conceal else part, rich))
            column = end
        if column < width:
            segments.append(Segment(" " * (width - column), self.blank_style))
        return segments

    def blank(self, width: int) -> Strip:
        """Return an empty line."""
        return Strip([Segment(" " * width, self.blank_style)], width)

    def rich_style(self, style: Style) -> RichStyle:
        """Return how a style looks."""
        return self._styles.get(style) or self._learn(style)

    def _learn(self, style: Style) -> RichStyle:
        if len(self._styles) >= _MOST_STYLES:
            self._styles.clear()
        rich = self._styles[style] = self._make(style.look)
        return rich

    def _make(self, look: Look) -> RichStyle:
        palette, flags = self.palette, look.flags
        foreground = palette.rgb(look.fg, palette.foreground)
        background = palette.rgb(look.bg, palette.background)
        if bool(flags & REVERSE) != self.reverse:
            foreground, background = background, foreground
        if flags & DIM:
            foreground = blend(foreground, background, _DIM_SHARE)
        return RichStyle(
            color=rich_color(foreground),
            bgcolor=rich_color(background),
            bold=bool(flags & BOLD),
            italic=bool(flags & ITALIC),
            blink=bool(flags & BLINK),
            conceal=bool(flags & CONCEAL),
            strike=bool(flags & STRIKE),
            overline=bool(flags & OVERLINE),
            underline=bool(look.underline) and look.underline != DOUBLE_UNDERLINE,
            underline2=look.underline == DOUBLE_UNDERLINE,
            link=safe_link(look.link) or None,
        )

    def _with_overlays(self, styles: Sequence[Style], overlays: Sequence[Overlay]) -> list[RichStyle]:
        looks = [self.rich_style(style) for style in styles]
        for overlay in overlays:
            for column in range(max(0, overlay.start), min(overlay.end, len(looks))):
                looks[column] = self._mark(looks[column], overlay.mark)
        return looks

    def _mark(self, style: RichStyle, mark: Mark) -> RichStyle:
        if mark in (Mark.UNDERLINE, Mark.HOLLOW):
            return style + RichStyle(underline=True, bold=mark is Mark.UNDERLINE)
        if mark is Mark.BAR:
            return style
        if mark is Mark.BLOCK:
            return style + RichStyle(color=style.bgcolor, bgcolor=style.color, conceal=False)
        palette = self.palette
        pairs = {Mark.SELECTED: palette.selected, Mark.FOUND: palette.found}
        background, foreground = pairs.get(mark, palette.current)
        return style + RichStyle(color=rich_color(foreground), bgcolor=rich_color(background))


def safe_link(link: str) -> str:
    """Return the address of an OSC 8 link (`params;uri`); "" if a browser should not open it."""
    _, _, uri = link.partition(";")
    return uri if uri.lower().startswith(_LINK_SCHEMES) and uri.isprintable() else ""


def _as_measured(cells: Sequence[str], outer: Layout) -> list[str]:
    """Replace cells whose width Textual, or the terminal around it, would measure differently from the emulator.

    A cell that is wider or narrower than its place would move everything to the right of it, other panes included;
    so would a character that turns the direction of text.
    """
    seen = [cell if cell.isascii() or cell.isprintable() else _seen(cell) or UNSHOWN for cell in cells]
    result = list(kept_apart(seen, outer))
    for column, cell in enumerate(result):
        if cell.isascii():
            continue
        width = 2 if column + 1 < len(cells) and not cells[column + 1] else 1
        if cell_len(cell) == width:
            continue
        result[column] = cell[0] if width_of(cell[0]) == width == cell_len(cell[0]) else UNSHOWN.ljust(width)
    return result


def _seen(cell: str) -> str:
    """Return a cell without the characters that have no looks of their own but act on the text around them."""
    return "".join(char for char in cell if char in _JOINERS or category(char) not in _UNSEEN)


def _with_bar(cells: Sequence[str], overlays: Sequence[Overlay]) -> tuple[list[str], list[Overlay]]:
    """Draw the bar of a cursor where it hides nothing; elsewhere the cell is marked as for an underline."""
    result, marks = list(cells), list(overlays)
    for number, overlay in enumerate(marks):
        if overlay.mark is not Mark.BAR:
            continue
        if overlay.start < len(result) and result[overlay.start] == " ":
            result[overlay.start] = _BAR
        else:
            marks[number] = Overlay(overlay.start, overlay.end, Mark.UNDERLINE)
    return result, marks
