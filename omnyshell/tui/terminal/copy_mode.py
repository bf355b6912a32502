"""Copy mode: a cursor in a terminal's screen and scrollback, moved by keys as in less and vi."""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from itertools import groupby
from typing import Final

from omnyshell.tui.terminal.lines import Lines, Point
from omnyshell.tui.terminal.selection import Selection, Shape, is_word


class Outcome(Enum):
    """The effect of a key on the terminal in copy mode."""

    STAY = auto()
    COPY = auto()
    LEAVE = auto()
    SEARCH = auto()
    NEXT = auto()
    PREVIOUS = auto()


_HINT: Final = "Copy mode: arrows · v V ctrl+v select · y copies · / n N search · esc leaves"


def hint(tally: tuple[int, int] | None) -> str:
    """Return what keys do; first which of how many finds is shown, if one is."""
    if tally is None:
        return _HINT
    return f"{tally[0]:,} of {tally[1]:,} · n up, N down · v V ctrl+v select · y copies · / search · esc leaves"


_SHAPES: Final = {"v": Shape.TEXT, "space": Shape.TEXT, "V": Shape.LINES, "ctrl+v": Shape.BLOCK}
_OUTCOMES: Final = {
    "y": Outcome.COPY,
    "enter": Outcome.COPY,
    "escape": Outcome.LEAVE,
    "q": Outcome.LEAVE,
    "slash": Outcome.SEARCH,
    "n": Outcome.NEXT,
    "N": Outcome.PREVIOUS,
}


class CopyMode:
    """The cursor and the selection. `page` is the number of visible lines."""

    def __init__(self, lines: Lines, cursor: Point, page: int) -> None:
        self._lines = lines
        self.cursor = lines.clamp(cursor)
        self.page = page
        self._anchor: Point | None = None
        self._shape = Shape.TEXT

    @property
    def selection(self) -> Selection | None:
        """What is selected, if anything is."""
        return None if self._anchor is None else Selection(self._anchor, self.cursor, self._shape)

    def press(self, key: str) -> Outcome:
        """Handle a key, by Textual's name; unknown ones do nothing."""
        if key in _SHAPES:
            self._select(_SHAPES[key])
        elif key in _MOTIONS:
            self.go(_MOTIONS[key](self))
        elif key == "o" and self._anchor is not None:
            self._anchor, self.cursor = self.cursor, self._anchor
        return _OUTCOMES.get(key, Outcome.STAY)

    def go(self, point: Point) -> None:
        """Put the cursor on a cell, or the nearest there is."""
        self.cursor = self._lines.clamp(point)

    def _select(self, shape: Shape) -> None:
        if self._anchor is not None and self._shape is shape:
            self._anchor = None
        elif self._anchor is None:
            self._anchor = self.cursor
        self._shape = shape

    def by_lines(self, count: int) -> Point:
        """Return the cell so many lines below."""
        return Point(self.cursor.line + count, self.cursor.column)

    def by_columns(self, count: int) -> Point:
        """Return the cell so many columns to the right, over the ends of lines."""
        line, column = self.cursor.line, self.cursor.column + count
        if column < 0:
            return Point(line - 1, self._lines.width - 1) if line > self._lines.first else self.cursor
        if column >= self._lines.width:
            return Point(line + 1, 0) if line < self._lines.last else self.cursor
        return Point(line, column)

    def at_column(self, column: int) -> Point:
        """Return a cell of the same line."""
        return Point(self.cursor.line, column)

    def text_start(self) -> Point:
        """Return the first cell of the line that is not blank."""
        cells = self._lines.cells(self.cursor.line)
        return self.at_column(next((at for at, cell in enumerate(cells) if cell != " "), 0))

    def text_end(self) -> Point:
        """Return the last cell of the line that is not blank."""
        cells = self._lines.cells(self.cursor.line)
        return self.at_column(max((at for at, cell in enumerate(cells) if cell != " "), default=0))

    def oldest(self) -> Point:
        """Return the start of all there is."""
        return Point(self._lines.first, 0)

    def newest(self) -> Point:
        """Return the start of the last line."""
        return Point(self._lines.last, 0)

    def word(self, direction: int, *, to_end: bool = False) -> Point:
        """Return the start of the next word or the one before, or with `to_end` the end of the next one."""
        here = self.cursor
        for distance in range(self._lines.last - self._lines.first + 1):
            line = here.line + direction * distance
            places = [end if to_end else start for start, end in _words(self._lines.cells(line))]
            if distance == 0:
                places = [at for at in places if (at > here.column if direction > 0 else at < here.column)]
            if places:
                return Point(line, places[0] if direction > 0 else places[-1])
        return here


def _words(cells: Sequence[str]) -> list[tuple[int, int]]:
    """Return the first and last columns of the words of a line."""
    words: list[tuple[int, int]] = []
    for inside, group in groupby(enumerate(cells), key=lambda place: is_word(place[1])):
        columns = [column for column, _ in group]
        if inside:
            words.append((columns[0], columns[-1]))
    return words


_MOTIONS: Final[dict[str, Callable[[CopyMode], Point]]] = {
    **dict.fromkeys(("up", "k"), lambda mode: mode.by_lines(-1)),
    **dict.fromkeys(("down", "j"), lambda mode: mode.by_lines(1)),
    **dict.fromkeys(("left", "h"), lambda mode: mode.by_columns(-1)),
    **dict.fromkeys(("right", "l"), lambda mode: mode.by_columns(1)),
    **dict.fromkeys(("pageup", "ctrl+b"), lambda mode: mode.by_lines(-mode.page)),
    **dict.fromkeys(("pagedown", "ctrl+f"), lambda mode: mode.by_lines(mode.page)),
    "ctrl+u": lambda mode: mode.by_lines(-mode.page // 2),
    "ctrl+d": lambda mode: mode.by_lines(mode.page // 2),
    **dict.fromkeys(("home", "0"), lambda mode: mode.at_column(0)),
    "circumflex_accent": CopyMode.text_start,
    **dict.fromkeys(("end", "dollar_sign"), CopyMode.text_end),
    **dict.fromkeys(("g", "ctrl+home"), CopyMode.oldest),
    **dict.fromkeys(("G", "ctrl+end"), CopyMode.newest),
    "w": lambda mode: mode.word(1),
    "b": lambda mode: mode.word(-1),
    "e": lambda mode: mode.word(1, to_end=True),
}
