"""A line to type into."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input


class Field(Input):
    """An input whose cursor does not blink: nothing is drawn while nothing happens."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # The key that Backspace sends on some terminals.
        Binding("ctrl+h", "delete_left", show=False)
    ]

    def was_refused(self) -> None:
        """Select a refused secret, so that typing replaces it, as its characters cannot be seen."""
        if self.password:
            self.select_all()

    def on_mount(self) -> None:
        """Stop the blinking."""
        self.cursor_blink = False
