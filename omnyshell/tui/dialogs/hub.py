"""The form for another hub that is to join."""

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Static

from omnyshell.ids import is_hub_id
from omnyshell.tui.dialogs.boxed import row
from omnyshell.tui.dialogs.dialog import Dialog, field
from omnyshell.tui.dialogs.reading import MissingError, Reading

NOTE = (
    "Whoever uses the line first is that hub: hand it over like a password. "
    "docs/cluster.md says what its machine has to have before."
)


class HubDialog(Dialog[str]):
    """What the hub is to be called."""

    TITLE = "Invite a hub"
    ACTION = "Invite"

    def form(self) -> Iterable[Widget]:
        """Its name."""
        yield row("Hub", field("hub", hint="what it is called among the hubs: b"))
        yield Static(NOTE, classes="text", markup=False)

    def on_mount(self) -> None:
        """Begin with the name."""
        self.query_one("#hub").focus()

    def read(self, reading: Reading) -> str:
        """The name."""
        return reading.take("hub", _hub_id, "")


def _hub_id(text: str) -> str:
    if not text:
        raise MissingError("What is the hub called?")
    if not is_hub_id(text):
        raise ValueError("No hub's id: use 1 to 32 lower-case letters, digits and '-'.")
    return text
