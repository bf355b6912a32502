"""The pane that shows the details of one item."""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from omnyshell.printable import printable
from omnyshell.tui.formats import hanging
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
        self._heights: list[int] = []

    def compose(self) -> ComposeResult:
        """One text."""
        yield self._lines

    def present(self, details: Details | None) -> None:
        """Show something else."""
        if details != self._shown or not self.border_title:
            self._shown = details
            self.border_title = Content(printable(details.title) if details is not None else "Details")
            self._draw()

    def on_resize(self) -> None:
        """Wrap the texts anew."""
        self._draw()

    def _draw(self) -> None:
        lines = self._shown.lines if self._shown is not None else ()
        width = max((len(name) for name, _ in lines), default=0) + 2
        room = self.scrollable_content_region.width
        texts = [f"{hanging(printable(text), room, width)}\n" for _, text in lines]
        named = zip(((f"{name:<{width}}", "$muted") for name, _ in lines), texts, strict=True)
        parts = [part for pair in named for part in pair]
        heights = [text.count("\n") for text in texts]
        # A new layout of the screen costs far more than drawing a few lines.
        self._lines.update(Content.assemble(*parts) if parts else "Nothing is chosen.", layout=heights != self._heights)
        self._heights = heights
