"""Character sets of G0 to G3 (ECMA-35; DEC STD 070, 3.4): ASCII, the British set, DEC special graphics.

Other sets that a program designates are shown as ASCII, which is what a terminal in UTF-8 does with national sets.
"""

from typing import Final

from pyte.charsets import VT100_MAP

ASCII: Final = "B"
SPECIAL_GRAPHICS: Final = "0"
BRITISH: Final = "A"

# pyte has the VT100's set, where "h" is a shade; on a VT220 it is the sign for a new line. 0x5F is a blank.
_GRAPHICS: Final = dict(enumerate(VT100_MAP[ord("`") : ord("~") + 1], ord("`"))) | {ord("h"): "␤", ord("_"): " "}

TRANSLATIONS: Final[dict[str, dict[int, str]]] = {
    SPECIAL_GRAPHICS: _GRAPHICS,
    BRITISH: {ord("#"): "£"},
}
