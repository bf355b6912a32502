"""Rows packed together, so that thousands of them take little memory."""

import marshal
import struct
import zlib
from array import array
from collections.abc import Sequence
from typing import Any, Final

from omnyshell.terminal.screen.reflow import rewrapped
from omnyshell.terminal.screen.rows import Cells, Row
from omnyshell.terminal.screen.stretches import LateText, Stretch, late_text, split_at_sgr, stretch_of
from omnyshell.terminal.screen.style import DEFAULT_STYLE, Look, Style, style_of

_LEVEL: Final = 1
_NEVER: Final = 1 << 30
"""Wider than any screen: what was wrapped may be wrapped elsewhere at any other width."""

_OVERHEAD: Final = 400
"""Bytes that a page takes beside what is packed."""

FORMAT: Final = 100 * marshal.version + 1
"""Of a page's bytes: another one cannot be read. It changes with what is packed, and how."""

_HEAD: Final = struct.Struct("=HHI?")

# A row as it is packed: its text, where that is all there is to it; else flags, the number of its fill, its runs, and
# how far it was ever filled.
Entry = str | tuple[int, int, list[tuple[int, Any, int]], int]


class Page:
    """Some rows of one width, in order; of one that is nothing but text, that is enough.

    `start` is the number of the first among all rows of the history.
    """

    __slots__ = ("_count_elsewhere", "_lengths", "_longest", "_packed", "count", "start", "width")

    def __init__(self, rows: Sequence[Row | str], width: int, start: int) -> None:
        self.width = width
        self.count = len(rows)
        self.start = start
        lengths = [len(row.rstrip(" ")) if isinstance(row, str) else _length_of(row) for row in rows]
        self._lengths = array("H", lengths) if min(lengths, default=0) >= 0 else None
        self._packed, self._longest = _pack(rows)
        self._count_elsewhere = (width, self.count)

    def to_bytes(self) -> bytes:
        """Return all but its number, for `from_bytes` of the same `FORMAT`."""
        head = _HEAD.pack(self.width, self.count, self._longest, self._lengths is not None)
        return b"".join((head, self._lengths or b"", self._packed))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Page":
        """Return a page that `to_bytes` has written. Raises `ValueError` for what it cannot have."""
        try:
            width, count, longest, has_lengths = _HEAD.unpack_from(data)
        except struct.error as exc:
            raise ValueError("this is no page") from exc
        page, at = cls((), width, 0), _HEAD.size
        end = at + 2 * count if has_lengths else at
        page._lengths, at = array("H", data[at:end]) if has_lengths else None, end
        page.count, page._longest, page._packed = count, longest, data[at:]
        page._count_elsewhere = (width, count)
        return page

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return len(self._packed) + 2 * self.count + _OVERHEAD

    def count_at(self, width: int) -> int:
        """How many rows it has on a screen of `width` columns."""
        known, count = self._count_elsewhere
        if known != width:
            count = self.count if self._longest <= width else self._counted(width)
            self._count_elsewhere = (width, count)
        return count

    def _counted(self, width: int) -> int:
        if self._lengths is None:
            return len(self.rows(width))
        return sum(max(1, -(-length // width)) for length in self._lengths)

    def rows(self, width: int) -> list[Row]:
        """Return new rows with what is packed, for a screen of `width` columns."""
        rows = self.original()
        return rows if width == self.width else rewrapped(rows, width)

    def original(self) -> list[Row]:
        """Return new rows as they were packed."""
        looks, entries = marshal.loads(zlib.decompress(self._packed))  # noqa: S302 - packed by this process
        styles = [style_of(Look(*look)) for look in looks]
        return [_row_of(entry, styles, self.width) for entry in entries]


def _length_of(row: Row) -> int:
    """Return how many cells of a line have text; -1 where it takes a closer look, or more than counting to wrap it."""
    plain = row.plain_text
    if plain is not None:
        return len(plain.rstrip(" "))
    if row.wide or row.goes_on or not row.runs or row.has_fill:
        return -1
    start, text, style = row.runs[-1]
    whole = text.rstrip(" ") if isinstance(text, str) else ""
    is_text = len(whole) == len(text) or (whole != "" and style is DEFAULT_STYLE)
    return start + len(whole) if is_text and row.extent() == start + len(text) else -1


def _pack(rows: Sequence[Row | str]) -> tuple[bytes, int]:
    """Return what is packed, and how wide a screen must be to show it as it is."""
    numbers: dict[Style, int] = {DEFAULT_STYLE: 0}
    entries: list[Entry] = []
    longest = 0
    for row in rows:
        text = row if isinstance(row, str) else row.plain_text
        if text is not None:
            entries.append(text)
            longest = max(longest, len(text))
        elif isinstance(row, Row):
            entries.append(_entry_of(row, numbers))
            longest = max(longest, _NEVER if row.goes_on else row.extent())
    looks = [tuple(style.look) for style in numbers]
    return zlib.compress(marshal.dumps((looks, entries)), _LEVEL), longest


def _entry_of(row: Row, numbers: dict[Style, int]) -> Entry:
    fill, runs = row.packed()
    packed = [(start, _form_of(text), numbers.setdefault(style, len(numbers))) for start, text, style in runs]
    return row.wrapped << 2 | row.joined << 1 | row.wide, numbers.setdefault(fill, len(numbers)), packed, row.filled


def _form_of(text: Cells | Stretch) -> Any:
    if isinstance(text, LateText):
        return text.form
    return (text.text,) if isinstance(text, Stretch) else text


def plain_row(text: str, width: int) -> Row:
    """Return a row that is nothing but text."""
    row = Row(width)
    if text:
        row.runs.append((0, text, DEFAULT_STYLE))
    return row


def _row_of(entry: Entry, styles: Sequence[Style], width: int) -> Row:
    if isinstance(entry, str):
        return plain_row(entry, width)
    flags, fill, runs, filled = entry
    row = Row(width, styles[fill])
    row.filled = filled
    for start, text, number in runs:
        if isinstance(text, tuple):
            stretch = late_text(*text) if len(text) > 1 else stretch_of(split_at_sgr(*text))
            row.draw(start, stretch, styles[number])
        else:
            row.runs.append((start, text, styles[number]))
    row.wide, row.wrapped = bool(flags & 1), flags >> 2
    row.joined = bool(flags & 2)
    return row
