"""How many columns a character takes, and how text falls into runs of equal width."""

import re
from collections.abc import Iterable
from typing import Final

from omnyshell.terminal.width_table import WIDE, ZERO_WIDTH

ZERO_WIDTH_JOINER: Final = "\u200d"


def _members(ranges: Iterable[tuple[int, int]]) -> str:
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


_WIDE: Final = _members(WIDE)
_ZERO: Final = _members(ZERO_WIDTH)

_not_narrow: Final = re.compile(f"[{_WIDE}{_ZERO}]").search
_is_wide: Final = re.compile(f"[{_WIDE}]").match
_is_zero: Final = re.compile(f"[{_ZERO}]").match

# Text in runs: zero-width characters one by one (they change the cell before them), wide ones, narrow ones.
runs: Final = re.compile(f"([{_ZERO}])|([{_WIDE}]+)|([^{_ZERO}{_WIDE}]+)").findall


def all_narrow(text: str) -> bool:
    """Whether each character of `text` takes one column."""
    return text.isascii() or _not_narrow(text) is None


def width_of(character: str) -> int:
    """Return the columns that one printable character takes: 0, 1 or 2."""
    if character.isascii():
        return 1
    if _is_wide(character):
        return 2
    return 0 if _is_zero(character) else 1
