"""Pens whose colours are found out when somebody asks for them.

A program that paints with direct colours at many places makes a style every few bytes, and most of them are
overwritten before anybody sees them.
"""

import re
from typing import Any, Final

from omnyshell.terminal.screen.stretches import pen_after
from omnyshell.terminal.screen.style import Style

_VALUE: Final = "(?:[0-9]{1,2}+|[01][0-9][0-9]|2[0-4][0-9]|25[0-5])"

find_direct_colour: Final = re.compile(
    rf"([^\x1b]*+)(\x1b\[([34])8;2;{_VALUE};{_VALUE};{_VALUE}m)([^\x1b]*+)", re.DOTALL
).fullmatch
"""Finds a text, the one sequence in it, which does nothing but choose a direct colour, the number of its ground (3 for
the foreground, 4 for the background), and the text after it."""


class LateStyle(Style):
    """The style of a pen after the last sequences that chose a foreground and a background, each a direct colour.

    It behaves as the style that it stands for, which is found once anything but a further colour is asked of it.
    """

    __slots__ = ("_background", "_before", "_foreground", "_settled")

    _before: Style
    _foreground: str
    _background: str

    def __init__(self, before: Style, sequence: str, ground: str) -> None:
        self._settled: Style | None = None
        if type(before) is LateStyle:
            self._before = before._before
            self._foreground, self._background = before._foreground, before._background
        else:
            self._before = before
            self._foreground = self._background = ""
        if ground == "3":
            self._foreground = sequence
        else:
            self._background = sequence

    @property
    def settled(self) -> Style:
        """The style itself."""
        if self._settled is None:
            self._settled = pen_after(self._before, [*filter(None, (self._foreground, self._background))])
            self._fields = self._settled.fields
        return self._settled

    def __getattr__(self, name: str) -> Any:
        # Of what every style has, nothing was set.
        return getattr(self.settled, name)

    def learn(self, sequences: str, style: Style) -> None:
        """Cache the style after sequences."""
        self.settled.learn(sequences, style)
