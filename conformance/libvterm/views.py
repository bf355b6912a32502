"""What libvterm's scripts say of a screen, held against the emulator's; None where a line is about something else."""

import re
from collections.abc import Callable
from typing import Final

from conformance.libvterm.script import numbers, perl_bytes
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.screen.style import (
    BLINK,
    BOLD,
    DEFAULT,
    INDEXED,
    ITALIC,
    PROTECTED,
    REVERSE,
    TRUE_COLOUR,
    Look,
)
from omnyshell.terminal.state.table import MOUSE_TRACKING, PRIVATE, REVERSE_SCREEN, SHOW_CURSOR

_ASSERTION: Final = re.compile(r"\?(\w+)\s*(.*?)\s*=\s*(.*)").fullmatch
_GLYPH: Final = re.compile(r"putglyph (\S+) (\d) (\d+),(\d+)(.*)").fullmatch
_CELL: Final = re.compile(r"\{(.*?)\} width=(\d) attrs=\{(.*?)\}(.*?) fg=(\S+) bg=(\S+)").fullmatch
_DEFAULT_COLOURS: Final = {"fg": (240, 240, 240), "bg": (0, 0, 0)}
_PEN_FLAGS: Final = {"bold": BOLD, "italic": ITALIC, "blink": BLINK, "reverse": REVERSE}
_SIZES: Final = {"": set(), "6": {"dwl"}, "3": {"dwl", "dhl-top"}, "4": {"dwl", "dhl-bottom"}}
_MOUSE: Final = {1000 << PRIVATE: "1", 1002 << PRIVATE: "2", 1003 << PRIVATE: "3"}


def problem(screen: Emulator, text: str) -> str | None:
    """Return what is wrong with what a line says of the screen, "" if nothing."""
    found = _ASSERTION(text)
    if found:
        view = _VIEWS.get(found[1])
        return view(screen, found[2], found[3]) if view else None
    name, _, rest = text.partition(" ")
    told = _TOLD.get(name)
    return told(screen, rest) if told else None


def glyph_problem(screen: Emulator, text: str) -> str:
    """Say what is not in the cell that a `putglyph` tells of."""
    found = _GLYPH(text)
    if found is None:
        return f"not understood: {text}"
    y, x = int(found[3]), int(found[4])
    if y >= screen.lines or x >= screen.columns:
        return "outside the screen"
    row = screen.rows[y]
    shown = (list(map(ord, row.cells[x])), _width(screen, y, x), _marks(screen, y, x))
    return _unlike(shown, (numbers(found[1]), int(found[2]), set(found[5].split())))


def _marks(screen: Emulator, y: int, x: int) -> set[str]:
    return ({"prot"} if screen.rows[y].styles[x].look.flags & PROTECTED else set()) | _size_of(screen, y)


def _size_of(screen: Emulator, y: int) -> set[str]:
    """The names of a row's size: none for a plain one."""
    return _SIZES[screen.rows[y].size]


def _width(screen: Emulator, y: int, x: int) -> int:
    cells = screen.rows[y].cells
    return 2 if x + 1 < len(cells) and not cells[x + 1] else 1


def _unlike(shown: object, wanted: object) -> str:
    return "" if shown == wanted else f"{shown!r} for {wanted!r}"


# Assertions


def _cursor(screen: Emulator, _which: str, wanted: str) -> str:
    return _unlike([screen.cursor.y, screen.cursor_column], numbers(wanted))


def _pen(screen: Emulator, which: str, wanted: str) -> str | None:
    look = screen.cursor.style.look
    if which in _PEN_FLAGS:
        return _unlike("on" if look.flags & _PEN_FLAGS[which] else "off", wanted)
    if which == "underline":
        return _unlike(str(look.underline), wanted)
    if which in ("foreground", "background"):
        return _unlike(_colour(look.fg if which == "foreground" else look.bg, which), wanted)
    return _unlike({"font": "0", "small": "off", "baseline": "normal"}[which], wanted)


def _colour(colour: int, which: str) -> str:
    if colour == DEFAULT:
        red, green, blue = _DEFAULT_COLOURS[which[0] + "g"]
        return f"rgb({red},{green},{blue},is_default_{which[0]}g)"
    if colour >= TRUE_COLOUR:
        return "rgb({},{},{})".format(*(colour - TRUE_COLOUR).to_bytes(3, "big"))
    return f"idx({colour - INDEXED if colour >= INDEXED else colour})"


def _row(screen: Emulator, which: str, wanted: str) -> str:
    return _unlike(_line(screen, int(which), 0, screen.columns), _text(wanted, "latin-1"))


def _chars(screen: Emulator, which: str, wanted: str) -> str:
    first, start, last, end = (*numbers(which), 0, 0, 0)[:4] if "," in which else (int(which), 0, int(which) + 1, 10**6)
    return _unlike("\n".join(_line(screen, y, start, end) for y in range(first, last)), _text(wanted, "latin-1"))


