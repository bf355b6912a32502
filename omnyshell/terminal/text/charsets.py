"""Character sets of G0 to G3 (ECMA-35; DEC STD 070, 3.4): ASCII, the British set, DEC special graphics.

Other sets that a program designates are shown as ASCII, which is what a terminal in UTF-8 does with national sets.
"""

from collections.abc import Callable
from typing import Final

from pyte.charsets import VT100_MAP

from omnyshell.terminal.text.remembering import Remembering

ASCII: Final = "B"
SPECIAL_GRAPHICS: Final = "0"
BRITISH: Final = "A"

# pyte has the VT100's set, where "h" is a shade; on a VT220 it is the sign for a new line. 0x5F is a blank.
_GRAPHICS: Final = dict(enumerate(VT100_MAP[ord("`") : ord("~") + 1], ord("`"))) | {ord("h"): "␤", ord("_"): " "}

_LONGEST: Final = 100


def _translating(table: dict[int, str]) -> Callable[[str], str]:
    return Remembering(lambda text: text.translate(table), _LONGEST).__getitem__


TRANSLATIONS: Final[dict[str, Callable[[str], str]]] = {
    SPECIAL_GRAPHICS: _translating(_GRAPHICS),
    BRITISH: _translating({ord("#"): "£"}),
}
"""How text looks in a set that is not ASCII. Lines and boxes come again and again."""


def shown_in(charset: str, text: str) -> str:
    """Return how text looks in a charset."""
    return TRANSLATIONS[charset](text) if charset in TRANSLATIONS else text
