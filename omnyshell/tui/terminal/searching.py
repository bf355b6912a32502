"""Search in what a terminal shows and keeps."""

from collections.abc import Iterator, Sequence
from typing import Final

from omnyshell.tui.terminal.lines import Lines, Point

LINES_A_SLICE: Final = 100
"""Lines that are looked through before the searcher pauses; about a millisecond."""

_MOST_IN_A_LINE: Final = 1000


class Search:
    """Looks for a text, line by line. Capital letters count only where the text has some."""

    def __init__(self, needle: str) -> None:
        self.needle = needle
        self._folds = needle == needle.lower()

    def in_cells(self, cells: Sequence[str]) -> list[tuple[int, int]]:
        """Return the columns of what is found in a line, each with the column after it."""
        if not self.needle:
            return []
        text = "".join(cells)
        haystack = text.lower() if self._folds else text
        if len(haystack) != len(text):
            # Lower case of some letters is longer, which would shift the columns.
            haystack = text
        at = haystack.find(self.needle)
        if at < 0:
            return []
        columns = range(len(cells) + 1) if len(text) == len(cells) else _columns(cells)
        found: list[tuple[int, int]] = []
        while at >= 0 and len(found) < _MOST_IN_A_LINE:
            end = at + len(self.needle)
            found.append((columns[at], columns[end]))
            at = haystack.find(self.needle, end)
        return found

    def steps(self, lines: Lines, start: Point, *, backwards: bool) -> Iterator[Point | None]:
        """Look for the next find after `start`, or the one before it, around the ends once.

        Yields None after each slice of work, and the find last; ends without one where there is none.
        """
        first, last = lines.first, lines.last
        count = last - first + 1
        direction = -1 if backwards else 1
        for step in range(count + 1):
            line = first + (start.line - first + direction * step) % count
            found = [column for column, _ in self.in_cells(lines.cells(line))]
            if step == 0:
                found = [at for at in found if (at < start.column if backwards else at > start.column)]
            if found:
                yield Point(line, found[-1] if backwards else found[0])
                return
            if step % LINES_A_SLICE == LINES_A_SLICE - 1:
                yield None

    def tally(self, lines: Lines, at: Point) -> Iterator[tuple[int, int] | None]:
        """Count what is found. Yields None after each slice of work, last which one begins at `at`, of how many."""
        number = total = 0
        for count, line in enumerate(range(lines.first, lines.last + 1), 1):
            starts = [start for start, _ in self.in_cells(lines.cells(line))]
            total += len(starts)
            number += sum(Point(line, start) <= at for start in starts)
            if count % LINES_A_SLICE == 0:
                yield None
        yield number, total


def _columns(cells: Sequence[str]) -> list[int]:
    """Return the column of each character, and the one behind the last."""
    columns: list[int] = []
    for column, cell in enumerate(cells):
        columns += [column] * len(cell)
    return [*columns, len(cells)]
