"""Tabs of the panels, for screens that show only one panel at a time."""

from collections.abc import Mapping

from rich.cells import cell_len
from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.message import Message
from textual.widget import Widget


class PanelTabs(Widget):
    """One line: the panels with how many rows each has, the present one marked."""

    DEFAULT_CSS = """
    PanelTabs { height: 1; padding: 0 1; background: $background; color: $muted; }
    """

    class Chosen(Message):
        """A name was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, int | None] = {}
        self._present = ""

    def tell(self, counts: Mapping[str, int | None], present: str) -> None:
        """Set the number of rows of each panel, None for one without rows, and which one is shown."""
        if (dict(counts), present) != (self._counts, self._present):
            self._counts, self._present = dict(counts), present
            self.refresh()

    def render(self) -> RenderResult:
        """The names in a row."""
        parts: list[str | tuple[str, str]] = []
        for number, name in enumerate(self._counts, 1):
            text = self._text(number, name)
            parts += [(text, "bold reverse $primary") if name == self._present else text, " "]
        return Content.assemble(*parts)

    def _text(self, number: int, name: str) -> str:
        count = self._counts[name]
        return f" {number} {name.capitalize()} {'' if count is None else f'{count} '}"

    def on_click(self, event: events.Click) -> None:
        """Choose a name."""
        offset = event.get_content_offset(self)
        start = 0
        for number, name in enumerate(self._counts, 1):
            width = cell_len(self._text(number, name))
            if offset is not None and start <= offset.x < start + width:
                self.post_message(self.Chosen(name))
                return
            start += width + 1
