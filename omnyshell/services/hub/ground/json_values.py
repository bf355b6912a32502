"""Values that other hubs write, as JSON: whatever it is, reading it ends in a value or in a `ValueError`."""

from datetime import datetime
from typing import TypeVar

import msgspec

T = TypeVar("T")

_YEARS = range(1970, 9999)
"""Years of times that can be written in UTC, whatever their zone."""

_END_OF_NUMBERS = 2**53
"""Numbers beyond are no counts of ours, and tables could not hold the greatest."""


def decoded(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    """Decode bytes. Raises `ValueError` where they are not what is expected, or nested without end."""
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError) as exc:
        # Older releases of msgspec do not derive theirs from ValueError.
        raise ValueError(str(exc)) from exc


def check_extremes(value: object) -> None:
    """Check that what a value is made of can be kept: its times are of some zone and of our age, its numbers countable.

    Raises `ValueError`.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None or value.year not in _YEARS:
            raise ValueError(f"{value.isoformat()} is no time that can be kept")
    elif isinstance(value, int):
        if abs(value) >= _END_OF_NUMBERS:
            raise ValueError("a number is too great")
    elif isinstance(value, dict):
        for each in value.values():
            check_extremes(each)
    elif isinstance(value, list | tuple):
        for each in value:
            check_extremes(each)
