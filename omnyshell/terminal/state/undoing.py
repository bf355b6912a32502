"""What puts a terminal back, in the order in which it must be said."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from omnyshell.terminal.state.settings import Keyboard, Settings
from omnyshell.terminal.state.table import ORIGIN, SAVE_AND_SWITCH, switch

END_LINK = "\x1b]8;;\x1b\\"
UNPROTECT = '\x1b[0"q'
RESET_PEN = "\x1b[0m"
_RESET_MARGINS = "\x1b7\x1b[r\x1b8"
_TAB_STOPS: Final = "\x1b[8C\x1bH" * 124
_RESET_TAB_STOPS = f"\x1b7\r\x1b[3g{_TAB_STOPS}\x1b8\x1b[?5W"
"""DECST8C, and what does the same in terminals that lack it, as far as their screen goes."""

_SHOW_OTHER, _SHOW_MAIN = "\x1b[?47h", "\x1b[?47l"


class Leftovers(NamedTuple):
    """What a program left in a terminal. Contents and title are left alone, but for titles that were put aside."""

    settings: Settings
    alternate: int
    """The mode that shows the alternate screen; 0 where the main one is shown."""

    main: Keyboard
    other: Keyboard
    """Of the alternate screen, which has its own."""

    titles: Sequence[int]
    margins: bool
    tab_stops: bool
    origin: bool
    """Whether leaving the alternate screen brings origin mode back."""

    charsets: str
    """What gives the character sets back that were changed."""

    shifted: bool
    shifted_right: bool
    link: bool
    protected: bool
    styled: bool

    @property
    def undone(self) -> str:
        """The sequences; "" where nothing is left changed."""
        first, settings = self.settings.undone
        parts = [first]
        if self.alternate:
            parts += [self.other.undone, f"\x1b[?{self.alternate}l"]
        elif self.other.undone:
            parts += [_SHOW_OTHER, self.other.undone, _SHOW_MAIN]
        parts += [switch(ORIGIN, on=False) if self.origin else "", self.main.undone, settings]
        parts += [f"\x1b[23;{which}t" for which in reversed(self.titles)]
        parts += [_RESET_MARGINS if self.margins else "", _RESET_TAB_STOPS if self.tab_stops else ""]
        parts += [self.charsets, "\x0f" if self.shifted else "", "\x1b}" if self.shifted_right else ""]
        parts += [END_LINK if self.link else "", UNPROTECT if self.protected else ""]
        # The cursor that 1049 restores has the pen that it was saved with.
        parts.append(RESET_PEN if self.styled or self.alternate == SAVE_AND_SWITCH else "")
        return "".join(parts)
