"""The line above a pane that shares its tab with others: node, command and state."""

from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text
from textual.widget import Widget


@dataclass(frozen=True, slots=True)
class Words:
    """What the line says. `is_loud` is for what must not be overlooked."""

    node: str
    what: str = ""
    state: str = ""
    is_active: bool = False
    is_loud: bool = False


class Heading(Widget):
    """Hidden until it is told something."""

    DEFAULT_CSS = """
    Heading {
        dock: top; height: 1; width: 100%; display: none;
        background: $panel; color: $bar-muted;
    }
    Heading.-shown { display: block; }
    Heading.-active { background: $primary; color: $on-primary; text-style: bold; }
    Heading.-loud { background: $error; color: $background; text-style: bold; }
    """
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._words: Words | None = None

    def tell(self, words: Words | None) -> None:
        """Show this; None for no line."""
        if words == self._words:
            return
        self._words = words
        self.set_class(words is not None, "-shown")
        self.set_class(words is not None and words.is_active, "-active")
        self.set_class(words is not None and words.is_loud, "-loud")
        self.refresh()

    @property
    def text(self) -> str:
        """What is shown."""
        return self.render().plain

    def render(self) -> Text:
        """Return node and command at the left, the state at the right, which the command gives way to."""
        words, width = self._words, self.size.width
        if words is None:
            return Text()
        # Without colours, the sign tells where the keys go.
        sign = "\N{BLACK RIGHT-POINTING SMALL TRIANGLE} " if words.is_active else "  "
        right = f" {words.state} " if words.state else ""
        left = Text.assemble(sign, (words.node, "bold"), f"  {words.what}" if words.what else "")
        room = width - cell_len(right)
        if room < len(sign) + 1:
            return Text(right.strip()[:width])
        left.truncate(room, overflow="ellipsis", pad=True)
        left.append(right)
        return left
