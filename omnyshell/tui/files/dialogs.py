"""Asking for a name, or for a path."""

import os
from collections.abc import Awaitable, Callable, Iterable

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from omnyshell.printable import printable
from omnyshell.services.client.files.ports import LONGEST_PATH, is_name
from omnyshell.tui.dialogs.boxed import row
from omnyshell.tui.dialogs.dialog import Dialog, field
from omnyshell.tui.dialogs.reading import MissingError, Reading


class NameDialog(Dialog[bytes]):
    """Asks for the name of something in a directory."""

    WAITING = "Asking the machine…"

    def __init__(
        self, title: str, action: str, folder: str, name: bytes, act: Callable[[bytes], Awaitable[None]] | None = None
    ) -> None:
        super().__init__(act)
        self.TITLE = title  # type: ignore[misc]
        self.ACTION = action  # type: ignore[misc]
        self._folder = folder
        self._present = name

    def form(self) -> Iterable[Widget]:
        """The directory, and the name."""
        yield row("In", Static(Content(printable(self._folder)), markup=False))
        yield row("Name", field("name", printable(os.fsdecode(self._present))))

    def on_mount(self) -> None:
        """Begin with the name."""
        self.query_one("#name").focus()

    def read(self, reading: Reading) -> bytes:
        """The name; the one that it has is taken as it is, also where it is no text."""
        if self._present and self.value("name") == printable(os.fsdecode(self._present)):
            return self._present
        return reading.take("name", _name, b"")


class PathDialog(Dialog[bytes]):
    """Asks for the path of a directory."""

    TITLE = "Go to a directory"
    ACTION = "Go"

    def __init__(self, machine: str, path: bytes) -> None:
        super().__init__()
        self._machine = machine
        self._path = path

    def form(self) -> Iterable[Widget]:
        """The machine, and the path."""
        yield row("On", Static(Content(printable(self._machine)), markup=False))
        yield row("Path", field("path", printable(os.fsdecode(self._path)), "~ is the home directory"))

    def on_mount(self) -> None:
        """Begin with the path."""
        self.query_one("#path").focus()

    def read(self, reading: Reading) -> bytes:
        """The path."""
        return reading.take("path", _path, b"")


def _name(text: str) -> bytes:
    if not text:
        raise MissingError("What is its name?")
    name = _encoded(text)
    if not is_name(name):
        raise ValueError("No file can have this name.")
    return name


def _path(text: str) -> bytes:
    path = _encoded(text)
    if b"\0" in path or len(path) > LONGEST_PATH:
        raise ValueError("This is no path.")
    return path


def _encoded(text: str) -> bytes:
    try:
        return os.fsencode(text)
    except UnicodeEncodeError as exc:
        raise ValueError("This cannot be in a name.") from exc
