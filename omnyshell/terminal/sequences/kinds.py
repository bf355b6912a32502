"""What a control function may change, so that whoever carries it out knows what to look at again."""

from typing import Final

MOVES: Final = 0
"""Contents and the cursor's place."""

CHANGES: Final = 1
"""Also the screen that is shown, the pen, margins, modes."""

PLACES: Final = 2
"""The cursor's place alone: CUP, with line and column."""

SETS: Final = 3
"""How characters look that come next: SCS, SI, SO."""

RETURNS: Final = 4
"""The cursor's column alone: CR."""
