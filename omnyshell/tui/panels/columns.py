"""The columns of a panel's table, and how they share the width."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from omnyshell.tui.formats import Cell

GAP = 2
"""Cells between two columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    `cell` makes a row's cell from its item and the present time. `width` is the least width, `most` the greatest useful
    one. In a narrow table, columns with the lowest `keep` are left out first. `sort` returns the value that orders
    rows; None means the cell's text. `keep_end` cuts a long text at its beginning.
    """

    title: str
    width: int
    cell: Callable[[Any, datetime], Cell]
    most: int = 0
    keep: int = 50
    right: bool = False
    keep_end: bool = False
    sort: Callable[[Any], Any] | None = None


class Placed(NamedTuple):
    """A column and its width in cells."""

    column: Column
    width: int


def place(columns: Sequence[Column], width: int) -> list[Placed]:
    """Return the columns that fit into `width` cells, each with its width; the last one gets the rest."""
    shown = list(columns)
    while len(shown) > 1 and _needed(shown) > width:
        shown.remove(min(shown, key=lambda column: column.keep))
    spare = max(0, width - _needed(shown))
    widths = {id(column): column.width for column in shown}
    growing = [column for column in shown if column.most > column.width]
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


def _needed(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)
