"""Durations as people write them: `90s`, `30m`, `12h`, `2d`, `3w`."""

import re

from omnyshell.errors import ConfigException

LONGEST = 100 * 365 * 86400
"""Seconds: the longest duration that is accepted, so that now plus a duration is always a valid date."""

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = r"([0-9]{1,9})([smhdw]?)"


def parse_duration(text: str, option: str) -> int:
    """Return seconds; a number alone is seconds. Raises `ConfigException` naming the option."""
    match = re.fullmatch(_DURATION, text.strip())
    if match is None:
        raise ConfigException(f"{option} '{text}': write it as 90s, 30m, 12h, 2d or 3w")
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > LONGEST:
        raise ConfigException(f"{option} '{text}': a duration is at most {LONGEST // 86400} days")
    return seconds


def format_duration(seconds: float) -> str:
    """Return a duration in its largest whole unit: `7s`, `12m`, `3h`, `40d`."""
    whole = max(0, int(seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"
