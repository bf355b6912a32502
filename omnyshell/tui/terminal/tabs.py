"""The line of tabs above the terminals."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget


@dataclass(frozen=True, slots=True)
class TabLabel:
    """A tab as the line shows it."""

    text: str
    mark: str = ""
    is_active: bool = False


class TabBar(Widget):
    """Shows numbered tabs in one line, the active one always in sight, and a hint where there is room.

    A loud hint takes its room from the tabs.
    """

    DEFAULT_CSS = """
    TabBar { dock: top; height: 1; width: 100%; background: $tabs-ground; color: $tabs-text; }
    TabBar.-loud { background: $error; color: $background; text-style: bold; }
    """
    ALLOW_SELECT = False

    class Clicked(Message):
        """A tab was clicked, by its number from 0."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self) -> None:
        super().__init__()
        self._labels: Sequence[TabLabel] = ()
        self._hint = ""
        self._is_loud = False
        self._places: list[tuple[int, int, int]] = []

    def show(self, labels: Sequence[TabLabel], hint: str, *, loud: bool = False) -> None:
        """Show these tabs."""
        self._labels, self._hint, self._is_loud = labels, hint, loud
        self.set_class(loud, "-loud")
        self.refresh()

    def render(self) -> Text:
        """Return the line."""
        parts = [self._part(number, label) for number, label in enumerate(self._labels)]
        active = next((number for number, label in enumerate(self._labels) if label.is_active), 0)
        width = self.size.width - (cell_len(self._hint) + 2 if self._is_loud else 0)
        first = _first_in_sight([part.cell_len for part in parts], active, width)
        text = Text("< " if first else "", style="bold", no_wrap=True, overflow="ellipsis")
        self._places.clear()
        for number, part in enumerate(parts[first:], first):
            start = text.cell_len
            text.append_text(part)
            self._places.append((start, text.cell_len, number))
        if self._is_loud:
            text.truncate(max(0, width), overflow="ellipsis")
        room = self.size.width - text.cell_len - cell_len(self._hint) - 1
        if parts and room > 0:
            text.append(" " * room + self._hint, "" if self._is_loud else "dim")
        return text

    def _part(self, number: int, label: TabLabel) -> Text:
        style = "bold reverse" if label.is_active else ""
        mark = f"{label.mark} " if label.mark else ""
        return Text.assemble((f" {number + 1} {mark}{label.text} ", style), " ")

    def on_click(self, event: events.Click) -> None:
        """Tell which tab was clicked."""
        event.stop()
        for start, end, number in self._places:
            if start <= event.x < end:
                self.post_message(self.Clicked(number))


def _first_in_sight(widths: Sequence[int], active: int, room: int) -> int:
    """Return the first tab to show, so that the active one is shown whole where there is room."""
    first, used = active, widths[active] if widths else 0
    while first > 0 and used + widths[first - 1] <= room - 2:
        first -= 1
        used += widths[first]
    return first
