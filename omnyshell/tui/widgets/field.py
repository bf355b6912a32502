"""A line to type into."""

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widgets import Input


class Field(Input):
    """An input whose cursor does not blink: nothing is drawn while nothing happens."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # The key that Backspace sends on some terminals.
        Binding("ctrl+h", "delete_left", show=False),
        # As in readline.
        Binding("alt+b,alt+left", "cursor_left_word", show=False),
        Binding("alt+f,alt+right", "cursor_right_word", show=False),
        Binding("alt+backspace", "delete_left_word", show=False),
        Binding("alt+d", "delete_right_word", show=False),
    ]

    def on_key(self, event: events.Key) -> None:
        """Leave letters with Alt to the bindings: they are commands, no text."""
        if is_with_alt(event.key):
            event.prevent_default()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Tell whether the key types something."""
        return not is_with_alt(key) and super().check_consume_key(key, character)

    def was_refused(self) -> None:
        """Select a refused secret, so that typing replaces it, as its characters cannot be seen."""
        if self.password:
            self.select_all()

    def on_mount(self) -> None:
        """Stop the blinking."""
        self.cursor_blink = False


def is_with_alt(key: str) -> bool:
    """Tell whether Alt is held with a key, by Textual's name."""
    return key.startswith("alt+")
