"""Work that is counted, so that whoever draws can stop between two control functions, or within one, between rows."""

import math
from collections.abc import Generator, Iterator
from typing import Final, TypeVar

UNBOUNDED: Final = math.inf
"""Work without a bound."""

A_ROW: Final = 10
"""What it costs to do anything with a row, counted in cells."""


Result = TypeVar("Result")


def finished(steps: Generator[None, None, Result]) -> Result:
    """Do all steps of some work at once, and return what comes of them."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


class Working:
    """What counts its work.

    Once there was too much, the rest of the output is put off, and of a control function the rows that are left.
    """

    _work_left: float = UNBOUNDED
    """How much may still be done before the rest of the output is put off, in cells."""

    _rows_left: Iterator[None] | None = None
    """What is left of a control function."""

    def _spend(self, work: int) -> None:
        """Count work; where it was too much, put off what comes after the present control function."""
        self._work_left -= work
        if self._work_left <= 0:
            self._stop()

    @property
    def _is_worked_out(self) -> bool:
        return self._work_left <= 0

    def _stop(self, again: str = "") -> None:
        """Put off the output that comes next, after `again`."""
        raise NotImplementedError

    def _finish_rows(self) -> None:
        """Do what is left of a control function at once, as what comes next depends on it."""
        rows, self._rows_left = self._rows_left or iter(()), None
        for _ in rows:
            continue

    def _by_rows(self, rows: Iterator[None]) -> None:
        """Go through a generator that does a row at a time and counts it; it must not depend on what changes."""
        for _ in rows:
            if self._work_left <= 0:
                self._rows_left = rows
                return
