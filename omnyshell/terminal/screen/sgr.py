"""Select Graphic Rendition: the effects of its sequences on a style, and the sequences for a style.

See ECMA-48 8.3.117, ISO 8613-6 (colours) and xterm ctlseqs, "CSI Pm m".
"""

import re
from collections.abc import Iterator
from typing import Final

from omnyshell.terminal.screen.style import (
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
    PROTECTED,
    REVERSE,
    SINGLE_UNDERLINE,
    STRIKE,
    TRUE_COLOUR,
    Effect,
    Look,
)
from omnyshell.terminal.state.table import LARGEST_MODE

MAX_PARAMS: Final = 32
_BYTE: Final = 256
_DASHED: Final = 5

_FLAGS_ON: Final = {
    1: BOLD, 2: DIM, 3: ITALIC, 5: BLINK, 6: BLINK, 7: REVERSE, 8: CONCEAL, 9: STRIKE, 53: OVERLINE,
}  # fmt: skip
_FLAGS_OFF: Final = {22: BOLD | DIM, 23: ITALIC, 25: BLINK, 27: REVERSE, 28: CONCEAL, 29: STRIKE, 55: OVERLINE}
_FOREGROUND: Final = {**{30 + n: n for n in range(8)}, **{90 + n: 8 + n for n in range(8)}, 39: DEFAULT}
_UNDERLINES: Final = {4: SINGLE_UNDERLINE, 21: DOUBLE_UNDERLINE, 24: NO_UNDERLINE}
_EXTENDED: Final = {38: "fg", 48: "bg", 58: "underline_colour"}

# What a code without arguments sets.
_FIELDS: Final[dict[int, tuple[str, int]]] = {
    **{code: ("fg", colour) for code, colour in _FOREGROUND.items()},
    **{code + 10: ("bg", colour) for code, colour in _FOREGROUND.items()},
    **{code: ("underline", kind) for code, kind in _UNDERLINES.items()},
    59: ("underline_colour", DEFAULT),
}
_RESET: Final = {"fg": DEFAULT, "bg": DEFAULT, "underline": NO_UNDERLINE, "underline_colour": DEFAULT}

_MOST_EFFECTS: Final = 4096
_LONGEST_KEPT: Final = 64
_effects: Final[dict[str, Effect]] = {}
DIRECT: Final = ("\x1b[38;2;", "\x1b[48;2;")
"""How a direct colour is chosen; there are too many of them to expect the same again."""

_REDS: Final = {str(value): TRUE_COLOUR | value << 16 for value in range(_BYTE)}
_GREENS: Final = {str(value): value << 8 for value in range(_BYTE)}
_BLUES: Final = {str(value): value for value in range(_BYTE)}
_is_plain: Final = re.compile(r"\x1b\[[0-9;:]*m").fullmatch


def effect_of(sequence: str) -> Effect | None:
    """Return what an SGR sequence does, or None where `sequence` is none."""
    effect = _direct_effect(sequence) or _effects.get(sequence)
    if effect is None and _is_plain(sequence):
        effect = _parse(sequence[2:-1])
        if len(_effects) >= _MOST_EFFECTS:
            _effects.clear()
        if len(sequence) <= _LONGEST_KEPT:
            _effects[sequence] = effect
    return effect


def direct_colour(sequence: str) -> int | None:
    """Return the colour of a sequence that does nothing but choose a direct one, as it is usually written."""
    try:
        red, green, blue = sequence[7:-1].split(";")
        return _REDS[red] | _GREENS[green] | _BLUES[blue]
    except (KeyError, ValueError):
        return None


def _direct_effect(sequence: str) -> Effect | None:
    """The effect of a single direct colour; there are too many such sequences to cache."""
    colour = direct_colour(sequence) if sequence.startswith(DIRECT) else None
    if colour is None:
        return None
    return (colour, None, -1, 0, None, None) if sequence[2] == "3" else (None, colour, -1, 0, None, None)


def _parse(params: str) -> Effect:
    changes: dict[str, int] = {}
    keep, add = -1, 0
    fields = iter(params.split(";")[:MAX_PARAMS])
    for field in fields:
        if ":" in field:
            changes.update(_subparameters(field))
            continue
        code = number(field)
        if code in _FIELDS:
            name, value = _FIELDS[code]
            changes[name] = value
        elif code in _FLAGS_ON:
            add |= _FLAGS_ON[code]
        elif code in _FLAGS_OFF:
            add &= ~_FLAGS_OFF[code]
            keep &= ~_FLAGS_OFF[code]
        elif code in _EXTENDED:
            colour = _colour_from(fields)
            changes.update({} if colour is None else {_EXTENDED[code]: colour})
        elif code == 0:
            changes.update(_RESET)
            keep, add = PROTECTED, 0
    get = changes.get
    return (get("fg"), get("bg"), keep, add, get("underline"), get("underline_colour"))


def number(field: str) -> int:
    """Return a parameter's value: 0 where it is empty, at most 99,999,999."""
    if len(field) <= 4:
        return int(field or 0)
    return min(int(field.lstrip("0")[:9] or 0), LARGEST_MODE)


def _colour_from(fields: Iterator[str]) -> int | None:
    """The colour after a 38, 48 or 58 in the form with semicolons: `5;n` or `2;r;g;b`."""
    kind = number(next(fields, "").partition(":")[0])
    if kind == 5:
        return _indexed(number(next(fields, "").partition(":")[0]))
    if kind == 2:
        red, green, blue = (number(next(fields, "").partition(":")[0]) for _ in range(3))
        return _direct(red, green, blue)
    return None


def _subparameters(field: str) -> dict[str, int]:
    """What a parameter with colons sets: `4:n`, `38:5:n`, `38:2:r:g:b`, `38:2:colourspace:r:g:b`."""
    code, *rest = (number(part) for part in field.split(":")[:8])
    colour: int | None = None
    if code == 4:
        return {"underline": rest[0]} if rest[0] <= _DASHED else {}
    if rest[0] == 5 and len(rest) > 1:
        colour = _indexed(rest[1])
    elif rest[0] == 2 and len(rest) >= 4:
        colour = _direct(*(rest[2:5] if len(rest) >= 5 else rest[1:4]))
    return {} if colour is None or code not in _EXTENDED else {_EXTENDED[code]: colour}


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
    codes += [_colour_code(look.fg, 30), _colour_code(look.bg, 40), _colour_code(look.underline_colour, 50)]
    return f"\x1b[{';'.join(filter(None, codes))}m"


def sgr_between(old: Look, new: Look) -> str:
    """Return the shortest SGR sequence that turns `old` into `new`: colours alone where nothing else differs."""
    if old[2:5] != new[2:5]:
        return sgr_of(new)
    return colours_between(old[:2], new[:2])


def colours_between(old: tuple[int, int], new: tuple[int, int]) -> str:
    """Return the SGR sequence that turns a foreground and a background into others."""
    foreground = _colour_code(new[0], 30) or "39"
    background = _colour_code(new[1], 40) or "49"
    if old[0] == new[0]:
        return f"\x1b[{background}m"
    return f"\x1b[{foreground}m" if old[1] == new[1] else f"\x1b[{foreground};{background}m"


def _colour_code(colour: int, base: int) -> str:
    if colour >= TRUE_COLOUR:
        return f"{base + 8};2;{colour >> 16 & 255};{colour >> 8 & 255};{colour & 255}"
    if colour == DEFAULT:
        return ""
    if colour >= INDEXED:
        return f"{base + 8};5;{colour - INDEXED}"
    return str(base + colour if colour < 8 else base + 52 + colour)
