"""A long line that is to be taken whole: by the mouse in the console, or by the terminal's own selection."""

from rich.console import Console
from rich.segment import Segment
from textual.geometry import Region, Size
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

WRAPS, WRAPS_NOTHING = "\x1b[?7h", "\x1b[?7l"
"""DECAWM: Textual has terminals wrap nothing, as it says itself where each row begins."""


class _WrappedRow(Strip):
    """A row that the terminal is to take for what goes on from the row above.

    It writes the end of that row again, and wraps from there. What is cut out of it, beside a toast, is plain.
    """

    def __init__(self, above: Segment, row: Strip) -> None:
        """`above` is the last character of the row above."""
        super().__init__(row, row.cell_length)
        self._above = above

    def render(self, console: Console) -> str:
        """Return what the terminal is sent."""
        above = Strip([self._above], 1).render(console)
        up = f"\x1b[A\x1b[{self.cell_length}G"
        return f"{up}{WRAPS}{above}{super().render(console)}{WRAPS_NOTHING}"


class PasteLine(Widget):
    """Fills row after row with the text, from the first column to the last.

    A terminal copies rows as one line where it has wrapped them itself. So each row begins with the last character of
    the row above, written there again: what follows it wraps. Place it at the left edge, in the full width.
    """

    DEFAULT_CSS = """
    PasteLine { width: 100%; height: auto; color: $foreground; background: $surface; }
    """

    def __init__(self, text: str, *, id: str) -> None:  # noqa: A002 - as of every widget
        """`text` is printable, and each of its characters takes one column."""
        super().__init__(id=id)
        self.text = text

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """Return how many rows it fills."""
        return -(-len(self.text) // max(1, width))

    def render_line(self, y: int) -> Strip:
        """Return a row."""
        width, style = self.size.width, self.rich_style
        text = self.text[y * width : (y + 1) * width]
        if not text:
            return Strip.blank(width, style)
        start, end = self._selected(y, len(text))
        chosen = style + self.screen.get_component_rich_style("screen--selection")
        pieces = [(text[:start], style), (text[start:end], chosen), (text[end:], style)]
        shown = [Segment(piece, look) for piece, look in pieces if piece]
        return Strip([*shown, Segment(" " * (width - len(text)), style)], width).apply_offsets(0, y)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return rows as the terminal is sent them."""
        rows = super().render_lines(crop)
        return [self._wrapped(crop.y + index, row) for index, row in enumerate(rows)]

    def _wrapped(self, y: int, row: Strip) -> Strip:
        width = self.size.width
        is_whole = 0 < y <= (len(self.text) - 1) // width and row.cell_length == width
        return _WrappedRow(Segment(self.text[y * width - 1], self.rich_style), row) if is_whole else row

    def _selected(self, y: int, length: int) -> tuple[int, int]:
        selection = self.text_selection
        span = selection.get_span(y) if selection is not None else None
        if span is None:
            return 0, 0
        return span[0], length if span[1] < 0 else span[1]

    def get_selection(self, selection: Selection) -> tuple[str, str]:
        """Return what is selected, without the ends of rows."""
        width = self.size.width
        start = selection.start.y * width + selection.start.x if selection.start is not None else 0
        end = selection.end.y * width + selection.end.x if selection.end is not None else len(self.text)
        return self.text[start:end], ""

    def selection_updated(self, selection: Selection | None) -> None:  # noqa: ARG002
        """Show it."""
        self.refresh()
