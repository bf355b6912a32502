"""Text with SGR sequences in it, kept as it came until somebody looks at its cells.

Most of it is overwritten or scrolls off before; then nobody need know how each cell looked, but only the pen at the
end. Of many sequences that do nothing but choose colours, the last ones tell that.
"""

import re
from collections.abc import Sequence
from typing import Final

from omnyshell.model.sessions import Widths
from omnyshell.terminal.screen.sgr import DIRECT, direct_colour, effect_of
from omnyshell.terminal.screen.style import Style
from omnyshell.terminal.text.layout import LAYOUTS, Layout
from omnyshell.terminal.text.possessive import ANY, MAYBE, SOME

SGR: Final = r"\x1b\[[0-9;:]*+m"

split_at_sgr: Final = re.compile(f"({SGR})").split
"""Cuts a stretch into a text, a sequence, a text, ..., a text; texts may be empty."""

_CHARACTERS_OF_A_PART: Final = 2
"""Characters of a late text that take as much memory as a text between sequences."""

_FEW: Final = 6

_MOST_KNOWN: Final = 2048
_MOST_KNOWN_PARTS: Final = 17
_LONGEST_KNOWN: Final = 100
_RESETS: Final = ("\x1b[m", "\x1b[0m")

_NUMBER: Final = "[0-9]{1,3}+"
_COLOUR: Final = rf"[34]8;(?:2;{_NUMBER};{_NUMBER};{_NUMBER}|5;{_NUMBER})"
_choose_colours: Final = re.compile(rf"(?:\x1b\[{_COLOUR}(?:;{_COLOUR}){MAYBE}m){SOME}").fullmatch
_choose_and_add: Final = re.compile(rf"(?:\x1b\[(?:{_COLOUR}|[1-9])(?:;(?:{_COLOUR}|[1-9])){ANY}m){SOME}").fullmatch
_without_colours: Final = re.compile(_COLOUR).sub


_all_narrow: Final = LAYOUTS[Widths.CLUSTERS].all_narrow
"""What takes a column for each character by this layout does so by all."""


class Stretch:
    """A run's text with the sequences in it; as long as it has columns.

    `is_narrow` says whether each of its characters takes one: no other may become a run.
    """

    __slots__ = ("_drawn", "_parts", "_style", "is_narrow", "last", "load", "sequences", "text", "width")

    def __init__(self, text: str, parts: Sequence[str], shown: str) -> None:
        self.text = text
        self.width = len(shown)
        self.is_narrow = shown.isascii() or _all_narrow(shown)
        self.load = len(parts)
        """How many texts and sequences there are."""

        self.last = parts[-1]
        """The text after the last sequence."""

        self.sequences = "".join(parts[1::2])
        self._parts: Sequence[str] | None = None
        self._style: Style | None = None
        self._drawn: list[tuple[str, Style]] = []

    def __len__(self) -> int:
        return self.width

    def pieces(self, style: Style) -> Sequence[tuple[Sequence[str], Style]]:
        """Return the texts with their styles, the first of them written with a pen of `style`."""
        if self._style is style:
            return self._drawn
        parts = iter(self._parts or split_at_sgr(self.text))
        drawn = []
        text, first = next(parts), style
        if text:
            drawn.append((text, style))
        for sequence in parts:
            style = style.transitions.get(sequence) or after_sgr(style, sequence)
            text = next(parts)
            if text:
                drawn.append((text, style))
        if self._parts:
            self._style, self._drawn = first, drawn
        return drawn

    def after(self, style: Style) -> Style:
        """Return the style of a pen of `style` after the sequences; see `remember`."""
        parts = self._parts or split_at_sgr(self.text)
        changed = pen_after(style, parts[1::2])
        style.learn(self.sequences, changed)
        return changed

    def remember(self, parts: Sequence[str]) -> None:
        """Keep what is found out, as the same text comes again and again."""
        self._parts = tuple(parts)


