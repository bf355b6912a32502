"""What a tab of the terminals shows: an attached session, or one that is looked on at."""

from enum import StrEnum

from textual.containers import Container
from textual.message import Message
from textual.widget import Widget

MOST_TITLE = 40


class TabMark(StrEnum):
    """What a tab says beside its name."""

    NONE = ""
    ACTIVITY = "*"
    BELL = "!"
    WAITING = "~"
    OVER = "x"
    WATCHED = "="


class TabPane(Container):
    """One tab. `name_given` is what the user called it."""

    class Changed(Message):
        """Name or mark of the tab are others now."""

    class Finished(Message):
        """The tab is to be closed."""

        def __init__(self, pane: "TabPane") -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self.node_id = node_id
        self.name_given = ""

    @property
    def label(self) -> str:
        """What the tab is called."""
        return self.name_given or one_line(self.own_name)

    @property
    def own_name(self) -> str:
        """What it is called unless the user named it."""
        raise NotImplementedError

    @property
    def mark(self) -> TabMark:
        """What is to be noticed."""
        raise NotImplementedError

    @property
    def is_live(self) -> bool:
        """Whether a session is attached that goes on."""
        return False

    @property
    def target(self) -> Widget:
        """What gets the focus."""
        raise NotImplementedError

    async def leave(self) -> None:
        """Detach what is attached. Raises `OmnyShellException` where that fails."""

    def seen(self) -> None:
        """The user looks at it now."""


def one_line(text: str, most: int = MOST_TITLE) -> str:
    """Return a program's or a peer's text as a line that may be shown."""
    line = "".join(char if char.isprintable() else " " for char in text).strip()
    return line if len(line) <= most else line[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
