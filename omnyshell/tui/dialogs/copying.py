"""Choosing a field of a row to copy."""

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import OptionList

from omnyshell.printable import printable
from omnyshell.tui.dialogs.boxed import Boxed
from omnyshell.tui.formats import fitted
from omnyshell.tui.keys import Context, bindings

LONGEST: Final = 8_192
"""Characters of a field that are copied."""

_WIDTH: Final = 68


class CopyDialog(Boxed[str]):
    """Returns the text to copy, or None. The first field is what the key that opened it copies at once.

    What is copied is printable: pasted into a shell, a line break that somebody else chose would enter a command.
    """

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.FIELDS)
    DEFAULT_CSS = """
    CopyDialog {
        #box { width: 74; max-height: 90%; padding: 0 1; }
        #box:focus { background-tint: transparent; }
    }
    """

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._fields = [(title, printable(text, LONGEST)) for title, text in fields]

    def compose(self) -> ComposeResult:
        """One line for each field."""
        width = max(len(title) for title, _ in self._fields)
        numbers = [str(at) if at < 10 else " " for at in range(1, len(self._fields) + 1)]
        lines = [
            Content(fitted(f"{number} {fitted(title, width)}  {text}", _WIDTH))
            for number, (title, text) in zip(numbers, self._fields, strict=True)
        ]
        yield OptionList(*lines, id="box", compact=True, markup=False)

    def on_mount(self) -> None:
        """Begin with the first field."""
        fields = self.query_one(OptionList)
        fields.border_title = "Copy"
        fields.border_subtitle = "y the first, enter the chosen, esc leaves"
        fields.highlighted = 0
        fields.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Copy the field that was chosen."""
        event.stop()
        self.action_copy(event.option_index + 1)

    def action_copy(self, number: int) -> None:
        """Copy the field of this number, from 1 on."""
        if number <= len(self._fields):
            self.dismiss(self._fields[number - 1][1])

    def action_cursor(self, where: str) -> None:
        """Go up or down."""
        fields = self.query_one(OptionList)
        if where == "up":
            fields.action_cursor_up()
        else:
            fields.action_cursor_down()
