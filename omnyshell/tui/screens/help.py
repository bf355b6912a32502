"""The help: every key, from the table of keys, and the language of filters."""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input, Static

from omnyshell.tui.dialogs.boxed import Boxed
from omnyshell.tui.keys import USUAL_LEADER, Context, Key, bindings, label_of, sections
from omnyshell.tui.panels.filter import LANGUAGE
from omnyshell.tui.widgets.field import Field

TOGETHER: Final = {Context.TERMINAL: (Context.PANES, Context.COPY)}
"""What is also said first where the keys of one context are."""

Block = tuple[str, Sequence[tuple[str, str]]]
"""A heading, and lines of keys and what they do."""


class HelpScreen(Boxed[None]):
    """Shows the keys, `first` those of one context, all of them or those with the words that are looked for.

    `leader` is the key that the user's terminals have for their commands.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.HELP)
    DEFAULT_CSS = """
    HelpScreen {
        #box { width: 76; height: 90%; padding: 0 1 0 2; }
        VerticalScroll { height: 1fr; padding-right: 1; scrollbar-size-vertical: 1; }
        #sought { display: none; margin-top: 1; }
        #sought.-open { display: block; }
    }
    """

    def __init__(self, first: Context, leader: str) -> None:
        super().__init__()
        self._blocks = _blocks(first, leader)

    def compose(self) -> ComposeResult:
        """One long text, and the line for what is looked for."""
        with Vertical(id="box") as box:
            box.border_title = "Help"
            box.border_subtitle = f"{label_of(Context.HELP, 'search')} finds   {label_of(Context.HELP, 'close')} closes"
            with VerticalScroll():
                yield Static(self._table(self._blocks), id="keys", markup=False)
            yield Field(placeholder="words of a key or of what it does", id="sought", compact=True)

    def on_mount(self) -> None:
        """Begin with the text."""
        self.query_one(VerticalScroll).focus()

    def _table(self, blocks: Sequence[Block]) -> Group:
        """A table of two columns, so that wrapped texts stay aligned."""
        colours = self.app.theme_variables
        heading, key = (Style(bold=True, color=colours[name]) for name in ("primary", "accent"))
        width = max(cell_len(left) for _, lines in self._blocks for left, _ in lines)
        parts: list[RenderableType] = []
        for title, lines in blocks:
            table = Table.grid(padding=(0, 2, 0, 0), expand=True)
            table.add_column(width=width + 2, style=key)
            table.add_column(ratio=1)
            for left, right in lines:
                table.add_row(Text(f"  {left}"), Text(right))
            parts += [Text(title, heading), table, Text()]
        return Group(*parts[:-1] or [Text("No key has these words.")])

    def action_search(self) -> None:
        """Look for words."""
        sought = self.query_one("#sought", Field)
        sought.add_class("-open")
        sought.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what has the words."""
        event.stop()
        self.query_one("#keys", Static).update(self._table(found(self._blocks, event.value)))
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Read what was found."""
        event.stop()
        self.query_one(VerticalScroll).focus()

    def action_close(self) -> None:
        """Look for nothing any more, or else close the help."""
        sought = self.query_one("#sought", Field)
        if not sought.has_class("-open"):
            self.dismiss(None)
            return
        sought.value = ""
        sought.remove_class("-open")
        self.query_one(VerticalScroll).focus()

    def action_show_help(self) -> None:
        """Close the help with the key that opened it."""
        self.dismiss(None)


def found(blocks: Sequence[Block], text: str) -> list[Block]:
    """Return the lines that have all words, in any order; the heading's words are those of each of its lines."""
    words = text.casefold().split()

    def has(title: str, line: tuple[str, str]) -> bool:
        return all(word in " ".join((title, *line)).casefold() for word in words)

    kept = [(title, [line for line in lines if has(title, line)]) for title, lines in blocks]
    return [(title, lines) for title, lines in kept if lines]


def _blocks(first: Context, leader: str) -> list[Block]:
    near = (first, *TOGETHER.get(first, ()))
    ordered = sorted(sections(), key=lambda section: section[0] not in near)
    blocks: list[Block] = [
        (context.replace(USUAL_LEADER, leader), [_words(key) for key in members]) for context, members in ordered
    ]
    return [*blocks, ("Filters", list(LANGUAGE))]


def _words(key: Key) -> tuple[str, str]:
    return key.label, key.more or key.text
