"""A pane of the terminals: an attached or a watched session."""

from enum import StrEnum

from textual.containers import Container
from textual.message import Message
from textual.widget import Widget

from omnyshell.tui.messages import SessionRef
from omnyshell.tui.terminal.heading import Heading

MOST_TITLE = 40
MOST_WATCHERS = 20
"""Characters of a tab's name, and of the names of who looks at it."""


class TabMark(StrEnum):
    """The mark beside a tab's name; of a tab's panes, the last one of these counts."""

    NONE = ""
    WATCHED = "="
    HELD = "-"
    OVER = "x"
    ACTIVITY = "*"
    WAITING = "~"
    BELL = "!"


class TabPane(Container):
    """One pane. A tab has the name of its active one, unless the user gave it another."""

    class Changed(Message):
        """Name, mark or state of the pane has changed."""

    class Finished(Message):
        """The pane is to be closed."""

        def __init__(self, pane: "TabPane") -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self.node_id = node_id
        self.heading = Heading()

    @property
    def subject(self) -> SessionRef:
        """Its node and session, as rights are judged by them."""
        return SessionRef(self.node_id, "")

    @property
    def label(self) -> str:
        """Its name, as it may be displayed."""
        return one_line(self.own_name)

    @property
    def watched_by(self) -> tuple[str, ...]:
        """Which others look at the session."""
        return ()

    @property
    def watchers(self) -> str:
        """What is shown beside the name of a session that others look at."""
        return f"◉ {one_line(', '.join(self.watched_by), MOST_WATCHERS)}" if self.watched_by else ""

    @property
    def own_name(self) -> str:
        """Its name, as its program or its node have it."""
        raise NotImplementedError

    @property
    def what(self) -> str:
        """What runs in it, as the program or the node say."""
        raise NotImplementedError

    @property
    def state(self) -> str:
        """A word for its state."""
        raise NotImplementedError

    @property
    def mark(self) -> TabMark:
        """The mark to show."""
        raise NotImplementedError

    @property
    def is_live(self) -> bool:
        """Whether a live session is attached."""
        return False

    @property
    def target(self) -> Widget:
        """The widget that gets the focus."""
        raise NotImplementedError

    async def leave(self) -> None:
        """Detach what is attached. Raises `OmnyShellException` where that fails."""

    def seen(self) -> None:
        """The user looks at it now."""

    def unseen(self) -> None:
        """It is not on screen any more."""


def one_line(text: str, most: int = MOST_TITLE) -> str:
    """Return a program's or a peer's text as a line that may be shown."""
    line = "".join(char if char.isprintable() else " " for char in text).strip()
    return line if len(line) <= most else line[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