def _encoded(screen: Emulator, which: str, wanted: str) -> str:
    first, start, last, end = numbers(which)
    text = "\n".join(_line(screen, y, start, end) for y in range(first, last))
    return _unlike(text, bytes(numbers(wanted)).decode())


def _line(screen: Emulator, y: int, start: int, end: int) -> str:
    return "".join(screen.rows[y].cells[start:end]).rstrip()


def _text(wanted: str, coding: str) -> str:
    if wanted.startswith('"'):
        return perl_bytes(wanted).decode(coding).rstrip()
    return "".join(map(chr, numbers(wanted)))


def _end_of_line(screen: Emulator, which: str, wanted: str) -> str:
    y, x = numbers(which)
    return _unlike(str(int(not _line(screen, y, x, screen.columns))), wanted)


def _line_info(screen: Emulator, which: str, wanted: str) -> str:
    y = int(which)
    names = {name.partition("-")[0] for name in _size_of(screen, y)}
    return _unlike(names | ({"cont"} if y and screen.rows[y - 1].wrapped else set()), set(wanted.split()))


def _cell(screen: Emulator, which: str, wanted: str) -> str:
    found = _CELL(wanted)
    if found is None:
        return f"not understood: {wanted}"
    y, x = numbers(which)
    look = screen.rows[y].styles[x].look
    text = screen.rows[y].cells[x].rstrip()
    shown = (list(map(ord, text)), _width(screen, y, x), _attributes(look), _size_of(screen, y))
    unlike = _unlike(shown, (numbers(found[1]), int(found[2]), found[3], set(found[4].split())))
    return unlike or _other_colour(look.fg, found[5], "fg") or _other_colour(look.bg, found[6], "bg")


def _attributes(look: Look) -> str:
    letters = {BOLD: "B", ITALIC: "I", BLINK: "K", REVERSE: "R"}
    marks = {flag: letter if look.flags & flag else "" for flag, letter in letters.items()}
    underline = f"U{look.underline}" if look.underline else ""
    return marks[BOLD] + underline + marks[ITALIC] + marks[BLINK] + marks[REVERSE]


def _other_colour(colour: int, wanted: str, which: str) -> str:
    """Compare a colour with one that libvterm took from its palette, which is its own."""
    red, green, blue = numbers(wanted.partition("(")[2].partition(")")[0])
    if colour == DEFAULT or colour >= TRUE_COLOUR:
        shown = _DEFAULT_COLOURS[which] if colour == DEFAULT else tuple((colour - TRUE_COLOUR).to_bytes(3, "big"))
        return _unlike(shown, (red, green, blue))
    return "the default colour" if (red, green, blue) == _DEFAULT_COLOURS[which] else ""


# What is told


def _moved(screen: Emulator, wanted: str) -> str:
    return _cursor(screen, "", wanted)


def _property(screen: Emulator, rest: str) -> str | None:
    number, _, wanted = rest.partition(" ")
    shape = screen.cursor_shape
    if number in ("2", "7") and not shape:
        # The terminal's own shape, which is libvterm's to choose.
        return None
    if number in ("4", "5") and not (wanted.startswith("[") and wanted.endswith("]")):
        return None
    values: dict[str, Callable[[], object]] = {
        "1": lambda: str(SHOW_CURSOR in screen.mode).lower(),
        "2": lambda: str(shape % 2 == 1).lower(),
        "3": lambda: str(screen.on_alternate_screen).lower(),
        "4": lambda: f'["{screen.title}"]',
        "5": lambda: f'["{screen.icon_name}"]',
        "6": lambda: str(REVERSE_SCREEN in screen.mode).lower(),
        "7": lambda: str((shape + 1) // 2),
        "8": lambda: "".join(_MOUSE[mode] for mode in MOUSE_TRACKING & screen.mode) or "0",
        "9": lambda: str(1004 << PRIVATE in screen.mode).lower(),
    }
    return _unlike(values[number](), wanted) if number in values else None


def _cleared(screen: Emulator, _rest: str) -> str:
    return _unlike(len(screen.scrollback), 0)


_VIEWS: Final[dict[str, Callable[[Emulator, str, str], str | None]]] = {
    "cursor": _cursor,
    "pen": _pen,
    "screen_row": _row,
    "screen_chars": _chars,
    "screen_text": _encoded,
    "screen_cell": _cell,
    "screen_eol": _end_of_line,
    "lineinfo": _line_info,
}
_TOLD: Final[dict[str, Callable[[Emulator, str], str | None]]] = {
    "movecursor": _moved,
    "settermprop": _property,
    "sb_clear": _cleared,
}
