"""The help: every key, from the table of keys, and the language of filters."""

from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from omnyshell.tui.keys import Context, Key, bindings, sections

FILTERS = (
    ("text", "rows that have the text anywhere"),
    ("label:env=prod", "nodes with this label"),
    ("state:detached", "rows whose field has this value"),
    ("node:web-*", "`*` and `?` stand for anything"),
    ("rate:>1M", "sizes: more than so much, in K M G"),
    ("latency:<50ms", "times: less than so much, in ms s m h d"),
    ("-node:web-1", "rows for which the term does not hold"),
    ('"two words"', "one text with a space in it"),
)


class HelpScreen(ModalScreen[None]):
    """Shows the keys until any of `Context.FORM`'s closes it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.FORM)
    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        background: $background 60%;
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

    def compose(self) -> ComposeResult:
        """One long text."""
        with VerticalScroll() as scroll:
            scroll.border_title = "Help"
            scroll.border_subtitle = "esc closes"
            yield Static(_text(), markup=False)

    def action_close(self) -> None:
        """Close the help."""
        self.dismiss()

    def action_show_help(self) -> None:
        """Close it with the key that opened it, too."""
        self.dismiss()


def _text() -> Content:
    blocks = [(str(context), [_words(key) for key in members]) for context, members in sections()]
    blocks.append(("Filters", list(FILTERS)))
    width = max(cell_len(left) for _, lines in blocks for left, _ in lines)
    parts: list[str | tuple[str, str]] = []
    for title, lines in blocks:
        parts += [(f"{title}\n", "bold $primary")]
        for left, right in lines:
            parts += [(f"  {left}{' ' * (width - cell_len(left))}  ", "bold $accent"), f"{right}\n"]
        parts.append("\n")
    return Content.assemble(*parts[:-1])


def _words(key: Key) -> tuple[str, str]:
    return key.label, key.more or key.text
