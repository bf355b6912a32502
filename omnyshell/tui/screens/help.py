"""The help: every key, from the table of keys, and the language of filters."""

from typing import ClassVar, Final

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from omnyshell.tui.keys import USUAL_LEADER, Context, Key, bindings, sections
from omnyshell.tui.panels.filter import LANGUAGE

TOGETHER: Final = {Context.TERMINAL: (Context.PANES, Context.COPY)}
"""What is also said first where the keys of one context are."""


class HelpScreen(ModalScreen[None]):
    """Shows the keys, `first` those of one context, until any of `Context.FORM`'s closes it.

    `leader` is the key that the user's terminals have for their commands.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.FORM)
    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        background: $veil;
        VerticalScroll {
            width: 76;
            max-width: 100%;
            height: auto;
            max-height: 90%;
            border: round $primary;
            border-title-color: $primary;
            border-subtitle-color: $muted;
            background: $surface;
            padding: 0 2;
            scrollbar-size-vertical: 1;
        }
    }
    """

    def __init__(self, first: Context, leader: str) -> None:
        super().__init__()
        self._first = first
        self._leader = leader

    def compose(self) -> ComposeResult:
        """One long text."""
        with VerticalScroll() as scroll:
            scroll.border_title = "Help"
            scroll.border_subtitle = "esc closes"
            yield Static(self._table(), markup=False)

    def _table(self) -> Group:
        """A table of two columns, so that wrapped texts stay aligned."""
        blocks = _blocks(self._first, self._leader)
        colours = self.app.theme_variables
        heading, key = (Style(bold=True, color=colours[name]) for name in ("primary", "accent"))
        width = max(cell_len(left) for _, lines in blocks for left, _ in lines)
        parts: list[RenderableType] = []
        for title, lines in blocks:
            table = Table.grid(padding=(0, 2, 0, 0), expand=True)
            table.add_column(width=width + 2, style=key)
            table.add_column(ratio=1)
            for left, right in lines:
                table.add_row(Text(f"  {left}"), Text(right))
            parts += [Text(title, heading), table, Text()]
        return Group(*parts[:-1])

    def action_close(self) -> None:
        """Close the help."""
        self.dismiss()

    def action_show_help(self) -> None:
        """Close the help with the key that opened it."""
        self.dismiss()


def _blocks(first: Context, leader: str) -> list[tuple[str, list[tuple[str, str]]]]:
    near = (first, *TOGETHER.get(first, ()))
    ordered = sorted(sections(), key=lambda section: section[0] not in near)
    blocks = [(context.replace(USUAL_LEADER, leader), [_words(key) for key in members]) for context, members in ordered]
    return [*blocks, ("Filters", list(LANGUAGE))]


def _words(key: Key) -> tuple[str, str]:
    return key.label, key.more or key.text
