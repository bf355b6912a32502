"""Asking before something is ended."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from omnyshell.printable import printable
from omnyshell.tui.dialogs.dialog import Dialog
from omnyshell.tui.dialogs.reading import Reading

SHOWN = 8
"""The most items that are named, one on each line; the rest is counted."""


class Question(Dialog[bool]):
    """Names what is to be ended, and returns True if the user confirms.

    Cancel has the focus, so Enter alone ends nothing.
    """

    ACTION: ClassVar[str] = ""
    TITLE: ClassVar[str] = ""
    IS_DANGEROUS = True

    def __init__(self, title: str, action: str, names: Sequence[str], consequence: str) -> None:
        super().__init__()
        self.TITLE = title  # type: ignore[misc]
        self.ACTION = action  # type: ignore[misc]
        self._names = names
        self._consequence = consequence

    def form(self) -> Iterable[Widget]:
        """What is ended, and what that means."""
        lines = [Content(printable(name)) for name in self._names[:SHOWN]]
        if len(self._names) > SHOWN:
            lines.append(Content(f"and {len(self._names) - SHOWN} more"))
        yield Static(Content("\n").join(lines), classes="text", markup=False)
        yield Static(self._consequence, classes="text", markup=False)

    def on_mount(self) -> None:
        """Focus the cancel button."""
        self.query_one("#cancel").focus()

    def read(self, reading: Reading) -> bool:  # noqa: ARG002 - there is nothing to fill in
        """Return True: the user has confirmed."""
        return True
