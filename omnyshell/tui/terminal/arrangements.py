"""The arrangements that panes can be brought into, one after the other. Without widgets."""

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from omnyshell.tui.terminal.splits import Axis, Leaf, Rect, Tree, fits, items, joined

T = TypeVar("T")

MAIN: Final = 60
"""Percent that the first pane has where it is the main one."""


def _even(axis: Axis, panes: Sequence[T]) -> "Tree[T]":
    return joined(axis, [Leaf(pane) for pane in panes], [1] * len(panes))


def tiled(panes: Sequence[T]) -> "Tree[T]":
    """As many columns as lines of panes, or one more."""
    columns = math.ceil(math.sqrt(len(panes)))
    rows = [panes[at : at + columns] for at in range(0, len(panes), columns)]
    return joined(Axis.BELOW, [_even(Axis.BESIDE, row) for row in rows], [1] * len(rows))


def beside(panes: Sequence[T]) -> "Tree[T]":
    """All side by side."""
    return _even(Axis.BESIDE, panes)


def below(panes: Sequence[T]) -> "Tree[T]":
    """All one above the other."""
    return _even(Axis.BELOW, panes)


def main_left(panes: Sequence[T]) -> "Tree[T]":
    """The first at the left, the others at its right, one above the other."""
    return _main(Axis.BESIDE, panes)


def main_above(panes: Sequence[T]) -> "Tree[T]":
    """The first above, the others below it, side by side."""
    return _main(Axis.BELOW, panes)


def _main(axis: Axis, panes: Sequence[T]) -> "Tree[T]":
    other = Axis.BELOW if axis is Axis.BESIDE else Axis.BESIDE
    if len(panes) == 1:
        return Leaf(panes[0])
    return joined(axis, [Leaf(panes[0]), _even(other, panes[1:])], [MAIN, 100 - MAIN])


ARRANGEMENTS: Final[Sequence[Callable[[Sequence[T]], "Tree[T]"]]] = (tiled, beside, below, main_left, main_above)


def next_arrangement(tree: "Tree[T]", place: Rect, last: int) -> "tuple[Tree[T], int] | None":
    """Return the next arrangement after the one with the number `last` that fits and is another, and its number."""
    panes = items(tree)
    for step in range(1, len(ARRANGEMENTS) + 1):
        number = (last + step) % len(ARRANGEMENTS)
        found = ARRANGEMENTS[number](panes)
        if found != tree and fits(found, place):
            return found, number
    return None
