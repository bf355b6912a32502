"""A table that draws only the visible rows that have changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from omnyshell.clock import Clock
from omnyshell.tui.formats import Cell, Tone, fitted
from omnyshell.tui.panels.columns import FALLING, GAP, RISING, Column, Placed, place
from omnyshell.tui.panels.rows import Rows

T = TypeVar("T")

MARGIN = 3
"""Cells at the left for the cursor's and the selection's mark."""

CURSOR_MARK, SELECTED_MARK = "▌", "✓"


class _Line(NamedTuple):
    """Everything that determines the appearance of a row."""

    cells: tuple[Cell, ...]
    has_cursor: bool
    is_selected: bool
    is_hovered: bool


class LiveTable(ScrollView, Generic[T], can_focus=True, inherit_bindings=False):
    """Shows `rows` under a line of headings. Call `show` after changing the rows."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"table--{tone}" for tone in Tone),
        "table--heading",
        "table--cursor",
        "table--resting-cursor",
        "table--selected",
        "table--hover",
        "table--mark",
    }
    DEFAULT_CSS = """
    LiveTable {
        overflow-x: hidden;
        background: $surface;
        color: $foreground;
        scrollbar-size-vertical: 1;
        &> .table--heading { color: $muted; text-style: bold; }
        &> .table--cursor { background: $row-cursor; color: $row-cursor-text; }
        &> .table--resting-cursor { background: $row-resting; text-style: $row-resting-style; }
        &> .table--selected {
            background: $row-selected; color: $row-selected-text; text-style: $row-selected-style;
        }
        &> .table--hover { background: $row-hover; }
        &> .table--mark { color: $primary; text-style: bold; }
        &> .table--dim { color: $muted; }
        &> .table--strong { color: $foreground; text-style: bold; }
        &> .table--good { color: $success; }
        &> .table--warn { color: $warning; }
        &> .table--bad { color: $error; text-style: bold; }
        &> .table--accent { color: $accent; }
    }
    """

    class Moved(Message):
        """The cursor is on another item."""

        def __init__(self, table: "LiveTable[Any]") -> None:
            super().__init__()
            self.table = table

        def can_replace(self, message: Message) -> bool:
            """A later one replaces an earlier one, as only the last position matters."""
            return isinstance(message, LiveTable.Moved) and message.table is self.table

    class Resized(Message):
        """Other rows are in sight than before."""

    class Opened(Message):
        """An item was chosen by a double click."""

        def __init__(self, table: "LiveTable[Any]") -> None:
            super().__init__()
            self.table = table

    class Sorted(Message):
        """A heading was clicked."""

        def __init__(self, table: "LiveTable[Any]", column: int) -> None:
            super().__init__()
            self.table = table
            self.column = column

    def __init__(self, columns: Sequence[Column[T]], rows: Rows[T], clock: Clock) -> None:
        super().__init__()
        self.rows = rows
        self._columns = columns
        self._chosen: Sequence[Column[T]] = ()
        """Those that were asked for by name; without any, the usual ones."""

        self._withheld: frozenset[str] = frozenset()
        self._clock = clock
        self._placed: list[Placed] = []
        self._laid_out_for = 0
        self._drawn: dict[int, _Line] = {}
        self._strips: dict[int, Strip] = {}
        self._own_style: Style | None = None
        self._hovered: int | None = None
        self._current: str | None = None

    # Showing

    def show(self) -> None:
        """Draw visible changes: rows, ages, cursor, selection."""
        self.virtual_size = Size(self._width, len(self.rows.shown) + 1)
        self._fit()
        top = round(self.scroll_y)
        now = self._clock.now()
        for y in range(1, self.size.height):
            line = self._line(top + y - 1, now)
            if self._drawn.get(y) != line:
                self._strips.pop(y, None)
                self.refresh_line(y + self.scroll_offset.y)
        current = self.rows.current
        key = self.rows.key(current) if current is not None else None
        if key != self._current:
            self._current = key
            self.post_message(self.Moved(self))

    def redraw(self) -> None:
        """Draw everything anew."""
        self._placed = []
        self._forget()
        self.show()
        self.refresh()

    def scroll_to_cursor(self) -> None:
        """Scroll just enough to make the cursor's row visible."""
        page = max(1, self.size.height - 1)
        cursor, top = self.rows.cursor, round(self.scroll_y)
        if cursor < top:
            self.scroll_to(y=cursor, animate=False)
        elif cursor >= top + page:
            self.virtual_size = Size(self._width, len(self.rows.shown) + 1)
            self.scroll_to(y=cursor - page + 1, animate=False)

    def _forget(self) -> None:
        self._own_style = None
        self._drawn.clear()
        self._strips.clear()

    def _line(self, index: int, now: datetime) -> _Line | None:
        if not 0 <= index < len(self.rows.shown):
            return None
        item = self.rows.shown[index]
        return _Line(
            tuple(placed.cell(item, now) for placed in self._layout()),
            index == self.rows.cursor,
            self.rows.key(item) in self.rows.selected,
            index == self._hovered,
        )

    def choose(self, names: Sequence[str]) -> None:
        """Show the columns of these names, in this order; without any, the usual ones in their own."""
        named = {column.name: column for column in self._columns}
        self._chosen = [named[name] for name in names if name in named]
        if self.is_attached:
            self.redraw()

    def withhold(self, names: frozenset[str]) -> None:
        """Leave columns of these names to those who ask for them: nothing is known that they could show."""
        if names != self._withheld:
            self._withheld = names
            if self.is_attached:
                self.redraw()

    @property
    def usual(self) -> list[str]:
        """The names of the columns that are shown where none are asked for, in their order."""
        return [column.name for column in self._columns if column.name not in self._withheld]

    @property
    def chosen(self) -> list[str]:
        """The names of the columns that are shown as far as there is room, in their order."""
        return [column.name for column in self._shown_if_room]

    @property
    def _shown_if_room(self) -> Sequence[Column[T]]:
        return self._chosen or [column for column in self._columns if column.name not in self._withheld]

    @property
    def visible_columns(self) -> list[int]:
        """The columns that there is room for, from left to right."""
        return [self._columns.index(placed.column) for placed in self._layout()]

    def _layout(self) -> list[Placed]:
        if not self._placed:
            self._placed = place(self._shown_if_room, self._room - MARGIN - 1)
        return self._placed

    def _fit(self) -> None:
        """Lay out the columns anew where the table is wider or narrower than it was."""
        if self._width != self._laid_out_for:
            self._laid_out_for = self._width
            self._placed = []
            self._forget()
            self.refresh()

    @property
    def _room(self) -> int:
        """The cells for columns: the scroll bar's are left free, so that none moves when it comes or goes."""
        return self._width - (0 if self.show_vertical_scrollbar else self.styles.scrollbar_size_vertical)

    @property
    def _width(self) -> int:
        """The cells there are beside the scroll bar."""
        return self.scrollable_content_region.width

    def render_line(self, y: int) -> Strip:
        """Return one visible line: the headings, or a row."""
        self._fit()
        if y == 0:
            return self._heading()
        index = y - 1 + self.scroll_offset.y
        line = self._line(index, self._clock.now())
        strip = self._strips.get(y)
        if strip is None or self._drawn.get(y) != line:
            strip = self._row(line) if line is not None else Strip.blank(self._width, self.rich_style)
            self._strips[y] = strip
            if line is None:
                self._drawn.pop(y, None)
            else:
                self._drawn[y] = line
        return strip

    def _heading(self) -> Strip:
        style = self.get_component_rich_style("table--heading")
        segments = [Segment(" " * MARGIN, style)]
        for number, placed in enumerate(self._layout()):
            title = placed.column.title
            if self.rows.sorted_by == self._columns.index(placed.column):
                title += FALLING if self.rows.falls else RISING
            gap = " " * GAP if number else ""
            segments.append(Segment(gap + fitted(title, placed.width, right=placed.column.right), style))
        return Strip(segments).adjust_cell_length(self._width, style)

    def _row(self, line: _Line) -> Strip:
        over, over_tones = self._overlay(line)
        base = self._base + over + over_tones
        mark = self.get_component_rich_style("table--mark", partial=True)
        left = CURSOR_MARK if line.has_cursor and self.has_focus else " "
        segments = [Segment(f"{left}{SELECTED_MARK if line.is_selected else ' '} ", base + mark + over_tones)]
        for number, (placed, cell) in enumerate(zip(self._layout(), line.cells, strict=True)):
            tone = self.get_component_rich_style(f"table--{cell.tone}", partial=True)
            gap = " " * GAP if number else ""
            if gap:
                segments.append(Segment(gap, base))
            segments.append(Segment(self._fitted(placed, cell), base + tone + over_tones))
        return Strip(segments).adjust_cell_length(self._width, base)

    @staticmethod
    def _fitted(placed: Placed, cell: Cell) -> str:
        column = placed.column
        return fitted(cell.text, placed.width, right=column.right, keep_end=column.keep_end)

    @property
    def _base(self) -> Style:
        """The table's own style, cached, as Textual computes it at each access."""
        if self._own_style is None:
            self._own_style = self.rich_style
        return self._own_style

    def _overlay(self, line: _Line) -> tuple[Style, Style]:
        """Return how the row differs from others, and the colour that replaces those of its texts, if any.

        That is so where there are too few colours for all of them to be read on the row's ground: the theme then has
        another colour for the row's text than for the table's.
        """
        if line.has_cursor:
            name = "table--cursor" if self.has_focus else "table--resting-cursor"
        elif line.is_selected:
            name = "table--selected"
        elif line.is_hovered:
            name = "table--hover"
        else:
            return Style.null(), Style.null()
        own, base = self.get_component_rich_style(name), self._base
        over = Style(bgcolor=own.bgcolor, bold=own.bold or None, underline=own.underline)
        return over, Style(color=own.color if own.color != base.color else None)

    # Textual's events

    def on_resize(self) -> None:
        """Lay out the columns anew."""
        self.redraw()
        self.scroll_to_cursor()
        self.post_message(self.Resized())

    def notify_style_update(self) -> None:
        """Draw in the colours of another theme."""
        super().notify_style_update()
        self._forget()

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show whether the table has the focus."""
        super().watch_has_focus(has_focus)
        self._forget()
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other rows are visible."""
        self._forget()
        super().watch_scroll_y(old_value, new_value)

    def on_click(self, event: events.Click) -> None:
        """Choose a row; its mark selects it, a heading sorts, a second click opens."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            self._click_heading(offset.x)
            return
        index = offset.y - 1 + self.scroll_offset.y
        if not 0 <= index < len(self.rows.shown):
            return
        self.rows.move_to(index)
        if offset.x < MARGIN or event.ctrl:
            self.rows.toggle()
        self.show()
        if event.chain > 1 and offset.x >= MARGIN:
            self.post_message(self.Opened(self))

    def _click_heading(self, x: int) -> None:
        start = MARGIN
        for placed in self._layout():
            if start <= x < start + placed.width:
                self.post_message(self.Sorted(self, self._columns.index(placed.column)))
                return
            start += placed.width + GAP

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show which row a click would choose."""
        self._hover(event.y - 1 + self.scroll_offset.y)

    def on_leave(self) -> None:
        """The pointer has left."""
        self._hover(None)

    def _hover(self, index: int | None) -> None:
        if index != self._hovered:
            self._hovered = index
            self.show()

    # Actions of the panel's keys

    def move(self, where: str) -> None:
        """Move the cursor: up, down, page_up, page_down, first or last."""
        page = max(1, self.size.height - 2)
        steps = {"up": -1, "down": 1, "page_up": -page, "page_down": page}
        if where in steps:
            self.rows.move(steps[where])
        else:
            self.rows.move_to(0 if where == "first" else len(self.rows.shown) - 1)
        self.scroll_to_cursor()
        self.show()
