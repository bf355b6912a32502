"""The colours of a terminal in the console's window."""

from dataclasses import dataclass
from typing import Final

from rich.color import Color

from omnyshell.terminal.screen.style import DEFAULT, INDEXED, TRUE_COLOUR

Rgb = tuple[int, int, int]

_CUBE_LEVELS: Final = (0, 95, 135, 175, 215, 255)
_FIRST_GREY: Final = 232

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


@dataclass(frozen=True, slots=True)
class Palette:
    """What a terminal's colour numbers stand for. `named` has sixteen entries."""

    foreground: Rgb
    background: Rgb
    named: tuple[Rgb, ...] = DARK_NAMED

    def rgb(self, colour: int, default: Rgb) -> Rgb:
        """Return the colour that a `Look` names; `default` for the terminal's own."""
        if colour == DEFAULT:
            return default
        if colour >= TRUE_COLOUR:
            value = colour - TRUE_COLOUR
            return (value >> 16 & 255, value >> 8 & 255, value & 255)
        if colour >= INDEXED:
            return self._indexed(colour - INDEXED)
        return self.named[colour & 15]

    def _indexed(self, number: int) -> Rgb:
        """Entry of the 256-colour palette (xterm ctlseqs, "CSI Pm m", 38;5)."""
        if number < len(self.named):
            return self.named[number]
        if number >= _FIRST_GREY:
            level = 8 + 10 * (min(number, 255) - _FIRST_GREY)
            return (level, level, level)
        number -= len(self.named)
        return (_CUBE_LEVELS[number // 36], _CUBE_LEVELS[number // 6 % 6], _CUBE_LEVELS[number % 6])


def rich_color(rgb: Rgb) -> Color:
    """Return a colour as Rich has it."""
    return Color.from_rgb(*rgb)


def blend(colour: Rgb, ground: Rgb, share: float) -> Rgb:
    """Return `colour` mixed with `ground`; `share` is how much of `colour` remains, from 0 to 1."""
    red, green, blue = (round(low + (high - low) * share) for high, low in zip(colour, ground, strict=True))
    return (red, green, blue)
