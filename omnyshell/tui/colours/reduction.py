"""Colours as a terminal with fewer of them shows them."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual import constants
from textual.color import Color
from textual.filter import ANSIToTruecolor, LineFilter, Monochrome, NoColor

from omnyshell.tui.colours.depth import Depth

Rgb = tuple[int, int, int]

CUBE: Final = (0, 95, 135, 175, 215, 255)
FIRST_OF_CUBE: Final = 16
FIRST_GREY: Final = 232

NAMES: Final = (
    "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
    "bright_black", "bright_red", "bright_green", "bright_yellow",
    "bright_blue", "bright_magenta", "bright_cyan", "bright_white",
)  # fmt: skip
NAMED: Final[tuple[Rgb, ...]] = (
    (0, 0, 0), (170, 0, 0), (0, 170, 0), (170, 85, 0), (0, 0, 170), (170, 0, 170), (0, 170, 170), (170, 170, 170),
    (85, 85, 85), (255, 85, 85), (85, 255, 85), (255, 255, 85),
    (85, 85, 255), (255, 85, 255), (85, 255, 255), (255, 255, 255),
)  # fmt: skip
"""What stands for the sixteen colours while they are mixed: those of VGA. A terminal has its own."""

_GREYISH: Final = 60
"""The difference between the strongest and the weakest component up to which a colour counts as grey: backgrounds that
are merely tinted must not become blue."""

_GREYS: Final = ((0, 64), (8, 128), (7, 224), (15, 256))
"""The named greys, and up to which lightness: dark backgrounds are black."""

_BRIGHT: Final = 192
_MEDIUM: Final = 127.5
_USUAL: Final = TerminalTheme(NAMED[0], NAMED[15], list(NAMED[:8]), list(NAMED[8:]))
_STYLES: Final = 4096


def rgb_of(number: int) -> Rgb:
    """Return what a number of the 256 stands for."""
    if number < FIRST_OF_CUBE:
        return NAMED[number]
    if number >= FIRST_GREY:
        level = 8 + 10 * (min(number, 255) - FIRST_GREY)
        return (level, level, level)
    number -= FIRST_OF_CUBE
    return (CUBE[number // 36], CUBE[number // 6 % 6], CUBE[number % 6])


@lru_cache(_STYLES)
def indexed(rgb: Rgb) -> int:
    """Return the nearest of the 256 beyond the first sixteen, whose looks are not known."""
    red, green, blue = (_nearest_level(value) for value in rgb)
    cube = FIRST_OF_CUBE + 36 * red + 6 * green + blue
    grey = FIRST_GREY + min(23, max(0, round((sum(rgb) / 3 - 8) / 10)))
    return min(cube, grey, key=lambda number: _distance(rgb_of(number), rgb))


@lru_cache(_STYLES)
def named(rgb: Rgb) -> int:
    """Return the number of the named colour that comes closest: by hue where there is one, and else by lightness."""
    if rgb in NAMED:
        return NAMED.index(rgb)
    high, low = max(rgb), min(rgb)
    if high - low < _GREYISH:
        return next(number for number, end in _GREYS if sum(rgb) / 3 < end)
    middle = (high + low) / 2
    hue = sum(bit for bit, value in zip((1, 2, 4), rgb, strict=True) if value > middle)
    return hue + (8 if high >= _BRIGHT else 0)


def _nearest_level(value: int) -> int:
    return min(range(len(CUBE)), key=lambda level: abs(CUBE[level] - value))


def _distance(one: Sequence[int], other: Sequence[int]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _is_light(style: Style) -> bool:
    """Whether text is darker than its ground, which without colours is said by reversing it."""
    return _lightness(style.bgcolor, 0) > _lightness(style.color, _MEDIUM)


def _lightness(colour: RichColor | None, unsaid: float) -> float:
    if colour is None or colour.is_default:
        return unsaid
    red, green, blue = colour.get_truecolor(_USUAL)
    return 0.3 * red + 0.59 * green + 0.11 * blue


def keep_colours() -> None:
    """Have Textual write the colours as they come from here: its own guess at the terminal would round them again."""
    constants.COLOR_SYSTEM = "truecolor"  # type: ignore[misc]


class Reduction(LineFilter):
    """Shows everything in the colours of a depth; what has a number already keeps it."""

    def __init__(self, depth: Depth) -> None:
        super().__init__(enabled=depth is not Depth.TRUE)
        self.depth = depth
        self._known: dict[Style, Style] = {}

    def among(self, usual: Sequence[LineFilter]) -> Sequence[LineFilter]:
        """Return Textual's filters with this one instead of those that it replaces.

        The depth decides, not Textual's look at NO_COLOR. What lies under a dialog is filtered twice, and colours that
        have names by then must stay what they are.
        """
        replaced: tuple[type[LineFilter], ...] = (Monochrome, NoColor)
        if self.depth in (Depth.NAMED, Depth.NONE):
            replaced += (ANSIToTruecolor,)
        others = [found for found in usual if not isinstance(found, replaced)]
        return [*others, self] if self.enabled else others

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        """Return the segments with other colours."""
        known, learn = self._known, self._learn
        return [
            Segment(text, style and (known.get(style) or learn(style)), control) for text, style, control in segments
        ]

    def _learn(self, style: Style) -> Style:
        if len(self._known) >= _STYLES:
            self._known.clear()
        if self.depth is Depth.NONE:
            over = Style(color="default", bgcolor="default", reverse=_is_light(style) != bool(style.reverse))
        else:
            over = Style.from_color(*(self._reduced(colour) for colour in (style.color, style.bgcolor)))
        reduced = self._known[style] = style + over
        return reduced

    def _reduced(self, colour: RichColor | None) -> RichColor | None:
        if colour is None or colour.triplet is None:
            return colour
        return RichColor.from_ansi(indexed(colour.triplet) if self.depth is Depth.INDEXED else named(colour.triplet))
