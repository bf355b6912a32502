"""Work on all that there is, of which there may be ten thousands, in steps between which the loop does all else."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

A_STEP = 250
"""How many of them are looked at in one step, where a look takes microseconds."""

Item = TypeVar("Item")


def a_few(items: Sequence[Item], step: int = A_STEP) -> Iterator[Sequence[Item]]:
    """Yield the items, so many at a time."""
    for begin in range(0, len(items), step):
        yield items[begin : begin + step]
