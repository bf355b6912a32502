"""The fields that a panel's rows are filtered and ordered by, each with a reader of its own type."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Generic, TypeVar

T = TypeVar("T")

Order = tuple[tuple[int, int, str], ...]

_DIGITS = re.compile(r"(\d+)")
_MOST_DIGITS = 18
"""What a peer says can have more digits than Python makes a number of."""


@lru_cache(maxsize=8192)
def natural(text: str) -> Order:
    """Return what orders `web-9` before `web-10`."""
    parts = _DIGITS.split(text.casefold())
    return tuple(
        (0, int(part[:_MOST_DIGITS]), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts
    )


class Quantity(StrEnum):
    """What a number counts, which decides about its units; the values are what documents call it."""

    COUNT = "number"
    TIME = "time"
    """Seconds."""

    SIZE = "size"
    """Bytes, or bytes a second."""

    SHARE = "share"
    """Percent."""


@dataclass(frozen=True, slots=True)
class Text(Generic[T]):
    """A text. `about` says in a few words what it is; an empty text stands for nothing."""

    name: str
    about: str
    read: Callable[[T, datetime], str]

    def order(self, item: T, now: datetime) -> Order | None:
        """Return what rows are ordered by; None for nothing."""
        text = self.read(item, now)
        return natural(text) if text else None


@dataclass(frozen=True, slots=True)
class Number(Generic[T]):
    """A number; None where it is not known, which is no number at all.

    `dates` says that it is how long ago the row was, which is what `since:` and `until:` ask for.
    """

    name: str
    about: str
    read: Callable[[T, datetime], float | None]
    quantity: Quantity = Quantity.COUNT
    dates: bool = False

    @property
    def order(self) -> Callable[[T, datetime], float | None]:
        """What returns the value that rows are ordered by: the number itself."""
        return self.read


@dataclass(frozen=True, slots=True)
class Labels(Generic[T]):
    """Labels, of which a filter asks for one."""

    name: str
    about: str
    read: Callable[[T, datetime], Mapping[str, str]]

    def order(self, item: T, now: datetime) -> Order | None:
        """Return what rows are ordered by; None for no labels."""
        found = self.read(item, now)
        return natural(" ".join(f"{key}={value}" for key, value in sorted(found.items()))) if found else None


@dataclass(frozen=True, slots=True)
class Moment(Generic[T]):
    """Whether a row is of a moment or later, or else of that moment or earlier; `ago` is in seconds."""

    name: str
    ago: Callable[[T, datetime], float | None]
    is_later: bool


FilterField = Text[T] | Number[T] | Labels[T]
