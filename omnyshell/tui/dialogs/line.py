"""The line by which somebody joins, to be taken elsewhere."""

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

from omnyshell.errors import OmnyShellException
from omnyshell.printable import printable
from omnyshell.security.files import write_private
from omnyshell.tui.advice import advice
from omnyshell.tui.keys import Context, bindings
from omnyshell.tui.widgets.footer import KeyFooter
from omnyshell.tui.widgets.paste_line import PasteLine


class LineDialog(ModalScreen[None]):
    """Shows a line to paste elsewhere, whole: in the full width, with nothing beside it."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Context.LINE)
    DEFAULT_CSS = """
    LineDialog {
        background: $surface;
        .text { height: auto; padding: 0 1; margin: 1 0; color: $muted; }
        #title { color: $primary; text-style: bold; }
        #done { color: $foreground; }
        #done.-wrong { color: $error; }
    }
    """

    def __init__(self, line: str, note: str, file_name: str = "omnyshell-invite") -> None:
        """`file_name` is that of a file in the user's home."""
        super().__init__()
        self._line = line
        self._note = note
        self._file_name = file_name

    def compose(self) -> ComposeResult:
        """What it is for, the line, how long it is good, and the keys."""
        yield Static("Paste this line into a shell there", id="title", classes="text", markup=False)
        yield PasteLine(printable(self._line), id="line")
        yield Static(self._note, classes="text", markup=False)
        yield Static(id="done", classes="text", markup=False)
        yield KeyFooter()

    def action_copy(self) -> None:
        """Ask the user's terminal to copy the line; it does not answer."""
        self.app.copy_to_clipboard(self._line)
        self._say(
            "Sent to your terminal's clipboard. Does pasting give nothing? "
            "Select it with shift and the mouse, or write it into a file."
        )

    def action_write(self) -> None:
        """Write the line into a file of the user's home, which nobody else can read."""
        path = Path.home() / self._file_name
        try:
            write_private(path, f"{self._line}\n".encode())
        except OmnyShellException as exc:
            self._say(advice(exc), is_wrong=True)
        else:
            self._say(f"Written to {path}, which only you can read. On the other machine `sh FILE` runs it.")

    def _say(self, text: str, *, is_wrong: bool = False) -> None:
        """Say what was done, below the line: a toast would lie over it."""
        done = self.query_one("#done", Static)
        done.update(printable(text))
        done.set_class(is_wrong, "-wrong")

    def action_close(self) -> None:
        """Leave."""
        self.dismiss(None)
