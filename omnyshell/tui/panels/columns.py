"""The columns of a panel's table, and how they share the width."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from rich.cells import cell_len

from omnyshell.tui.formats import Cell, age, elapsed, rate
from omnyshell.tui.panels.fields import FilterField, Number, Quantity, Text, natural

T = TypeVar("T")

GAP = 2
"""Cells between two columns."""

TREND_LENGTH, LONGEST_TREND = 10, 40
"""Values that a trend in a table shows at least and at most, a cell each."""

RISING, FALLING = "↑", "↓"
"""Whether the least or the most comes first, beside the title of the column that orders the rows."""


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column.

    `cell` makes a row's cell from its item and the present time. `width` is the least width of the cells, `most` the
    greatest useful one. `field` is what filters call the column's value. `sort` returns the value that orders rows,
    None for an unknown one; by default the field orders them, or else the cell's text. `falls` puts the greatest first.
    In a narrow table, columns with the lowest `keep` are left out first. `keep_end` cuts a long text at its beginning.
    `trend` makes a column of a trend, whose cells the panel draws: it returns the value that the full height stands for
    at least; `drawn` makes a cell of so many values. `about` says what a column without a field shows.
    """

    title: str
    width: int
    cell: Callable[[T, datetime], Cell]
    field: FilterField[T] | None = None
    most: int = 0
    keep: int = 50
    right: bool = False
    keep_end: bool = False
    sort: Callable[[T], Any] | None = None
    falls: bool = False
    trend: Callable[[T], float] | None = None
    drawn: Callable[[T, int], Cell] | None = None
    about: str = ""
    for_admins: bool = False
    """Whether the hub tells admins alone what it shows."""

    is_sparse: bool = False
    """Whether it gives up its room while no row has anything in it."""

    @property
    def name(self) -> str:
        """What files and commands call it."""
        return self.field.name if self.field is not None else self.title.lower()

    @property
    def least(self) -> int:
        """The cells that it always gets: room for what it shows, and for its title with an arrow."""
        return max(self.width, cell_len(self.title) + cell_len(RISING))

    @property
    def order(self) -> Callable[[T, datetime], Any]:
        """What returns the value that a row is ordered by; None for an unknown one."""
        if self.sort is not None:
            sort = self.sort
            return lambda item, _now: sort(item)
        if self.field is not None:
            return self.field.order
        return lambda item, now: natural(self.cell(item, now).text)


def trend_column(about: str, value: Callable[[T], float | None], floor: Callable[[T], float], keep: int) -> Column[T]:
    """Return the column of a trend of `value`, which orders the rows too; `floor` as `Column.trend` says."""
    return Column(
        "TREND",
        TREND_LENGTH,
        lambda *_: Cell(""),
        most=LONGEST_TREND,
        keep=keep,
        right=True,
        sort=value,
        falls=True,
        trend=floor,
        about=about,
    )


def hub_column(hub_of: Callable[[T], str], keep: int) -> Column[T]:
    """Return the column of the hub at which something is, which has room where there are several."""
    field: Text[T] = Text("hub", "at which hub it is, where there are several", lambda item, _: hub_of(item))
    return Column("HUB", 5, lambda item, _: Cell(hub_of(item)), field, most=12, keep=keep, is_sparse=True)


def age_column(created_at: Callable[[T], datetime], keep: int) -> Column[T]:
    """Return the column of how long ago something was opened."""
    field: Number[T] = Number(
        "age", "since it was opened", lambda item, now: elapsed(created_at(item), now), Quantity.TIME, dates=True
    )
    return Column("AGE", 4, lambda item, now: age(created_at(item), now), field, keep=keep, right=True)


def rate_column(about: str, value: Callable[[T], int], keep: int) -> Column[T]:
    """Return the column of bytes in a second."""
    field: Number[T] = Number("rate", about, lambda item, _: value(item), Quantity.SIZE)
    return Column("RATE", 7, lambda item, _: rate(value(item)), field, keep=keep, right=True, falls=True)


class Placed(NamedTuple):
    """A column and its width in cells."""

    column: Column[Any]
    width: int

    def cell(self, item: Any, now: datetime) -> Cell:
        """Return an item's cell."""
        drawn = self.column.drawn
        return drawn(item, self.width) if drawn is not None else self.column.cell(item, now)


def place(columns: Sequence[Column[Any]], width: int) -> list[Placed]:
    """Return the columns that fit into `width` cells, each with its width; the last one gets the rest."""
    shown = list(columns)
    while len(shown) > 1 and _needed(shown) > width:
        shown.remove(min(shown, key=lambda column: column.keep))
    spare = max(0, width - _needed(shown))
    widths = {id(column): column.least for column in shown}
    growing = [column for column in shown if column.most > column.least]
    while spare and growing:
        share = max(1, spare // len(growing))
        for column in tuple(growing):
            more = min(share, spare, column.most - widths[id(column)])
            widths[id(column)] += more
            spare -= more
            if widths[id(column)] >= column.most:
                growing.remove(column)
            if not spare:
                break
    return [Placed(column, widths[id(column)]) for column in shown]


def _needed(columns: Sequence[Column[Any]]) -> int:
    return sum(column.least for column in columns) + GAP * (len(columns) - 1)
