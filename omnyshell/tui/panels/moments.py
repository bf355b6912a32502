"""Moments as people write them in filters: so long ago, a time of day, a date."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

Ago = Callable[[datetime], float]
"""Returns how many seconds ago the moment is."""

EXAMPLES: Final = "90s, 5m, 1.5h, 2d, 14:30 or 2026-03-14"
_AGO: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(s|m|h|d|w|)", re.IGNORECASE)
_CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_SECONDS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}


def read_moment(text: str) -> Ago:
    """Read a moment. A time of day is the last one that there was, here. Raises `ValueError`."""
    if ago := _AGO.fullmatch(text):
        seconds = float(ago[1]) * _SECONDS[ago[2].lower()]
        return lambda _now: seconds
    if clock := _CLOCK.fullmatch(text):
        hour, minute, second = (int(part or 0) for part in clock.groups())
        if hour > 23 or minute > 59 or second > 59:
            raise ValueError(text)
        return lambda now: _since_time_of_day(now, hour, minute, second)
    moment = datetime.fromisoformat(text).astimezone()
    return lambda now: (now - moment).total_seconds()


def _since_time_of_day(now: datetime, hour: int, minute: int, second: int) -> float:
    here = now.astimezone()
    moment = here.replace(hour=hour, minute=minute, second=second, microsecond=0)
    if moment > here:
        moment -= timedelta(days=1)
    return (here - moment).total_seconds()
