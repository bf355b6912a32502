"""How the console writes times, sizes and rates: briefly, in a width that does not jump."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from omnyshell.durations import format_duration
from omnyshell.model.live import LiveTunnel
from omnyshell.model.tunnels import LOCAL_EXPOSER
from omnyshell.printable import printable

ELLIPSIS = "…"
NOTHING = "-"

CHARACTERS_A_CELL = 8
"""The most characters in one cell, as combining marks on one letter."""

_SOON = 600
"""Seconds before an expiry from which on it is shown as a warning."""

LOAD_FLOOR = 2.0
RATE_FLOOR = 16 * 1024.0
"""What the full height of a sparkline stands for at least, so that a machine or session that idles is a flat line."""

LEVELS = "▁▂▃▄▅▆▇█"

_TEN, _THOUSAND = 9.95, 999.5
"""Limits above which a rounded number would get another digit."""

_TIGHT, _FULL = 85, 95
"""Percent of memory or disk from which on they are a warning, and worse."""

_NARROWEST = 10
"""Cells beside an indent from which on texts are wrapped there."""

_UNITS = ("B", "K", "M", "G", "T")


class Tone(StrEnum):
    """The meaning of a text, for which themes have a colour. It adds no information to the text."""

    PLAIN = "plain"
    DIM = "dim"
    STRONG = "strong"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    ACCENT = "accent"


class Cell(NamedTuple):
    """A text and what it means."""

    text: str
    tone: Tone = Tone.PLAIN


def elapsed(since: datetime | None, now: datetime) -> float | None:
    """Return the seconds since then; None where that is not known."""
    return (now - since).total_seconds() if since is not None else None


def remaining(until: datetime | None, now: datetime) -> float | None:
    """Return the seconds until then, which are less than none afterwards; None where there is no such time."""
    return (until - now).total_seconds() if until is not None else None


def age(since: datetime | None, now: datetime) -> Cell:
    """How long ago that was."""
    return duration(elapsed(since, now))


def duration(seconds: float | None) -> Cell:
    """Return how long something takes."""
    return Cell(format_duration(seconds)) if seconds is not None else Cell(NOTHING, Tone.DIM)


def left(until: datetime | None, now: datetime, over: str = "now") -> Cell:
    """The time until a moment; `over` after it."""
    seconds = remaining(until, now)
    if seconds is None:
        return Cell(NOTHING, Tone.DIM)
    if seconds <= 0:
        return Cell(over, Tone.WARN)
    return Cell(format_duration(seconds), Tone.WARN if seconds < _SOON else Tone.PLAIN)


def state_word(cell: Cell) -> str:
    """Return what a cell says in a word beside its sign."""
    return cell.text.partition(" ")[2]


def size(count: float) -> str:
    """Return a number of bytes: `17B`, `1.2K`, `340M`; 1 K is 1,024."""
    value, unit = float(count), 0
    while value >= _THOUSAND and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f}{_UNITS[unit]}" if unit and value < _TEN else f"{value:.0f}{_UNITS[unit]}"


def rate(bytes_a_second: float) -> Cell:
    """Return a rate; "" for 0."""
    if bytes_a_second < 1:
        return Cell(NOTHING, Tone.DIM)
    return Cell(f"{size(bytes_a_second)}/s", Tone.ACCENT)


def load(value: float | None, cpus: int | None) -> Cell:
    """Return a load; one that is above the number of processors is a warning."""
    if value is None:
        return Cell(NOTHING, Tone.DIM)
    text = f"{value:.2f}" if value < _TEN else f"{value:.0f}"
    return Cell(text, Tone.PLAIN if value <= (cpus or value) else Tone.WARN)


def share(percent: float | None) -> Cell:
    """Return how much of something is used; little room is a warning."""
    if percent is None:
        return Cell(NOTHING, Tone.DIM)
    tone = Tone.BAD if percent >= _FULL else Tone.WARN if percent >= _TIGHT else Tone.PLAIN
    return Cell(f"{percent:.0f}%", tone)


def cpu(percent: float | None) -> Cell:
    """Return how much of a processor something takes; what takes nearly all of one stands out."""
    if percent is None:
        return Cell(NOTHING, Tone.DIM)
    text = f"{percent:.1f}%" if percent < _TEN else f"{percent:.0f}%"
    return Cell(text, Tone.WARN if percent >= _TIGHT else Tone.PLAIN if percent else Tone.DIM)


def meter(percent: float, length: int = 10) -> str:
    """Return a bar that is filled to a share."""
    filled = round(length * percent / 100)
    return "█" * filled + "░" * (length - filled)


def milliseconds(seconds: float | None) -> str:
    """Return a short duration: `0.4 ms`, `12 ms`, `1.5 s`."""
    if seconds is None:
        return NOTHING
    if seconds >= 1:
        return f"{seconds:.1f} s"
    value = seconds * 1000
    return f"{value:.1f} ms" if value < _TEN else f"{value:.0f} ms"


def spark(values: Collection[float], floor: float) -> str:
    """Return a bar for each value. The full height is that of the greatest of them, and of `floor` at least."""
    top = max(floor, *values) if values else floor
    return "".join(LEVELS[min(len(LEVELS) - 1, int(max(0.0, value) / top * len(LEVELS)))] for value in values)


def stamp(moment: datetime | None) -> str:
    """Return a moment in local time, to the second."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" if moment is not None else ""


def hanging(text: str, width: int, indent: int) -> str:
    """Return text in lines that fit, of which all but the first are indented; one line where there is no room."""
    room = width - indent
    lines = Content(text).wrap(room) if room >= _NARROWEST else [Content(text)]
    return f"\n{' ' * indent}".join(line.plain for line in lines)


def fitted(text: str, width: int, *, right: bool = False, keep_end: bool = False) -> str:
    """Return printable text that takes exactly `width` cells: padded, or cut with an ellipsis where it is too long.

    With `keep_end` the beginning is cut off, as for a path or an address with its port.
    """
    # Of a very long text, only as much is processed as could be shown.
    most = CHARACTERS_A_CELL * (width + 1)
    text = printable(text[-most:] if keep_end else text[:most])
    length = cell_len(text)
    if length > width:
        if width <= cell_len(ELLIPSIS):
            return set_cell_size(text, width)
        return ELLIPSIS + _end(text, width - 1) if keep_end else set_cell_size(text, width - 1) + ELLIPSIS
    padding = " " * (width - length)
    return padding + text if right else text + padding


def _end(text: str, width: int) -> str:
    """The end of a text that takes `width` cells; a space stands for half a wide character."""
    start, taken = len(text), 0
    while start and taken + cell_len(text[start - 1]) <= width:
        start -= 1
        taken += cell_len(text[start])
    return " " * (width - taken) + text[start:]


def exposer_name(node_id: str) -> str:
    """Return what leads to a tunnel's target: a node, or the machine of whoever opened it."""
    return "(owner)" if node_id == LOCAL_EXPOSER else node_id


def tunnel_protocol(tunnel: LiveTunnel) -> str:
    """Return what a tunnel speaks with the outside."""
    return f"{tunnel.protocol.value}+tls" if tunnel.secure else tunnel.protocol.value
