"""A line to type into."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input


class Field(Input):
    """An input whose cursor does not blink: nothing is drawn while nothing happens."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # What Backspace sends on some terminals.
        Binding("ctrl+h", "delete_left", show=False)
    ]

    def was_refused(self) -> None:
        """Have what is typed next take the place of a secret, of which nobody sees what has to be changed."""
        if self.password:
            self.select_all()

    def on_mount(self) -> None:
        """Stop the blinking."""
        self.cursor_blink = False
