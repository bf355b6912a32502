"""The pane that shows the details of one item."""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from omnyshell.printable import printable
from omnyshell.tui.panels.details import Details


class DetailsPane(VerticalScroll, can_focus=True):
    """Shows `Details`, or says that there are none."""

    NAME = "details"

    DEFAULT_CSS = """
    DetailsPane {
        border: round $line;
        border-title-color: $muted;
        background: $surface;
        padding: 0 1;
        scrollbar-size-vertical: 1;
        &:focus { border: $focus-border $primary; border-title-color: $primary; }
    }
    """

    def __init__(self) -> None:
        super().__init__(id=self.NAME)
        self._lines = Static(markup=False)
        self._shown: Details | None = None

    def compose(self) -> ComposeResult:
        """One text."""
        yield self._lines

    def present(self, details: Details | None) -> None:
        """Show something else."""
        if details == self._shown and self.border_title:
            return
        before, self._shown = self._shown, details
        self.border_title = Content(printable(details.title) if details is not None else "Details")
        lines = details.lines if details is not None else ()
        width = max((len(name) for name, _ in lines), default=0)
        parts = [((f"{name:<{width}}  ", "$muted"), f"{printable(text)}\n") for name, text in lines]
        text = Content.assemble(*(part for pair in parts for part in pair))
        # A new layout of the screen costs far more than drawing a few lines.
        same_lines = before is not None and [line[0] for line in before.lines] == [name for name, _ in lines]
        self._lines.update(text if parts else "Nothing is chosen.", layout=not same_lines)