class LateText(Stretch):
    """A run's text that is put into cells when these are asked for: emoji, without sequences, of known width."""

    __slots__ = ("_layout",)

    def __init__(self, text: str, width: int, layout: Layout) -> None:
        self.text = text
        self.width = width
        self.is_narrow = False
        self.load = 1 + len(text) // _CHARACTERS_OF_A_PART
        self._layout = layout

    @property
    def form(self) -> tuple[str, int, bool]:
        """What to make it of again."""
        return self.text, self.width, self._layout.joins_emoji

    def pieces(self, style: Style) -> Sequence[tuple[Sequence[str], Style]]:
        """Return its cells with the style."""
        return [(self._layout.laid_out(self.text), style)]


def late_text(text: str, width: int, joins_emoji: bool) -> LateText:
    """Return a text of that form."""
    return LateText(text, width, LAYOUTS[Widths.JOINED if joins_emoji else Widths.SEPARATE])


_known: Final[dict[str, Stretch]] = {}

known_stretch: Final = _known.get
"""Return the stretch of a short text that came before, or None; it is narrow."""


_seen: Final[set[str]] = set()


def comes_again(text: str) -> bool:
    """Whether a text came before, and is worth being remembered; those that are long hardly come again."""
    if len(text) > _LONGEST_KNOWN:
        return False
    if text in _seen:
        return True
    if len(_seen) >= _MOST_KNOWN:
        _seen.clear()
    _seen.add(text)
    return False


def stretch_of(parts: Sequence[str]) -> Stretch:
    """Return the stretch that has these parts."""
    return Stretch("".join(parts), parts, "".join(parts[::2]))


def learnt_stretch(text: str, parts: Sequence[str]) -> Stretch | None:
    """Return the stretch of a text and remember it, if it is short; return None for one that hardly comes again."""
    if len(parts) > _MOST_KNOWN_PARTS or len(text) > _LONGEST_KNOWN or parts[1].startswith(DIRECT):
        return None
    stretch = Stretch(text, parts, "".join(parts[::2]))
    if stretch.is_narrow:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[text] = stretch
        stretch.remember(parts)
    return stretch


def after_sgr(style: Style, sequence: str) -> Style:
    """Return the style of a pen after one SGR sequence."""
    transitions = style.transitions
    if transitions and (known := transitions.get(sequence)):
        return known
    if sequence.startswith(DIRECT) and (colour := direct_colour(sequence)) is not None:
        return style.with_ground(colour, sequence)
    effect = effect_of(sequence)
    return style if effect is None else style.after(sequence, effect)


def pen_after(style: Style, sequences: Sequence[str]) -> Style:
    """Return the style of a pen after SGR sequences."""
    if len(sequences) > _FEW:
        sequences = _since_reset(sequences)
        if len(sequences) > _FEW and (changed := _after_colours(style, sequences)) is not None:
            return changed
    for sequence in sequences:
        style = style.transitions.get(sequence) or after_sgr(style, sequence)
    return style


def _since_reset(sequences: Sequence[str]) -> Sequence[str]:
    """Leave out what comes before the last reset."""
    for reset in _RESETS:
        if reset in sequences:
            backwards = sequences[::-1]
            sequences = sequences[len(sequences) - 1 - backwards.index(reset) :]
    return sequences


def _after_colours(style: Style, sequences: Sequence[str]) -> Style | None:
    """Return the pen after sequences that choose colours and add attributes; None where they do anything else."""
    joined = "".join(sequences)
    added = ""
    if not _choose_colours(joined):
        if not _choose_and_add(joined):
            return None
        added = ";".join(sorted(set(_without_colours("", joined)) & set("123456789")))
    fg, bg = _last_colour(sequences, joined, "38;", 0), _last_colour(sequences, joined, "48;", 1)
    if added:
        style = pen_after(style, [f"\x1b[{added}m"])
    return style if fg is bg is None else style.after("", (fg, bg, -1, 0, None, None))


def _last_colour(sequences: Sequence[str], joined: str, code: str, field: int) -> int | None:
    """Return the last foreground (38, field 0) or background (48, field 1) that is chosen; None where there is none."""
    if code not in joined:
        return None
    for sequence in reversed(sequences):
        # The code may be part of a colour too, and a colour may be none; then the one before counts.
        if code in sequence:
            effect = effect_of(sequence)
            colour = None if effect is None else effect[field]
            if colour is not None:
                return colour
    return None
