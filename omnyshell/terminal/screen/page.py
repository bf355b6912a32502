"""A screen's memory: the main screen is one page, the alternate screen another."""

from dataclasses import dataclass, field, replace

from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.style import DEFAULT_STYLE, Style
from omnyshell.terminal.state.settings import Keyboard


@dataclass(frozen=True, slots=True)
class SavedCursor:
    """What DECSC keeps and DECRC brings back (DEC STD 070, 5.5): without a DECSC, the state of a new terminal."""

    x: int = 0
    y: int = 0
    style: Style = DEFAULT_STYLE
    charsets: tuple[str, ...] = ("B", "B", "B", "B")
    charset: int = 0
    origin: bool = False
    charset_right: int = 2
    edge: int = -1
    """The column in which a wrap is pending, where that is not the last."""

    @property
    def without_margin(self) -> "SavedCursor":
        """The same where no wrap can wait at a margin, as resizing takes margins away."""
        return self if self.edge < 0 else replace(self, x=self.edge, edge=-1)


@dataclass(slots=True)
class Page:
    """The rows of one screen, with what a program saved or stacked while it was shown."""

    rows: list[Row]
    saved: SavedCursor = field(default_factory=SavedCursor)
    keyboard: Keyboard = field(default_factory=Keyboard)
    shown_by: int = 0
    """The mode that shows the page, where it is the alternate screen."""

    comes_back: bool = False
    """Whether it was left by mode 47, which shows the same contents again."""
