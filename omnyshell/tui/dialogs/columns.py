"""Choosing the columns of a panel, and their order; the panel behind shows the choice at once."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static

from omnyshell.tui.dialogs.boxed import Boxed
from omnyshell.tui.formats import fitted
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.panel import Panel


class Choice:
    """Columns in an order, of which some are shown. Those that are not come last at first."""

    def __init__(self, columns: Sequence[Column[Any]], shown: Sequence[str], usual: Sequence[str]) -> None:
        self._own = [column.name for column in columns]
        self._usual = list(usual)
        self.order = [*shown, *(name for name in self._own if name not in shown)]
        self.shown = set(shown)

    @property
    def names(self) -> list[str]:
        """Those that are shown, in their order; none where they are the usual ones in their own."""
        chosen = [name for name in self.order if name in self.shown]
        return [] if chosen == self._usual else chosen

    def toggle(self, at: int) -> bool:
        """Show one, or not any more; returns False for the last one that is shown, which stays."""
        changed = self.shown ^ {self.order[at]}
        self.shown = changed or self.shown
        return bool(changed)

    def move(self, at: int, by: int) -> int:
        """Move one up or down; return where it is."""
        to = max(0, min(at + by, len(self.order) - 1))
        self.order.insert(to, self.order.pop(at))
        return to

    def reset(self) -> None:
        """Show the usual ones, in their own order."""
        self.order, self.shown = list(self._own), set(self._usual)


class _List(OptionList):
    """The columns; enter is for all of them, and space for one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "screen.save", show=False)]


class ColumnsDialog(Boxed[list[str]]):
    """Returns the names to show, none for the usual ones in their own order; or None if it was left."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.COLUMNS)
    DEFAULT_CSS = """
    ColumnsDialog {
        #box { width: 64; padding: 0 1; }
        #list { height: auto; max-height: 100%; border: none; background: $surface; padding: 0; }
        #list:focus { background-tint: transparent; }
        #keys { height: auto; color: $muted; padding: 1 1 0 1; }
    }
    """

    def __init__(self, panel: Panel[Any]) -> None:
        super().__init__()
        self._panel = panel
        self._columns = {column.name: column for column in panel.columns}
        self._before = panel.table.chosen
        self._choice = Choice(panel.columns, self._before, panel.table.usual)
        self._list = _List(*self._lines(), compact=True, markup=False, id="list")

    def compose(self) -> ComposeResult:
        """The columns, and what keys do."""
        with Vertical(id="box") as box:
            box.border_title = Content(f"Columns of {self._panel.NAME.lower()}")
            box.border_subtitle = "enter saves, esc leaves"
            yield self._list
            yield Static("space shows or hides   shift+↑↓ moves   a as at first", id="keys", markup=False)

    def on_mount(self) -> None:
        """Begin with the first column."""
        self._list.focus()
        self._list.highlighted = 0

    def _lines(self) -> Iterable[Content]:
        for name in self._choice.order:
            column = self._columns[name]
            is_shown = name in self._choice.shown
            about = column.field.about if column.field is not None else column.about
            why = self._panel.why_nothing(column)
            text = f"{'✓' if is_shown else ' '} {fitted(column.title, 10)} {f'{why}: ' if why else ''}{about}"
            yield Content.styled(fitted(text, 58), "" if is_shown else "dim")

    def _show(self, at: int) -> None:
        for index, line in enumerate(self._lines()):
            self._list.replace_option_prompt_at_index(index, line)
        self._list.highlighted = at
        self._panel.table.choose(self._choice.names)

    @property
    def _at(self) -> int:
        return self._list.highlighted or 0

    def action_show_or_hide(self) -> None:
        """Show the column, or hide it."""
        if not self._choice.toggle(self._at):
            self.notify("One column stays", severity="warning")
        self._show(self._at)

    def action_move(self, by: int) -> None:
        """Move the column."""
        self._show(self._choice.move(self._at, by))

    def action_reset(self) -> None:
        """Show all as at first."""
        self._choice.reset()
        self._show(0)

    def action_cursor(self, where: str) -> None:
        """Go up or down."""
        if where == "up":
            self._list.action_cursor_up()
        else:
            self._list.action_cursor_down()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A click shows or hides."""
        event.stop()
        self.action_show_or_hide()

    def action_save(self) -> None:
        """Return the choice."""
        self.dismiss(self._choice.names)

    def action_close(self) -> None:
        """Leave everything as it was."""
        self._panel.table.choose(self._before if self._before != self._panel.table.usual else ())
        self.dismiss(None)
