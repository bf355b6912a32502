"""A widget that shows a terminal's screen, without input."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import ClassVar, Final

from textual.filter import ANSIToTruecolor, DimFilter, LineFilter
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from omnyshell.terminal import Emulator, Row
from omnyshell.terminal.state.table import REVERSE_SCREEN, SHOW_CURSOR, SYNCHRONIZED
from omnyshell.tui.colours.reduction import Rgb
from omnyshell.tui.inside import show_now
from omnyshell.tui.terminal.lines import Lines, Point
from omnyshell.tui.terminal.painting import Mark, Overlay, RowPainter
from omnyshell.tui.terminal.palette import palette_for

FRAME: Final = 1 / 60
"""Seconds between two repaints."""

LONGEST_SYNC: Final = 0.15
"""Seconds that a program may hold the screen back with synchronized output (mode 2026)."""

_REST: Final = 4
"""The pause after a repaint, in multiples of its duration, so that under a flood most time is left for the
emulation."""

_LONGEST_REST: Final = 0.5
"""Seconds. What took longer waited for its machine, and not for the repaint."""

_FIXED: Final = -1
_MOST_STRIPS: Final = 2048
_SHAPES: Final = {3: Mark.UNDERLINE, 4: Mark.UNDERLINE, 5: Mark.BAR, 6: Mark.BAR}

# What a line on the screen was painted from: row, revision, overlays.
Painted = tuple[Row | None, int, tuple[Overlay, ...]]


class TerminalView(Widget):
    """Shows an emulator: its screen, or lines of the scrollback. It has no input.

    Call `touch` after feeding the emulator; changed lines are then painted, at most 60 times a second. If the emulator
    is larger than the widget, the part around the cursor is shown.
    """

    DEFAULT_CSS = """
    TerminalView { width: 1fr; height: 1fr; background: $background; color: $foreground; }
    """
    ALLOW_SELECT: ClassVar[bool] = False
    shows_cursor = True

    def __init__(self, screen: Emulator, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.emulator = screen
        self.lines = Lines(screen)
        self._top: int | None = None
        self._covered = 0
        self._painted: list[Painted] = []
        self._strips: dict[Row, tuple[int, int, Strip]] = {}
        self._painter: RowPainter | None = None
        self._filters: Sequence[LineFilter] = ()
        self._next_frame = 0.0
        self._frame: asyncio.TimerHandle | None = None
        self._held_since: float | None = None

    # What is shown

    @property
    def top(self) -> int:
        """The number of the first line that is shown."""
        lines = self.lines
        follow = self._following_top()
        return follow if self._top is None else max(lines.first, min(self._top, follow))

    @property
    def is_scrolled(self) -> bool:
        """Whether older lines are shown than the program's screen."""
        return self._top is not None

    def scroll_lines(self, count: int) -> None:
        """Show lines further down, or with a negative count further up; at the end, what is new is followed again."""
        self.show_from(self.top + count)

    def show_from(self, line: int | None) -> None:
        """Show the lines from a number on; None for the program's screen."""
        if line is not None:
            line = max(line, self.lines.first)
        self._top = None if line is None or line >= self._following_top() else line
        self.touch()

    def reveal(self, point: Point) -> None:
        """Scroll until a cell is on screen."""
        if not self.top <= point.line < self.top + self.page:
            self.show_from(point.line - self.page // 2)

    def point_at(self, x: int, y: int) -> Point:
        """Return the cell at a place of the widget."""
        return self.lines.clamp(Point(self.top + y, x))

    @property
    def covered(self) -> int:
        """Lines at the bottom that another widget covers; the used part of the screen is shown above them."""
        return self._covered

    @covered.setter
    def covered(self, lines: int) -> None:
        if lines != self._covered:
            self._covered = lines
            self.touch()

    @property
    def page(self) -> int:
        """Lines that are seen at once."""
        return max(1, self.size.height - self._covered)

    def _following_top(self) -> int:
        """The first line to show while following.

        If fewer lines fit, it is as far down as the cursor or the text needs.
        """
        screen = self.emulator
        if screen.lines <= self.page or not self.size.height:
            return self.lines.top
        return self.lines.top + max(0, min(self._last_used_line() + 1, screen.lines) - self.page)

    def _last_used_line(self) -> int:
        screen = self.emulator
        used = screen.cursor.y
        for y in range(screen.lines - 1, used, -1):
            if any(cell != " " for cell in screen.rows[y].cells):
                return y
        return used

    # Painting

    def touch(self) -> None:
        """Say that the emulator may have changed."""
        if self._frame is not None or not self.is_attached:
            return
        loop = asyncio.get_running_loop()
        delay = self._next_frame - loop.time()
        if delay <= 0:
            self._paint()
        else:
            self._frame = loop.call_later(delay, self._paint_late)

    def show_emulator(self, screen: Emulator) -> None:
        """Show another emulator."""
        self.emulator, self.lines, self._top = screen, Lines(screen), None
        self.repaint()

    def repaint(self) -> None:
        """Paint everything anew, as after a change of colours."""
        self._painter = None
        self._strips.clear()
        self._painted = []
        self.refresh()

    def _paint_late(self) -> None:
        self._frame = None
        if self.is_attached:
            self._paint()

    def _paint(self) -> None:
        """Have the lines painted that changed since the last time."""
        now = asyncio.get_running_loop().time()
        if self._is_held(now):
            self._frame = asyncio.get_running_loop().call_later(FRAME, self._paint_late)
            return
        if self._painter is not None and self._painter.reverse != (REVERSE_SCREEN in self.emulator.mode):
            self.repaint()
            return
        width, height = self.size
        if not height:
            # Hidden: what is shown then is painted anew.
            self._painted = []
            return
        wanted = self._line_states(height)
        before, self._painted = self._painted, wanted
        if len(before) != height:
            self.refresh()
            return
        changed = [y for y in range(height) if not _same(before[y], wanted[y])]
        if changed:
            self.refresh(*(Region(0, first, width, count) for first, count in _runs(changed)))
            # Textual would delay this to limit repaints, which `touch` does already.
            show_now(self)
            took = asyncio.get_running_loop().time() - now
            self._next_frame = now + min(max(FRAME, _REST * took), _LONGEST_REST)

    def _is_held(self, now: float) -> bool:
        """Whether the program is in the middle of a frame."""
        if SYNCHRONIZED not in self.emulator.mode:
            self._held_since = None
            return False
        if self._held_since is None:
            self._held_since = now
        return now - self._held_since < LONGEST_SYNC

    def _line_states(self, height: int) -> list[Painted]:
        lines, top = self.lines, self.top
        screen_top = lines.top
        states: list[Painted] = []
        for line in range(top, top + height):
            row = lines.row(line)
            if row is None:
                states.append((None, 0, ()))
                continue
            # Lines above the screen do not change; keeping them small changes their revision.
            revision = row.revision if line >= screen_top else _FIXED
            states.append((row, revision, tuple(self.overlays(line, row))))
        return states

    def overlays(self, line: int, row: Row) -> Iterator[Overlay]:
        """Yield what lies over the cells of a line."""
        screen = self.emulator
        if not self.shows_cursor or SHOW_CURSOR not in screen.mode:
            return
        cursor = self.lines.cursor
        if cursor.line == line:
            cells = row.cells
            start = cursor.column - (0 < cursor.column < len(cells) and not cells[cursor.column])
            wide = start + 1 < len(cells) and not cells[start + 1]
            yield Overlay(start, start + 1 + wide, self.cursor_mark)

    @property
    def cursor_mark(self) -> Mark:
        """How the cursor looks: as the program chose (DECSCUSR), or hollow where keys go elsewhere."""
        return _SHAPES.get(self.emulator.cursor_shape, Mark.BLOCK) if self.has_focus else Mark.HOLLOW

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the strips of a part; what has no borders needs nothing else of Textual's."""
        if self._painter is None:
            self._painter = self._make_painter()
        height = self.size.height
        if len(self._painted) != height:
            self._painted = self._line_states(height)
        strips = [self.render_line(y) for y in range(crop.y, crop.bottom)]
        if crop.x or crop.width != self.size.width:
            return [strip.crop(crop.x, crop.right) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        """Return the strip of a line as it was when its change was noticed."""
        painter, width = self._painter or self._make_painter(), self.size.width
        row, revision, overlays = self._painted[y] if y < len(self._painted) else (None, 0, ())
        if row is None:
            return self._filtered(painter.blank(width))
        if overlays:
            return self._filtered(painter.strip(row, width, overlays))
        known = self._strips.get(row)
        if known is not None and known[0] == revision and known[1] == width:
            return known[2]
        strip = self._filtered(painter.strip(row, width))
        if revision == _FIXED:
            row.compact()
        if len(self._strips) >= _MOST_STRIPS:
            self._strips.clear()
        # The row is painted in its present state, which may be newer than at the request.
        self._strips[row] = (_FIXED if revision == _FIXED else row.revision, width, strip)
        return strip

    def _filtered(self, strip: Strip) -> Strip:
        for line_filter in self._filters:
            strip = strip.apply_filter(line_filter, self.background_colors[1])
        return strip

    def _make_painter(self) -> RowPainter:
        background, foreground = self.background_colors[1].rgb, self.colors[3].rgb
        palette = palette_for(self.app.current_theme, _rgb(foreground), _rgb(background))
        # All colours are painted as direct ones, and dim ones mixed, so these two have nothing to do.
        self._filters = [
            found for found in self.get_line_filters() if not isinstance(found, ANSIToTruecolor | DimFilter)
        ]
        return RowPainter(palette, reverse=REVERSE_SCREEN in self.emulator.mode)

    # What Textual calls

    def on_mount(self) -> None:
        """Follow the theme."""
        self.app.theme_changed_signal.subscribe(self, self._theme_changed)

    def _theme_changed(self, _theme: object) -> None:
        # Styles follow the theme only after this.
        self.call_after_refresh(self.repaint)

    def on_unmount(self) -> None:
        """Paint no more."""
        if self._frame is not None:
            self._frame.cancel()
            self._frame = None

    def on_show(self) -> None:
        """Catch up with what was not painted while hidden."""
        self.touch()

    def on_focus(self) -> None:
        """The cursor changes its look."""
        self.touch()

    def on_blur(self) -> None:
        """The cursor changes its look."""
        self.touch()


def _rgb(values: Sequence[int]) -> Rgb:
    red, green, blue = values[:3]
    return (red, green, blue)


def _same(before: Painted, after: Painted) -> bool:
    return before[0] is after[0] and before[1:] == after[1:]


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield runs of following numbers, as the first and how many."""
    for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in group]
        yield members[0], len(members)
