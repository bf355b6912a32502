"""A panel of the overview: a live table with its filter, its order, and a title with its state."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from omnyshell.clock import Clock
from omnyshell.durations import format_duration
from omnyshell.model.live import Part
from omnyshell.printable import printable, sentence
from omnyshell.services.client.live.state import HubState, Link, Source
from omnyshell.tui import messages
from omnyshell.tui.keys import Context, label_of
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.copying import fields_of
from omnyshell.tui.panels.fields import FilterField
from omnyshell.tui.panels.filter import FilterError, parse, predicate
from omnyshell.tui.panels.judging import JudgedRows
from omnyshell.tui.panels.rows import Rows
from omnyshell.tui.panels.table import LiveTable
from omnyshell.tui.panels.trends import Trends
from omnyshell.tui.preferences.command import OwnCommand
from omnyshell.tui.preferences.own import Own
from omnyshell.tui.rights import is_admin
from omnyshell.tui.suggestions import Suggestions
from omnyshell.tui.tasks import refuse
from omnyshell.tui.widgets.completing import FilterLine

if TYPE_CHECKING:
    from omnyshell.tui.panels.details import Details

T = TypeVar("T")


class Look(NamedTuple):
    """The filter and cursor of a panel, to be restored when going back."""

    filter: str
    cursor: str


@dataclass(frozen=True, slots=True)
class PartOf(Generic[T]):
    """A part of all items, which a panel shows alone."""

    has: Callable[[T], bool]
    """Whether an item belongs to it."""

    hidden: frozenset[str]
    """The titles of columns in which all of them say the same."""


class Panel(JudgedRows[T], Vertical):
    """The base of all panels. A subclass defines the rows and the actions of keys."""

    PART: ClassVar[Part]
    NUMBER: ClassVar[int]
    COLUMNS: Sequence[Column[T]]
    FIELDS: Sequence[FilterField[T]] = ()
    """What a filter asks for besides the columns' fields. Both are no `ClassVar`, which could not speak of `T`."""

    SORTED_BY: ClassVar[int | None] = 0
    REVERSED: ClassVar[bool] = False

    DEFAULT_CSS = """
    Panel {
        border: round $line;
        border-title-color: $muted;
        border-subtitle-color: $muted;
        background: $surface;
        padding: 0;
        &:focus-within {
            border: $focus-border $primary;
            border-title-color: $primary;
            border-title-style: bold;
        }
        &.-stale LiveTable { text-style: dim; }
        &.-stale { border-subtitle-color: $warning; }
        Input.filter {
            display: none;
            height: 1;
            border: none;
            padding: 0 1;
            background: $panel;
            color: $bar-text;
            &.-open { display: block; }
        }
        .error { display: none; height: auto; max-height: 3; padding: 0 1; color: $bar-error; background: $panel; }
        .error.-open { display: block; }
        .empty { display: none; height: 1fr; padding: 1 2; color: $muted; }
        &.-empty .empty { display: block; }
        &.-empty LiveTable { height: 0; }
    }
    """

    class Filtered(Message):
        """The shown rows have changed."""

    class OwnWanted(Message):
        """A command of the user's own is to be run on rows."""

        def __init__(self, panel: "Panel[Any]", command: OwnCommand, items: Sequence[Any]) -> None:
            super().__init__()
            self.panel = panel
            self.command = command
            self.items = items

    class ColumnsWanted(Message):
        """The columns are to be chosen."""

        def __init__(self, panel: "Panel[Any]") -> None:
            super().__init__()
            self.panel = panel

    def __init__(
        self, state: HubState, clock: Clock, *, part: PartOf[T] | None = None, trends: Trends | None = None
    ) -> None:
        """`part` says which items are shown, where that is not all; `trends` are those of another panel."""
        # As nothing is known yet: a class that comes later has all in the panel styled again.
        super().__init__(id=self.NAME.lower(), classes="-empty")
        self.state = state
        self._clock = clock
        self._part = part
        self.trends = trends or Trends()
        hidden = part.hidden if part is not None else frozenset()
        self.columns = [column for column in self.trends.bound(self.COLUMNS) if column.title not in hidden]
        self.rows: Rows[T] = Rows(self.columns, self.key_of, clock, self.FIELDS)
        self.rows.sort(self._usual_order(), is_reversed=self.REVERSED)
        self.table: LiveTable[T] = LiveTable(self.columns, self.rows, clock)
        self._filter = FilterLine(self.suggest, placeholder=self._filter_hint(), classes="filter", compact=True)
        self._error = Static(classes="error", markup=False)
        self._empty = Static(classes="empty", markup=False)
        self._filter_error = ""
        self._own = Own()
        self.goes_back: Callable[[], bool] = lambda: False
        """Goes back to where one came from, and tells whether there was such a place."""

        self._bare: frozenset[str] = frozenset()
        """The names of columns in which no row has anything."""

        self._version = -1
        self._said: tuple[object, ...] = ()
        self._said_empty = ""

    def use(self, own: Own) -> None:
        """Take over the user's filters, which may become more, and the columns that the user chose."""
        self._own = own
        self.table.choose(own.columns.get(self.NAME.lower(), ()))

    def _usual_order(self) -> int | None:
        """The column that orders rows at first: its place among those that there are."""
        if self.SORTED_BY is None:
            return None
        title = self.COLUMNS[self.SORTED_BY].title
        return next((at for at, column in enumerate(self.columns) if column.title == title), 0)

    # What a subclass says

    def key_of(self, item: T) -> str:
        """What identifies an item."""
        raise NotImplementedError

    def items(self) -> Iterable[T]:
        """The present items."""
        raise NotImplementedError

    def identify(self, item: T) -> tuple[str, str]:
        """The title and text of what one copies of an item first."""
        raise NotImplementedError

    def open(self, item: T) -> None:
        """Do the usual action on an item."""
        raise NotImplementedError

    def empty_text(self) -> str:
        """The text if there are no items."""
        raise NotImplementedError

    def describe(self, item: T) -> "Details":
        """The details of an item."""
        raise NotImplementedError

    # Showing

    def compose(self) -> ComposeResult:
        """The table, a text in its place while it is empty, and the line of the filter."""
        yield self.table
        yield self._empty
        yield self._error
        yield self._filter

    def on_mount(self) -> None:
        """Show what is known already."""
        self.take()

    def take(self) -> None:
        """Load the present state, if it has changed, and draw it."""
        version = self.version()
        if version != self._version:
            self._version = version
            self.rows.put(self.items() if self._part is None else filter(self._part.has, self.items()))
            self._bare = frozenset(column.name for column in self.columns if column.is_sparse and self._is_bare(column))
        self.show()

    def version(self) -> int:
        """A number that increases with each change of the items."""
        return self.state.version(self.PART)

    def sample(self) -> None:
        """Note values for trends; called once a second, shown or not."""

    def tick(self) -> None:
        """Draw what time alone has changed: ages, and which rows a filter for ages shows."""
        self.rows.refresh()
        self.show()

    def show(self) -> None:
        """Draw changes: rows, ages, the title, and what may be done."""
        self._say()
        self.judge()
        self.table.withhold(frozenset(column.name for column in self.columns if self.why_nothing(column)))
        self.table.show()

    def why_nothing(self, column: Column[T]) -> str:
        """Return why the user sees nothing in a column, whatever the rows; "" if that is not so."""
        if column.for_admins and self.state.own is not None and not is_admin(self.state):
            return "the hub tells admins alone"
        return "no row has any" if column.name in self._bare else ""

    def _is_bare(self, column: Column[T]) -> bool:
        now = self._clock.now()
        return not any(column.cell(item, now).text for item in self.rows.items)

    def _say(self) -> None:
        shown, total = len(self.rows.shown), self.rows.total
        empty = "" if shown else self.why_empty()
        foot = " · ".join(filter(None, (self._position(), self._knowledge())))
        said = (title := self._title(), shown, total, foot, empty)
        if said == self._said:
            return
        self._said = said
        self.border_title = Content(title)
        self.border_subtitle = Content(foot)
        self.set_class(not shown, "-empty")
        self.set_class(bool(shown or total) and self.state.link is not Link.UP, "-stale")
        if empty != self._said_empty:
            self._said_empty = empty
            self._empty.update(empty)

    def _title(self) -> str:
        shown, total = len(self.rows.shown), self.rows.total
        words = [f"{self.NUMBER} {self.NAME}", str(total) if shown == total else f"{shown} of {total}"]
        if self.rows.selected:
            words.append(f"✓ {len(self.rows.selected)} selected")
        if self.rows.terms:
            words.append("/ " + printable(" ".join(map(str, self.rows.terms))))
        return " · ".join(words + self.extra())

    def extra(self) -> list[str]:
        """Texts that a subclass adds to the title."""
        return []

    def _position(self) -> str:
        """Where the cursor is, while not all rows are in sight: a line of the table has the titles."""
        shown = len(self.rows.shown)
        return f"{self.rows.cursor + 1:,} of {shown:,}" if 0 < self.table.size.height <= shown else ""

    def _knowledge(self) -> str:
        """The age of the shown data."""
        source, age = self.state.source(self.PART), self.state.age(self.PART)
        if self.state.link is Link.UP:
            return {Source.LIVE: "live", Source.POLLED: "polled", Source.UNKNOWN: ""}[source]
        return f"as of {format_duration(age)} ago" if age is not None else ""

    def why_empty(self) -> str:
        """Return why no row is shown, and what to do about it."""
        if self._filter_error:
            return f"Nothing is shown while the filter is wrong. {_clearing()}"
        if self.rows.total:
            return f"No row matches the filter. {_clearing()}"
        if self.state.source(self.PART) is not Source.UNKNOWN:
            return self.empty_text()
        link = self.state.link
        if link is Link.REFUSED:
            return f"The hub refused: {printable(self.state.link_error)}"
        if link is Link.LOST:
            return f"No connection: {sentence(printable(self.state.link_error))} It is tried again by itself."
        return "Connecting…" if link is Link.CONNECTING else self.unknown_text()

    def unknown_text(self) -> str:
        """The text if the hub does not report this part."""
        return "This hub does not tell."

    # Filter

    def _filter_hint(self) -> str:
        fields = " ".join(f"{name}:…" for name in self.rows.fields)
        return f"text  {fields}  -term"

    def suggest(self, text: str) -> Suggestions:
        """What the last term of a filter may become."""
        return self.rows.suggest(text, self._own.filters)

    @property
    def look(self) -> Look:
        """The filter and the row that the cursor is on."""
        current = self.rows.current
        return Look(self._filter.value, self.rows.key(current) if current is not None else "")

    def look_at(self, look: Look) -> bool:
        """Set filter and cursor; return whether the row is there."""
        self.set_filter(look.filter)
        found = self.rows.find(look.cursor)
        self.table.scroll_to_cursor()
        self.show()
        return found

    def action_filter(self) -> None:
        """Write a filter."""
        self._open_filter(is_open=True)
        self._filter.focus()

    @property
    def has_filter(self) -> bool:
        """Whether there is a filter, or one is being written."""
        return self._filter.has_class("-open")

    def action_clear(self) -> None:
        """Clear the selection; if there is none, go back to where one came from, or drop the filter."""
        if self.rows.selected:
            self.rows.selected.clear()
            self.show()
        elif self.goes_back():
            return
        else:
            self.set_filter("")
            self.table.scroll_to_cursor()
        self.table.focus()

    def check_filter(self, text: str) -> None:
        """Raise `FilterError` for a filter that is wrong here."""
        predicate(parse(text, self.rows.known, self._own.filters), self.rows.known)

    def set_filter(self, text: str) -> None:
        """Filter by this in place of what was there; what is wrong with it is said."""
        self._filter.value = text
        self._apply(text)
        self._open_filter(is_open=bool(text))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter with each key."""
        event.stop()
        self._apply(event.value, is_typed=self._filter.has_focus)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter, and go back to the rows; one that is wrong is still written."""
        event.stop()
        self.set_filter(event.value)
        if not self._filter_error:
            self.table.focus()

    def _open_filter(self, *, is_open: bool) -> None:
        self._filter.set_class(is_open, "-open")

    def _apply(self, text: str, *, is_typed: bool = False) -> None:
        """Show what matches: nothing where the filter is wrong, but for a term that is only being typed."""
        mistake = self._mistake(text)
        if mistake is not None and (not is_typed or mistake.before is None or self._mistake(mistake.before)):
            self.rows.show_none()
        self._tell_error(str(mistake or ""))
        self.show()
        self.post_message(self.Filtered())

    def _mistake(self, text: str) -> FilterError | None:
        """Filter by this, or return what is wrong with it."""
        try:
            self.rows.filter(text, self._own.filters)
        except FilterError as exc:
            return exc
        return None

    def _tell_error(self, error: str) -> None:
        self._filter_error = error
        self._error.update(printable(error))
        self._error.set_class(bool(error), "-open")

    # Rows

    def action_cursor(self, where: str) -> None:
        """Move the cursor; see `LiveTable.move`."""
        self.table.move(where)

    def action_select(self) -> None:
        """Toggle the selection of the row, and move to the next."""
        self.rows.toggle()
        self.table.move("down")
        self.show()

    def action_select_all(self) -> None:
        """Select all rows that are shown, or none."""
        self.rows.toggle_all()
        self.show()

    def action_copy(self) -> None:
        """Copy a field of the row."""
        item = self.rows.current
        if item is not None:
            self.post_message(messages.CopyField(tuple(fields_of(self, item, self._clock.now()))))

    def action_own(self, name: str) -> None:
        """Run the command of the user's own that has this name, on the selected rows or else on the present one."""
        command = next(one for one in self._own.commands_of(self.NAME.lower()) if one.name == name)
        items = self.rows.chosen()
        if items:
            self.post_message(self.OwnWanted(self, command, items))
        else:
            refuse(self, self.why_empty())

    def action_open(self) -> None:
        """Do the usual action on the row."""
        if self.rows.current is not None:
            self.open(self.rows.current)

    def on_live_table_opened(self, event: LiveTable.Opened) -> None:
        """A second click does the same."""
        event.stop()
        if why := self.refusal("open"):
            refuse(self, why)
        else:
            self.action_open()

    def on_live_table_moved(self, _event: LiveTable.Moved) -> None:
        """Judge what may be done to the row, and say which one it is."""
        self.judge()
        self._say()

    def on_live_table_resized(self, event: LiveTable.Resized) -> None:
        """Say where the cursor is, if not all rows are in sight now."""
        event.stop()
        self._say()

    # Order

    def action_columns(self) -> None:
        """Choose the columns."""
        self.post_message(self.ColumnsWanted(self))

    def action_sort_next(self) -> None:
        """Sort by the column that is visible after the present one."""
        visible, current = self.table.visible_columns, self.rows.sorted_by
        after = visible.index(current) + 1 if current in visible else 0
        self._sort(visible[after % len(visible)], is_reversed=False)

    def action_sort_reverse(self) -> None:
        """Sort the other way round."""
        self._sort(self.rows.sorted_by, is_reversed=not self.rows.is_reversed)

    def on_live_table_sorted(self, event: LiveTable.Sorted) -> None:
        """Sort by the heading that was clicked; a second click turns the order round."""
        event.stop()
        again = event.column == self.rows.sorted_by
        self._sort(event.column, is_reversed=again and not self.rows.is_reversed)

    def sort_by(self, name: str, *, is_reversed: bool) -> None:
        """Sort by the column of this name."""
        names = [column.name for column in self.COLUMNS]
        self._sort(names.index(name), is_reversed=is_reversed)

    def _sort(self, column: int | None, *, is_reversed: bool) -> None:
        self.rows.sort(column, is_reversed=is_reversed)
        self.table.scroll_to_cursor()
        self.table.redraw()


def _clearing() -> str:
    return f"Press {label_of(Context.TABLE, 'clear')} to clear it."
