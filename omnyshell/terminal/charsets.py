"""Character sets of G0 to G3 (ECMA-35; DEC STD 070, 3.4): ASCII, the British set, DEC special graphics.

Other sets that a program designates are shown as ASCII, which is what a terminal in UTF-8 does with national sets.
"""

from typing import Final

ASCII: Final = "B"
SPECIAL_GRAPHICS: Final = "0"
BRITISH: Final = "A"

# From "`" to "~", in the order of the VT220 programmer reference, table 2-4.
_GRAPHICS: Final = "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·"

TRANSLATIONS: Final[dict[str, dict[int, str]]] = {
    SPECIAL_GRAPHICS: {ord("`") + at: shown for at, shown in enumerate(_GRAPHICS)},
    BRITISH: {ord("#"): "£"},
}
