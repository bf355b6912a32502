"""Screens of reference emulators as values, and as compact JSON."""

import ctypes
import json
import locale
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple


class Cell(NamedTuple):
    """Colours and flags are numbered as in `omnyshell/terminal/screen/style.py`; `underline` is 0 or 1, whatever its style."""

    text: str
    fg: int
    bg: int
    flags: int
    underline: int


class Screen(NamedTuple):
    """What an emulator shows. A cursor at the width of the screen means a pending wrap."""

    cursor: tuple[int, int]
    rows: list[list[Cell]]


def width(character: str) -> int:
    """The width that the C library knows, which is the one that tmux uses."""
    locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    return max(0, ctypes.CDLL(None).wcwidth(ord(character)))


def pack(screen: Screen) -> dict[str, Any]:
    """Rows as runs of equal look: [text or list of texts, fg, bg, flags, underline]; trailing default blanks left out."""
    return {"cursor": list(screen.cursor), "rows": [_pack_row(row) for row in screen.rows]}


def _pack_row(row: list[Cell]) -> list[list[Any]]:
    end = len(row)
    while end and row[end - 1] == Cell(" ", -1, -1, 0, 0):
        end -= 1
    runs = []
    for look, group in groupby(row[:end], key=lambda cell: cell[1:]):
        texts = [cell.text for cell in group]
        runs.append(["".join(texts) if all(len(text) == 1 for text in texts) else texts, *look])
    return runs


def unpack(packed: dict[str, Any], columns: int) -> Screen:
    rows = []
    for runs in packed["rows"]:
        row = [Cell(text, *look) for texts, *look in runs for text in texts]
        rows.append(row + [Cell(" ", -1, -1, 0, 0)] * (columns - len(row)))
    return Screen(tuple(packed["cursor"]), rows)


def load(path: Path) -> dict[str, Screen]:
    """Return the screens in a reference file by the emulator's name."""
    content = json.loads(path.read_text())
    return {name: unpack(content[name], content["columns"]) for name in ("xterm", "tmux")}
