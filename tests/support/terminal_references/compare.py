"""Our screen beside a reference's, cell by cell."""

from pathlib import Path

from support.terminal_references.cells import Cell, Screen

from omnyshell.terminal.emulator import Emulator

Difference = tuple[int, int, str, Cell, Cell]


def ours(data: bytes, columns: int, lines: int, chunk: int = 0) -> Screen:
    """Feed `data` at once, or in chunks of a size."""
    screen = Emulator(columns, lines)
    for at in range(0, len(data), chunk or len(data) or 1):
        screen.feed(data[at : at + (chunk or len(data))])
    return screen_of(screen)


def screen_of(screen: Emulator) -> Screen:
    rows = []
    for row in screen.rows:
        looks = [style.look for style in row.styles]
        rows.append(
            [
                Cell(text, look.fg, look.bg, look.flags, int(look.underline > 0))
                for text, look in zip(row.cells, looks, strict=True)
            ]
        )
    return Screen((screen.cursor.x, screen.cursor.y), rows)


def differences(shown: Screen, reference: Screen, name: str) -> list[Difference]:
    return [
        (y, x, name, ours_cell, cell)
        for y, (row, expected) in enumerate(zip(shown.rows, reference.rows, strict=True))
        for x, (ours_cell, cell) in enumerate(zip(row, expected, strict=True))
        if ours_cell != cell
    ]


def size_of(path: Path) -> tuple[int, int]:
    columns, _, lines = path.stem.rpartition(".")[2].partition("x")
    return int(columns), int(lines)
