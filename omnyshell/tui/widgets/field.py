"""A line to type into."""

from textual.widgets import Input


class Field(Input):
    """An input whose cursor does not blink: nothing is drawn while nothing happens."""

    def on_mount(self) -> None:
        """Stop the blinking."""
        self.cursor_blink = False
