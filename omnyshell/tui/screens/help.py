"""The help: every key, from the table of keys, and the language of filters."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final, NamedTuple

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from omnyshell.tui.dialogs.boxed import Boxed
from omnyshell.tui.formats import hanging
from omnyshell.tui.keys import USUAL_LEADER, Context, Key, bindings, label_of, sections
from omnyshell.tui.panels.filter import LANGUAGE
from omnyshell.tui.widgets.field import Field

TOGETHER: Final = {
    Context.TERMINAL: (Context.PANES, Context.COPY),
    Context.COPY: (Context.TERMINAL, Context.PANES),
    Context.WATCH: (Context.TERMINAL, Context.PANES),
}
"""What is also said first where the keys of one context are."""


class Entry(NamedTuple):
    """A line of the help: `label` and what that does, and the heading above; `key` is what it tells of, if any."""

    label: str
    text: str
    title: str
    key: Key | None = None

    @property
    def words(self) -> str:
        """What it is found by."""
        return f"{self.title} {self.label} {self.text} {self.key.text if self.key is not None else ''}".casefold()


Block = tuple[str, Sequence[Entry]]
"""A heading, and what is below it."""


class _Entries(OptionList):
    """The lines, of which one can be chosen; headings cannot."""

    DEFAULT_CSS = """
    _Entries {
        height: 1fr; border: none; background: $surface; padding: 0; scrollbar-size-vertical: 1;
        &:focus { border: none; background-tint: transparent; }
        & > .option-list--option-disabled { color: $primary; text-style: bold; }
    }
    """


class HelpScreen(Boxed[Entry]):
    """Shows the keys, `first` those of one context, all of them or those with the words that are looked for.

    Returns the line that was chosen. `leader` is the key that the user's terminals have for their commands.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.HELP)
    DEFAULT_CSS = """
    HelpScreen {
        #box { width: 76; height: 90%; padding: 0 1; }
        #sought { display: none; margin-top: 1; }
        #sought.-open { display: block; }
    }
    """

    def __init__(self, first: Context, leader: str) -> None:
        super().__init__()
        self._blocks = _blocks(first, leader)
        self._shown: dict[str, Entry] = {}
        self._width = 0

    def compose(self) -> ComposeResult:
        """One long list, and the line for what is looked for."""
        with Vertical(id="box") as box:
            search, close = label_of(Context.HELP, "search"), label_of(Context.HELP, "close")
            box.border_title = "Help"
            box.border_subtitle = Content(f"enter does it   {search} finds   {close} closes")
            yield _Entries(id="keys", compact=True, markup=False)
            yield Field(placeholder="words of a key or of what it does", id="sought", compact=True)

    def on_mount(self) -> None:
        """Begin with the list."""
        self.list.focus()

    def on_resize(self) -> None:
        """Wrap the lines anew."""
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        if self._width != self.list.scrollable_content_region.width:
            self._show()

    @property
    def list(self) -> OptionList:
        """The lines."""
        return self.query_one(_Entries)

    def _show(self) -> None:
        blocks = found(self._blocks, self.query_one("#sought", Field).value)
        self._shown.clear()
        self._width = self.list.scrollable_content_region.width
        self.list.set_options(self._options(blocks) if blocks else [Option("No key has these words.", disabled=True)])
        self.list.action_first()

    def _options(self, blocks: Sequence[Block]) -> Iterator[Option]:
        indent = max(cell_len(entry.label) for _, entries in self._blocks for entry in entries) + 4
        for number, (title, entries) in enumerate(blocks):
            if number:
                yield Option("", disabled=True)
            yield Option(title, disabled=True)
            for entry in entries:
                name = str(len(self._shown))
                self._shown[name] = entry
                label = (f"{f'  {entry.label}':<{indent}}", "bold")
                yield Option(Content.assemble(label, hanging(entry.text, self._width - 1, indent)), id=name)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return what was chosen."""
        event.stop()
        self.dismiss(self._shown[event.option_id or ""])

    def action_search(self) -> None:
        """Look for words."""
        sought = self.query_one("#sought", Field)
        sought.add_class("-open")
        sought.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what has the words."""
        event.stop()
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Choose from what was found."""
        event.stop()
        self.list.focus()

    def action_close(self) -> None:
        """Look for nothing any more, or else close the help."""
        sought = self.query_one("#sought", Field)
        if not sought.has_class("-open"):
            self.dismiss(None)
            return
        sought.value = ""
        sought.remove_class("-open")
        self.list.focus()

    def action_show_help(self) -> None:
        """Close the help with the key that opened it."""
        self.dismiss(None)


def found(blocks: Sequence[Block], text: str) -> list[Block]:
    """Return the lines that have all words, in any order; the heading's words are those of each of its lines."""
    words = text.casefold().split()

    def has(entry: Entry) -> bool:
        return all(word in entry.words for word in words)

    kept = [(title, list(filter(has, entries))) for title, entries in blocks]
    return [(title, entries) for title, entries in kept if entries]


def _blocks(first: Context, leader: str) -> list[Block]:
    near = (first, *TOGETHER.get(first, ()))
    ordered = sorted(sections(), key=lambda section: near.index(section[0]) if section[0] in near else len(near))
    named = ((context.replace(USUAL_LEADER, leader), members) for context, members in ordered)
    blocks: list[Block] = [
        (title, [Entry(key.label, key.more or key.text, title, key) for key in members]) for title, members in named
    ]
    return [*blocks, ("Filters", [Entry(*line, "Filters") for line in LANGUAGE])]
