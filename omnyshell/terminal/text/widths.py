"""How many columns a character takes, and how text falls into runs of equal width."""

import re
from collections.abc import Iterable
from itertools import chain
from typing import Final

from omnyshell.terminal.text.width_table import WIDE, ZERO_WIDTH

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

runs: Final = re.compile(f"([{_WIDE}]+)|([^{_WIDE}]+)").findall
"""Cuts text without marks into runs of wide and of narrow characters."""

_MOST_REMEMBERED: Final = 4096
_LONGEST_REMEMBERED: Final = 16

narrow_texts: Final[set[str]] = set()
"""A cache of short non-ASCII texts with only narrow characters."""

_narrow_characters: Final[set[str]] = set()
"""A cache of narrow characters: looking them up takes a tenth of the time of searching a text."""


def all_narrow(text: str) -> bool:
    """Whether each character of `text` takes one column."""
    if text.isascii():
        return True
    if not _narrow_characters.issuperset(text):
        if _not_narrow(text):
            return False
        _remember(_narrow_characters, text)
    if len(text) <= _LONGEST_REMEMBERED:
        _remember(narrow_texts, (text,))
    return True


def _remember(known: set[str], more: Iterable[str]) -> None:
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known.update(more)


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


MARK: Final = "\0"
"""Precedes a zero-width character in the result of `cells_of`."""


class _CellsOf(dict[str, tuple[str, ...]]):
    """A bounded cache of the cells of characters."""

    def __missing__(self, character: str) -> tuple[str, ...]:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        cells = ((MARK + character,), (character,), (character, ""))[width_of(character)]
        self[character] = cells
        return cells


_cells_of: Final = _CellsOf().__getitem__


def cells_of(text: str) -> list[str]:
    """Return the cells of a text: two for a wide character, the second "".

    A zero-width character is a cell of `MARK` and itself.
    """
    return list(chain.from_iterable(map(_cells_of, text)))


def merge_marks(cells: list[str]) -> list[str]:
    """Append combining characters, and what follows a zero-width joiner, to the cells before them.

    The first cell must not be one.
    """
    merged: list[str] = []
    joining = skipping = False
    for cell in cells:
        if cell[:1] == MARK:
            merged[-1 if merged[-1] else -2] += cell[1:]
            joining = cell[1:] == ZERO_WIDTH_JOINER
        elif joining and not cell.isascii():
            merged[-1 if merged[-1] else -2] += cell
            joining, skipping = False, True
        elif cell or not skipping:
            merged.append(cell)
            joining = skipping = False
        else:
            skipping = False
    return merged
