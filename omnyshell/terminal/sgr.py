"""Select Graphic Rendition (ECMA-48 8.3.117, ISO 8613-6 colours, xterm ctlseqs "CSI Pm m"): from text to a look, and back."""

from collections.abc import Iterator
from typing import Final

from omnyshell.terminal.style import (
    BLINK,
    BOLD,
    CONCEAL,
    DEFAULT,
    DIM,
    DOUBLE_UNDERLINE,
    INDEXED,
    ITALIC,
    NO_UNDERLINE,
    OVERLINE,
    REVERSE,
    SINGLE_UNDERLINE,
    STRIKE,
    TRUE_COLOUR,
    Look,
    Style,
    style_of,
)

MAX_PARAMS: Final = 32
_BYTE: Final = 256
_DASHED: Final = 5

_FLAGS_ON: Final = {
    1: BOLD, 2: DIM, 3: ITALIC, 5: BLINK, 6: BLINK, 7: REVERSE, 8: CONCEAL, 9: STRIKE, 53: OVERLINE,
}  # fmt: skip
_FLAGS_OFF: Final = {22: BOLD | DIM, 23: ITALIC, 25: BLINK, 27: REVERSE, 28: CONCEAL, 29: STRIKE, 55: OVERLINE}
_FG: Final = {**{30 + n: n for n in range(8)}, **{90 + n: 8 + n for n in range(8)}, 39: DEFAULT}
_BG: Final = {code + 10: colour for code, colour in _FG.items()}
_UNDERLINES: Final = {4: SINGLE_UNDERLINE, 21: DOUBLE_UNDERLINE, 24: NO_UNDERLINE}
_EXTENDED: Final = (38, 48, 58)


class _Pen:
    """A look being changed."""

    __slots__ = ("colours", "flags", "link", "underline")

    def __init__(self, look: Look) -> None:
        self.colours = {38: look.fg, 48: look.bg, 58: look.underline_colour}
        self.flags = look.flags
        self.underline = look.underline
        self.link = look.link

    @property
    def look(self) -> Look:
        fg, bg, underline_colour = self.colours.values()
        return Look(fg, bg, self.flags, self.underline, underline_colour, self.link)

    def reset(self) -> None:
        """SGR 0; it leaves a hyperlink alone."""
        self.colours = {38: DEFAULT, 48: DEFAULT, 58: DEFAULT}
        self.flags = 0
        self.underline = NO_UNDERLINE

    def apply(self, code: int) -> None:
        """A code without arguments; an unknown one is ignored."""
        if code == 0:
            self.reset()
        elif code in _FG:
            self.colours[38] = _FG[code]
        elif code in _BG:
            self.colours[48] = _BG[code]
        elif code in _FLAGS_ON:
            self.flags |= _FLAGS_ON[code]
        elif code in _FLAGS_OFF:
            self.flags &= ~_FLAGS_OFF[code]
        elif code in _UNDERLINES:
            self.underline = _UNDERLINES[code]
        elif code == 59:
            self.colours[58] = DEFAULT


def apply_sgr(style: Style, params: str) -> Style:
    """Return what `style` becomes by the parameters of an SGR sequence, given without introducer and final byte."""
    pen = _Pen(style.look)
    fields = iter(params.split(";")[:MAX_PARAMS])
    for field in fields:
        if ":" in field:
            _apply_subparameters(pen, field)
            continue
        code = number(field)
        if code in _EXTENDED:
            colour = _colour_from(fields)
            if colour is not None:
                pen.colours[code] = colour
        else:
            pen.apply(code)
    return style_of(pen.look)


def number(field: str) -> int:
    """Return a parameter's value: 0 where it is empty, at most 65535."""
    if len(field) <= 4:
        return int(field or 0)
    return min(int(field.lstrip("0")[:6] or 0), 65535)


def _colour_from(fields: Iterator[str]) -> int | None:
    """The colour after a 38, 48 or 58 in the form with semicolons: `5;n` or `2;r;g;b`."""
    kind = number(next(fields, "").partition(":")[0])
    if kind == 5:
        return _indexed(number(next(fields, "").partition(":")[0]))
    if kind == 2:
        red, green, blue = (number(next(fields, "").partition(":")[0]) for _ in range(3))
        return _direct(red, green, blue)
    return None


def _apply_subparameters(pen: _Pen, field: str) -> None:
    """A parameter with colons: `4:n`, `38:5:n`, `38:2:r:g:b`, `38:2:colourspace:r:g:b`."""
    code, *rest = (number(part) for part in field.split(":")[:8])
    if code == 4:
        if rest[0] <= _DASHED:
            pen.underline = rest[0]
        return
    if code not in _EXTENDED:
        return
    colour: int | None = None
    if rest[0] == 5 and len(rest) > 1:
        colour = _indexed(rest[1])
    elif rest[0] == 2 and len(rest) >= 4:
        colour = _direct(*(rest[2:5] if len(rest) >= 5 else rest[1:4]))
    if colour is not None:
        pen.colours[code] = colour


def _indexed(index: int) -> int | None:
    return INDEXED + index if index < _BYTE else None


def _direct(red: int, green: int, blue: int) -> int | None:
    if red >= _BYTE or green >= _BYTE or blue >= _BYTE:
        return None
    return TRUE_COLOUR | red << 16 | green << 8 | blue


def sgr_of(look: Look) -> str:
    """Return the SGR sequence that gives a pen this look, whatever it had before; links are not part of it."""
    codes = ["0"]
    codes += [str(code) for code, flag in _FLAGS_ON.items() if look.flags & flag and code != 6]
    if look.underline:
        codes.append("4" if look.underline == SINGLE_UNDERLINE else f"4:{look.underline}")
    codes += _colour_codes(look.fg, 30)
    codes += _colour_codes(look.bg, 40)
    codes += _colour_codes(look.underline_colour, 50)
    return f"\x1b[{';'.join(codes)}m"


def _colour_codes(colour: int, base: int) -> list[str]:
    if colour == DEFAULT:
        return []
    if colour >= TRUE_COLOUR:
        rgb = colour - TRUE_COLOUR
        return [f"{base + 8};2;{rgb >> 16};{rgb >> 8 & 255};{rgb & 255}"]
    if colour >= INDEXED:
        return [f"{base + 8};5;{colour - INDEXED}"]
    return [str(base + colour if colour < 8 else base + 52 + colour)]
