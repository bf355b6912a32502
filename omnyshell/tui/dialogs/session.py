"""The form that a session is opened with."""

import shlex
from collections.abc import Iterable

from textual.widget import Widget

from omnyshell.model.grammars import is_login
from omnyshell.printable import printable
from omnyshell.tui.dialogs.boxed import row
from omnyshell.tui.dialogs.dialog import Dialog, field
from omnyshell.tui.dialogs.reading import Reading, filled
from omnyshell.tui.terminal.opening import OpenSpec
from omnyshell.tui.widgets.tick import Tick


class SessionDialog(Dialog[OpenSpec]):
    """A shell or a command on a node."""

    TITLE = "Open a session"
    ACTION = "Open"

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self._node_id = node_id

    def form(self) -> Iterable[Widget]:
        """Node, user, command, directory, environment, terminal or not."""
        yield row("Node", field("node", self._node_id, "its id"))
        yield row("User", field("user", hint="of its machine; empty for the first that you may be"))
        yield row("Command", field("command", hint="empty for a login shell"))
        yield row("Directory", field("cwd", hint="empty for the home directory"))
        yield row("Environment", field("env", hint="NAME=value NAME='more words'"))
        yield row("", Tick("With a terminal", value=True, id="pty", compact=True))

    def on_mount(self) -> None:
        """Focus the command, if the node is known."""
        self.query_one("#command" if self._node_id else "#node").focus()

    def read(self, reading: Reading) -> OpenSpec:
        """The session to open."""
        return OpenSpec(
            node_id=reading.take("node", filled("Which node? Give its id."), ""),
            user=reading.take("user", user_name, ""),
            command=self.value("command"),
            cwd=self.value("cwd"),
            env=reading.take("env", environment, {}),
            pty=self.is_checked("pty") or not self.value("command"),
        )


def user_name(text: str) -> str:
    """Read a user's name, or none. Raises `ValueError` that says what is wrong."""
    if text and not is_login(text):
        raise ValueError(f"'{printable(text)}' is no user's name.")
    return text


def environment(text: str) -> dict[str, str]:
    """Read `NAME=value` pairs, quoted as in a shell. Raises `ValueError` that says what is wrong."""
    found = pairs(text)
    for name in found:
        if not (name.isascii() and name.isidentifier()):
            raise ValueError(f"'{name}' is no name of a variable.")
    return found


def pairs(text: str) -> dict[str, str]:
    """Read `NAME=value` pairs, quoted as in a shell. Raises `ValueError` that says what is wrong."""
    try:
        words = shlex.split(text)
    except ValueError as exc:
        raise ValueError("A quotation mark is not closed.") from exc
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError(f"Write '{word}' as NAME=value.")
        found[name] = value
    return found
