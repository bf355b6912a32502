"""The rows of a panel: filter, order, cursor and selection. No I/O."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import repeat
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from omnyshell.clock import Clock
from omnyshell.tui.panels.columns import Column
from omnyshell.tui.panels.fields import FilterField
from omnyshell.tui.panels.filter import Fields, Saved, Term, Test, parse, predicate, vocabulary
from omnyshell.tui.panels.suggesting import suggest
from omnyshell.tui.suggestions import Suggestions

T = TypeVar("T")


class Rows(Generic[T]):
    """The rows of one panel.

    The cursor follows its item; if the item is removed, it stays at its place. Selected items stay selected while they
    exist, shown or not. `key` returns what identifies an item; `others` are fields besides those of the columns.
    """

    def __init__(
        self,
        columns: Sequence[Column[T]],
        key: Callable[[T], str],
        clock: Clock,
        others: Sequence[FilterField[T]] = (),
    ) -> None:
        self._columns = columns
        self._key = key
        self._clock = clock
        self._items: list[T] = []
        self._holds: Test | None = None
        titles = {column.title: column.field for column in columns if column.field}
        self.fields = {field.name: field for field in (*titles.values(), *others)}
        self.known: Fields = vocabulary(self.fields.values(), titles)
        """What a filter may ask for: the fields, and other names for them."""

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
    def items(self) -> Sequence[T]:
        """All items, shown or not."""
        return self._items

    @property
    def current(self) -> T | None:
        """The item under the cursor, or None."""
        return self.shown[self.cursor] if 0 <= self.cursor < len(self.shown) else None

    @property
    def falls(self) -> bool:
        """Whether the most comes first of what orders the rows, and not the least."""
        return self.sorted_by is not None and self._columns[self.sorted_by].falls != self.is_reversed

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

    def refresh(self) -> None:
        """Filter anew, as what holds of an age does not hold for ever."""
        if self._holds is not None:
            self._arrange()

    def filter(self, text: str, saved: Saved = MappingProxyType({})) -> None:
        """Show the items that satisfy a filter. Raises `FilterError`, and then changes nothing."""
        terms = parse(text, self.known, saved)
        holds = predicate(terms, self.known) if terms else None
        self.terms, self._holds = terms, holds
        self._arrange()

    def show_none(self) -> None:
        """Show no item, as what is asked for is not known."""
        self.terms, self._holds = (), _never
        self._arrange()

    def suggest(self, text: str, saved: Saved = MappingProxyType({})) -> Suggestions:
        """Return what the last term of a filter may become."""
        now = self._clock.now()
        return suggest(text, self.known, saved, lambda field: [field.read(item, now) for item in self._items])

    def sort(self, column: int | None, *, is_reversed: bool = False) -> None:
        """Order the rows by a column, or the other way round."""
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
        current, holds, now = self.current, self._holds, self._clock.now()
        shown = self._items if holds is None else [item for item in self._items if holds(item, now)]
        self.shown = shown if self.sorted_by is None else self._ordered(shown, self._columns[self.sorted_by])
        self._keep_cursor(current)

    def _ordered(self, items: list[T], column: Column[T]) -> list[T]:
        """In the order of a column; what is not known comes last, whichever way."""
        orders = list(map(column.order, items, repeat(self._clock.now())))
        known = [index for index, order in enumerate(orders) if order is not None]
        known.sort(key=orders.__getitem__, reverse=self.falls)
        return [items[index] for index in known] + [
            item for item, order in zip(items, orders, strict=True) if order is None
        ]

    def _keep_cursor(self, current: T | None) -> None:
        if current is not None:
            key = self._key(current)
            here = self.current
            if here is not None and self._key(here) == key:
                return
            if self.find(key):
                return
        self.move_to(self.cursor)


def _never(_item: Any, _now: datetime) -> bool:
    return False
