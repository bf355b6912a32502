"""What the console tells beside, in the topmost lines, where nothing is typed: the newest lies over the others."""

from typing import Final

SHORTEST: Final = 5.0
"""Seconds that a notice stays at least."""

READ_IN_A_SECOND: Final = 15
"""Characters of a notice that people read in a second, beside what else they do."""

CSS: Final = """
ToastRack { dock: top; align: right top; margin: 0; height: 3; overflow: hidden; }
/* All in one place. */
ToastHolder { position: absolute; }
Toast { width: auto; max-width: 100%; height: auto; max-height: 3; margin: 0; padding: 0 1; background: $panel; }
/* Below the line of tabs a program writes, and somebody types. */
TerminalsScreen Toast { max-height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
"""


def notice(message: str, title: str) -> str:
    """Return title and message as one text."""
    return f"{title}: {message}" if title else message


def seconds_for(text: str) -> float:
    """Return how long a notice stays."""
    return max(SHORTEST, len(text) / READ_IN_A_SECOND)
