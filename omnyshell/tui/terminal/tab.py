"""A tab of the terminals: an attached or a watched session."""

from enum import StrEnum

from textual.containers import Container
from textual.message import Message
from textual.widget import Widget

MOST_TITLE = 40


class TabMark(StrEnum):
    """The mark beside a tab's name."""

    NONE = ""
    ACTIVITY = "*"
    BELL = "!"
    WAITING = "~"
    OVER = "x"
    WATCHED = "="


class TabPane(Container):
    """One tab. `name_given` is the name that the user gave it."""

    class Changed(Message):
        """Name or mark of the tab has changed."""

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
        """The displayed name of the tab."""
        return self.name_given or one_line(self.own_name)

    @property
    def own_name(self) -> str:
        """Its name unless the user named it."""
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


def one_line(text: str, most: int = MOST_TITLE) -> str:
    """Return a program's or a peer's text as a line that may be shown."""
    line = "".join(char if char.isprintable() else " " for char in text).strip()
    return line if len(line) <= most else line[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
