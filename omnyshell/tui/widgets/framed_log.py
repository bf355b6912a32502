"""Lines of text in a frame that lies over a screen."""

from textual.content import Content
from textual.widgets import Log

from omnyshell.printable import printable


class FramedLog(Log):
    """Lines under a title; whoever shows it says how large it is."""

    DEFAULT_CSS = """
    FramedLog {
        border: round $primary;
        border-title-color: $primary;
        border-subtitle-color: $muted;
        background: $surface;
        padding: 0 1;
        overflow: auto;
        scrollbar-size: 1 1;
        &:focus { background-tint: transparent; }
    }
    """

    def __init__(self, title: str, foot: str, *, auto_scroll: bool = True) -> None:
        """`title` may be what others say."""
        super().__init__(auto_scroll=auto_scroll)
        self.border_title = Content(printable(title))
        self.border_subtitle = Content(foot)
