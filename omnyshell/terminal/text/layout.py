"""How text falls into cells: what takes columns of its own, and what joins the cell before it.

Terminals differ. Most count each character as the C library does, as programs do too; some keep a cluster of
characters in one place (UAX 29, "extended grapheme clusters"), which programs may ask for by mode 2027.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import Final

from omnyshell.model.sessions import Widths
from omnyshell.terminal.text.cluster_table import (
    EXTEND,
    HANGUL_FOLLOWING,
    HANGUL_LEADING,
    PICTOGRAPHIC,
    PREPEND,
    SPACING_MARK,
    WIDENED,
)
from omnyshell.terminal.text.possessive import SOME
from omnyshell.terminal.text.remembering import Remembering
from omnyshell.terminal.text.width_table import ZERO_WIDTH
from omnyshell.terminal.text.widths import has_other_width, width_of

MOST_IN_A_CELL: Final = 16
"""Code points in one cell. Emoji of families and flags have up to 11; text that stacks many more marks is hostile."""

ZERO_WIDTH_JOINER: Final = "\u200d"
MARK: Final = "\0"
"""Precedes a character in the result of `Layout.cells_of` that has to be looked at with those beside it."""

_EMOJI_STYLE: Final = "\ufe0f"
_MOST_IN_A_FAMILY: Final = 5
"""Emoji that fit into one cell together, each with U+FE0F and a joiner."""

_MOST_REMEMBERED: Final = 4096
_LONGEST_REMEMBERED: Final = 16

_split_at_marked: Final = re.compile(f"(.(?:[{_EMOJI_STYLE}\u20e3]|{ZERO_WIDTH_JOINER}.){SOME})").split
"""Cuts a text into what has none of the marks that emoji have, what has such marks, and so on."""

# The widest ranges come first, since `re` tries those beyond the BMP in their order.
_PICTOGRAPHS: Final = "".join(
    f"{chr(first)}-{chr(last)}" for first, last in sorted(PICTOGRAPHIC, key=lambda found: found[0] - found[1])
)
_is_unusual: Final = re.compile(
    f"{ZERO_WIDTH_JOINER}(?:(?<![{_PICTOGRAPHS}].)|(?![{_PICTOGRAPHS}])|(?:.{ZERO_WIDTH_JOINER}){{{_MOST_IN_A_FAMILY}}})"
).search
"""Finds a joiner that is not between two emoji, or one of too many."""

_TWICE: Final = _EMOJI_STYLE * 2
_BEHIND_JOINER: Final = ZERO_WIDTH_JOINER + _EMOJI_STYLE

_split_at_joined: Final = re.compile(f"{ZERO_WIDTH_JOINER}.").split

_EXTENDS, _JOINS, _JOINER, _PICTOGRAPH, _INDICATOR, _PREPENDED, _LEADS, _SYLLABLE, _OTHER = "ejzpiPLS."
_KINDS: Final = (
    (((0x200D, 0x200D),), _JOINER),
    (EXTEND, _EXTENDS),
    ((*SPACING_MARK, *HANGUL_FOLLOWING, *ZERO_WIDTH), _JOINS),
    (PICTOGRAPHIC, _PICTOGRAPH),
    (((0x1F1E6, 0x1F1FF),), _INDICATOR),
    (PREPEND, _PREPENDED),
    (HANGUL_LEADING, _LEADS),
    (((0xAC00, 0xD7A3),), _SYLLABLE),
)
"""Which part a character has in clusters; the first that applies."""

_ALONE: Final = _PICTOGRAPH + _SYLLABLE + _OTHER
_MARKS: Final = _EXTENDS + _JOINS + _JOINER
_clusters: Final = re.compile(
    f"{_PREPENDED}*(?:{_INDICATOR}{{2}}|{_LEADS}+{_SYLLABLE}?"
    f"|{_PICTOGRAPH}(?:{_EXTENDS}*{_JOINER}{_PICTOGRAPH})*|[^{_PREPENDED}]|\\Z)[{_MARKS}]*"
).finditer
_ends_in_emoji_and_joiner: Final = re.compile(f"{_PICTOGRAPH}{_EXTENDS}*{_JOINER}\\Z").search


class _Ranges:
    """Characters by their ranges."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        ordered = sorted(ranges)
        self._firsts = [first for first, _ in ordered]
        self._lasts = list(accumulate((last for _, last in ordered), max))

    def __contains__(self, character: str) -> bool:
        at = bisect_right(self._firsts, ord(character)) - 1
        return at >= 0 and ord(character) <= self._lasts[at]


_RANGES: Final = tuple((_Ranges(ranges), kind) for ranges, kind in _KINDS)
_WIDENED: Final = _Ranges(WIDENED)


def _kind(character: str) -> str:
    return next((kind for ranges, kind in _RANGES if character in ranges), _OTHER)


