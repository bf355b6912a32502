"""What is selected in a terminal, and the text of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from omnyshell.tui.terminal.lines import Lines, Point

_WORD_MARKS = "-_./~:@%+#?&=$"


class Shape(Enum):
    """How a selection runs from one cell to another."""

    TEXT = auto()
    LINES = auto()
    BLOCK = auto()


@dataclass(frozen=True, slots=True)
class Selection:
    """The cells from `anchor` to `head`, both included, in either order."""

    anchor: Point
    head: Point
    shape: Shape = Shape.TEXT

    @property
    def start(self) -> Point:
        """The earlier end."""
        return min(self.anchor, self.head)

    @property
    def end(self) -> Point:
        """The later end."""
        return max(self.anchor, self.head)

    def to(self, head: Point) -> "Selection":
        """Return it with another head."""
        return replace(self, head=head)

    def columns(self, line: int, width: int) -> tuple[int, int] | None:
        """Return the columns of a line that are selected, the second not included; None for none."""
        start, end = self.start, self.end
        if not start.line <= line <= end.line:
            return None
        if self.shape is Shape.LINES:
            return 0, width
        if self.shape is Shape.BLOCK:
            left, right = sorted((self.anchor.column, self.head.column))
            return left, right + 1
        return (start.column if line == start.line else 0, end.column + 1 if line == end.line else width)

    def text(self, lines: Lines) -> str:
        """Return the text. Lines that were wrapped are one; blanks at the ends of lines are left out."""
        parts: list[str] = []
        first, last = max(self.start.line, lines.first), min(self.end.line, lines.last)
        for line in range(first, last + 1):
            cells = lines.cells(line)
            start, end = self.columns(line, len(cells)) or (0, 0)
            text = "".join(_whole(cells, start, end))
            joined = self.shape is not Shape.BLOCK and lines.goes_on(line)
            ends = line == last and self.shape is not Shape.LINES
            parts.append(text if joined else text.rstrip())
            parts.append("" if joined or ends else "\n")
        return "".join(parts)


def _whole(cells: Sequence[str], start: int, end: int) -> Sequence[str]:
    """Return cells with the whole of a wide character whose second half the start is."""
    if 0 < start < len(cells) and not cells[start]:
        start -= 1
    return cells[start:end]


def word_at(lines: Lines, point: Point) -> Selection:
    """Return the word under a cell: letters and digits, and what paths and addresses are made of."""
    cells = lines.cells(point.line)
    if point.column >= len(cells):
        return Selection(point, point)
    kind = _kind(cells[point.column])
    start = end = point.column
    while start > 0 and _kind(cells[start - 1]) == kind:
        start -= 1
    while end + 1 < len(cells) and _kind(cells[end + 1]) == kind:
        end += 1
    return Selection(Point(point.line, start), Point(point.line, end))


def line_at(lines: Lines, point: Point) -> Selection:
    """Return the whole line of a cell, with what it was wrapped into."""
    first = last = point.line
    while first > lines.first and lines.goes_on(first - 1):
        first -= 1
    while last < lines.last and lines.goes_on(last):
        last += 1
    return Selection(Point(first, 0), Point(last, lines.width - 1), Shape.LINES)


def is_word(cell: str) -> bool:
    """Whether a cell is part of a word; the second half of a wide character is."""
    return not cell or cell[0].isalnum() or cell[0] in _WORD_MARKS


def _kind(cell: str) -> str:
    return "word" if is_word(cell) else cell
