"""Device queries of programs to their terminal, which the node answers while no terminal is attached.

See "Device queries" in docs/protocol.md#sessions.

Only primary device attributes and two status reports (DA1, DSR 5 and 6 in xterm's control sequences) are answered:
their answers contain nothing that the program chose.
"""

import re
from collections.abc import Iterator
from enum import Enum

_QUERY = re.compile(rb"\x1b\[(0*c|5n|6n)")
_LONGEST = 16


class DeviceQuery(Enum):
    """A device query."""

    ATTRIBUTES = b"c"
    STATUS = b"5n"
    CURSOR = b"6n"


class DeviceQueryScanner:
    """Finds device queries in output, in whichever chunks it comes."""

    def __init__(self) -> None:
        self._tail = b""

    def reset(self) -> None:
        """Forget the output so far: the next output does not continue it."""
        self._tail = b""

    def split(self, data: bytes) -> Iterator[tuple[bytes, DeviceQuery | None, int]]:
        """Yield the output in pieces, each with the query that it ends with, if any, and the query's length."""
        before = len(self._tail)
        text = self._tail + data
        done = 0
        for match in _QUERY.finditer(text):
            end = match.end() - before
            yield data[done:end], _kind(match[1]), len(match[0])
            done = end
        if done < len(data):
            yield data[done:], None, 0
        self._tail = _unfinished(text, before + done if done else 0)


def _kind(parameters: bytes) -> DeviceQuery:
    return DeviceQuery.ATTRIBUTES if parameters.endswith(b"c") else DeviceQuery(parameters)


def _unfinished(text: bytes, start: int) -> bytes:
    """An incomplete query at the end, which the next output may complete."""
    found = text.rfind(b"\x1b", max(start, len(text) - _LONGEST))
    return text[found:] if found >= 0 else b""