_columns_of: Final = Remembering(width_of).__getitem__
_kind_of: Final = Remembering(_kind).__getitem__


def _kinds_of(text: str) -> str:
    return "".join(map(_kind_of, text))


def _ends_in_joined_emoji(cell: str) -> bool:
    return cell.endswith(ZERO_WIDTH_JOINER) and _ends_in_emoji_and_joiner(_kinds_of(cell)) is not None


_awaits_emoji: Final = Remembering(_ends_in_joined_emoji).__getitem__


def _depends(character: str) -> bool:
    kind = _kind_of(character)
    if kind in _MARKS:
        return character in (ZERO_WIDTH_JOINER, _EMOJI_STYLE) or width_of(character) > 0
    return kind in _INDICATOR + _PREPENDED + _LEADS


_depends_on_terminal: Final = Remembering(_depends).__getitem__


def has_usual_marks(text: str) -> bool:
    """Whether a text has marks that emoji have, for which `Layout.cells_of` often finds the cells."""
    return _EMOJI_STYLE in text or ZERO_WIDTH_JOINER in text


def is_counted_alike(text: str) -> bool:
    """Whether each terminal makes the same columns of a text."""
    return text.isascii() or not any(map(_depends_on_terminal, set(text)))


class Layout:
    """Text in cells as the C library counts, with `joins_emoji` as tmux does (UAX 29, GB11)."""

    widens = False
    """Whether a character that joins another can make that wide."""

    def __init__(self, *, joins_emoji: bool) -> None:
        self.narrow_texts: set[str] = set()
        """A cache of short non-ASCII texts with only narrow characters."""

        self.joins_emoji = joins_emoji
        # Looking characters up takes a tenth of the time of searching a text.
        self._narrow_characters: set[str] = set()
        self._other_characters: set[str] = set()
        self._cells = Remembering(self._cells_of_piece).__getitem__

    def all_narrow(self, text: str) -> bool:
        """Whether each character of `text` takes one column, and none joins another."""
        if text.isascii():
            return True
        if not self._narrow_characters.issuperset(text):
            if not self._other_characters.isdisjoint(text):
                return False
            if not self._each_is_narrow(text):
                _remember(self._other_characters, self._others_in(text))
                return False
            _remember(self._narrow_characters, text)
        if len(text) <= _LONGEST_REMEMBERED:
            _remember(self.narrow_texts, (text,))
        return True

    def _each_is_narrow(self, text: str) -> bool:
        return not has_other_width(text)

    def _others_in(self, text: str) -> Iterable[str]:
        return (character for character in set(text) if not self._each_is_narrow(character))

    def cells_of(self, text: str) -> list[str]:
        """Return the cells of a text: two for a wide character, the second "".

        Where one of them has a `MARK`, they are none yet: call `merged`.
        """
        if not has_usual_marks(text):
            return list(chain.from_iterable(map(self._cells, text)))
        pieces: list[str] = []
        is_marked = False
        for piece in _split_at_marked(text):
            pieces += (piece,) if is_marked else piece
            is_marked = not is_marked
        return list(chain.from_iterable(map(self._cells, pieces)))

    def columns_at_a_glance(self, text: str) -> int:
        """Return how many columns emoji and other text take, the first of which has some; 0 where only cells tell.

        It takes half of the time of finding the cells. Nothing can join the end of such a text but marks.
        """
        if self.widens:
            return 0
        rest = text.replace(_EMOJI_STYLE, "")
        if self.joins_emoji:
            if _TWICE in text or _BEHIND_JOINER in text or _is_unusual(rest):
                return 0
            rest = "".join(_split_at_joined(rest))
        return sum(map(_columns_of, rest))

    def _cells_of_piece(self, piece: str) -> Sequence[str]:
        cells = self._cells_of_character(piece[0])
        if len(piece) == 1 or cells[0][:1] == MARK:
            return cells
        merged = self.merged(piece)
        return (MARK + piece,) if self.is_open(merged[-1] or merged[-2]) else merged

    def _cells_of_character(self, character: str) -> tuple[str, ...]:
        return ((MARK + character,), (character,), (character, ""))[width_of(character)]

    def merged(self, text: str) -> list[str]:
        """Return the cells of a text; its first character must have columns."""
        cells = chain.from_iterable(map(self._cells, text))
        merged: list[str] = []
        append = merged.append
        joining = skipping = False
        for cell in cells:
            if cell[:1] == MARK:
                at = -1 if merged[-1] else -2
                if len(merged[at]) < MOST_IN_A_CELL:
                    merged[at] += cell[1]
                joining = cell[1] == ZERO_WIDTH_JOINER and self.is_open(merged[at])
            elif joining and cell and _kind_of(cell) == _PICTOGRAPH:
                at = -1 if merged[-1] else -2
                if len(merged[at]) < MOST_IN_A_CELL:
                    merged[at] += cell
                joining, skipping = False, True
            elif cell or not skipping:
                append(cell)
                joining = skipping = False
            else:
                skipping = False
        return merged

    def is_mark(self, character: str) -> bool:
        """Whether a character joins whatever is printed just before it; without columns of its own, what is there."""
        return not width_of(character)

    def is_open(self, cell: str) -> bool:
        """Whether a character that is no mark may join a cell, if it is printed next."""
        return self.joins_emoji and _awaits_emoji(cell)

    def joins(self, cell: str, character: str) -> bool:
        """Whether a character that is no mark joins a cell, which was printed just before it."""
        return self.is_open(cell) and _kind_of(character) == _PICTOGRAPH

    def stacks(self, character: str) -> bool:
        """Whether a character that is printed again and again may join itself."""
        return character.endswith(ZERO_WIDTH_JOINER)

    def columns_of(self, cell: str) -> int:
        """Return how many columns a cell takes: 1 or 2; 0 for what has no columns of its own."""
        return width_of(cell[0])

    def laid_out(self, text: str) -> list[str]:
        """Return the cells of a text at the beginning of a line."""
        while text and not width_of(text[0]):
            text = text[1:]
        cells = self.cells_of(text)
        return self.merged(text) if MARK in "".join(cells) else cells


