"""Rectangles (DEC STD 070, chapter 5, VT420): filled, erased, copied, and with other attributes, as in xterm."""

from collections.abc import Callable, Iterator
from typing import Final

from omnyshell.terminal.screen.editing import DEC, Editing
from omnyshell.terminal.screen.rows import Row, distinct
from omnyshell.terminal.screen.style import (
    BLINK,
    BOLD,
    CONCEAL,
    DEFAULT,
    DEFAULT_STYLE,
    NO_UNDERLINE,
    REVERSE,
    SINGLE_UNDERLINE,
    Style,
    style_of,
)
from omnyshell.terminal.screen.work import A_ROW
from omnyshell.terminal.text.charsets import shown_in

_FLAGS: Final = {1: BOLD, 5: BLINK, 7: REVERSE, 8: CONCEAL}
_ALL_FLAGS: Final = BOLD | BLINK | REVERSE | CONCEAL
_UNDERLINE: Final = 4
_OFF: Final = 20
_LAST_LATIN: Final = 255
_A_STYLE: Final = 20
"""What it costs to make one style of another, in cells."""

_AT_ONCE: Final = 128
"""Columns that get other styles in one step."""


class Rectangles(Editing):
    """A grid with rectangles: top, left, bottom and right, counted from 1, and from the margins in origin mode."""

    @property
    def _marks_rectangles(self) -> bool:
        """Whether DECCARA and DECRARA change a rectangle, or all from its first cell to its last (DECSACE)."""
        return False

    def fill_rectangle(self, code: int = 0, *bounds: int) -> None:
        """DECFRA; the pen's colours where it has any."""
        is_printable = code > _LAST_LATIN or code & 0x7F >= 0x20
        character = chr(code or 0x20) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else ""
        if character and (is_printable or not code) and code != 0x7F and self._layout.all_narrow(character):
            self._fill(bounds, shown_in(self._charsets[self.charset], character))

    def erase_rectangle(self, *bounds: int) -> None:
        """DECERA; what is protected too, and with the pen's attributes, as in xterm."""
        self._fill(bounds, " ")

    def _fill(self, bounds: tuple[int, ...], character: str) -> None:
        pen_fg, pen_bg, flags, underline, underline_colour, link = self.cursor.style.fields

        def filled(style: Style) -> Style:
            fg, bg, *_ = style.fields
            fg, bg = pen_fg if pen_fg != DEFAULT else fg, pen_bg if pen_bg != DEFAULT else bg
            return style_of((fg, bg, flags, underline, underline_colour, link))

        self._by_rows(self._restyled(self._spans(bounds), filled, character))

    def erase_rectangle_selectively(self, *bounds: int) -> None:
        """DECSERA: what DECSCA does not protect; attributes stay."""
        self._by_rows(self._erased_spans(self._spans(bounds), heeded=self._protection == DEC))

    def _erased_spans(self, spans: Iterator[tuple[Row, int, int]], *, heeded: bool) -> Iterator[None]:
        for row, left, end in spans:
            self._spend(2 * A_ROW + end - left + row.load)
            cells, styles = row.settle()
            styles = styles[left:end]
            blank = [" "] * len(styles)
            if heeded:
                self._spend(2 * len(styles))
                protected = {key for key, style in distinct(styles).items() if style.is_protected}
                was = zip(cells[left:end], map(id, styles), strict=True)
                blank = [cell if style in protected else " " for cell, style in was]
            row.put(left, (blank, styles))
            yield

    def copy_rectangle(self, *parameters: int) -> None:
        """DECCRA: from a rectangle to a place; the pages, of which there is one, are not looked at."""
        first, left, last, right = self._bounds(parameters[:4])
        top, to, _, _ = self._bounds(parameters[5:7])
        if left <= right:
            rows = range(first, min(last, self.lines - 1 - top + first) + 1)
            # Each row is read before it is overwritten.
            self._by_rows(self._copied_rows(rows if top <= first else rows[::-1], top - first, left, right + 1, to))

    def _copied_rows(self, rows: range, down: int, left: int, end: int, to: int) -> Iterator[None]:
        room = self.columns - to
        for y in rows:
            source, target = self._rows[y], self._rows[y + down]
            self._spend(2 * A_ROW + end - left + source.load + target.load)
            cells, styles = source.part(left, end)
            if cells[room : room + 1] == [""]:
                cells[room - 1] = " "
            target.put(to, (cells[:room], styles[:room]))
            yield

    def mark_rectangle(self, *parameters: int) -> None:
        """DECCARA: set or reset attributes."""
        keep, add, underline = _marks(parameters[4:] or (0,))

        def marked(style: Style) -> Style:
            fg, bg, flags, old, colour, link = style.fields
            return style_of((fg, bg, flags & keep | add, old if underline is None else underline, colour, link))

        self._mark(parameters[:4], marked)

    def reverse_rectangle(self, *parameters: int) -> None:
        """DECRARA: turn attributes over."""
        turned, turns_underline = _turned(parameters[4:] or (0,))

        def reversed_style(style: Style) -> Style:
            fg, bg, flags, underline, colour, link = style.fields
            if turns_underline:
                underline = NO_UNDERLINE if underline else SINGLE_UNDERLINE
            return style_of((fg, bg, flags ^ turned, underline, colour, link))

        self._mark(parameters[:4], reversed_style)

    def _mark(self, bounds: tuple[int, ...], change: Callable[[Style], Style]) -> None:
        exact = self._marks_rectangles
        top, left, bottom, right = self._bounds(bounds)
        if left > right:
            return
        ends = [right + 1 if exact or y == bottom else self.columns for y in range(top, bottom + 1)]

        def spans() -> Iterator[tuple[Row, int, int]]:
            for y, end in enumerate(ends, top):
                yield self._rows[y], left if exact or y == top else 0, end

        self._by_rows(self._restyled(spans(), change, skips_blank=not exact))

    def _restyled(
        self,
        spans: Iterator[tuple[Row, int, int]],
        change: Callable[[Style], Style],
        character: str = "",
        *,
        skips_blank: bool = False,
    ) -> Iterator[None]:
        """Give parts of rows other styles, and with a `character` that one: some columns a step, as each may differ."""
        for row, first, end in spans:
            self._spend(A_ROW + row.load)
            row.settle()
            yield
            for start in range(first, end, _AT_ONCE):
                after = min(start + _AT_ONCE, end)
                text = character * (after - start)
                self._spend(after - start + _restyle(row, start, after, change, text, skips_blank=skips_blank))
                yield

    def _spans(self, bounds: tuple[int, ...]) -> Iterator[tuple[Row, int, int]]:
        top, left, bottom, right = self._bounds(bounds)
        if left <= right:
            for row in self._rows[top : bottom + 1]:
                yield row, left, right + 1

    def _bounds(self, bounds: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Return the rectangle, counted from 0: cut at the screen; empty where its end comes before its start."""
        top, left, bottom, right = (*bounds, 0, 0, 0, 0)[:4]
        first_row, first_column = (self._top, self._left) if self._origin else (0, 0)
        return (
            min(top + first_row, self.lines) - 1 if top else 0,
            min(left + first_column, self.columns) - 1 if left else 0,
            (min(bottom + first_row, self.lines) if bottom else self.lines) - 1,
            (min(right + first_column, self.columns) if right else self.columns) - 1,
        )


def _restyle(
    row: Row,
    start: int,
    end: int,
    change: Callable[[Style], Style],
    text: str = "",
    *,
    skips_blank: bool = False,
) -> int:
    """Give columns other styles, and with `text` other characters; return the work of making these styles.

    `skips_blank` leaves what was never written.
    """
    if start >= end:
        return 0
    cells, styles = row.settle()
    part = styles[start:end]
    # A style is made once for all of its cells; asking for its value would take longer.
    old = distinct(part)
    made = {key: change(style) for key, style in old.items()}
    work = _A_STYLE * len(made)
    if len(made) == 1 and text:
        row.runs.append((start, text, next(iter(made.values()))))
        return work
    changed = list(made.values()) * len(part) if len(made) == 1 else list(map(made.__getitem__, map(id, part)))
    if text:
        row.put(start, (list(text), changed))
        return work
    unwritten = {key for key, style in old.items() if style == DEFAULT_STYLE} if skips_blank else ()
    if unwritten:
        was = zip(cells[start:end], part, changed, strict=True)
        changed = [before if cell == " " and id(before) in unwritten else after for cell, before, after in was]
    if not cells[start]:
        # A wide character looks as its first half does.
        changed[0] = styles[start - 1]
    styles[start:end] = changed
    if end < row.width and not cells[end]:
        styles[end] = changed[-1]
    row.touch()
    return work


def _marks(codes: tuple[int, ...]) -> tuple[int, int, int | None]:
    """Return the flags that stay, those that are added, and the underline, None where that stays."""
    keep, add, underline = -1, 0, None
    for code in codes:
        flag = _FLAGS.get(code % _OFF, BOLD if code == _OFF + 2 else 0)
        if code == 0:
            keep, add, underline = ~_ALL_FLAGS, 0, NO_UNDERLINE
        elif flag and code < 2 * _OFF:
            keep, add = keep & ~flag, add | flag if code < _OFF else add & ~flag
        elif code in (_UNDERLINE, _OFF + _UNDERLINE):
            underline = SINGLE_UNDERLINE if code < _OFF else NO_UNDERLINE
    return keep, add, underline


def _turned(codes: tuple[int, ...]) -> tuple[int, bool]:
    """Return the flags that are turned over, and whether the underline is."""
    flags, underline = 0, False
    for code in codes:
        flags ^= _ALL_FLAGS if code == 0 else _FLAGS.get(code, 0)
        underline ^= code in (0, _UNDERLINE)
    return flags, underline
