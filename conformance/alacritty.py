"""Alacritty's references: a recording, and the grid with its history that it has after it, as JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from conformance.outcomes import Outcome
from omnyshell.terminal.emulator import Emulator
from omnyshell.terminal.screen.rows import Row
from omnyshell.terminal.screen.style import (
    BOLD,
    CONCEAL,
    DEFAULT,
    DIM,
    INDEXED,
    ITALIC,
    REVERSE,
    STRIKE,
    TRUE_COLOUR,
    Look,
)

PLACE: Final = "alacritty_terminal/tests/ref"
_FILES: Final = ("alacritty.recording", "grid.json", "size.json", "config.json")
_FLAGS: Final = {
    "BOLD": BOLD,
    "DIM": DIM,
    "DIM_BOLD": DIM | BOLD,
    "BOLD_ITALIC": BOLD | ITALIC,
    "ITALIC": ITALIC,
    "INVERSE": REVERSE,
    "HIDDEN": CONCEAL,
    "STRIKEOUT": STRIKE,
}
_UNDERLINES: Final = {
    "UNDERLINE": 1,
    "DOUBLE_UNDERLINE": 2,
    "UNDERCURL": 3,
    "DOTTED_UNDERLINE": 4,
    "DASHED_UNDERLINE": 5,
}
_COMPARED: Final = BOLD | DIM | ITALIC | REVERSE | CONCEAL | STRIKE
_NAMES: Final = ("Black", "Red", "Green", "Yellow", "Blue", "Magenta", "Cyan", "White")
_NAMED: Final = {
    "Foreground": DEFAULT,
    "Background": DEFAULT,
    **{name: number for number, name in enumerate(_NAMES)},
    **{f"Bright{name}": 8 + number for number, name in enumerate(_NAMES)},
}


class Cell(NamedTuple):
    """A cell as both have it: no blinking, and the first sixteen colours by either name."""

    text: str
    fg: int
    bg: int
    flags: int
    underline: int
    underline_colour: int
    uri: str


def run(folder: Path) -> Iterator[Outcome]:
    """Yield an outcome for each reference that is there as a whole."""
    for path in sorted((folder / PLACE).iterdir()):
        if all((path / name).is_file() for name in _FILES):
            size, config, grid = (
                json.loads((path / name).read_text()) for name in ("size.json", "config.json", "grid.json")
            )
            screen = Emulator(size["columns"], size["screen_lines"], scrollback=config["history_size"])
            screen.feed((path / "alacritty.recording").read_bytes())
            yield Outcome(path.name, difference(screen, grid))


def difference(screen: Emulator, grid: dict[str, Any]) -> str:
    """Return the first place where the screen, with its history, differs from a grid."""
    wanted = rows_of(grid)
    # A grid may have room for a history that nothing went into.
    while len(wanted) > screen.lines + len(screen.scrollback) and not any(cell.text.strip() for cell in wanted[0]):
        del wanted[0]
    rows = [*screen.scrollback, *screen.rows][-len(wanted) :]
    if len(rows) < len(wanted):
        return f"{len(rows)} rows for {len(wanted)}"
    for y, (row, cells) in enumerate(zip(rows, wanted, strict=True)):
        for x, (shown, cell) in enumerate(zip(_cells(row), cells, strict=True)):
            if shown != cell:
                return f"row {y + 1} of {len(wanted)}, column {x + 1}: {shown} for {cell}"
    return ""


def rows_of(grid: dict[str, Any]) -> list[list[Cell]]:
    """Return the rows of a grid, oldest first; it stores them in a ring, from the bottom."""
    raw = grid["raw"]
    stored, zero = raw["inner"], raw["zero"]
    ordered = (stored[zero:] + stored[:zero])[: raw.get("len", len(stored))]
    return [[_cell(cell) for cell in row["inner"]] for row in reversed(ordered)]


def _cell(stored: dict[str, Any]) -> Cell:
    names = [name for name in stored["flags"].split(" | ") if name]
    extra = stored["extra"] or {}
    text = "" if "WIDE_CHAR_SPACER" in names else stored["c"].replace("\t", " ") + "".join(extra.get("zerowidth", []))
    link = extra.get("hyperlink") or {}
    colour = extra.get("underline_color")
    flags = sum({_FLAGS[name] for name in names if name in _FLAGS})
    underline = max((_UNDERLINES.get(name, 0) for name in names), default=0)
    return Cell(
        text,
        _colour(stored["fg"]),
        _colour(stored["bg"]),
        flags,
        underline,
        _colour(colour) if colour else DEFAULT,
        link.get("inner", link).get("uri", "") if link else "",
    )


def _colour(stored: dict[str, Any]) -> int:
    if "Named" in stored:
        return _NAMED[stored["Named"]]
    if "Indexed" in stored:
        return _plain(INDEXED + int(stored["Indexed"]))
    rgb = stored["Spec"]
    return TRUE_COLOUR + (int(rgb["r"]) << 16 | int(rgb["g"]) << 8 | int(rgb["b"]))


def _plain(colour: int) -> int:
    """The first sixteen of the 256 colours as the named ones."""
    return colour - INDEXED if INDEXED <= colour < INDEXED + 16 else colour


def _cells(row: Row) -> Iterator[Cell]:
    for text, style in zip(row.cells, row.styles, strict=True):
        yield _cell_of(text, style.look)


def _cell_of(text: str, look: Look) -> Cell:
    colours = (_plain(colour) for colour in (look.fg, look.bg))
    uri = look.link.partition(";")[2]
    return Cell(text, *colours, look.flags & _COMPARED, look.underline, _plain(look.underline_colour), uri)
