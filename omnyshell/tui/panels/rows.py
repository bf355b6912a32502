"""The rows of a panel: filter, order, cursor and selection. No I/O."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar

from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.filter import Fields, Term, parse, predicate

T = TypeVar("T")

_DIGITS = re.compile(r"(\d+)")
_SOME_TIME = datetime(2000, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=8192)
def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that orders `web-9` before `web-10`."""
    parts = _DIGITS.split(text.casefold())
    return tuple((0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts)


class Rows(Generic[T]):
    """The rows of one panel.

    The cursor follows its item; if the item is removed, it stays at its place. Selected items stay selected while they
    exist, shown or not.
    """

    def __init__(self, columns: Sequence[Column], fields: Fields, key: Callable[[T], str]) -> None:
        self._columns = columns
        self._fields = fields
        self._key = key
        self._items: list[T] = []
        self._holds: Callable[[Any], bool] | None = None
        self.terms: tuple[Term, ...] = ()
        self.shown: list[T] = []
        self.selected: set[str] = set()
        self.cursor = 0
        self.sorted_by: int | None = None
        """The column that orders the rows; None for the order they came in."""

        self.is_reversed = False

    @property
    def total(self) -> int:
        """The number of items, shown or not."""
        return len(self._items)

    @property
    def current(self) -> T | None:
        """The item under the cursor, or None."""
        return self.shown[self.cursor] if 0 <= self.cursor < len(self.shown) else None

    def key(self, item: T) -> str:
        """What identifies an item."""
        return self._key(item)

    def chosen(self) -> list[T]:
        """The items for an action: all selected ones, or else the one under the cursor."""
        if self.selected:
            return [item for item in self._items if self._key(item) in self.selected]
        return [self.current] if self.current is not None else []

    def put(self, items: Iterable[T]) -> None:
        """Replace all items."""
        self._items = list(items)
        if self.selected:
            self.selected &= {self._key(item) for item in self._items}
        self._arrange()

    def filter(self, text: str) -> None:
        """Show the items that satisfy a filter. Raises `FilterError`, and then changes nothing."""
        terms = parse(text, frozenset(self._fields))
        holds = predicate(terms, self._fields) if terms else None
        self.terms, self._holds = terms, holds
        self._arrange()

    def sort(self, column: int | None, *, is_reversed: bool = False) -> None:
        """Order the rows by a column."""
        self.sorted_by, self.is_reversed = column, is_reversed
        self._arrange()

    def move(self, by: int) -> None:
        """Move the cursor, as far as there are rows."""
        self.move_to(self.cursor + by)

    def move_to(self, index: int) -> None:
        """Put the cursor on a row."""
        self.cursor = max(0, min(index, len(self.shown) - 1))

    def find(self, key: str) -> bool:
        """Put the cursor on the item with this key; return whether it is shown."""
        for index, item in enumerate(self.shown):
            if self._key(item) == key:
                self.cursor = index
                return True
        return False

    def toggle(self) -> None:
        """Toggle the selection of the item under the cursor."""
        if self.current is not None:
            self.selected ^= {self._key(self.current)}

    def toggle_all(self) -> None:
        """Select all shown items, or none if all are selected already."""
        shown = {self._key(item) for item in self.shown}
        self.selected = set() if shown <= self.selected else self.selected | shown

    def _arrange(self) -> None:
        current = self.current
        holds = self._holds
        shown = self._items if holds is None else [item for item in self._items if holds(item)]
        if self.sorted_by is not None:
            shown = sorted(shown, key=_order(self._columns[self.sorted_by]), reverse=self.is_reversed)
        self.shown = shown
        self._keep_cursor(current)

    def _keep_cursor(self, current: T | None) -> None:
        if current is not None:
            key = self._key(current)
            here = self.current
            if here is not None and self._key(here) == key:
                return
            if self.find(key):
                return
        self.move_to(self.cursor)


def _order(column: Column) -> Callable[[Any], Any]:
    if column.sort is not None:
        return column.sort
    return lambda item: natural(column.cell(item, _SOME_TIME).text)
