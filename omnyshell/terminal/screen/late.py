"""Pens whose colours are found out when somebody asks for them.

A program that paints with direct colours at many places makes a style every few bytes, and most of them are
overwritten before anybody sees them.
"""

import re
from typing import Any, Final

import msgspec

from omnyshell.terminal.screen.stretches import pen_after
from omnyshell.terminal.screen.style import DEFAULT_STYLE, Style

_NO_FIELDS: Final = DEFAULT_STYLE.fields
_NOTHING: Final[dict[str, Style]] = {}

_VALUE: Final = "(?:[0-9]{1,2}+|[01][0-9][0-9]|2[0-4][0-9]|25[0-5])"

find_direct_colour: Final = re.compile(
    rf"([^\x1b]*+)(\x1b\[([34])8;2;{_VALUE};{_VALUE};{_VALUE}m)([^\x1b]*+)", re.DOTALL
).fullmatch
"""Finds a text, the one sequence in it, which does nothing but choose a direct colour, the number of its ground (3 for
the foreground, 4 for the background), and the text after it."""


class LateStyle(Style, gc=False, eq=False):
    """The style of a pen after the last sequences that chose a foreground and a background, each a direct colour.

    It behaves as the style that it stands for, which is found once anything but a further colour is asked of it. Make
    one with `late_style`.
    """

    before: Style = msgspec.field(default_factory=lambda: DEFAULT_STYLE)
    foreground: str = ""
    background: str = ""
    _settled: Style | None = None

    @property
    def settled(self) -> Style:
        """The style itself."""
        if self._settled is None:
            self._settled = pen_after(self.before, [*filter(None, (self.foreground, self.background))])
            self._fields = self._settled.fields
        return self._settled

    def __getattr__(self, name: str) -> Any:
        # `late_style` deletes what every style has, so that it is asked for here, and found only then.
        return getattr(self.settled, name)

    def learn(self, sequences: str, style: Style) -> None:
        """Cache the style after sequences."""
        self.settled.learn(sequences, style)


def late_style(before: Style, sequence: str, ground: str) -> LateStyle:
    """Return the style of a pen of `before` after a sequence that chooses a direct colour for a ground, "3" or "4"."""
    first, foreground, background = before, "", ""
    if isinstance(before, LateStyle):
        first, foreground, background = before.before, before.foreground, before.background
    if ground == "3":
        foreground = sequence
    else:
        background = sequence
    style = LateStyle(_NO_FIELDS, _NOTHING, None, first, foreground, background)
    del style._fields, style.transitions
    return style
