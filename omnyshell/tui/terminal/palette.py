"""The colours of a terminal in the console's window."""

from dataclasses import dataclass
from typing import Final

from rich.color import Color
from textual.theme import Theme

from omnyshell.terminal.screen.style import DEFAULT, INDEXED, TRUE_COLOUR
from omnyshell.tui.colours.depth import Depth
from omnyshell.tui.colours.reduction import NAMED, Rgb, rgb_of
from omnyshell.tui.colours.shades import ConsoleTheme

DARK_NAMED: Final[tuple[Rgb, ...]] = (
    (0x23, 0x28, 0x30), (0xE0, 0x6C, 0x75), (0x8F, 0xC1, 0x6B), (0xE0, 0xB3, 0x5C),
    (0x4A, 0x88, 0xE0), (0xC6, 0x7F, 0xDD), (0x4F, 0xB8, 0xC4), (0xC8, 0xCE, 0xD8),
    (0x6A, 0x73, 0x80), (0xFF, 0x8A, 0x8F), (0xB0, 0xDE, 0x8E), (0xF7, 0xD0, 0x84),
    (0x8C, 0xBD, 0xFF), (0xDF, 0xA5, 0xF2), (0x7D, 0xD8, 0xE2), (0xFF, 0xFF, 0xFF),
)  # fmt: skip
"""The sixteen named colours on a dark ground."""

LIGHT_NAMED: Final[tuple[Rgb, ...]] = (
    (0x2A, 0x2E, 0x36), (0xB4, 0x23, 0x2E), (0x2F, 0x7D, 0x1F), (0x8A, 0x62, 0x00),
    (0x1B, 0x5C, 0xC4), (0x8F, 0x35, 0xA8), (0x0B, 0x76, 0x86), (0xD5, 0xD8, 0xDE),
    (0x6B, 0x72, 0x7E), (0xD0, 0x3A, 0x45), (0x45, 0x9A, 0x33), (0xA8, 0x7A, 0x10),
    (0x3C, 0x7C, 0xE6), (0xA9, 0x52, 0xC4), (0x1E, 0x90, 0xA2), (0xF4, 0xF5, 0xF7),
)  # fmt: skip
"""The same on a light ground."""


Pair = tuple[Rgb, Rgb]
"""A background, and the text on it."""


@dataclass(frozen=True, slots=True)
class Palette:
    """What a terminal's colour numbers stand for. `named` has sixteen entries."""

    foreground: Rgb
    background: Rgb
    named: tuple[Rgb, ...] = DARK_NAMED
    selected: Pair = ((0x2F, 0x5F, 0xB3), (0xFF, 0xFF, 0xFF))
    found: Pair = ((0xF2, 0xC1, 0x4E), (0x10, 0x10, 0x10))
    current: Pair = ((0xF2, 0x7A, 0x4E), (0x10, 0x10, 0x10))

    def rgb(self, colour: int, default: Rgb) -> Rgb:
        """Return the colour that a `Look` names; `default` for the terminal's own."""
        if colour == DEFAULT:
            return default
        if colour >= TRUE_COLOUR:
            value = colour - TRUE_COLOUR
            return (value >> 16 & 255, value >> 8 & 255, value & 255)
        if colour >= INDEXED:
            number = colour - INDEXED
            return self.named[number] if number < len(self.named) else rgb_of(number)
        return self.named[colour & 15]


def palette_for(theme: Theme, foreground: Rgb, background: Rgb) -> Palette:
    """Return the palette of a terminal within a theme.

    Of sixteen colours each stands for itself, so that the terminal around the console shows what the program chose.
    """
    depth = theme.depth if isinstance(theme, ConsoleTheme) else Depth.TRUE
    if depth in (Depth.NAMED, Depth.NONE):
        black, white, magenta, cyan, yellow = NAMED[0], NAMED[15], NAMED[5], NAMED[6], NAMED[3]
        # Without colours, what is light is reversed, and nothing else stands out.
        current = (white, black) if depth is Depth.NONE else (magenta, white)
        marks = ((cyan, black), (yellow, black), current)
        return Palette(foreground, background, NAMED, *marks)
    return Palette(foreground, background, DARK_NAMED if theme.dark else LIGHT_NAMED)


def rich_color(rgb: Rgb) -> Color:
    """Return a colour as Rich has it."""
    return Color.from_rgb(*rgb)


def blend(colour: Rgb, ground: Rgb, share: float) -> Rgb:
    """Return `colour` mixed with `ground`; `share` is how much of `colour` remains, from 0 to 1."""
    red, green, blue = (round(low + (high - low) * share) for high, low in zip(colour, ground, strict=True))
    return (red, green, blue)
