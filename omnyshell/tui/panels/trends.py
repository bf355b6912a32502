"""The last values of a number, drawn in a few cells."""

from collections import deque
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any, Final

from omnyshell.tui.formats import Cell, Tone, spark
from omnyshell.tui.panels.columns import TREND_LENGTH, Column

KEPT: Final = 120
"""Values that are kept of each item: more than any trend shows."""


class Trends:
    """The last values of items, by their keys."""

    def __init__(self) -> None:
        self._values: dict[str, deque[float]] = {}

    def note(self, key: str, value: float) -> None:
        """Note the present value of an item."""
        self._values.setdefault(key, deque(maxlen=KEPT)).append(value)

    def note_or_drop(self, key: str, value: float) -> None:
        """Note a value, unless all is 0: most sessions are at rest, and cost nothing."""
        known = self._values.get(key)
        if value or known is not None:
            self.note(key, value)
        if known is not None and not value and not any(known):
            del self._values[key]

    def keep(self, keys: Container[str]) -> None:
        """Forget all items but these."""
        for key in [key for key in self._values if key not in keys]:
            del self._values[key]

    def values(self, key: str) -> Sequence[float]:
        """Return the values of an item, oldest first."""
        return tuple(self._values.get(key, ()))

    def draw(self, key: str, floor: float, length: int = TREND_LENGTH) -> str:
        """Draw an item's values; see `spark`."""
        return spark(self.values(key)[-length:], floor)

    def bound(self, columns: Sequence[Column[Any]]) -> Sequence[Column[Any]]:
        """Return the columns, with those that show a trend drawn from these values."""
        return [self._bound(column) for column in columns]

    def _bound(self, column: Column[Any]) -> Column[Any]:
        if (floor := column.trend) is None:
            return column

        def drawn(item: Any, length: int) -> Cell:
            return Cell(self.draw(item.key, floor(item), length), Tone.ACCENT)

        return replace(column, cell=lambda item, _: drawn(item, TREND_LENGTH), drawn=drawn)
