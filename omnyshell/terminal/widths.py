"""How many columns a character takes, and how text falls into runs of equal width."""

import re
from collections.abc import Iterable
from typing import Final

from omnyshell.terminal.width_table import WIDE, ZERO_WIDTH

ZERO_WIDTH_JOINER: Final = "\u200d"


_EMOJI: Final = (0x1F000, 0x1FFFF)


def _members(ranges: Iterable[tuple[int, int]]) -> str:
    """A character class. Beyond the BMP `re` tries its ranges in order, so the emoji come first."""
    ordered = sorted(ranges, key=lambda found: (found[0] not in range(*_EMOJI), found))
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ordered)


_WIDE: Final = _members(WIDE)
_ZERO: Final = _members(ZERO_WIDTH)

_not_narrow: Final = re.compile(f"[{_WIDE}{_ZERO}]").search
_is_wide: Final = re.compile(f"[{_WIDE}]").match
_is_zero: Final = re.compile(f"[{_ZERO}]").match

# No emoji is of zero width; saying so first spares them the search through all marks beyond the BMP.
_MARK: Final = f"(?:(?![{chr(_EMOJI[0])}-{chr(_EMOJI[1])}])[{_ZERO}])"
_JOINED: Final = rf"{_MARK}+(?:(?<={ZERO_WIDTH_JOINER})(?!{_MARK})[^\x00-\x7f]{_MARK}*)*"

clusters: Final = re.compile(
    f"([^{_WIDE}{_ZERO}]+(?!{_MARK}))|([{_WIDE}]+(?!{_MARK}))"
    f"|([^{_WIDE}{_ZERO}]{_JOINED})|([{_WIDE}]{_JOINED})|({_MARK}+)"
).findall
"""Cuts text into narrow and wide characters without marks, one narrow or wide character with the marks and characters that
join its cell, and marks that have no character before them."""

_MOST_REMEMBERED: Final = 4096
_LONGEST_REMEMBERED: Final = 16

narrow_texts: Final[set[str]] = set()
"""Short texts beyond ASCII of which it is known that all of their characters are narrow."""


def all_narrow(text: str) -> bool:
    """Whether each character of `text` takes one column."""
    if text.isascii():
        return True
    if _not_narrow(text):
        return False
    if len(text) <= _LONGEST_REMEMBERED:
        if len(narrow_texts) >= _MOST_REMEMBERED:
            narrow_texts.clear()
        narrow_texts.add(text)
    return True


def is_zero_width(character: str) -> bool:
    """Whether a printable character takes no column of its own."""
    return not character.isascii() and _is_zero(character) is not None


def width_of(character: str) -> int:
    """Return the columns that one printable character takes: 0, 1 or 2."""
    if character.isascii():
        return 1
    if _is_wide(character):
        return 2
    return 0 if _is_zero(character) else 1