class ClusterLayout(Layout):
    """Text in cells by clusters. The widest character of a cluster counts, and U+FE0F makes an emoji of two columns.

    Without rule GB9c, which makes one cluster of several Indic consonants: terminals that go by clusters have two.
    """

    widens = True

    def __init__(self) -> None:
        super().__init__(joins_emoji=True)
        self._cluster = Remembering(self._cells_of_cluster).__getitem__

    def _each_is_narrow(self, text: str) -> bool:
        return super()._each_is_narrow(text) and all(_kind_of(character) in _ALONE for character in set(text))

    def _cells_of_character(self, character: str) -> tuple[str, ...]:
        is_alone = _kind_of(character) in _ALONE
        return super()._cells_of_character(character) if is_alone else (MARK + character,)

    def _cells_of_cluster(self, cluster: str) -> tuple[str, ...]:
        cell = cluster[:MOST_IN_A_CELL]
        return (cell, "") if self.columns_of(cell) == 2 else (cell,)

    def merged(self, text: str) -> list[str]:
        """Return the cells of a text; its first character must have columns."""
        clusters = [text[found.start() : found.end()] for found in _clusters(_kinds_of(text))]
        return list(chain.from_iterable(map(self._cluster, filter(None, clusters))))

    def is_mark(self, character: str) -> bool:
        """Whether a character joins whatever is printed just before it; without columns of its own, what is there."""
        return _kind_of(character) in _MARKS

    def is_open(self, cell: str) -> bool:
        """Whether a character that is no mark may join a cell, if it is printed next."""
        kind = _kind_of(cell[-1])
        return _awaits_emoji(cell) or kind in _PREPENDED + _LEADS or (kind == _INDICATOR and _is_half_a_flag(cell))

    def joins(self, cell: str, character: str) -> bool:
        """Whether a character that is no mark joins a cell, which was printed just before it (UAX 29, GB6 to GB13)."""
        last, kind = _kind_of(cell[-1]), _kind_of(character)
        if last == _INDICATOR:
            return kind == _INDICATOR and _is_half_a_flag(cell)
        if last == _LEADS:
            return kind in _LEADS + _SYLLABLE
        return last == _PREPENDED or super().joins(cell, character)

    def stacks(self, character: str) -> bool:
        """Whether a character that is printed again and again may join itself."""
        return super().stacks(character) or _kind_of(character[-1]) in _PREPENDED + _LEADS

    def columns_of(self, cell: str) -> int:
        """Return how many columns a cell takes: 1 or 2; 0 for what has no columns of its own."""
        if len(cell) == 1:
            return 2 if _kind_of(cell) == _INDICATOR else width_of(cell)
        styled = any(cell[at] == _EMOJI_STYLE and cell[at - 1] in _WIDENED for at in range(1, len(cell)))
        return 2 if styled or any(width_of(part) == 2 or _kind_of(part) == _INDICATOR for part in cell) else 1


def _is_half_a_flag(cell: str) -> bool:
    return len(cell) < 2 or _kind_of(cell[-2]) != _INDICATOR


def _remember(known: set[str], more: Iterable[str]) -> None:
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known.update(more)


LAYOUTS: Final[dict[Widths, Layout]] = {
    Widths.SEPARATE: Layout(joins_emoji=False),
    Widths.JOINED: Layout(joins_emoji=True),
    Widths.CLUSTERS: ClusterLayout(),
}
