"""How many columns a character takes by itself, as the C library counts, and runs of characters of equal width."""

import re
from collections.abc import Iterable
from typing import Final

from omnyshell.terminal.text.width_table import WIDE, ZERO_WIDTH

_EMOJI: Final = range(0x1F000, 0x1FFFF)


def _members(ranges: Iterable[tuple[int, int]]) -> str:
    """A character class. Beyond the BMP `re` tries its ranges in order, so the emoji come first."""
    ordered = sorted(ranges, key=lambda found: (found[0] not in _EMOJI, found))
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ordered)


_WIDE: Final = _members(WIDE)
_ZERO: Final = _members(ZERO_WIDTH)

has_other_width: Final = re.compile(f"[{_WIDE}{_ZERO}]").search
"""Finds a character that does not take one column."""

_is_wide: Final = re.compile(f"[{_WIDE}]").match
_is_zero: Final = re.compile(f"[{_ZERO}]").match

runs: Final = re.compile(f"([{_WIDE}]+)|([^{_WIDE}]+)").findall
"""Cuts text in which nothing joins into runs of wide and of narrow characters."""


def width_of(character: str) -> int:
    """Return the columns that one printable character takes by itself: 0, 1 or 2."""
    if character.isascii():
        return 1
    if _is_wide(character):
        return 2
    return 0 if _is_zero(character) else 1
